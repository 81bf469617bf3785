//! From the hash of a label set as a sender wrote it to the series, without looking at the labels.
//!
//! Senders repeat the bytes of a series exactly, so one hash and one look-up resolve a known series. The hash
//! is seeded at random: nobody can construct two label sets that collide.

use hashbrown::HashTable;
use parking_lot::RwLock;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::SeriesRef;

const STRIPES: usize = 64;

/// Hash of a label set as it was received; see [`RawHasher`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawHash {
    bucket: u64,
    /// What is compared beside the bucket: 96 bits in all. Two of a hundred million series collide with a
    /// chance of one in 10^13.
    check: u32,
}

/// Hashes label sets as senders write them. Two encodings of the same labels may have two hashes; both lead
/// to the same series.
#[derive(Debug, Clone, Copy)]
pub struct RawHasher {
    seed: u64,
}

impl RawHasher {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The hash of the bytes that encode a label set, in any encoding that is a function of the bytes.
    #[must_use]
    pub fn hash(&self, bytes: &[u8]) -> RawHash {
        let [low @ .., a, b, c, d, _, _, _, _] = xxh3_128_with_seed(bytes, self.seed).to_le_bytes();
        RawHash { bucket: u64::from_le_bytes(low), check: u32::from_le_bytes([a, b, c, d]) }
    }
}

/// Flat, so that it takes 16 bytes.
#[derive(Debug, Clone, Copy)]
struct Entry {
    bucket: u64,
    check: u32,
    series: SeriesRef,
}

impl Entry {
    const fn is(&self, hash: RawHash) -> bool {
        self.bucket == hash.bucket && self.check == hash.check
    }
}

const _: () = assert!(size_of::<Entry>() == 16);

/// The look-up table, in stripes with a lock each.
#[derive(Debug)]
pub(super) struct RawTable {
    stripes: Vec<RwLock<HashTable<Entry>>>,
}

impl Default for RawTable {
    fn default() -> Self {
        Self { stripes: (0..STRIPES).map(|_| RwLock::default()).collect() }
    }
}

impl RawTable {
    fn stripe(&self, hash: RawHash) -> &RwLock<HashTable<Entry>> {
        &self.stripes[hash.check as usize % STRIPES]
    }

    /// The series that was inserted under this hash.
    #[inline]
    pub(super) fn get(&self, hash: RawHash) -> Option<SeriesRef> {
        self.stripe(hash).read().find(hash.bucket, |entry| entry.is(hash)).map(|entry| entry.series)
    }

    pub(super) fn insert(&self, hash: RawHash, series: SeriesRef) {
        let mut stripe = self.stripe(hash).write();
        if stripe.find(hash.bucket, |entry| entry.is(hash)).is_none() {
            stripe.insert_unique(
                hash.bucket,
                Entry { bucket: hash.bucket, check: hash.check, series },
                |entry| entry.bucket,
            );
        }
    }

    /// Gives series new names, and forgets those that have none.
    pub(super) fn rename(&self, renamed: impl Fn(SeriesRef) -> Option<SeriesRef>) {
        for stripe in &self.stripes {
            let mut stripe = stripe.write();
            stripe.retain(|entry| match renamed(entry.series) {
                Some(series) => {
                    entry.series = series;
                    true
                }
                None => false,
            });
            stripe.shrink_to_fit(|entry| entry.bucket);
        }
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        self.stripes.iter().map(|stripe| stripe.read().allocation_size()).sum()
    }
}
