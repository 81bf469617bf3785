//! What a segment has said so far of the labels and series of one shard.

use kymo_formats::{
    DecodeError,
    wal::rows::{LabelDefinition, RowsFrame, SeriesDefinition},
};

use super::dense::Dense;
use crate::model::{Labels, put_label};

/// The definitions of one shard in one segment, whose bytes they borrow.
#[derive(Debug, Default)]
pub(super) struct Definitions<'a> {
    labels: Dense<(&'a [u8], &'a [u8])>,
    series: Dense<Known>,
    /// Canonical bytes of the last series' labels; kept for their memory.
    canonical: Vec<u8>,
}

/// A described series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Its shard in the head now.
    pub(super) shard: u16,
    /// Whether its rows are ours to take, and not another replayer's. Without meaning are, when not, all other fields
    /// but `shard`.
    pub(super) taken: bool,
    /// Its id in that shard.
    pub(super) id: u32,
    /// Bits of the newest in-order float.
    pub(super) previous: u64,
    /// Up to which LSN the checkpoint held the series.
    pub(super) covered: u64,
}

impl<'a> Definitions<'a> {
    /// Takes the definitions of a frame in. `find` says of a series where it is now, given the value that its floats
    /// are relative to.
    ///
    /// # Errors
    /// When they do not decode, or a series has a label that was not described.
    pub(super) fn learn(
        &mut self,
        rows: &RowsFrame<'a>,
        mut find: impl FnMut(&Labels, u64) -> Known,
    ) -> Result<(), DecodeError> {
        for label in rows.labels() {
            let LabelDefinition { id, name, value } = label?;
            self.labels.set(id, (name, value));
        }
        for series in rows.series() {
            let series = series?;
            let (id, previous) = (series.id, series.previous);
            let labels = self.labels_of(series)?;
            self.series.set(id, find(&labels, previous));
        }
        Ok(())
    }

    fn labels_of(&mut self, series: SeriesDefinition<'_>) -> Result<Labels, DecodeError> {
        self.canonical.clear();
        for id in series {
            let (name, value) = self.labels.get(id?).ok_or(DecodeError::new("label id", 0))?;
            put_label(&mut self.canonical, name, value);
        }
        Labels::from_canonical(&self.canonical).ok_or(DecodeError::new("series labels", 0))
    }

    /// What is known of the series with this id.
    ///
    /// # Errors
    /// When it was not described.
    #[inline]
    pub(super) fn known(&mut self, id: u32) -> Result<&mut Known, DecodeError> {
        self.series.get_mut(id).ok_or(DecodeError::new("series id", 0))
    }
}
