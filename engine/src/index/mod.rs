//! The label index: which series satisfy a set of matchers.
//!
//! Blocks keep their index in sections of the file, the head keeps its own in memory; both answer through
//! [`LabelIndex`], so one planner serves both.
//!
//! * `select` - the matcher planner: matchers to series ids
//! * `hints` - what a matcher tells about the values it can match
//! * `scan` - a regular expression over a dictionary
//! * `builder` - label sets in series order to the index sections of a block
//! * `reader` - those sections as a [`LabelIndex`]
//! * `in_memory` - an index without a block, for tests and measurements
//! * `cache` - results of matchers that are costly to evaluate

mod builder;
mod cache;
mod hints;
#[cfg(any(test, feature = "test-util"))]
mod in_memory;
mod reader;
mod scan;
mod select;

use std::{cmp::Ordering, sync::Arc};

use roaring::RoaringBitmap;

use crate::model::{Labels, Regex};

#[cfg(any(test, feature = "test-util"))]
pub use in_memory::IndexInMemory;
pub use select::{label_names, label_values, select};
pub(crate) use {
    builder::IndexBuilder,
    cache::MatcherCache,
    reader::{IndexBytes, IndexReader, LabelsCursor},
};

/// An inverted index over series with dense `u32` ids.
///
/// Ids mean something only to the index that gave them: the rank in a block, the slot in a shard of the
/// head. Every answer is as of one moment: an implementation over changing data holds its lock, or its
/// snapshot, for as long as the value lives that implements the trait.
pub trait LabelIndex {
    /// What reading the index can fail with; [`std::convert::Infallible`] in memory.
    type Error;

    /// All series.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn all(&self) -> Result<RoaringBitmap, Self::Error>;

    /// Series that have a label `name`, whatever its value.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn with_label(&self, name: &[u8]) -> Result<RoaringBitmap, Self::Error>;

    /// Number of distinct values of the label `name` that begin with `prefix`; an estimate suffices.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn value_count(&self, name: &[u8], prefix: &[u8]) -> Result<u64, Self::Error>;

    /// Number of series with `name="value"`; 0 when there is none. Cheaper than [`Self::postings`].
    ///
    /// # Errors
    /// When the index cannot be read.
    fn cardinality(&self, name: &[u8], value: &[u8]) -> Result<u64, Self::Error>;

    /// Series with `name="value"`.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn postings(&self, name: &[u8], value: &[u8]) -> Result<RoaringBitmap, Self::Error>;

    /// Series that have a label `name` whose value matches `regex`.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn matching(&self, name: &[u8], regex: &Regex) -> Result<RoaringBitmap, Self::Error>;

    /// Those of `ids` whose value of the label `name` passes `keep`. A missing label has the empty value.
    ///
    /// # Errors
    /// When the index cannot be read, or has no series with one of `ids`.
    fn filter(
        &self,
        ids: &RoaringBitmap,
        name: &[u8],
        keep: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<RoaringBitmap, Self::Error>;

    /// Label names, sorted; with `ids`, only those that one of these series has.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn names(&self, ids: Option<&RoaringBitmap>) -> Result<Vec<Vec<u8>>, Self::Error>;

    /// Values of the label `name`, sorted; with `ids`, only those that one of these series has.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn values(&self, name: &[u8], ids: Option<&RoaringBitmap>) -> Result<Vec<Vec<u8>>, Self::Error>;

    /// An earlier answer of [`Self::matching`], if this index never changes and remembers it.
    fn remembered(&self, _name: &[u8], _regex: &Regex) -> Option<Arc<RoaringBitmap>> {
        None
    }

    /// Offers an answer of [`Self::matching`] to be kept for [`Self::remembered`].
    fn remember(&self, _name: &[u8], _regex: &Regex, _answer: &Arc<RoaringBitmap>) {}
}

/// The order of series in a block: by metric name, then as [`Labels`] compare.
///
/// Not [`Labels`]' own order: a label name that sorts before `__name__` would tear the series of one metric
/// apart, and reading one metric should touch one run of the file.
#[must_use]
pub fn series_order(a: &Labels, b: &Labels) -> Ordering {
    // Merges compare mostly equal label sets.
    if a == b {
        return Ordering::Equal;
    }
    a.metric_name().cmp(b.metric_name()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests;
