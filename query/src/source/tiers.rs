//! Series of which a part is read from rollups.

use std::{iter, sync::Arc};

use kymo_engine::{
    ChunkSummary, Engine, FloatRun, HistogramRun, HistogramSample, Labels, MatchOp, Matcher, MemoryBudget,
    ReadMeter, Rollup, RollupFacts, RollupRequest, RollupSeries, SampleColumns, SelectedSeries,
    SummaryRequest, TierStats, Warnings, is_stale, stale_nan,
};
use kymo_formats::{
    histogram::{FloatHistogram, ResetHint},
    rollup::{Sum, window_end},
};

use super::{
    Need, SelectRequest, SelectedPart, Selection, SeriesReader, Summaries,
    engine::{compact_all, query_error},
    plan::{From, Segment, Tier, plan},
};
use crate::Error;

/// Where the answer to a request comes from.
#[derive(Debug)]
pub(super) struct Sources {
    /// One part if samples answer all.
    segments: Vec<Segment>,
    /// Widths of tiers of which nothing is known yet, though the request is about what only they have, milliseconds.
    unread: Vec<i64>,
}

impl Sources {
    fn samples(from: i64, to: i64) -> Self {
        Self { segments: vec![Segment { source: From::Samples, from, to }], unread: Vec::new() }
    }

    /// Whether samples answer all.
    pub(super) fn is_samples(&self) -> bool {
        self.unread.is_empty() && self.segments.iter().all(|segment| segment.source == From::Samples)
    }
}

/// Where the answer to `request` comes from.
pub(super) fn sources(engine: &Engine, request: &SelectRequest<'_>) -> Sources {
    let (from, to) = (request.start.saturating_sub(1), request.end);
    let lost_to = engine.samples_reach_to();
    let samples_are_lost = from.saturating_add(1) < lost_to;
    if from >= to || !(samples_are_lost || windows_may_be_enough(engine, &request.need)) {
        return Sources::samples(from, to);
    }
    let stats = engine.tiers();
    if stats.is_empty() {
        return Sources::samples(from, to);
    }
    let is_unread = |tier: &&TierStats| samples_are_lost && tier.rolled_to.is_some() && !tier.is_read;
    let unread = stats.iter().filter(is_unread).map(|tier| tier.width_ms).collect();
    let tiers: Vec<Tier> = stats.iter().filter_map(|tier| readable(engine, tier, from, to)).collect();
    Sources { segments: plan(&request.need, from, to, lost_to, &tiers), unread }
}

/// Whether the narrowest windows of tiers may tell what is needed: most queries, those of dashboards about the last hour,
/// have steps or ranges below them, and are not to pay for a look at the tiers.
fn windows_may_be_enough(engine: &Engine, need: &Need) -> bool {
    let finest = engine.tiers_config().widths().first().copied();
    finest.is_some_and(|width_ms| match need {
        Need::Samples => false,
        Need::Newest(grid) => grid.steps > 1 && grid.interval >= width_ms,
        Need::Windows { grid, .. } => grid.range >= width_ms,
    })
}

/// A tier as the plan of a request about `(from, to]` needs to know it; none if it has no rows.
fn readable(engine: &Engine, tier: &TierStats, from: i64, to: i64) -> Option<Tier> {
    let rolled_to = tier.rolled_to?;
    let config = engine.tiers_config();
    let samples_per_row = engine.samples_per_window(tier.width_ms, from, to);
    Some(Tier {
        width_ms: tier.width_ms,
        from: tier.state.first_end()?.saturating_sub(tier.width_ms),
        to: rolled_to,
        exact_to: tier.due.bounds().map_or(rolled_to, |(from, _)| from.min(rolled_to)),
        is_complete: tier.policies.len() == config.policies.len() + 1,
        is_cheaper: samples_per_row.is_none_or(|samples| samples >= f64::from(config.samples_per_row_min)),
    })
}

/// The series of all parts.
pub(super) fn select(
    engine: &Arc<Engine>,
    request: &SelectRequest<'_>,
    sources: &Sources,
) -> Result<Selection, Error> {
    let mut found = Found::default();
    for width_ms in &sources.unread {
        let text = format!("{} has not been read since the start, and is left out", tier_name(*width_ms));
        found.warnings.add(text);
    }
    for segment in &sources.segments {
        match segment.source {
            From::Samples => select_samples(engine, request, segment, &mut found)?,
            From::Rollups { width_ms, is_exact, has_samples } => {
                match select_rollups(engine, request, segment, &mut found) {
                    Ok(0) => {}
                    Ok(_) if is_exact => {}
                    Ok(_) => found.warnings.add(approximate(width_ms)),
                    Err(error) if error.kind() == kymo_engine::ErrorKind::Limit => {
                        return Err(query_error(error));
                    }
                    // The samples are there as well.
                    Err(_) if has_samples => select_samples(engine, request, segment, &mut found)?,
                    Err(error) => {
                        found.warnings.add(format!("{} cannot be read: {error}", tier_name(width_ms)));
                    }
                }
            }
        }
    }
    let Found { mut series, warnings, parts } = found;
    // Stable: the parts of a series stay in the order of time.
    series.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut mixed: Vec<Mixed> = Vec::new();
    for (labels, part) in series {
        match mixed.last_mut() {
            Some(last) if last.labels == labels => last.parts.push(part),
            _ => mixed.push(Mixed { labels, parts: vec![part] }),
        }
    }
    if request.limit > 0 {
        mixed.truncate(request.limit);
    }
    let series = mixed.into_iter().map(|series| Box::new(series) as Box<dyn SeriesReader>).collect();
    Ok(Selection { series, warnings, parts })
}

/// What was found, part by part.
#[derive(Default)]
struct Found {
    series: Vec<(Labels, Part)>,
    warnings: Warnings,
    parts: Vec<SelectedPart>,
}

impl Found {
    fn note(&mut self, source: From, segment: &Segment, series: usize, meter: Arc<ReadMeter>) {
        let Segment { from, to, .. } = *segment;
        self.parts.push(SelectedPart { source: source.into(), from, to, series: series as u64, meter });
    }
}

fn tier_name(width_ms: i64) -> String {
    let width = crate::format_duration(width_ms.saturating_mul(1_000_000));
    format!("the {width} tier")
}

fn approximate(width_ms: i64) -> String {
    format!("approximate: older samples are gone, and {} answers instead", tier_name(width_ms))
}

fn select_samples(
    engine: &Arc<Engine>,
    request: &SelectRequest<'_>,
    segment: &Segment,
    found: &mut Found,
) -> Result<(), Error> {
    let start = segment.from.saturating_add(1);
    let selected = engine.select_within(request.matchers, start, segment.to, request.memory);
    let selected = selected.map_err(query_error)?;
    found.warnings.extend(selected.warnings);
    found.note(From::Samples, segment, selected.series.len(), selected.meter);
    let part = |series: SelectedSeries| {
        (series.labels().clone(), Part::Samples { series, after: segment.from, until: segment.to })
    };
    found.series.extend(selected.series.into_iter().map(part));
    Ok(())
}

/// Finds the series that a tier has, and returns how many.
fn select_rollups(
    engine: &Arc<Engine>,
    request: &SelectRequest<'_>,
    segment: &Segment,
    found: &mut Found,
) -> Result<usize, kymo_engine::Error> {
    let From::Rollups { width_ms, is_exact, has_samples } = segment.source else { return Ok(0) };
    let facts = match request.need {
        Need::Windows { facts, .. } => facts,
        Need::Samples | Need::Newest(_) => {
            RollupFacts { ends: true, stale: true, states: true, ..RollupFacts::default() }
        }
    };
    // The window within which the last one of the query ends is cut there as others are elsewhere.
    let ends_within = !is_exact && segment.to == request.end && matches!(request.need, Need::Windows { .. });
    let wanted = RollupRequest {
        width_ms,
        matchers: request.matchers,
        from: segment.from,
        to: if ends_within { window_end(segment.to, width_ms) } else { segment.to },
        facts,
        memory: request.memory,
    };
    let selected = engine.select_rollups(&wanted)?;
    let count = selected.series.len();
    found.note(segment.source, segment, count, selected.meter);
    let part = |series: RollupSeries| {
        let labels = series.labels().clone();
        let samples = has_samples.then(|| Arc::clone(engine));
        let part = RollupPart {
            series,
            width_ms,
            is_exact,
            wants_sum: facts.sum,
            wants_windows: matches!(request.need, Need::Windows { .. }),
            samples,
            from: segment.from,
            to: segment.to,
        };
        (labels, Part::Rollups(part))
    };
    found.series.extend(selected.series.into_iter().map(part));
    Ok(count)
}

/// A part of a series.
enum Part {
    /// Samples in `(after, until]`.
    Samples {
        series: SelectedSeries,
        after: i64,
        until: i64,
    },
    Rollups(RollupPart),
}

/// Rollups in `(from, to]`.
struct RollupPart {
    series: RollupSeries,
    width_ms: i64,
    is_exact: bool,
    wants_sum: bool,
    /// Whether what windows amount to is asked for, and not the newest sample.
    wants_windows: bool,
    /// Where the samples are, if they are there as well.
    samples: Option<Arc<Engine>>,
    from: i64,
    to: i64,
}

/// A series in parts that follow each other.
struct Mixed {
    labels: Labels,
    parts: Vec<Part>,
}

impl SeriesReader for Mixed {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn samples_max(&self) -> usize {
        let part = |part: &Part| match part {
            Part::Samples { series, .. } => series.samples_max(),
            Part::Rollups(rollups) => rollups.series.rows_max(),
        };
        self.parts.iter().map(part).sum()
    }

    fn read(&self, columns: &mut SampleColumns) -> Result<Warnings, Error> {
        self.read_parts(None, columns, &mut Summaries::default())
    }

    fn read_summarised(
        &self,
        request: &SummaryRequest,
        columns: &mut SampleColumns,
        summaries: &mut Summaries,
    ) -> Result<Warnings, Error> {
        self.read_parts(Some(request), columns, summaries)
    }
}

impl Mixed {
    /// Reads all parts. Without a request that of summaries is needed, rollups are read only where samples are gone.
    fn read_parts(
        &self,
        request: Option<&SummaryRequest>,
        columns: &mut SampleColumns,
        summaries: &mut Summaries,
    ) -> Result<Warnings, Error> {
        columns.clear();
        summaries.clear();
        let mut warnings = Warnings::default();
        let mut out = Out { request, columns, summaries };
        for part in &self.parts {
            match part {
                Part::Samples { series, after, until } => {
                    warnings.extend(out.samples(series, *after, *until)?);
                }
                Part::Rollups(rollups) => rollups.read(&self.labels, &mut out, &mut warnings)?,
            }
        }
        compact_all(columns);
        Ok(warnings)
    }
}

/// What is read, part by part.
struct Out<'a> {
    request: Option<&'a SummaryRequest>,
    columns: &'a mut SampleColumns,
    summaries: &'a mut Summaries,
}

impl Out<'_> {
    /// Samples in `(after, until]`.
    fn samples(&mut self, series: &SelectedSeries, after: i64, until: i64) -> Result<Warnings, Error> {
        let (mut columns, mut summaries) = (SampleColumns::default(), Vec::new());
        let warnings = match self.request {
            Some(request) => {
                let request = SummaryRequest { after, until, ..*request };
                series.read_summarised(&request, &mut columns, &mut summaries)
            }
            None => series.read(&mut columns),
        };
        let warnings = warnings.map_err(query_error)?;
        let inside =
            columns.ts.partition_point(|ts| *ts <= after)..columns.ts.partition_point(|ts| *ts <= until);
        if columns.start_ts.is_empty() != self.columns.start_ts.is_empty() {
            // Unknown of the samples that have none.
            self.columns.start_ts.resize(self.columns.ts.len(), 0);
            columns.start_ts.resize(columns.ts.len(), 0);
        }
        if !columns.start_ts.is_empty() {
            self.columns.start_ts.extend_from_slice(&columns.start_ts[inside.clone()]);
        }
        self.columns.ts.extend_from_slice(&columns.ts[inside.clone()]);
        self.columns.values.extend_from_slice(&columns.values[inside]);
        let histograms = columns.histograms.into_iter();
        self.columns.histograms.extend(histograms.filter(|sample| after < sample.ts && sample.ts <= until));
        self.summaries.chunks.extend(summaries);
        Ok(warnings)
    }

    fn push(&mut self, ts: i64, value: f64) {
        if !self.columns.start_ts.is_empty() {
            self.columns.start_ts.push(0);
        }
        self.columns.ts.push(ts);
        self.columns.values.push(value);
    }
}

impl RollupPart {
    fn read(&self, labels: &Labels, out: &mut Out<'_>, warnings: &mut Warnings) -> Result<(), Error> {
        let mut rollups = Vec::new();
        let read = self.series.read(&mut rollups);
        let keeps_no_states = |rollup: &Rollup| rollup.histograms > 0 && rollup.states.is_none();
        let lacks = |rollup: &Rollup| {
            keeps_no_states(rollup) || (self.wants_sum && rollup.floats.is_some_and(|run| run.sum.is_none()))
        };
        // A function over windows that is not given summaries has to see every sample.
        let wants_samples = self.wants_windows && out.request.is_none();
        let fails = read.is_err() || wants_samples || rollups.iter().any(lacks);
        if let Some(engine) = self.samples.as_ref().filter(|_| fails) {
            return self.read_samples(engine, labels, out, warnings);
        }
        if let Err(error) = read {
            warnings.add(format!("{} cannot be read: {error}", tier_name(self.width_ms)));
            return Ok(());
        }
        if rollups.iter().any(keeps_no_states) {
            warnings.add(format!("{} keeps no native histograms", tier_name(self.width_ms)));
        }
        let mut is_exact = self.is_exact;
        if out.request.is_some() {
            out.summaries.chunks.reserve(rollups.len());
        }
        for rollup in rollups {
            is_exact &= self.push(rollup, out);
        }
        if !is_exact {
            warnings.add(approximate(self.width_ms));
        }
        Ok(())
    }

    /// Samples instead: the rollups lack something.
    fn read_samples(
        &self,
        engine: &Engine,
        labels: &Labels,
        out: &mut Out<'_>,
        warnings: &mut Warnings,
    ) -> Result<(), Error> {
        let equal = |label: kymo_engine::Label<'_>| Matcher::new(MatchOp::Equal, label.name, label.value);
        let matchers: Result<Vec<Matcher>, _> = labels.iter().map(equal).collect();
        let matchers = matchers.map_err(|error| Error::new(crate::ErrorKind::Internal, error.to_string()))?;
        let memory = MemoryBudget::unlimited();
        let found = engine.select_within(&matchers, self.from.saturating_add(1), self.to, &memory);
        let found = found.map_err(query_error)?;
        warnings.extend(found.warnings);
        // Others may have these labels and more.
        for series in found.series.iter().filter(|series| series.labels() == labels) {
            warnings.extend(out.samples(series, self.from, self.to)?);
        }
        Ok(())
    }

    /// What stands for the samples of a window; whether that is exact.
    fn push(&self, rollup: Rollup, out: &mut Out<'_>) -> bool {
        let first = rollup.floats.iter().map(|run| run.first_ts);
        let last = rollup.floats.iter().map(|run| run.last_ts);
        let states = rollup.states.as_deref();
        let first = first.chain(states.map(|run| run.first_ts)).min();
        let last = last.chain(states.map(|run| run.last_ts)).max();
        let (Some(first_ts), Some(last_ts)) = (first, last) else {
            if rollup.stale {
                out.push(rollup.end, stale_nan());
            }
            return true;
        };
        let Some(request) = out.request else {
            out.newest(&rollup, last_ts);
            return true;
        };
        if request.windows.cut(first_ts, last_ts) {
            out.cut(&rollup);
            return false;
        }
        let knows_sum = rollup.floats.is_none_or(|run| run.sum.is_some());
        if rollup.states.is_some() {
            out.summaries.windows.push(rollup);
        } else {
            out.summaries.chunks.extend(rollup.floats.as_ref().map(summary_of_run));
        }
        knows_sum || !self.wants_sum
    }
}

/// What is known of a run of floats, with something near it for a sum that is not.
pub(crate) fn summary_of_run(run: &FloatRun) -> ChunkSummary {
    ChunkSummary::of_run(run, sum_of(run))
}

/// The sum, or something near it: between the two, and nearer to the truth the steadier it grew.
fn sum_of(run: &FloatRun) -> f64 {
    let guess = || f64::from(run.count) * (run.first / 2.0 + run.last / 2.0);
    run.sum.map_or_else(guess, |sum| sum.total())
}

impl Out<'_> {
    /// The newest samples of a window of which the last one is at `last_ts`; a stale marker came some time after it.
    fn newest(&mut self, rollup: &Rollup, last_ts: i64) {
        if let Some(run) = &rollup.floats {
            self.push(run.last_ts, run.last);
        }
        if let Some(run) = &rollup.states {
            self.push_histogram(run.last_ts, Arc::clone(&run.last));
        }
        let is_marker = rollup.floats.is_some_and(|run| run.last_ts == last_ts && is_stale(run.last));
        if rollup.stale && last_ts < rollup.end && !is_marker {
            self.push(rollup.end, stale_nan());
        }
    }

    /// What stands for a row within which a window of the query ends.
    fn cut(&mut self, rollup: &Rollup) {
        match (&rollup.floats, &rollup.states) {
            (Some(run), None) => self.summaries.chunks.extend(halves(run, sum_of(run))),
            (floats, states) => {
                floats.iter().for_each(|run| self.cut_floats(run));
                states.iter().for_each(|run| self.cut_histograms(run));
            }
        }
    }

    /// What stands for floats between histograms where a window of the query ends between them.
    fn cut_floats(&mut self, run: &FloatRun) {
        self.push(run.first_ts, run.first);
        if run.last_ts > run.first_ts {
            if run.resets > 0 && run.last_ts - run.first_ts > 2 {
                // Some time between them.
                self.push(run.last_ts - 2, run.correction.total().max(run.first));
                self.push(run.last_ts - 1, run.last.min(0.0));
            }
            self.push(run.last_ts, run.last);
        }
    }

    /// As [`Self::cut_floats`], of native histograms.
    fn cut_histograms(&mut self, run: &HistogramRun) {
        self.push_histogram(run.first_ts, Arc::clone(&run.first));
        if run.last_ts > run.first_ts {
            let correction = run.correction.as_ref().filter(|_| run.last_ts - run.first_ts > 1);
            if let Some(correction) = correction {
                let reset_hint = if run.first_reset { ResetHint::Reset } else { ResetHint::NotReset };
                let before = FloatHistogram { reset_hint, ..correction.total() };
                self.push_histogram(run.last_ts - 1, Arc::new(before));
            }
            let reset_hint = if run.resets > 0 { ResetHint::Reset } else { run.last.reset_hint };
            let last = FloatHistogram { reset_hint, ..FloatHistogram::clone(&run.last) };
            self.push_histogram(run.last_ts, Arc::new(last));
        }
    }

    fn push_histogram(&mut self, ts: i64, value: Arc<FloatHistogram>) {
        self.columns.histograms.push(HistogramSample { ts, start_ts: 0, value });
    }
}

/// What stands for a run within which a window of the query ends: two points that no window cuts, at the first and the last
/// sample, each with half of the samples and of the sum. Of a query of many windows others contain the run as a whole, and
/// get from the two what they would get from the run.
fn halves(run: &FloatRun, sum: f64) -> impl Iterator<Item = ChunkSummary> {
    let later = run.count / 2;
    let earlier = run.count - later;
    let part = |count: u32| sum * (f64::from(count) / f64::from(run.count));
    // From the one to the other is a change, and perhaps a reset. All others are the first one's.
    let changes = run.first != run.last && !(run.first.is_nan() && run.last.is_nan());
    let falls = run.last < run.first;
    let lost = run.correction.total() - if falls { run.first } else { 0.0 };
    let first = FloatRun {
        count: earlier,
        last_ts: run.first_ts,
        last: run.first,
        correction: Sum::of(lost),
        resets: run.resets.saturating_sub(u32::from(falls)),
        changes: run.changes.saturating_sub(u32::from(changes)),
        ..*run
    };
    let last = FloatRun {
        count: later,
        first_ts: run.last_ts,
        first: run.last,
        correction: Sum::of(0.0),
        resets: 0,
        changes: 0,
        ..*run
    };
    let first = ChunkSummary::of_run(&first, part(earlier));
    let last = (later > 0).then(|| ChunkSummary::of_run(&last, part(later)));
    iter::once(first).chain(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_named_by_their_widths() {
        assert_eq!(tier_name(300_000), "the 5m tier");
        assert_eq!(tier_name(86_400_000), "the 1d tier");
    }

    /// What windows that contain both halves get: all of the run, whatever the function.
    #[test]
    fn halves_add_up_to_the_run() {
        for values in
            [&[5.0][..], &[5.0, 1.0], &[5.0, 9.0, 2.0, 7.0], &[3.0, 8.0, 1.0, 4.0, 2.0], &[1.0, 1.0, 1.0]]
        {
            let mut run = FloatRun::of(0, values[0]);
            (1_i64..).zip(&values[1..]).for_each(|(ts, value)| run.push(ts * 1_000, *value));
            let sum = run.sum.unwrap().total();
            let halves: Vec<_> = halves(&run, sum).collect();
            assert!(halves.iter().all(|half| half.first_ts == half.last_ts && half.first == half.last));
            assert_eq!(halves.iter().map(|half| half.count).sum::<u32>(), run.count);
            assert!((halves.iter().map(|half| half.sum).sum::<f64>() - sum).abs() < 1e-12);
            assert!(halves.iter().all(|half| (half.min, half.max) == (run.min, run.max)));
            let pairs = || halves.windows(2).map(|pair| (pair[0].last, pair[1].first));
            let total = |of: fn(&ChunkSummary) -> u32| halves.iter().map(of).sum::<u32>();
            let between = |is: fn(&(f64, f64)) -> bool| u32::try_from(pairs().filter(is).count()).unwrap();
            assert_eq!(total(|half| half.resets) + between(|(a, b)| b < a), run.resets, "{values:?}");
            assert_eq!(total(|half| half.changes) + between(|(a, b)| a != b), run.changes, "{values:?}");
            let within: f64 = halves.iter().filter_map(ChunkSummary::correction).sum();
            let across: f64 = pairs().filter(|(a, b)| b < a).map(|(before, _)| before).sum();
            assert_eq!(within + across, run.correction.total(), "{values:?}");
        }
    }
}
