//! Selectors: which series to read, in parallel and in a fixed order, and instant selection.

use kymo_engine::{HistogramSample, Labels, SampleColumns, SummaryRequest, Warnings, WindowGrid, is_stale};
use rayon::prelude::*;

use super::{
    Column, Evaluator, Grid, Notes, Series, bucketless::BucketlessReader, column::histogram_weight,
    context::Consume, counters::Tally,
};
use crate::{
    Error, ErrorKind, Need, SelectRequest, SeriesReader, Summaries,
    lang::promql::{AtModifier, DurationSpec, VectorSelector},
    source::selector_text,
};

/// Series or items that are evaluated at once. What consumes them sees them in order, whatever the number of threads.
const WAVE: usize = 256;

/// More series than that are, as long as they have few samples: else a count of a million series would be evaluated by
/// one thread.
const WAVE_MAX: usize = 4_096;

/// Samples that a larger wave reads, and values that it makes, at most.
const WAVE_SAMPLES_MAX: usize = 1 << 17;
const WAVE_VALUES_MAX: usize = 1 << 20;

/// Items that are worth waking other threads for.
const PARALLEL_ITEMS_MIN: usize = 8;

/// Samples that are: dashboards ask for few series of an hour again and again, and a thread that is woken for that costs
/// more than it does.
const PARALLEL_SAMPLES_MIN: usize = 16_384;

/// When a selector looks, in relation to the step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// Milliseconds into the past.
    pub(crate) offset: i64,
    /// The time that stands for every step's.
    pub(crate) at: Option<i64>,
}

impl Timing {
    /// The timing that `offset` and `at` ask for.
    pub(crate) fn new(offset: &DurationSpec, at: Option<AtModifier>) -> Self {
        Self { offset: offset.millis(), at: at.and_then(AtModifier::timestamp) }
    }

    /// Where a selector looks at the step of time `time`.
    pub(crate) fn reference(self, time: i64) -> i64 {
        self.at.unwrap_or(time) - self.offset
    }
}

/// How far around its time a selector looks, milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Samples at or before this distance are out of reach.
    pub(crate) before: i64,
    /// Samples up to this distance are in reach.
    pub(crate) after: i64,
}

/// What came of one series.
pub(crate) struct Outcome {
    /// The series, if it has samples.
    pub(crate) series: Option<Series>,
    /// Annotations.
    pub(crate) notes: Notes,
    /// Samples looked at.
    pub(crate) tally: Tally,
}

/// The samples of one series.
#[derive(Debug, Default)]
pub(crate) struct SeriesData {
    /// What was decoded.
    pub(crate) columns: SampleColumns,
    /// What was not, between it.
    pub(crate) summaries: Summaries,
}

impl SeriesData {
    fn read(
        &mut self,
        reader: &dyn SeriesReader,
        request: Option<&SummaryRequest>,
    ) -> Result<Warnings, Error> {
        match request {
            Some(request) => reader.read_summarised(request, &mut self.columns, &mut self.summaries),
            None => {
                self.summaries.clear();
                reader.read(&mut self.columns)
            }
        }
    }

    /// Memory that it takes, and that what is made of both for the kernels takes.
    fn held_bytes(&self) -> usize {
        let condensed = if self.summaries.is_empty() { 0 } else { self.columns.held_bytes() };
        self.columns.held_bytes() + condensed + 2 * self.summaries.held_bytes()
    }
}

impl Evaluator<'_> {
    /// The readers of the series that a selector asks for.
    pub(crate) fn select(
        &self,
        selector: &VectorSelector,
        timing: Timing,
        reach: Reach,
        need: Need,
        notes: &mut Notes,
    ) -> Result<Vec<Box<dyn SeriesReader>>, Error> {
        let request = SelectRequest {
            matchers: &selector.matchers,
            start: timing.reference(self.grid.start).saturating_sub(reach.before).saturating_add(1),
            end: timing.reference(self.grid.end()).saturating_add(reach.after),
            limit: 0,
            need,
            memory: self.shared.budget.memory(),
        };
        let readers = self.select_request(&request, notes)?;
        if !selector.skip_histogram_buckets {
            return Ok(readers);
        }
        let bucketless = |reader| Box::new(BucketlessReader(reader)) as Box<dyn SeriesReader>;
        Ok(readers.into_iter().map(bucketless).collect())
    }

    /// The readers that answer `request`.
    pub(crate) fn select_request(
        &self,
        request: &SelectRequest<'_>,
        notes: &mut Notes,
    ) -> Result<Vec<Box<dyn SeriesReader>>, Error> {
        let selection = self.shared.source.select(request).map_err(|error| match error.kind() {
            ErrorKind::Limit => error,
            kind => Error::new(kind, format!("expanding series: {error}")),
        })?;
        notes.add_storage_warnings(selection.warnings);
        self.shared.reads.lock().push((selector_text(request.matchers), selection.parts));
        Ok(selection.series)
    }

    /// Reads all series and makes of each what `evaluate` makes of its samples, wave by wave.
    pub(crate) fn for_each_series(
        &self,
        readers: Vec<Box<dyn SeriesReader>>,
        evaluate: &(dyn Fn(&Labels, &mut SampleColumns) -> Result<Outcome, Error> + Sync),
        notes: &mut Notes,
        consume: Consume<'_>,
    ) -> Result<(), Error> {
        let evaluate = |labels: &Labels, data: &mut SeriesData| evaluate(labels, &mut data.columns);
        self.for_each_summarised_series(readers, None, &evaluate, notes, consume)
    }

    /// As [`Self::for_each_series`], but `request` says which chunks need not be decoded.
    pub(crate) fn for_each_summarised_series(
        &self,
        readers: Vec<Box<dyn SeriesReader>>,
        request: Option<&SummaryRequest>,
        evaluate: &(dyn Fn(&Labels, &mut SeriesData) -> Result<Outcome, Error> + Sync),
        notes: &mut Notes,
        consume: Consume<'_>,
    ) -> Result<(), Error> {
        let mut readers = readers.into_iter();
        while !readers.as_slice().is_empty() {
            let len = wave_len(readers.as_slice(), self.grid.steps);
            let wave: Vec<_> = readers.by_ref().take(len).collect();
            let parallel = is_worth_threads(&wave);
            let outcomes = in_order(wave, parallel, |data: &mut SeriesData, reader| {
                self.shared.check_interrupt()?;
                let warnings = data.read(&*reader, request)?;
                let decoded = data.held_bytes();
                self.shared.budget.take_bytes(decoded)?;
                let outcome = evaluate(reader.labels(), data);
                self.shared.budget.memory().release(decoded);
                let mut outcome = outcome?;
                outcome.notes.add_storage_warnings(warnings);
                Ok(outcome)
            });
            self.take_outcomes(outcomes, notes, consume)?;
        }
        Ok(())
    }

    /// Makes of each item what `evaluate` makes of it, wave by wave.
    pub(crate) fn for_each_item<T: Sync>(
        &self,
        items: &[T],
        evaluate: &(dyn Fn(&T) -> Result<Outcome, Error> + Sync),
        notes: &mut Notes,
        consume: Consume<'_>,
    ) -> Result<(), Error> {
        for wave in items.chunks(WAVE) {
            let parallel = wave.len() >= PARALLEL_ITEMS_MIN;
            let outcomes = in_order(wave.iter().collect(), parallel, |(): &mut (), item| {
                self.shared.check_interrupt()?;
                evaluate(item)
            });
            self.take_outcomes(outcomes, notes, consume)?;
        }
        Ok(())
    }

    fn take_outcomes(
        &self,
        outcomes: Vec<Result<Outcome, Error>>,
        notes: &mut Notes,
        consume: Consume<'_>,
    ) -> Result<(), Error> {
        let mut series = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            let outcome = outcome?;
            notes.merge(outcome.notes);
            self.counters.add(&outcome.tally);
            series.extend(outcome.series);
        }
        consume(series, notes)
    }

    /// An instant selector, wave by wave.
    pub(crate) fn scan_instant(
        &self,
        selector: &VectorSelector,
        notes: &mut Notes,
        consume: Consume<'_>,
    ) -> Result<(), Error> {
        let timing = Timing::new(&selector.offset, selector.at);
        let reach = Reach { before: self.shared.lookback, after: 0 };
        let readers = self.select(selector, timing, reach, self.instant_need(timing), notes)?;
        let evaluate = |labels: &Labels, columns: &mut SampleColumns| {
            let mut column = Column::default();
            let mut tally = self.counters.tally(self.grid);
            let mut held = 0;
            self.for_each_instant(columns, timing, |step, found| match found {
                Found::Float(idx) => {
                    tally.add(step, 1, 1);
                    held += 1;
                    column.push_float(step, columns.values[idx]);
                }
                Found::Histogram(sample) => {
                    let weight = histogram_weight(&sample.value);
                    tally.add(step, weight as u64, weight as u64);
                    held += weight;
                    column.push_histogram(step, std::sync::Arc::clone(&sample.value));
                }
            });
            self.shared.budget.charge(held)?;
            let series = (held > 0).then(|| Series { labels: labels.clone(), drop_name: false, column });
            Ok(Outcome { series, notes: Notes::default(), tally })
        };
        self.for_each_series(readers, &evaluate, notes, consume)
    }

    /// What an instant selector needs of the store.
    pub(crate) fn instant_need(&self, timing: Timing) -> Need {
        let Grid { start, interval, steps } = self.grid;
        if timing.at.is_some() && steps > 1 {
            return Need::Samples;
        }
        let first_end = timing.reference(start);
        Need::Newest(WindowGrid { first_end, interval, steps, range: self.shared.lookback })
    }

    /// Calls `visit` for each step at which an instant selector finds a sample: the newest that is not older
    /// than the lookback, unless it is a stale marker.
    pub(crate) fn for_each_instant<'c>(
        &self,
        columns: &'c SampleColumns,
        timing: Timing,
        mut visit: impl FnMut(usize, Found<'c>),
    ) {
        let (mut floats, mut histograms) = (0, 0);
        for (step, time) in self.grid.times().enumerate() {
            let end = timing.reference(time);
            floats += count_until(&columns.ts[floats..], end, |ts| *ts);
            histograms += count_until(&columns.histograms[histograms..], end, |sample| sample.ts);
            let float = floats.checked_sub(1).map(|idx| (columns.ts[idx], idx));
            let histogram = histograms.checked_sub(1).map(|idx| &columns.histograms[idx]);
            let oldest = end.saturating_sub(self.shared.lookback);
            let found = match (float, histogram) {
                (Some((ts, _)), Some(sample)) if sample.ts > ts => histogram_found(sample, oldest),
                (Some((ts, idx)), _) => {
                    (ts > oldest && !is_stale(columns.values[idx])).then_some(Found::Float(idx))
                }
                (None, Some(sample)) => histogram_found(sample, oldest),
                (None, None) => None,
            };
            if let Some(found) = found {
                visit(step, found);
            }
        }
    }
}

/// The sample that an instant selector finds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<'c> {
    /// The float of this index.
    Float(usize),
    /// A histogram.
    Histogram(&'c HistogramSample),
}

fn histogram_found(sample: &HistogramSample, oldest: i64) -> Option<Found<'_>> {
    (sample.ts > oldest && !is_stale(sample.value.sum)).then_some(Found::Histogram(sample))
}

/// How many of `items`, ascending in time, are not after `end`.
///
/// Steps usually move by few samples, so the search starts small.
pub(crate) fn count_until<T>(items: &[T], end: i64, time: impl Fn(&T) -> i64) -> usize {
    let mut width = 1;
    while width <= items.len() && time(&items[width - 1]) <= end {
        width *= 2;
    }
    let from = width / 2;
    let to = width.min(items.len());
    if from >= to {
        return to;
    }
    from + items[from..to].partition_point(|item| time(item) <= end)
}

/// How many of the series the next wave takes, at `steps` steps.
fn wave_len(readers: &[Box<dyn SeriesReader>], steps: usize) -> usize {
    let most = (WAVE_VALUES_MAX / steps.max(1)).clamp(WAVE, WAVE_MAX);
    let mut samples = 0_usize;
    let small = readers.iter().take(most).enumerate().take_while(|(idx, reader)| {
        samples = samples.saturating_add(reader.samples_max());
        *idx < WAVE || samples <= WAVE_SAMPLES_MAX
    });
    small.count()
}

/// Whether series hold so many samples that reading them on several threads pays.
fn is_worth_threads(readers: &[Box<dyn SeriesReader>]) -> bool {
    let mut samples = 0_usize;
    readers.len() > 1
        && readers.iter().any(|reader| {
            samples = samples.saturating_add(reader.samples_max());
            samples >= PARALLEL_SAMPLES_MIN
        })
}

/// `evaluate` of all items in order, on several threads if `parallel`. Each is dropped where it was evaluated.
fn in_order<T: Send, S: Default + Send>(
    items: Vec<T>,
    parallel: bool,
    evaluate: impl Fn(&mut S, T) -> Result<Outcome, Error> + Sync + Send,
) -> Vec<Result<Outcome, Error>> {
    if !parallel {
        let mut scratch = S::default();
        return items.into_iter().map(|item| evaluate(&mut scratch, item)).collect();
    }
    items.into_par_iter().map_init(S::default, evaluate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_counts_all_not_after_the_end() {
        for len in 0..20_i64 {
            let times: Vec<i64> = (0..len).collect();
            for end in -1..21 {
                let expected = times.iter().filter(|ts| **ts <= end).count();
                assert_eq!(count_until(&times, end, |ts| *ts), expected, "{len} {end}");
            }
        }
    }

    struct Sized(usize);

    impl SeriesReader for Sized {
        fn labels(&self) -> &Labels {
            unreachable!("waves are made without labels")
        }

        fn samples_max(&self) -> usize {
            self.0
        }

        fn read(&self, _: &mut SampleColumns) -> Result<Warnings, Error> {
            unreachable!("and without samples")
        }
    }

    #[test]
    fn waves_are_large_when_there_is_little_to_hold() {
        let readers = |len: usize, samples| -> Vec<Box<dyn SeriesReader>> {
            (0..len).map(|_| Box::new(Sized(samples)) as Box<dyn SeriesReader>).collect()
        };
        for (len, samples, steps, wave) in [
            (100_000, 10, 1, WAVE_MAX),
            (100_000, 64, 1, WAVE_SAMPLES_MAX / 64),
            (100_000, usize::MAX, 1, WAVE),
            (100_000, 10, 10_000, WAVE),
            (100_000, 10, 1_024, 1_024),
            (100, 10, 0, 100),
            (1, usize::MAX, 11_000, 1),
        ] {
            assert_eq!(wave_len(&readers(len, samples), steps), wave, "{len} {samples} {steps}");
        }
    }
}
