//! Where exported samples come from.

use std::{collections::BTreeMap, io};

use kymo_engine::{Error, Labels, Matcher, Metadata};
use kymo_formats::{DecodeError, codec::ChunkSamples};

use super::ExportError;
use crate::{client::CallError, promql::Matchers};

/// What is done with samples of a series.
pub(super) type Visit<'v> = dyn FnMut(&Labels, &ChunkSamples) -> Result<(), ExportError> + 'v;

/// Times, both ends included, milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Range {
    pub(super) const ALL: Self = Self { start: i64::MIN, end: i64::MAX };
}

/// A store of samples, of one moment or of several: what is written meanwhile may be in the export or not.
pub(super) trait Source {
    /// Names of the metrics that satisfy one of the sets and may have samples in the range, sorted.
    fn metrics(&self, sets: &[Matchers], range: Range) -> Result<Vec<String>, SourceError>;

    /// What is known of families, by name.
    fn metadata(&self) -> Result<BTreeMap<String, Metadata>, SourceError>;

    /// Visits the series that satisfy all matchers, sorted by labels, each with its samples in order of time. A series
    /// with many samples is visited several times in a row. It never leaves anything out without an error.
    fn read(&self, matchers: &[Matcher], range: Range, visit: &mut Visit<'_>) -> Result<(), ExportError>;
}

/// Why there are no samples.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("{url} answers {status}: {text}")]
    Status { url: String, status: u16, text: String },
    #[error("{url} broke off its answer at byte {offset}: {source}")]
    BrokenOff { url: String, offset: u64, source: io::Error },
    #[error("the answer of {url} at byte {offset}: {source}")]
    Decode { url: String, offset: u64, source: DecodeError },
    #[error("open {dir}")]
    Open { dir: String, source: Error },
    #[error("read samples")]
    Read { source: Error },
    #[error("data is damaged: {warnings}")]
    Damaged { warnings: String },
}
