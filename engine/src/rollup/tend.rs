//! What becomes of files later: small ones are put together, old ones are taken out, and what no table names is removed.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use hashbrown::HashSet;
use kymo_formats::{delta::Action, rollup::window_end};
use tracing::{error, info};

use super::{Eagerness, job::check_age};
use crate::{
    engine::Inner,
    tier::{
        Commit, Committed, DataFileMeta, FileStream, FileWriter, Merge, RollupStream, Table, TableState,
        TierError, Wanted, Writer, made_at,
    },
};

/// So many small files of an open partition are put together.
const SMALL_FILES: usize = 24;
/// At most so many files are merged at once: of each, its file of series and a batch of rows are in memory.
const MERGED_FILES_MAX: usize = 32;
/// Of many files so many are taken one after the other before the tables are free for jobs again.
const ROUNDS_MAX: usize = 8;
/// Files below this are small.
const SMALL_BYTES: u64 = 16 << 20;
/// Files are ended at the next metric once they have so many rows: some hundreds of megabytes.
const FILE_ROWS: u64 = 32 << 20;
/// Files are removed so long after they were taken out, or made without ever being named: longer than any query, and any
/// job from its first byte to its commit, lasts. Milliseconds.
const GRACE_MS: i64 = 24 * 3_600_000;
/// A job whose files are older does not commit them: somebody may be about to remove them.
pub(super) const JOB_MS_MAX: i64 = GRACE_MS / 2;
/// Not more than this part of a table goes at once without being asked for.
const DELETED_PART: u64 = 10;

/// Files that become fewer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    partition: String,
    by: Writer,
    files: Vec<DataFileMeta>,
}

/// The files that should be put together: those of each writer and policy in a partition that is `closed`, if they
/// overlap, and the small ones of others once they are many.
fn groups(state: &TableState, closed: impl Fn(&DataFileMeta) -> bool) -> Vec<Group> {
    let mut all: BTreeMap<(&str, i16, &str), Vec<&DataFileMeta>> = BTreeMap::new();
    for file in state.files() {
        all.entry((&file.partition, file.src, &file.policy)).or_default().push(file);
    }
    let mut groups = Vec::new();
    for ((partition, src, policy), mut files) in all {
        if files.iter().any(|file| !closed(file)) {
            files.retain(|file| file.bytes < SMALL_BYTES);
            if files.len() < SMALL_FILES {
                continue;
            }
        }
        // The smallest first; the next round takes what they became, and others.
        files.sort_by_key(|file| file.bytes);
        files.truncate(MERGED_FILES_MAX);
        files.sort_by(|a, b| (&a.min_metric, &a.path).cmp(&(&b.min_metric, &b.path)));
        if files.is_sorted_by(|a, b| a.max_metric < b.min_metric) {
            continue;
        }
        let by = Writer { src, policy: policy.to_owned() };
        let files = files.into_iter().cloned().collect();
        groups.push(Group { partition: partition.to_owned(), by, files });
    }
    groups
}

/// The files whose rows are all older than they are kept, by policy. Files of policies that are not known stay.
fn expired(state: &TableState, kept: &[(String, i64)], now_ms: i64) -> Vec<DataFileMeta> {
    let is_old = |file: &&DataFileMeta| {
        let retention_ms = kept.iter().find(|(policy, _)| *policy == file.policy).map_or(0, |(_, ms)| *ms);
        retention_ms > 0 && file.max_end < now_ms.saturating_sub(retention_ms)
    };
    state.files().filter(is_old).cloned().collect()
}

/// Whether so much goes only when retention was shortened, or time has jumped: more than a tenth of the rows, and more
/// than one partition.
fn is_suspicious(state: &TableState, gone: &[DataFileMeta]) -> bool {
    let rows = |files: &mut dyn Iterator<Item = &DataFileMeta>| files.map(|file| file.rows).sum::<u64>();
    let first = gone.first().map(|file| &file.partition);
    let several = gone.iter().any(|file| Some(&file.partition) != first);
    several && rows(&mut gone.iter()) * DELETED_PART > rows(&mut state.files())
}

impl Inner {
    /// Puts files together, takes old ones out, and removes what is not needed any more.
    ///
    /// # Errors
    /// The first thing that failed.
    pub(crate) fn tend_tables(&self, eagerness: Eagerness) -> Result<(), TierError> {
        let now_ms = self.env.clock.now().0;
        let last = self.rollups.tended_at.load(Ordering::Relaxed);
        let since = now_ms.saturating_sub(last);
        if self.rollups.widths.is_empty()
            || (eagerness == Eagerness::WhenDue && (0..self.rollups.config.interval_ms).contains(&since))
        {
            return Ok(());
        }
        let mut tables = self.rollups.tables.lock();
        self.leave_room_for_ingestion();
        self.rollups.held_back.store(false, Ordering::Relaxed);
        // Each may lie in a place of its own: one that fails holds up no other.
        let mut result = Ok(());
        for table in &mut *tables {
            result = result.and(self.tend_table(table));
        }
        self.rollups.publish(&tables);
        self.rollups.tended_at.store(now_ms, Ordering::Relaxed);
        result
    }

    fn tend_table(&self, table: &mut Table) -> Result<(), TierError> {
        if !table.is_read() {
            return Ok(());
        }
        table.refresh()?;
        self.expire_files(table)?;
        let progress = self.manifest.current().rollup(table.width_ms());
        let (partition, width_ms) = (table.partition(), table.width_ms());
        let closed = |file: &DataFileMeta| {
            let (first, last) = partition.ends_around(file.max_end, width_ms);
            let changing = progress.due.within(first.saturating_sub(width_ms), last);
            last <= progress.rolled_to && changing.is_empty() && progress.pending.is_empty()
        };
        for _ in 0..ROUNDS_MAX {
            let groups = groups(table.state(), closed);
            if groups.is_empty() {
                break;
            }
            groups.iter().try_for_each(|group| self.put_together(table, group))?;
        }
        self.remove_files(table)
    }

    /// Takes files out whose rows are all too old.
    fn expire_files(&self, table: &mut Table) -> Result<(), TierError> {
        let kept = self.rollups.config.policies_of(table.width_ms());
        let (partition, now) = (table.partition(), table.now());
        let mut gone = expired(table.state(), &kept, now.0);
        gone.retain(|file| !self.coarser_waits_for(table.width_ms(), file));
        if gone.is_empty() {
            return Ok(());
        }
        let suspicious = is_suspicious(table.state(), &gone);
        if suspicious && !self.rollups.config.confirm_deletion {
            self.rollups.held_back.store(true, Ordering::Relaxed);
            let rows: u64 = gone.iter().map(|file| file.rows).sum();
            error!(
                table = table.name(),
                files = gone.len(),
                rows,
                "retention would delete more than a tenth of the table at once: nothing is deleted unless \
                 tiers.confirm_deletion says so"
            );
            return Ok(());
        }
        let commit = Commit { operation: "DELETE", job: None };
        table.commit(&commit, |state| {
            let still: Vec<_> = gone.iter().filter(|file| state.file(&file.path).is_some()).collect();
            let mut ends: BTreeMap<&str, i64> = BTreeMap::new();
            for file in &still {
                let end = ends.entry(&file.policy).or_insert(i64::MIN);
                *end = file.max_end.max(*end);
            }
            let drops = ends.into_iter().map(|(policy, end)| state.drop_action(policy, end, now.0));
            let removes = still.into_iter().map(|file| Action::Remove(file.to_remove(partition, now, true)));
            Ok(removes.chain(drops).collect())
        })?;
        info!(table = table.name(), files = gone.len(), "rollups dropped by retention");
        Ok(())
    }

    /// Whether rows of the file have still to be rolled up to a coarser tier.
    fn coarser_waits_for(&self, width_ms: i64, file: &DataFileMeta) -> bool {
        let version = self.manifest.current();
        if version.source().map(u16::cast_signed) != Some(file.src) {
            return false;
        }
        let config = &self.rollups.config;
        let has_policy = |width: i64| config.policies_of(width).iter().any(|(name, _)| *name == file.policy);
        let coarser = self.rollups.widths.iter().find(|width| **width > width_ms && has_policy(**width));
        coarser.is_some_and(|width| {
            let mut progress = version.rollup(*width);
            progress.due.extend(&progress.pending);
            let last = window_end(file.max_end, *width);
            let touched = progress.due.within(file.min_end.saturating_sub(width_ms), last);
            last > progress.rolled_to || !touched.is_empty()
        })
    }

    /// Writes the rows of several files to few, each of other metrics.
    fn put_together(&self, table: &mut Table, group: &Group) -> Result<(), TierError> {
        let started = table.now();
        let mut streams: Vec<Box<dyn RollupStream>> = Vec::new();
        for file in &group.files {
            streams.push(Box::new(FileStream::new(
                self.open_file(table, file)?,
                Wanted::AllBut(Default::default()),
            )));
        }
        let mut merge = Merge::new(streams)?;
        let mut written = Vec::new();
        while let Some(file) = write_some(table, group, &mut merge)? {
            written.push(file);
        }
        let data_change = merge.repeated() > 0;
        drop(merge);
        let (partition, now) = (table.partition(), table.now());
        check_age(table.name(), now.0.saturating_sub(started.0))?;
        let commit = Commit { operation: "OPTIMIZE", job: None };
        let committed = table.commit(&commit, |state| {
            // Somebody else has changed them meanwhile: what was written here is not needed.
            if group.files.iter().any(|file| state.file(&file.path).is_none()) {
                return Ok(Vec::new());
            }
            let removes = group.files.iter();
            let removes = removes.map(|file| Action::Remove(file.to_remove(partition, now, data_change)));
            let adds = written.iter().map(|file| Action::Add(file.to_add(partition, data_change)));
            Ok(removes.chain(adds).collect())
        })?;
        if committed != Committed::Nothing {
            info!(
                table = table.name(),
                partition = group.partition,
                from_files = group.files.len(),
                to_files = written.len(),
                "rollups put together"
            );
        }
        Ok(())
    }

    /// Removes the objects of files that were taken out long ago, and of files that no commit ever named.
    fn remove_files(&self, table: &Table) -> Result<(), TierError> {
        let before = table.now().0.saturating_sub(GRACE_MS);
        let state = table.state();
        let prefix = table.key("");
        let live: HashSet<String> = state
            .files()
            .flat_map(|file| [file.path.clone(), file.series_path()])
            .map(|path| table.key(&path))
            .collect();
        let mut removed = 0_u64;
        for object in table.store().list(&prefix, None)? {
            let path = &object.key[prefix.len()..];
            if live.contains(&object.key) || !path.ends_with(".parquet") || path.starts_with("_delta_log/") {
                continue;
            }
            let data_path = path.strip_prefix("_series/").unwrap_or(path);
            let taken_out = state.removed().get(data_path).and_then(|remove| remove.deletion_timestamp);
            // What is not one of ours by its name is left alone.
            if taken_out.or(made_at(data_path).map(|made| made.0)).is_some_and(|at| at < before) {
                table.store().delete(&object.key)?;
                removed += 1;
            }
        }
        if removed > 0 {
            info!(table = table.name(), objects = removed, "objects that no table names removed");
        }
        Ok(())
    }
}

/// Writes rows up to the end of a metric once they are many; none if there are no more.
fn write_some(
    table: &mut Table,
    group: &Group,
    merge: &mut Merge<'_>,
) -> Result<Option<DataFileMeta>, TierError> {
    let Some(first) = merge.peek().map(|series| series.labels.clone()) else { return Ok(None) };
    let path = table.new_path(&group.partition);
    let columns = table.state().labels();
    let mut file = FileWriter::create(table, path, group.partition.clone(), group.by.clone(), columns)?;
    let mut metric = first.metric_name().to_vec();
    let mut rows = 0;
    while let Some(next) = merge.peek() {
        if rows >= FILE_ROWS && next.labels.metric_name() != metric {
            break;
        }
        if next.labels.metric_name() != metric {
            metric = next.labels.metric_name().to_vec();
        }
        let Some(series) = merge.next_series()? else { break };
        rows += series.rollups.len() as u64;
        file.push(table, &series)?;
    }
    file.finish(table).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{env::MemFs, model::Millis, tier::Partition};

    fn file(path: &str, partition: &str, metrics: (&str, &str), rows: u64) -> DataFileMeta {
        DataFileMeta {
            path: path.to_owned(),
            partition: partition.to_owned(),
            bytes: 10,
            created: Millis(0),
            rows,
            series: 1,
            min_end: 0,
            max_end: rows.cast_signed(),
            min_metric: metrics.0.as_bytes().to_vec(),
            max_metric: metrics.1.as_bytes().to_vec(),
            src: 0,
            policy: "default".to_owned(),
            series_bytes: 0,
            series_crc32: 0,
        }
    }

    fn state(files: Vec<DataFileMeta>) -> TableState {
        let fs = std::sync::Arc::new(MemFs::default());
        let store =
            crate::env::FolderStore::open(std::sync::Arc::<MemFs>::clone(&fs), std::path::Path::new("/t"))
                .unwrap();
        let env = crate::env::Env::simulated(fs, 1);
        let mut table = Table::new(std::sync::Arc::new(store), &env, "t", 300, Partition::Day);
        table.prepare([].into_iter()).unwrap();
        let commit = Commit { operation: "WRITE", job: None };
        let adds = || files.iter().map(|file| Action::Add(file.to_add(Partition::Day, true))).collect();
        table.commit(&commit, |_| Ok(adds())).unwrap();
        TableState::clone(table.state())
    }

    fn paths(files: &[DataFileMeta]) -> Vec<&str> {
        files.iter().map(|file| &*file.path).collect()
    }

    #[test]
    fn files_of_closed_partitions_that_overlap_are_put_together() {
        let state = state(vec![
            file("1", "a", ("b", "d"), 1),
            file("2", "a", ("a", "c"), 1),
            DataFileMeta { src: 9, ..file("3", "a", ("a", "z"), 1) },
            DataFileMeta { policy: "p".to_owned(), ..file("4", "a", ("a", "z"), 1) },
            file("5", "b", ("a", "b"), 1),
            file("6", "b", ("c", "d"), 1),
            file("7", "c", ("a", "b"), 1),
            file("8", "c", ("a", "b"), 1),
        ]);
        let found = groups(&state, |file| file.partition != "c");
        let [group] = &found[..] else { panic!("{found:?}") };
        assert_eq!((paths(&group.files), &*group.partition), (vec!["2", "1"], "a"));
    }

    #[test]
    fn many_small_files_are_put_together_early() {
        let small = |n: usize| file(&n.to_string(), "a", ("a", "b"), 1);
        let large = DataFileMeta { bytes: SMALL_BYTES, ..file("large", "a", ("a", "b"), 1) };
        let few: Vec<_> = (1..SMALL_FILES).map(small).chain([large.clone()]).collect();
        assert!(groups(&state(few), |_| false).is_empty());
        let many: Vec<_> = (0..SMALL_FILES).map(small).chain([large]).collect();
        let found = groups(&state(many), |_| false);
        assert_eq!((found.len(), found[0].files.len()), (1, SMALL_FILES));
    }

    #[test]
    fn what_is_old_goes_by_its_policy() {
        let state = state(vec![
            file("1", "a", ("", ""), 10),
            file("2", "b", ("", ""), 20),
            DataFileMeta { policy: "keep".to_owned(), ..file("3", "a", ("", ""), 10) },
            DataFileMeta { policy: "unknown".to_owned(), ..file("4", "a", ("", ""), 10) },
        ]);
        let kept = [("default".to_owned(), 5), ("keep".to_owned(), 0)];
        assert_eq!(paths(&expired(&state, &kept, 15)), [""; 0]);
        assert_eq!(paths(&expired(&state, &kept, 16)), ["1"]);
        assert_eq!(paths(&expired(&state, &kept, 26)), ["1", "2"]);
    }

    #[test]
    fn much_at_once_is_suspicious_unless_it_is_one_partition() {
        let files: Vec<_> = (0..30).map(|n| file(&n.to_string(), &format!("{n:02}"), ("", ""), 10)).collect();
        let state = state(files.clone());
        assert!(!is_suspicious(&state, &files[..1]));
        assert!(!is_suspicious(&state, &files[..3]));
        assert!(is_suspicious(&state, &files[..4]));
        let large = [file("x", "a", ("", ""), 1_000)];
        assert!(!is_suspicious(&state, &large));
    }
}
