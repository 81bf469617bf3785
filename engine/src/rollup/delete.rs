//! Deleting rows whose samples are gone. Windows whose samples are there are rolled up again, without what was deleted.

use std::ops::Range;

use kymo_formats::rollup::window_end;
use tracing::info;

use super::job::{Eagerness, Written, commit, write_files};
use crate::{
    engine::Inner,
    error::Error,
    manifest::RollupProgress,
    model::{Labels, Matcher, WindowSet},
    read::ReadMeter,
    tier::{
        Commit, DataFileMeta, FileStream, RollupStream, RowsOf, SeriesRollups, Table, TierError, Wanted,
        Writer,
    },
};

/// Which rows go.
struct Deletion<'a> {
    matchers: &'a [Matcher],
    windows: WindowSet,
}

impl Deletion<'_> {
    fn concerns(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name())))
    }

    /// Whether rows of a series of a file may be among them.
    fn touches(&self, series: &RowsOf) -> bool {
        !self.windows.within(series.min_end.saturating_sub(1), series.max_end).is_empty()
            && self.concerns(&series.labels)
    }
}

/// The rows of a file but for those that go.
struct Remaining<'a> {
    rows: FileStream,
    deletion: &'a Deletion<'a>,
    deleted: u64,
}

impl RollupStream for Remaining<'_> {
    fn next_series(&mut self) -> Result<Option<SeriesRollups>, TierError> {
        while let Some(mut series) = self.rows.next_series()? {
            let before = series.rollups.len();
            if self.deletion.concerns(&series.labels) {
                series.rollups.retain(|rollup| !self.deletion.windows.contains(rollup.end));
            }
            self.deleted += (before - series.rollups.len()) as u64;
            if !series.rollups.is_empty() {
                return Ok(Some(series));
            }
        }
        Ok(None)
    }

    fn has_histograms(&self) -> bool {
        self.rows.has_histograms()
    }
}

impl Inner {
    /// Takes the rows of all series that satisfy the matchers out of the windows that lie in `range`, milliseconds, as a
    /// whole and cannot be rolled up again, because what they were made of is gone; and rolls up again what is made of
    /// these. Of this store only: what other writers know of the same series is theirs.
    ///
    /// # Errors
    /// When a table cannot be read or written. Rows of finer tiers may be gone then; the same call does the rest.
    pub(crate) fn delete_rows(&self, matchers: &[Matcher], range: &Range<i64>) -> Result<(), Error> {
        let mut tables = self.rollups.tables.lock();
        self.leave_room_for_ingestion();
        let result =
            (0..tables.len()).try_for_each(|tier| self.delete_rows_of(&mut tables, tier, matchers, range));
        self.rollups.publish(&tables);
        result
    }

    fn delete_rows_of(
        &self,
        tables: &mut [Table],
        tier: usize,
        matchers: &[Matcher],
        range: &Range<i64>,
    ) -> Result<(), Error> {
        let width_ms = self.rollups.widths[tier];
        let rolled_to = self.manifest.current().rollup(width_ms).rolled_to;
        let last = window_end(self.lost_to(tier), width_ms).min(rolled_to);
        let windows = whole_windows(range, width_ms).within(i64::MIN, last);
        if windows.is_empty() {
            return Ok(());
        }
        let (_, src) = self.identity()?;
        let table = &mut tables[tier];
        table.refresh()?;
        let deletion = Deletion { matchers, windows };
        let mut written = Written::default();
        let mut rows = 0;
        for file in self.files_with(table, &deletion, src)? {
            let stream = FileStream::new(self.open_file(table, &file)?, Wanted::AllBut(WindowSet::default()));
            let mut remaining = Remaining { rows: stream, deletion: &deletion, deleted: 0 };
            let by = Writer { src, policy: file.policy.clone() };
            written.files.extend(write_files(table, &file.partition, &by, &mut remaining)?);
            written.replaced.push(file);
            rows += remaining.deleted;
        }
        if rows > 0 {
            commit(table, &Commit { operation: "DELETE", job: None }, &written)?;
            info!(table = table.name(), rows, "rows of deleted series taken out");
        }
        // The next tier reads them as they are now.
        self.rollups.publish(tables);
        self.roll_up_coarser(tables, tier + 1, &deletion.windows)
    }

    /// The files of this store in which there are such rows.
    fn files_with(
        &self,
        table: &Table,
        deletion: &Deletion<'_>,
        src: i16,
    ) -> Result<Vec<DataFileMeta>, TierError> {
        let Some((from, to)) = deletion.windows.bounds() else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for file in table.state().files_in(from, to).filter(|file| file.src == src) {
            let opened = self.rollups.open_cached(table.width_ms(), file, &ReadMeter::default())?;
            if opened.series().iter().any(|series| deletion.touches(series)) {
                found.push(file.clone());
            }
        }
        Ok(found)
    }

    /// Rolls up windows of a tier again, as far as they can be, because those that they are made of changed.
    fn roll_up_coarser(&self, tables: &mut [Table], tier: usize, changed: &WindowSet) -> Result<(), Error> {
        let Some(width_ms) = self.rollups.widths.get(tier).copied() else { return Ok(()) };
        tables[tier].refresh()?;
        // Only where there are rows: not since the beginning of time.
        let Some(first_end) = tables[tier].state().first_end() else { return Ok(()) };
        let from = window_end(self.lost_to(tier), width_ms).max(first_end.saturating_sub(width_ms));
        let change = |progress: &mut RollupProgress| {
            let due = changed.widened(width_ms).within(from, progress.begun_to());
            progress.due.extend(&due);
        };
        self.update_rollup(width_ms, change, Vec::new())?;
        Ok(self.roll_up_tier(tables, tier, Eagerness::Now)?)
    }
}

/// The windows that lie in `range` as a whole.
fn whole_windows(range: &Range<i64>, width_ms: i64) -> WindowSet {
    let last = range.end.saturating_sub(1);
    let from = window_end(range.start.saturating_sub(1), width_ms);
    WindowSet::from_iter([(from, last.saturating_sub(last.rem_euclid(width_ms)))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_whole_when_all_of_their_samples_are() {
        // A window (end - 10, end] has samples from end - 9 to end.
        for (range, expected) in [
            (11..21, Some((10, 20))),
            (11..31, Some((10, 30))),
            (12..31, Some((20, 30))),
            (11..30, Some((10, 20))),
            (12..21, None),
            (-9..1, Some((-10, 0))),
        ] {
            assert_eq!(whole_windows(&range, 10).bounds(), expected, "{range:?}");
        }
        let all = whole_windows(&(i64::MIN..i64::MAX), 10);
        assert!(all.contains(-1_000_000) && all.contains(1_000_000));
    }
}
