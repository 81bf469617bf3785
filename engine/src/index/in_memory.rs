//! A block's index without a block, for tests and measurements.

use kymo_formats::DecodeError;
use roaring::RoaringBitmap;

use super::{IndexBuilder, IndexBytes, IndexReader, MatcherCache, builder::IndexSections, select};
use crate::model::{Labels, Matcher};

/// The sections of an index, and the cache of what regular expressions found in it.
#[derive(Debug, Default)]
pub struct IndexInMemory {
    sections: IndexSections,
    cache: MatcherCache,
}

impl IndexInMemory {
    /// The index of these series, which are in [`super::series_order`].
    ///
    /// # Panics
    /// When it would be larger than a block's index can be.
    #[must_use]
    pub fn build(series: &[Labels]) -> Self {
        let mut builder = IndexBuilder::default();
        for labels in series {
            builder.push(labels);
        }
        Self { sections: builder.finish().expect("it fits a block"), cache: MatcherCache::default() }
    }

    /// The ranks of the series that satisfy all matchers.
    ///
    /// # Errors
    /// When the index does not decode, which is a bug.
    pub fn select(&self, matchers: &[Matcher]) -> Result<RoaringBitmap, DecodeError> {
        select(&self.reader()?, matchers)
    }

    /// Forgets what regular expressions found.
    pub fn forget(&self) {
        self.cache.clear();
    }

    pub(super) fn reader(&self) -> Result<IndexReader<'_>, DecodeError> {
        let bytes = IndexBytes {
            names: &self.sections.names,
            directory: &self.sections.directory,
            values: &self.sections.values,
            postings: &self.sections.postings,
            series: &self.sections.series,
        };
        IndexReader::new(bytes, &self.cache)
    }
}
