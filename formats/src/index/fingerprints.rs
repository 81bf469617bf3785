//! From a series' identity to its rank.
//!
//! For each series, ascending by fingerprint: the upper 64 bits of the fingerprint as `u64`, then, behind all
//! of those, the ranks as `u32` in the same order. The lower 64 bits are not kept: the labels of the few
//! candidates (nearly always one) tell them apart, and 8 bytes for each series of each block do count.

use crate::{DecodeError, cursor::Writer};

/// Appends the section for the series whose fingerprints have these upper halves, in rank order, to `out`.
pub fn encode(uppers: &[u64], out: &mut Vec<u8>) {
    let mut sorted: Vec<(u64, u32)> = (0_u32..).zip(uppers).map(|(rank, upper)| (*upper, rank)).collect();
    sorted.sort_unstable();
    let mut writer = Writer::new(out);
    for (upper, _) in &sorted {
        writer.u64(*upper);
    }
    for (_, rank) in &sorted {
        writer.u32(*rank);
    }
}

/// The part of a fingerprint that is kept.
#[must_use]
pub const fn upper(fingerprint: u128) -> u64 {
    (fingerprint >> 64) as u64
}

/// The section in its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Fingerprints<'a> {
    uppers: &'a [[u8; 8]],
    ranks: &'a [[u8; 4]],
}

impl<'a> Fingerprints<'a> {
    /// The section in `bytes`.
    ///
    /// # Errors
    /// When its length is not that of whole entries.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let error = DecodeError::new("fingerprints", bytes.len());
        let (uppers, ranks) = bytes.split_at_checked(bytes.len() / 12 * 8).ok_or(error)?;
        let (uppers, upper_rest) = uppers.as_chunks();
        let (ranks, rank_rest) = ranks.as_chunks();
        if !upper_rest.is_empty() || !rank_rest.is_empty() || uppers.len() != ranks.len() {
            return Err(error);
        }
        Ok(Self { uppers, ranks })
    }

    /// Number of series.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ranks.len()
    }

    /// Whether there is no series.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }

    /// Ranks of the series that may have `fingerprint`: check their labels.
    pub fn candidates(&self, fingerprint: u128) -> impl Iterator<Item = u32> + use<'a> {
        let wanted = upper(fingerprint);
        let start = self.uppers.partition_point(|bytes| u64::from_le_bytes(*bytes) < wanted);
        let (uppers, ranks) = (self.uppers, self.ranks);
        uppers
            .iter()
            .zip(ranks)
            .skip(start)
            .take_while(move |(upper, _)| u64::from_le_bytes(**upper) == wanted)
            .map(|(_, rank)| u32::from_le_bytes(*rank))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_config::config;

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/fingerprints.txt")))]

        #[test]
        fn every_series_is_a_candidate(
            mut fingerprints in prop::collection::vec(prop_oneof![any::<u128>(), 0_u128..3], 0..50), stranger: u128,
        ) {
            fingerprints.push(u128::MAX);
            let mut bytes = Vec::new();
            encode(&fingerprints.iter().map(|fingerprint| upper(*fingerprint)).collect::<Vec<_>>(), &mut bytes);
            let section = Fingerprints::parse(&bytes).unwrap();
            prop_assert_eq!(section.len(), fingerprints.len());
            for (rank, fingerprint) in fingerprints.iter().enumerate() {
                prop_assert!(section.candidates(*fingerprint).any(|found| found as usize == rank));
            }
            for rank in section.candidates(stranger) {
                prop_assert_eq!(fingerprints[rank as usize] >> 64, stranger >> 64);
            }
        }

        #[test]
        fn foreign_bytes_do_not_panic(bytes: Vec<u8>, fingerprint: u128) {
            if let Ok(section) = Fingerprints::parse(&bytes) {
                prop_assert!(section.candidates(fingerprint).count() <= section.len());
            }
        }
    }
}
