//! Rows of several sources, in the order of the table.

use std::{cmp::Ordering, collections::VecDeque, ops::Range};

use kymo_formats::rollup::{
    Rollup,
    table::{Facts, RollupColumns, table_order},
};

use super::{
    TierError,
    read::{RowFile, RowsOf, SeriesGroups},
    write::SeriesRollups,
};
use crate::model::{Labels, WindowSet};

/// Rows of a file that are in memory at once.
const BATCH_ROWS: u64 = 16_384;
/// As [`BATCH_ROWS`], of a file with native histograms, of which a row may have some kilobytes.
const HISTOGRAM_BATCH_ROWS: u64 = 1_024;

/// Series with their rows, in the order of the table.
pub(crate) trait RollupStream {
    /// The next series.
    ///
    /// # Errors
    /// When it cannot be read.
    fn next_series(&mut self) -> Result<Option<SeriesRollups>, TierError>;

    /// Whether it is known beforehand that there may be native histograms.
    fn has_histograms(&self) -> bool {
        false
    }
}

/// All rows of a file, or some windows of it. Of its series only a group is in memory: files of a large fleet are merged
/// by the dozen.
pub(crate) struct FileStream {
    file: RowFile,
    groups: SeriesGroups,
    series: VecDeque<RowsOf>,
    /// Rows that are in memory, and which they are.
    batch: RollupColumns,
    batch_rows: Range<u64>,
    wanted: Wanted,
}

/// Which windows of a file are wanted.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// All but these.
    AllBut(WindowSet),
    /// These only.
    Only(WindowSet),
}

impl Wanted {
    fn takes(&self, rollup: &Rollup) -> bool {
        match self {
            Self::AllBut(windows) => !windows.contains(rollup.end),
            Self::Only(windows) => windows.contains(rollup.end),
        }
    }
}

impl FileStream {
    pub(crate) fn new((file, groups): (RowFile, SeriesGroups), wanted: Wanted) -> Self {
        let series = VecDeque::new();
        Self { file, groups, series, batch: RollupColumns::default(), batch_rows: 0..0, wanted }
    }

    /// Reads `rows`, and as many of the series behind as a batch takes.
    fn load(&mut self, rows: &Range<u64>) -> Result<(), TierError> {
        let batch = if self.file.has_histograms() { HISTOGRAM_BATCH_ROWS } else { BATCH_ROWS };
        let fits = |end: &u64| end - rows.start <= batch;
        let ends = self.series.iter().map(|series| series.rows.end);
        let rows = rows.start..ends.take_while(fits).last().unwrap_or(rows.end).max(rows.end);
        self.batch = self.file.read(std::slice::from_ref(&rows), Facts::ALL)?.0;
        self.batch_rows = rows;
        Ok(())
    }
}

impl RollupStream for FileStream {
    fn next_series(&mut self) -> Result<Option<SeriesRollups>, TierError> {
        loop {
            let Some(RowsOf { labels, rows, .. }) = self.series.pop_front() else {
                let Some(group) = self.groups.next_group()? else { return Ok(None) };
                self.series = group.into();
                continue;
            };
            if rows.end > self.batch_rows.end {
                self.load(&rows)?;
            }
            let into = |row: u64| usize::try_from(row - self.batch_rows.start).unwrap_or(usize::MAX);
            let rows = (into(rows.start)..into(rows.end)).filter_map(|row| self.batch.rollup(row));
            let rollups: Vec<Rollup> = rows.filter(|rollup| self.wanted.takes(rollup)).collect();
            if !rollups.is_empty() {
                return Ok(Some(SeriesRollups { labels, rollups }));
            }
        }
    }

    fn has_histograms(&self) -> bool {
        self.file.has_histograms()
    }
}

/// Rows of several streams. Where two have the same window of a series, the one that has more samples counts, and of
/// equal ones that of the earlier stream: of two nodes that saw the same series, one may have missed some.
pub(crate) struct Merge<'a> {
    streams: Vec<Head<'a>>,
    /// Rows of which there were two.
    repeated: u64,
}

struct Head<'a> {
    stream: Box<dyn RollupStream + 'a>,
    series: Option<SeriesRollups>,
}

impl<'a> Merge<'a> {
    pub(crate) fn new(streams: Vec<Box<dyn RollupStream + 'a>>) -> Result<Self, TierError> {
        let head = |mut stream: Box<dyn RollupStream + 'a>| {
            let series = stream.next_series()?;
            Ok(Head { stream, series })
        };
        Ok(Self { streams: streams.into_iter().map(head).collect::<Result<_, TierError>>()?, repeated: 0 })
    }

    /// The series that comes next, perhaps not yet with all of its rows.
    pub(crate) fn peek(&self) -> Option<&SeriesRollups> {
        let heads = self.streams.iter().filter_map(|head| head.series.as_ref());
        heads.min_by(|a, b| order(&a.labels, &b.labels))
    }

    /// How many rows were there twice so far.
    pub(crate) const fn repeated(&self) -> u64 {
        self.repeated
    }
}

impl RollupStream for Merge<'_> {
    fn next_series(&mut self) -> Result<Option<SeriesRollups>, TierError> {
        let Some(least) = self.peek().map(|series| series.labels.clone()) else { return Ok(None) };
        let mut merged: Option<SeriesRollups> = None;
        for head in &mut self.streams {
            let Some(series) = head.series.take_if(|series| series.labels == least) else { continue };
            head.series = head.stream.next_series()?;
            match &mut merged {
                None => merged = Some(series),
                Some(merged) => {
                    let before = merged.rollups.len() + series.rollups.len();
                    merged.rollups = merge_rows(std::mem::take(&mut merged.rollups), series.rollups);
                    self.repeated += (before - merged.rollups.len()) as u64;
                }
            }
        }
        Ok(merged)
    }

    fn has_histograms(&self) -> bool {
        self.streams.iter().any(|head| head.stream.has_histograms())
    }
}

/// Rows of one series; both ascend.
fn merge_rows(a: Vec<Rollup>, b: Vec<Rollup>) -> Vec<Rollup> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
    while let (Some(first), Some(second)) = (a.peek(), b.peek()) {
        match first.end.cmp(&second.end) {
            Ordering::Less => merged.extend(a.next()),
            Ordering::Greater => merged.extend(b.next()),
            Ordering::Equal => {
                let is_better = second.samples() > first.samples();
                let (first, second) = (a.next(), b.next());
                merged.extend(if is_better { second } else { first });
            }
        }
    }
    merged.extend(a);
    merged.extend(b);
    merged
}

/// How two series lie to each other in a table.
pub(crate) fn order(a: &Labels, b: &Labels) -> Ordering {
    fn pairs(labels: &Labels) -> Vec<(&[u8], &[u8])> {
        labels.iter().map(|label| (label.name, label.value)).collect()
    }
    table_order(&pairs(a), &pairs(b))
}
