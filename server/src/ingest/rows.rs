//! Resolves series, collects rows, commits them.

use kymo_engine::{Batch, CommitError, Engine, Exemplar, Metadata, RawHasher, Refusal, SeriesRef};
use kymo_formats::wire::remote_write::{HistogramSample, Sample};

use super::{Report, validate};

/// What was stored, and is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) samples: u64,
    pub(crate) histograms: u64,
    pub(crate) exemplars: u64,
    /// Rows, and series with all their rows, that were not stored.
    pub(crate) refused: u64,
}

/// Names and values of labels as they were sent.
pub(super) type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

/// A series of a request: bytes that stand for its labels, and how to read these bytes. Known series, nearly all,
/// are found by the bytes alone.
#[derive(Clone, Copy)]
pub(super) struct SeriesKey<'k, 'a> {
    /// A function of the labels as they were sent, and of nothing else.
    pub(super) raw: &'k [u8],
    pub(super) pairs: &'k dyn Fn() -> Pairs<'a>,
}

/// The rows of one request on their way into the engine.
///
/// What is too large for one commit goes into several. When a later one fails, the rows of the earlier ones stay:
/// the sender sends all of them again, and repeats are welcome.
pub(super) struct Rows<'e> {
    engine: &'e Engine,
    hasher: RawHasher,
    batch: Option<Batch<'e>>,
    stored: Stored,
    report: Report,
    late_exemplars: LateExemplars,
}

/// Whether the sender is told about exemplars that are older than the newest of their series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LateExemplars {
    /// No, for such a sender takes it for a refusal of samples.
    Forgive,
    Report,
}

impl LateExemplars {
    /// Whether the sender hears of this. As upstream, an exemplar whose labels are too long is dropped in silence.
    const fn tells(self, reason: &Refusal) -> bool {
        match reason {
            Refusal::ExemplarLabelLength => false,
            Refusal::OutOfOrderExemplar => matches!(self, Self::Report),
            _ => true,
        }
    }
}

impl<'e> Rows<'e> {
    pub(super) fn new(engine: &'e Engine, late_exemplars: LateExemplars) -> Self {
        Self {
            late_exemplars,
            engine,
            hasher: engine.raw_hasher(),
            batch: None,
            stored: Stored::default(),
            report: Report::default(),
        }
    }

    /// Adds the samples and histograms of a series, and says how to add more of it; `None` if it is refused.
    pub(super) fn series(
        &mut self,
        key: SeriesKey<'_, '_>,
        samples: impl Iterator<Item = Sample>,
        histograms: impl Iterator<Item = HistogramSample>,
    ) -> Result<Option<SeriesRef>, CommitError> {
        let Some(mut series) = self.resolve(key) else { return Ok(None) };
        for sample in samples {
            if self.commit_if_large()? {
                // The reference was good for the batch that has just ended.
                let Some(again) = self.resolve(key) else { return Ok(None) };
                series = again;
            }
            self.batch().float(series, sample.ts, sample.start_ts, sample.value);
        }
        for sample in histograms {
            if self.commit_if_large()? {
                let Some(again) = self.resolve(key) else { return Ok(None) };
                series = again;
            }
            self.batch().histogram(series, sample.ts, sample.start_ts, sample.value);
        }
        Ok(Some(series))
    }

    /// Adds an exemplar of a series that was just added.
    pub(super) fn exemplar(&mut self, series: SeriesRef, exemplar: Exemplar) {
        self.batch().exemplar(series, exemplar);
    }

    /// Tells about a metric family.
    pub(super) fn metadata(&mut self, family: &[u8], metadata: Metadata) {
        self.batch().metadata(&String::from_utf8_lossy(family), metadata);
    }

    /// Counts a series as refused.
    pub(super) fn refuse(&mut self, reason: impl std::fmt::Display) {
        self.stored.refused += 1;
        self.report.add(reason);
    }

    /// Commits what is left; returns what was stored of the whole request, and why the rest was not.
    pub(super) fn finish(mut self) -> Result<(Stored, Report), CommitError> {
        self.commit()?;
        Ok((self.stored, self.report))
    }

    fn batch(&mut self) -> &mut Batch<'e> {
        let engine = self.engine;
        self.batch.get_or_insert_with(|| engine.batch())
    }

    fn resolve(&mut self, key: SeriesKey<'_, '_>) -> Option<SeriesRef> {
        let hash = self.hasher.hash(key.raw);
        if let Some(series) = self.batch().known_series(hash, key.raw.len()) {
            return Some(series);
        }
        let pairs = (key.pairs)();
        let resolved = validate::labels(&pairs).and_then(|labels| {
            self.batch()
                .series(&labels, Some(hash))
                .map_err(|refusal| format!("{refusal} for series {}", validate::Pairs(&pairs)))
        });
        resolved.map_err(|reason| self.refuse(reason)).ok()
    }

    fn commit_if_large(&mut self) -> Result<bool, CommitError> {
        let is_large = self.batch.as_ref().is_some_and(Batch::is_large);
        if is_large {
            self.commit()?;
        }
        Ok(is_large)
    }

    fn commit(&mut self) -> Result<(), CommitError> {
        let Some(batch) = self.batch.take() else { return Ok(()) };
        let outcome = batch.commit()?;
        self.stored.samples += outcome.floats;
        self.stored.histograms += outcome.histograms;
        self.stored.exemplars += outcome.exemplars;
        self.stored.refused += outcome.refused_count;
        let late_exemplars = self.late_exemplars;
        for row in outcome.refused.iter().filter(|row| late_exemplars.tells(&row.reason)) {
            self.report.add(format_args!("{} for series {}", row.reason, row.labels));
        }
        self.report.omit(outcome.refused_count - outcome.refused.len() as u64);
        Ok(())
    }
}
