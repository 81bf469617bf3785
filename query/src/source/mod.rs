//! What execution reads from: an engine, or rows in memory in tests.
//!
//! * `engine` - an engine
//! * `plan` - which of its samples and rollups answer a selector (pure)
//! * `reads` - what selectors read, and where
//! * `tiers` - series of which a part is read from rollups

mod engine;
mod plan;
mod reads;
mod tiers;

use kymo_engine::{
    ChunkSummary, Labels, Matcher, MemoryBudget, Rollup, RollupFacts, SampleColumns, SummaryRequest,
    Warnings, WindowGrid,
};

use crate::Error;

pub use {
    engine::EngineSource,
    reads::{PartRead, PartSource, SelectedPart, SelectorRead},
};
pub(crate) use {reads::selector_text, tiers::summary_of_run};

/// What a selector needs.
#[derive(Debug, Clone)]
pub struct SelectRequest<'a> {
    /// Conditions that a series must all satisfy.
    pub matchers: &'a [Matcher],
    /// First time needed, milliseconds, inclusive.
    pub start: i64,
    /// Last time needed, milliseconds, inclusive.
    pub end: i64,
    /// At most this many series are needed; 0 = all.
    pub limit: usize,
    /// What of the samples is looked at.
    pub need: Need,
    /// What the selection holds is taken from it.
    pub memory: &'a MemoryBudget,
}

/// What of the samples of a series a selector looks at: what rollups tell may be enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Any of them.
    Samples,
    /// The newest one in each window, which is as long as the lookback.
    Newest(WindowGrid),
    /// What the samples of each window amount to.
    Windows {
        /// The windows.
        grid: WindowGrid,
        /// What is asked of each.
        facts: RollupFacts,
    },
}

/// A source of series. One query asks it once per selector.
pub trait Source: Send + Sync {
    /// The series that satisfy all matchers and may have samples in the range, sorted by labels, each label
    /// set once.
    ///
    /// Resolves labels only: samples are read by [`SeriesReader::read`], from several threads at once. What
    /// the readers return is fixed by this call: later writes do not show.
    ///
    /// # Errors
    /// When storage cannot answer, or the request's memory is used up.
    fn select(&self, request: &SelectRequest<'_>) -> Result<Selection, Error>;
}

/// The answer to a [`SelectRequest`].
#[derive(Default)]
pub struct Selection {
    /// One reader per series, sorted by labels.
    pub series: Vec<Box<dyn SeriesReader>>,
    /// Damaged blocks that were left out.
    pub warnings: Warnings,
    /// Where they lie, in the order of time; empty if the source does not tell.
    pub parts: Vec<SelectedPart>,
}

impl std::fmt::Debug for Selection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Selection")
            .field("series", &self.series.len())
            .field("warnings", &self.warnings)
            .finish()
    }
}

/// What stands for samples of a series that need not be looked at one by one.
#[derive(Debug, Default)]
pub struct Summaries {
    /// Of floats, ascending in time.
    pub chunks: Vec<ChunkSummary>,
    /// Windows of rollups with native histograms, of which the states are known, and perhaps floats beside them;
    /// ascending.
    pub windows: Vec<Rollup>,
}

impl Summaries {
    /// Removes all.
    pub fn clear(&mut self) {
        self.chunks.clear();
        self.windows.clear();
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.windows.is_empty()
    }

    /// Memory that they take.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let windows = self.windows.iter().filter_map(|window| window.states.as_ref());
        size_of_val(&*self.chunks)
            + size_of_val(&*self.windows)
            + windows.map(|states| states.held_bytes()).sum::<usize>()
    }
}

/// One series of a [`Selection`].
pub trait SeriesReader: Send + Sync {
    /// Labels of the series.
    fn labels(&self) -> &Labels;

    /// A bound of the samples that reading it decodes, as far as it is known without.
    fn samples_max(&self) -> usize {
        usize::MAX
    }

    /// Replaces the content of `columns` by the samples of the requested range, ascending in time, each
    /// timestamp once, stale markers included. May contain samples outside of the range at both ends. Damaged
    /// samples are left out, and the warnings say so.
    ///
    /// # Errors
    /// When storage cannot answer.
    fn read(&self, columns: &mut SampleColumns) -> Result<Warnings, Error>;

    /// As [`SeriesReader::read`], but what lies as a whole within or outside of each window of the request may be left
    /// out of `columns`: then summaries of it replace the content of `summaries`. They and the samples do not overlap.
    ///
    /// # Errors
    /// When storage cannot answer.
    fn read_summarised(
        &self,
        _request: &SummaryRequest,
        columns: &mut SampleColumns,
        summaries: &mut Summaries,
    ) -> Result<Warnings, Error> {
        summaries.clear();
        self.read(columns)
    }
}
