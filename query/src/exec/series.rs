//! One series of an intermediate result.

use kymo_engine::{Labels, LabelsBuilder};

use super::Column;

/// Labels that describe the metric: dropped together when an operation changes what the values mean.
const METADATA_LABELS: [&[u8]; 3] = [b"__name__", b"__type__", b"__unit__"];

/// One series of an intermediate result: labels, and values per step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    /// Labels.
    pub(crate) labels: Labels,
    /// Whether the metric's name no longer fits the values.
    ///
    /// Functions set this and leave the labels alone: the executor removes the name at once, or at the end of
    /// the query when delayed name removal is on.
    pub(crate) drop_name: bool,
    /// Values.
    pub(crate) column: Column,
}

impl Series {
    /// Memory that the series takes beside its samples. Labels may be shared with others; they count all the same.
    pub(crate) fn held_bytes(&self) -> usize {
        const OF_COLUMN: usize = 32;
        size_of::<Self>() + self.labels.held_bytes() + OF_COLUMN
    }
}

/// Whether `name` describes the metric rather than the series.
pub(crate) fn is_metadata_label(name: &[u8]) -> bool {
    METADATA_LABELS.contains(&name)
}

/// `labels` without the metric's name, type and unit.
pub(crate) fn without_metadata(labels: &Labels) -> Labels {
    if !labels.iter().any(|label| is_metadata_label(label.name)) {
        return labels.clone();
    }
    LabelsBuilder::from_labels(labels).retain(|name| !is_metadata_label(name)).build()
}
