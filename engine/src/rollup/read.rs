//! Rows of a tier for readers: series by series, as of one moment.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use kymo_formats::rollup::{
    Rollup,
    table::{Facts, RollupColumns},
};

use super::{Rollups, table_name};
use crate::{
    engine::Inner,
    error::Error,
    model::{Labels, MatchOp, Matcher, MemoryBudget},
    read::{ReadCost, ReadMeter},
    tier::{DataFileMeta, OpenFile, RowsOf, TableState, TierError},
};

/// Rows that are read together: of series that lie side by side in a file.
const RUN_ROWS: u64 = 64 << 10;
/// As [`RUN_ROWS`], of a file with native histograms, of which a row may have some kilobytes.
const HISTOGRAM_RUN_ROWS: u64 = 2 << 10;

/// What is asked of a tier.
#[derive(Debug, Clone)]
pub struct RollupRequest<'a> {
    /// Width of the windows, milliseconds.
    pub width_ms: i64,
    /// Conditions that a series must all satisfy.
    pub matchers: &'a [Matcher],
    /// Windows that end in `(from, to]`, milliseconds.
    pub from: i64,
    /// See `from`.
    pub to: i64,
    /// What is to be known of each.
    pub facts: Facts,
    /// What the selection holds is taken from it.
    pub memory: &'a MemoryBudget,
}

/// The series of a tier that a selection found.
#[derive(Debug, Default)]
pub struct RollupSelection {
    /// Sorted by labels, each label set once.
    pub series: Vec<RollupSeries>,
    /// Counts what reading them takes. Finding them took something, too.
    pub meter: Arc<ReadMeter>,
}

/// A series of a [`RollupSelection`].
#[derive(Debug, Clone)]
pub struct RollupSeries {
    labels: Labels,
    from: i64,
    to: i64,
    parts: Vec<Part>,
}

/// Rows of a series in one file.
#[derive(Debug, Clone)]
struct Part {
    run: Arc<Run>,
    /// Its rows among those of the run.
    rows: Range<usize>,
}

/// Rows of a file that are read together, when the first of them is needed.
#[derive(Debug)]
struct Run {
    file: Arc<OpenFile>,
    rows: Vec<Range<u64>>,
    facts: Facts,
    meter: Arc<ReadMeter>,
    columns: OnceLock<Result<RollupColumns, Arc<TierError>>>,
}

impl RollupSeries {
    /// The labels.
    #[must_use]
    pub const fn labels(&self) -> &Labels {
        &self.labels
    }

    /// A bound of its rows.
    #[must_use]
    pub fn rows_max(&self) -> usize {
        self.parts.iter().map(|part| part.rows.len()).sum()
    }

    /// Replaces the content of `rollups` by the rows, ascending, each window once: of two rows of a window that with more
    /// samples.
    ///
    /// # Errors
    /// When a file cannot be read, or is damaged.
    pub fn read(&self, rollups: &mut Vec<Rollup>) -> Result<(), Arc<TierError>> {
        rollups.clear();
        rollups.reserve(self.rows_max());
        for part in &self.parts {
            let columns = part.run.columns()?;
            // Rows are large: of those that are not asked for none is made.
            let is_asked =
                |row: &usize| columns.end.get(*row).is_some_and(|end| self.from < *end && *end <= self.to);
            for row in part.rows.clone().filter(is_asked) {
                if let Some(rollup) = columns.rollup(row) {
                    rollups.push(rollup);
                }
            }
        }
        if !rollups.is_sorted_by(|a, b| a.end < b.end) {
            // Stable: of equal ones that of the file that comes first stays.
            rollups.sort_by_key(|rollup| (rollup.end, std::cmp::Reverse(rollup.samples())));
            rollups.dedup_by_key(|rollup| rollup.end);
        }
        Ok(())
    }
}

impl Run {
    fn columns(&self) -> Result<&RollupColumns, Arc<TierError>> {
        let read = || {
            let (columns, cost) = self.file.read(&self.rows, self.facts).map_err(Arc::new)?;
            self.meter.add(&cost);
            Ok(columns)
        };
        self.columns.get_or_init(read).as_ref().map_err(Arc::clone)
    }
}

/// Puts the series of one file into runs.
struct RunBuilder<'a> {
    file: &'a Arc<OpenFile>,
    facts: Facts,
    meter: &'a Arc<ReadMeter>,
    rows: Vec<Range<u64>>,
    len: u64,
    /// Series of the run that is being made, and their rows in it.
    waiting: Vec<(Labels, Range<usize>)>,
    found: &'a mut Vec<(Labels, Part)>,
}

impl RunBuilder<'_> {
    fn push(&mut self, labels: Labels, rows: Range<u64>) {
        let len = rows.end - rows.start;
        let most = if self.file.has_histograms() { HISTOGRAM_RUN_ROWS } else { RUN_ROWS };
        if self.len > 0 && self.len + len > most {
            self.finish();
        }
        let size = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        self.waiting.push((labels, size(self.len)..size(self.len + len)));
        self.len += len;
        match self.rows.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => self.rows.push(rows),
        }
    }

    fn finish(&mut self) {
        if self.len == 0 {
            return;
        }
        let run = Arc::new(Run {
            file: Arc::clone(self.file),
            rows: std::mem::take(&mut self.rows),
            facts: self.facts,
            meter: Arc::clone(self.meter),
            columns: OnceLock::new(),
        });
        let part = |(labels, rows)| (labels, Part { run: Arc::clone(&run), rows });
        self.found.extend(self.waiting.drain(..).map(part));
        self.len = 0;
    }
}

impl Rollups {
    /// What the table of windows of this width is; none if there is no such tier.
    fn state_of(&self, width_ms: i64) -> Option<Arc<TableState>> {
        let tier = self.widths.iter().position(|width| *width == width_ms)?;
        self.states.read().get(tier).cloned()
    }

    pub(super) fn open_cached(
        &self,
        width_ms: i64,
        file: &DataFileMeta,
        meter: &ReadMeter,
    ) -> Result<Arc<OpenFile>, TierError> {
        let tier = self.widths.iter().position(|width| *width == width_ms);
        let store = tier.and_then(|tier| self.stores.get(tier)).ok_or_else(|| TierError::Foreign {
            table: table_name(width_ms),
            problem: "there is no place".to_owned(),
        })?;
        let table = table_name(width_ms);
        let key = format!("{table}/{}", file.path);
        self.files.get_or_insert_with(&key, || {
            let opened = OpenFile::open(store, self.cache_of(width_ms), &table, file).map(Arc::new)?;
            meter.add(&opened.open_cost());
            Ok(opened)
        })
    }
}

impl Inner {
    /// See [`crate::Engine::samples_per_window`].
    pub(crate) fn samples_per_window(&self, width_ms: i64, from: i64, to: i64) -> Option<f64> {
        let version = self.manifest.current();
        let (mut samples, mut windows) = (0.0, 0.0);
        for block in version.blocks().iter().filter(|block| block.range.start <= to && from < block.range.end)
        {
            if !version.has_file(block.id) {
                return None;
            }
            let length = block.range.end.saturating_sub(block.range.start);
            samples += block.samples as f64;
            windows += block.series as f64 * length as f64 / width_ms as f64;
        }
        (windows > 0.0).then(|| samples / windows)
    }

    /// See [`crate::Engine::select_rollups`].
    pub(crate) fn select_rollups(&self, request: &RollupRequest<'_>) -> Result<RollupSelection, Error> {
        let Some(state) = self.rollups.state_of(request.width_ms) else {
            return Ok(RollupSelection::default());
        };
        let metric = equal_metric(request.matchers);
        let mut found: Vec<(Labels, Part)> = Vec::new();
        let meter = Arc::<ReadMeter>::default();
        let mut files = 0;
        let candidates = state.files_in(request.from, request.to);
        let has_metric = |file: &&DataFileMeta| {
            metric.is_none_or(|metric| *file.min_metric <= *metric && *metric <= *file.max_metric)
        };
        for meta in candidates.filter(has_metric) {
            let file = self.rollups.open_cached(request.width_ms, meta, &meter)?;
            let before = found.len();
            select_file(&file, metric, request, &meter, &mut found);
            files += u64::from(found.len() > before);
            let held = |(labels, _): &(Labels, Part)| size_of::<(Labels, Part)>() + labels.held_bytes();
            request.memory.take(found[before..].iter().map(held).sum())?;
        }
        meter.add(&ReadCost { files, ..ReadCost::default() });
        // Stable: parts stay in the order of the files.
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut series: Vec<RollupSeries> = Vec::new();
        for (labels, part) in found {
            match series.last_mut() {
                Some(last) if last.labels == labels => last.parts.push(part),
                _ => series.push(RollupSeries {
                    labels,
                    from: request.from,
                    to: request.to,
                    parts: vec![part],
                }),
            }
        }
        Ok(RollupSelection { series, meter })
    }
}

/// The metric that the matchers ask for, if it is one.
fn equal_metric(matchers: &[Matcher]) -> Option<&[u8]> {
    let equal =
        matchers.iter().find(|matcher| matcher.op() == MatchOp::Equal && matcher.name() == b"__name__");
    equal.map(Matcher::value)
}

/// Finds the series of a file that satisfy all matchers.
fn select_file(
    file: &Arc<OpenFile>,
    metric: Option<&[u8]>,
    request: &RollupRequest<'_>,
    meter: &Arc<ReadMeter>,
    found: &mut Vec<(Labels, Part)>,
) {
    let series = file.series();
    // They are sorted by metric.
    let range = metric.map_or(0..series.len(), |metric| {
        let first = series.partition_point(|series| series.labels.metric_name() < metric);
        let len = series[first..].partition_point(|series| series.labels.metric_name() == metric);
        first..first + len
    });
    let matches =
        |labels: &Labels| request.matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name())));
    let mut runs = RunBuilder {
        file,
        facts: request.facts,
        meter,
        rows: Vec::new(),
        len: 0,
        waiting: Vec::new(),
        found,
    };
    for series in &series[range] {
        if request.from < series.max_end && series.min_end <= request.to && matches(&series.labels) {
            let rows = rows_in(series, request);
            if !rows.is_empty() {
                runs.push(series.labels.clone(), rows);
            }
        }
    }
    runs.finish();
}

/// The rows of a series that may be asked for. Where there is one for each window their numbers follow from the time.
fn rows_in(series: &RowsOf, request: &RollupRequest<'_>) -> Range<u64> {
    let RowsOf { rows, min_end, max_end, .. } = series;
    let width = request.width_ms;
    let windows = ((max_end - min_end) / width).unsigned_abs() + 1;
    if windows != rows.end - rows.start {
        return rows.clone();
    }
    // Within the bounds of the series, so that nothing overflows.
    let before = (request.from.clamp(min_end - width, *max_end) - min_end).div_euclid(width) + 1;
    let until = (request.to.clamp(min_end - width, *max_end) - min_end).div_euclid(width) + 1;
    let row = |windows: i64| rows.start + windows.max(0).unsigned_abs().min(rows.end - rows.start);
    row(before)..row(until)
}
