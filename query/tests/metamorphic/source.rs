//! A source between a query and an engine.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use kymo_engine::{ChunkSummary, Labels, SampleColumns, SummaryRequest, Warnings};
use kymo_query::{Error, SelectRequest, Selection, SeriesReader, Source, Summaries};

/// What becomes of summaries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// There are none.
    Off,
    /// They are passed on.
    On,
    /// They are changed.
    Lie(fn(&mut ChunkSummary)),
}

/// Counts the summaries that are used.
pub(crate) struct Watched<'a> {
    inner: &'a dyn Source,
    mode: Mode,
    used: Arc<AtomicUsize>,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(inner: &'a dyn Source, mode: Mode) -> Self {
        Self { inner, mode, used: Arc::default() }
    }

    /// Summaries that stood for chunks so far.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl Source for Watched<'_> {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Selection, Error> {
        let mut selection = self.inner.select(request)?;
        let watched = |inner| {
            let used = Arc::clone(&self.used);
            Box::new(Reader { inner, mode: self.mode, used }) as Box<dyn SeriesReader>
        };
        selection.series = selection.series.into_iter().map(watched).collect();
        Ok(selection)
    }
}

struct Reader {
    inner: Box<dyn SeriesReader>,
    mode: Mode,
    used: Arc<AtomicUsize>,
}

impl SeriesReader for Reader {
    fn labels(&self) -> &Labels {
        self.inner.labels()
    }

    fn read(&self, columns: &mut SampleColumns) -> Result<Warnings, Error> {
        self.inner.read(columns)
    }

    fn read_summarised(
        &self,
        request: &SummaryRequest,
        columns: &mut SampleColumns,
        summaries: &mut Summaries,
    ) -> Result<Warnings, Error> {
        if let Mode::Off = self.mode {
            summaries.clear();
            return self.inner.read(columns);
        }
        let warnings = self.inner.read_summarised(request, columns, summaries)?;
        self.used.fetch_add(summaries.chunks.len(), Ordering::Relaxed);
        if let Mode::Lie(lie) = self.mode {
            summaries.chunks.iter_mut().for_each(lie);
        }
        Ok(warnings)
    }
}
