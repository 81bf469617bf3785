//! What the log has said so far of the labels and series of one shard.

use kymo_formats::{
    DecodeError,
    wal::rows::{LabelDefinition, RowsFrame, SeriesDefinition},
};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::dense::Dense;
use crate::model::{Labels, put_label};

/// What is known of the series of one shard of the log. A segment describes each of its series again, nearly always
/// as the one before did, so that it is kept from segment to segment: a series whose labels are the same as before need
/// not be looked for.
#[derive(Debug)]
pub(super) struct SeriesTable {
    series: Dense<Known>,
    /// Counts the segments: only what was described in the current one may be spoken of.
    segment: u32,
    /// Makes the hashes of labels unpredictable: they stand for the labels.
    seed: u64,
}

/// The definitions of one shard in one segment, whose bytes they borrow.
#[derive(Debug)]
pub(super) struct Definitions<'a, 't> {
    table: &'t mut SeriesTable,
    labels: Dense<Label<'a>>,
    /// Canonical bytes of the last series' labels; kept for their memory.
    canonical: Vec<u8>,
}

/// A described label.
#[derive(Debug, Clone, Copy)]
struct Label<'a> {
    name: &'a [u8],
    value: &'a [u8],
    hash: u128,
}

/// A described series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Where it is now.
    pub(super) place: Place,
    /// Bits of the newest in-order float.
    pub(super) previous: u64,
    /// Hash of its labels.
    labels: u128,
    /// The segment that described it last.
    segment: u32,
}

/// Where a series of the log is in the head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Its shard in the head now.
    pub(super) shard: u16,
    /// Whether its rows are ours to take, and not another replayer's. Without meaning are, when not, all other fields
    /// but `shard`.
    pub(super) taken: bool,
    /// Its id in that shard.
    pub(super) id: u32,
    /// Up to which LSN the checkpoint held the series.
    pub(super) covered: u64,
}

impl SeriesTable {
    /// An empty table. `seed` is nobody's to know.
    pub(super) fn new(seed: u64) -> Self {
        Self { series: Dense::default(), segment: 0, seed }
    }

    /// Nothing of what was described so far may be spoken of any more.
    pub(super) fn begin(&mut self) -> Definitions<'_, '_> {
        self.segment += 1;
        Definitions { table: self, labels: Dense::default(), canonical: Vec::new() }
    }
}

impl<'a> Definitions<'a, '_> {
    /// Forgets everything, as at the end of a segment.
    pub(super) fn forget(&mut self) {
        self.table.segment += 1;
        self.labels = Dense::default();
    }

    /// Takes the definitions of a frame in. `find` says of a series where it is now.
    ///
    /// # Errors
    /// When they do not decode, or a series has a label that was not described.
    pub(super) fn learn(
        &mut self,
        rows: &RowsFrame<'a>,
        mut find: impl FnMut(&Labels) -> Place,
    ) -> Result<(), DecodeError> {
        for label in rows.labels() {
            let LabelDefinition { id, name, value } = label?;
            self.labels.set(id, Label { name, value, hash: hash_label(name, value, self.table.seed) });
        }
        for series in rows.series() {
            let series = series?;
            let (id, previous, segment) = (series.id, series.previous, self.table.segment);
            let labels = self.hash_labels(series.clone())?;
            let place = match self.table.series.get(id) {
                Some(known) if known.labels == labels => known.place,
                _ => find(&self.labels_of(series)?),
            };
            self.table.series.set(id, Known { place, previous, labels, segment });
        }
        Ok(())
    }

    /// A hash of all labels: a polynomial of theirs, so that their order and number count.
    fn hash_labels(&self, series: SeriesDefinition<'_>) -> Result<u128, DecodeError> {
        const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        let mut hash = 1_u128;
        for id in series {
            hash = hash.wrapping_mul(FACTOR).wrapping_add(self.label(id?)?.hash);
        }
        Ok(hash)
    }

    fn labels_of(&mut self, series: SeriesDefinition<'_>) -> Result<Labels, DecodeError> {
        let mut canonical = std::mem::take(&mut self.canonical);
        canonical.clear();
        for id in series {
            let Label { name, value, .. } = self.label(id?)?;
            put_label(&mut canonical, name, value);
        }
        let labels = Labels::from_canonical(&canonical).ok_or(DecodeError::new("series labels", 0));
        self.canonical = canonical;
        labels
    }

    fn label(&self, id: u32) -> Result<Label<'a>, DecodeError> {
        self.labels.get(id).ok_or(DecodeError::new("label id", 0))
    }

    /// What is known of the series with this id.
    ///
    /// # Errors
    /// When it was not described in this segment.
    #[inline]
    pub(super) fn known(&mut self, id: u32) -> Result<&mut Known, DecodeError> {
        let segment = self.table.segment;
        let known = self.table.series.get_mut(id).filter(|known| known.segment == segment);
        known.ok_or(DecodeError::new("series id", 0))
    }
}

fn hash_label(name: &[u8], value: &[u8], seed: u64) -> u128 {
    // The hash of the name is the value's seed: where one ends and the other begins counts.
    let [low @ .., _, _, _, _, _, _, _, _] = xxh3_128_with_seed(name, seed).to_le_bytes();
    xxh3_128_with_seed(value, u64::from_le_bytes(low))
}
