//! Resolves series, collects rows, commits them.

use kymo_engine::{Batch, CommitError, Engine, Exemplar, Metadata, RawHash, RawHasher, Refusal, SeriesRef};
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

/// What a series of a request is found by: bytes that stand for its labels. Known series, nearly all, are found by
/// them alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeriesKey {
    hash: RawHash,
    raw_bytes: usize,
}

/// Names and values of the labels of a series, read when they are asked for.
pub(super) type ReadPairs<'k, 'a> = &'k dyn Fn() -> Pairs<'a>;

/// Series that are looked up together.
pub(super) const GROUP_SERIES: usize = 256;

/// The rows of one request on their way into the engine.
///
/// What is too large for one commit goes into several. When a later one fails, the rows of the earlier ones stay:
/// the sender sends all of them again, and repeats are welcome.
pub(super) struct Rows<'e> {
    engine: &'e Engine,
    hasher: RawHasher,
    /// Keys of the current group, and what was found for them. The latter is good for one batch.
    group: Vec<RawHash>,
    found: Vec<Option<SeriesRef>>,
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
            group: Vec::new(),
            found: Vec::new(),
            batch: None,
            stored: Stored::default(),
            report: Report::default(),
        }
    }

    /// The key of a series. `raw` is a function of its labels as they were sent, and of nothing else.
    pub(super) fn key(&self, raw: &[u8]) -> SeriesKey {
        SeriesKey { hash: self.hasher.hash(raw), raw_bytes: raw.len() }
    }

    /// Looks the series of a group up, all at once. [`Rows::series`] names them by their places in it.
    pub(super) fn begin_group(&mut self, keys: impl Iterator<Item = SeriesKey>) {
        let mut group = std::mem::take(&mut self.group);
        let mut found = std::mem::take(&mut self.found);
        group.clear();
        found.clear();
        group.extend(keys.map(|key| key.hash));
        self.batch().known_series_all(&group, &mut found);
        (self.group, self.found) = (group, found);
    }

    /// Adds the samples and histograms of the series at `place` of the group, and says how to add more of it; `None`
    /// if it is refused.
    pub(super) fn series(
        &mut self,
        place: usize,
        key: SeriesKey,
        pairs: ReadPairs<'_, '_>,
        samples: impl Iterator<Item = Sample>,
        histograms: impl Iterator<Item = HistogramSample>,
    ) -> Result<Option<SeriesRef>, CommitError> {
        let found = match self.found.get(place) {
            Some(Some(series)) => {
                let series = *series;
                self.batch().expect_labels(key.raw_bytes);
                Some(series)
            }
            _ => self.resolve(key, pairs),
        };
        let Some(mut series) = found else { return Ok(None) };
        for sample in samples {
            if self.commit_if_large()? {
                // The reference was good for the batch that has just ended.
                let Some(again) = self.resolve(key, pairs) else { return Ok(None) };
                series = again;
            }
            self.batch().float(series, sample.ts, sample.start_ts, sample.value);
        }
        for sample in histograms {
            if self.commit_if_large()? {
                let Some(again) = self.resolve(key, pairs) else { return Ok(None) };
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

    fn resolve(&mut self, key: SeriesKey, pairs: ReadPairs<'_, '_>) -> Option<SeriesRef> {
        if let Some(series) = self.batch().known_series(key.hash, key.raw_bytes) {
            return Some(series);
        }
        let pairs = pairs();
        let resolved = validate::labels(&pairs).and_then(|labels| {
            self.batch()
                .series(&labels, Some(key.hash))
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
        self.found.clear();
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
