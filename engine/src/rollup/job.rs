//! One job: rows of windows, files of them, and a commit.

use std::sync::atomic::Ordering;

use kymo_formats::{
    delta::Action,
    rollup::{Rollup, roll_up_rollups},
};
use tracing::{info, warn};

use super::{
    plan::{Choice, TierState, plan, undoable},
    raw::{Counters, LabelCounts, RawStream},
    table_name,
    tend::JOB_MS_MAX,
};
use crate::{
    engine::Inner,
    error::Error,
    manifest::{Edit, RollupProgress},
    model::WindowSet,
    tier::{
        Commit, Committed, DataFileMeta, FileStream, FileWriter, Merge, Partition, RollupStream, RowFile,
        SeriesGroups, SeriesRollups, Table, TierError, Wanted, Writer, open_file,
    },
};

/// When jobs are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eagerness {
    /// When they are worth it.
    WhenDue,
    /// As soon as a window is complete.
    Now,
}

/// A job that is under way.
struct Job<'a> {
    /// Which tier.
    tier: usize,
    windows: &'a WindowSet,
    number: u64,
    app_id: String,
    src: i16,
}

/// Files that were written, and those that they replace.
#[derive(Default)]
pub(super) struct Written {
    pub(super) files: Vec<DataFileMeta>,
    pub(super) replaced: Vec<DataFileMeta>,
}

impl Inner {
    /// Rolls up what is due, tier by tier.
    ///
    /// # Errors
    /// The first thing that failed. Other tiers wait: they are made from this one.
    pub(crate) fn roll_up(&self, eagerness: Eagerness) -> Result<(), TierError> {
        if self.rollups.widths.is_empty() {
            return Ok(());
        }
        let mut tables = self.rollups.tables.lock();
        self.leave_room_for_ingestion();
        let result = self.roll_up_tables(&mut tables, eagerness);
        self.rollups.publish(&tables);
        if result.is_err() {
            self.rollups.counters.failures.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    fn roll_up_tables(&self, tables: &mut [Table], eagerness: Eagerness) -> Result<(), TierError> {
        let result = (0..tables.len()).try_for_each(|tier| self.roll_up_tier(tables, tier, eagerness));
        if result.is_err() {
            // Queries go on with what can be read: the others may lie in a place that answers.
            for table in tables.iter_mut().filter(|table| !table.is_read()) {
                drop(table.refresh());
            }
        }
        result
    }

    pub(super) fn roll_up_tier(
        &self,
        tables: &mut [Table],
        tier: usize,
        eagerness: Eagerness,
    ) -> Result<(), TierError> {
        let revises = self.revises(tier, eagerness);
        // Now and then also when there is nothing to do: others may write to the table.
        if revises || !tables[tier].is_read() {
            tables[tier].refresh()?;
            self.rollups.publish(tables);
        }
        while let Some(choice) = self.next_job(tier, tables[tier].partition(), eagerness, revises)? {
            self.run_job(tables, tier, choice)?;
            self.rollups.publish(tables);
        }
        if revises {
            self.rollups.revised_at[tier].store(self.env.clock.now().0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether it is time to roll up again what has changed: not for each sample that is late by a minute.
    fn revises(&self, tier: usize, eagerness: Eagerness) -> bool {
        let last = self.rollups.revised_at[tier].load(Ordering::Relaxed);
        let since = self.env.clock.now().0.saturating_sub(last);
        eagerness == Eagerness::Now || since >= self.rollups.config.interval_ms || since < 0
    }

    /// Which job of a tier is next.
    fn next_job(
        &self,
        tier: usize,
        partition: Partition,
        eagerness: Eagerness,
        revises: bool,
    ) -> Result<Option<Choice>, TierError> {
        let width_ms = self.rollups.widths[tier];
        let config = &self.rollups.config;
        let version = self.manifest.current();
        let mut progress = version.rollup(width_ms);
        let (complete_to, worth_ms) = match tier.checked_sub(1).map(|finer| self.rollups.widths[finer]) {
            None => {
                progress.due.extend(&self.head.revised());
                (self.data_time().saturating_sub(config.delay_ms), config.interval_ms)
            }
            Some(finer) => (version.rollup(finer).rolled_to, width_ms),
        };
        let worth_ms = if eagerness == Eagerness::Now { 1 } else { worth_ms };
        let source_from = self.source_from(tier);
        let lost_to = self.lost_to(tier);
        let state = TierState { progress, partition, complete_to, source_from, lost_to, worth_ms, revises };
        self.give_up_undoable(tier, &state)?;
        Ok(plan(&state))
    }

    /// Where what the windows of a tier are made of begins: the samples, or the rows of finer tiers.
    fn source_from(&self, tier: usize) -> i64 {
        let width_ms = self.rollups.widths[tier];
        let states = self.rollups.states.read();
        let of_policy = |(policy, _): (String, i64)| {
            let Some(finer) = self.finer_tier(&policy, width_ms) else { return self.samples_from() };
            let files = states[finer].files().filter(|file| file.policy == policy);
            files.map(|file| file.min_end.saturating_sub(self.rollups.widths[finer])).min()
        };
        let policies = self.rollups.config.policies_of(width_ms).into_iter();
        policies.filter_map(of_policy).min().unwrap_or(i64::MIN)
    }

    /// Before this time what the windows of a tier are made of is not all there any more, for one policy at least.
    pub(super) fn lost_to(&self, tier: usize) -> i64 {
        let width_ms = self.rollups.widths[tier];
        let states = self.rollups.states.read();
        let of_policy = |(policy, _): (String, i64)| match self.finer_tier(&policy, width_ms) {
            None => self.samples_lost_to(),
            Some(finer) => states[finer].dropped_to(&policy),
        };
        self.rollups.config.policies_of(width_ms).into_iter().map(of_policy).max().unwrap_or(i64::MIN)
    }

    /// The tier that the rows of a policy in windows of `width_ms` are made from; none if they are from samples.
    fn finer_tier(&self, policy: &str, width_ms: i64) -> Option<usize> {
        let has = |width: i64| self.rollups.config.policies_of(width).iter().any(|(name, _)| name == policy);
        (0..self.rollups.widths.len()).rev().find(|tier| {
            let width = self.rollups.widths[*tier];
            width < width_ms && has(width)
        })
    }

    /// Where the samples begin. None if there are none.
    pub(super) fn samples_from(&self) -> Option<i64> {
        let version = self.manifest.current();
        let first = version.blocks().iter().map(|block| block.range.start).min();
        let first = first.into_iter().chain(self.head.oldest_ts()).min()?;
        Some(first.max(self.samples_lost_to()))
    }

    /// Before this time not all samples are there any more. What is too old by the clock alone is still there: clocks are
    /// put back, and blocks wait until they have been rolled up.
    pub(crate) fn samples_lost_to(&self) -> i64 {
        self.manifest.current().samples_from()
    }

    /// What is older than this is not looked for among the samples: it is gone, or was never here.
    pub(crate) fn samples_reach_to(&self) -> i64 {
        let first = self.samples_from().unwrap_or(i64::MAX);
        self.samples_lost_to().max(first.min(self.oldest_ts(self.env.clock.now().0)))
    }

    /// Forgets windows that changed after what they are made of was gone.
    fn give_up_undoable(&self, tier: usize, state: &TierState) -> Result<(), TierError> {
        let undoable = undoable(state);
        if undoable.is_empty() {
            return Ok(());
        }
        let width_ms = self.rollups.widths[tier];
        let windows =
            undoable.ranges().iter().map(|(from, to)| (to - from).unsigned_abs() / width_ms.unsigned_abs());
        let windows: u64 = windows.sum();
        warn!(table = table_name(width_ms), windows, "samples came for windows whose other samples are gone");
        self.rollups.counters.too_late.fetch_add(windows, Ordering::Relaxed);
        let revised = if tier == 0 { self.head.take_revised() } else { WindowSet::default() };
        let given_up = self.update_rollup(
            width_ms,
            |progress| {
                progress.due.extend(&revised);
                undoable.ranges().iter().for_each(|(from, to)| progress.due.remove(*from, *to));
            },
            Vec::new(),
        );
        if given_up.is_err() {
            self.head.note_revised(&revised);
        }
        given_up?;
        Ok(())
    }

    fn run_job(&self, tables: &mut [Table], tier: usize, choice: Choice) -> Result<(), TierError> {
        let (store_id, src) = self.identity()?;
        let width_ms = self.rollups.widths[tier];
        let progress = self.begin_job(tier, choice)?;
        let job = Job {
            tier,
            windows: &progress.pending,
            number: progress.job,
            app_id: format!("kymo-{store_id:032x}-{width_ms}"),
            src,
        };
        tables[tier].refresh()?;
        let number = i64::try_from(job.number).unwrap_or(i64::MAX);
        // After a crash: it may be done.
        let done = tables[tier].state().job(&job.app_id).is_some_and(|done| done >= number);
        if !done {
            self.do_job(tables, &job)?;
        }
        self.end_job(&job)?;
        self.rollups.counters.jobs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Notes durably what the job is going to do.
    fn begin_job(&self, tier: usize, choice: Choice) -> Result<RollupProgress, TierError> {
        let width_ms = self.rollups.widths[tier];
        let finest = tier == 0;
        if let (true, Choice::New(windows)) = (finest, &choice)
            && let Some((_, to)) = windows.bounds()
        {
            // Before anything is read: what comes from now on for these windows is noted.
            self.head.set_rolled_to(to, width_ms);
        }
        let revised = if finest { self.head.take_revised() } else { WindowSet::default() };
        let begun = self.update_rollup(
            width_ms,
            |progress| {
                progress.due.extend(&revised);
                let windows = match choice {
                    Choice::Resume => return,
                    Choice::New(windows) | Choice::Revise(windows) => windows,
                };
                windows.ranges().iter().for_each(|(from, to)| progress.due.remove(*from, *to));
                progress.pending = windows;
                progress.job += 1;
            },
            Vec::new(),
        );
        if begun.is_err() {
            self.head.note_revised(&revised);
        }
        Ok(begun?)
    }

    /// Notes durably that the job is done, and that windows of the coarser tier have changed by it.
    fn end_job(&self, job: &Job<'_>) -> Result<(), TierError> {
        let Some((_, to)) = job.windows.bounds() else { return Ok(()) };
        let coarser = self.rollups.widths.get(job.tier + 1).map(|width_ms| {
            let mut progress = self.manifest.current().rollup(*width_ms);
            let begun_to = progress.begun_to();
            progress.due.extend(&job.windows.widened(*width_ms).within(i64::MIN, begun_to));
            Edit::Rollup(progress)
        });
        self.update_rollup(
            self.rollups.widths[job.tier],
            |progress| {
                progress.pending = WindowSet::default();
                progress.rolled_to = progress.rolled_to.max(to);
            },
            coarser.into_iter().collect(),
        )?;
        Ok(())
    }

    fn do_job(&self, tables: &mut [Table], job: &Job<'_>) -> Result<(), TierError> {
        let started = self.env.clock.monotonic_nanos();
        let columns = self.rollups.config.label_columns.iter().map(String::as_str);
        tables[job.tier].prepare(columns)?;
        let mut labels = LabelCounts::default();
        let mut written = Written::default();
        for (policy, _) in self.rollups.config.policies_of(self.rollups.widths[job.tier]) {
            self.write_policy(tables, job, &policy, &mut labels, &mut written)?;
        }
        // Rows tell of samples whose log may not be synced yet. They must not outlive them.
        self.wal.sync().map_err(Error::from)?;
        let table = &mut tables[job.tier];
        let number = i64::try_from(job.number).unwrap_or(i64::MAX);
        let what = Commit { operation: "WRITE", job: Some((job.app_id.clone(), number)) };
        if commit(table, &what, &written)? == Committed::Before {
            warn!(table = table.name(), job = job.number, "the job had been committed before");
        }
        let rows: u64 = written.files.iter().map(|file| file.rows).sum();
        self.rollups.counters.rows.fetch_add(rows, Ordering::Relaxed);
        info!(
            table = table.name(),
            job = job.number,
            windows_from = job.windows.bounds().map_or(0, |(from, _)| from),
            windows_to = job.windows.bounds().map_or(0, |(_, to)| to),
            rows,
            replaced_files = written.replaced.len(),
            elapsed_ms = (self.env.clock.monotonic_nanos() - started) / 1_000_000,
            "windows rolled up"
        );
        // For the files of later jobs.
        let common = labels.common();
        table.prepare(common.iter().map(String::as_str))
    }

    /// Writes the rows of the series of one policy: those of the windows, and of the files that have older rows of these
    /// windows the others.
    fn write_policy(
        &self,
        tables: &mut [Table],
        job: &Job<'_>,
        policy: &str,
        labels: &mut LabelCounts,
        written: &mut Written,
    ) -> Result<(), TierError> {
        let Some((from, to)) = job.windows.bounds() else { return Ok(()) };
        let table = &tables[job.tier];
        let is_replaced = |file: &&DataFileMeta| file.src == job.src && file.policy == policy;
        let replaced: Vec<DataFileMeta> =
            table.state().files_in(from, to).filter(is_replaced).cloned().collect();
        let counters = Counters::of(self);
        let mut streams: Vec<Box<dyn RollupStream + '_>> = Vec::new();
        for file in &replaced {
            let stream = FileStream::new(self.open_file(table, file)?, Wanted::AllBut(job.windows.clone()));
            streams.push(Box::new(stream));
        }
        let width_ms = table.width_ms();
        streams.push(match self.finer_tier(policy, width_ms) {
            None => Box::new(RawStream::new(self, policy, width_ms, job.windows, &counters, labels)?),
            Some(finer) => Box::new(self.coarser_stream(&tables[finer], job, policy, width_ms)?),
        });
        let partition = table.partition().value(to);
        let by = Writer { src: job.src, policy: policy.to_owned() };
        let table = &mut tables[job.tier];
        written.files.extend(write_files(table, &partition, &by, &mut Merge::new(streams)?)?);
        written.replaced.extend(replaced);
        Ok(())
    }

    /// Rows of the finer tier, rolled up.
    fn coarser_stream<'a>(
        &self,
        finer: &Table,
        job: &Job<'_>,
        policy: &str,
        width_ms: i64,
    ) -> Result<Coarser<'a>, TierError> {
        let (from, to) = job.windows.bounds().unwrap_or((0, 0));
        let mut streams: Vec<Box<dyn RollupStream + 'a>> = Vec::new();
        let files = finer.state().files_in(from, to);
        for file in files.filter(|file| file.src == job.src && file.policy == policy) {
            let stream = FileStream::new(self.open_file(finer, file)?, Wanted::Only(job.windows.clone()));
            streams.push(Box::new(stream));
        }
        Ok(Coarser { finer: Merge::new(streams)?, width_ms })
    }

    pub(super) fn open_file(
        &self,
        table: &Table,
        file: &DataFileMeta,
    ) -> Result<(RowFile, SeriesGroups), TierError> {
        open_file(table.store(), self.rollups.cache_of(table.width_ms()), table.name(), file)
    }
}

/// Writes the rows of `stream` to a file, and goes on with another where native histograms show up late in one that has
/// no room for them; none if there are no rows.
pub(super) fn write_files(
    table: &mut Table,
    partition: &str,
    by: &Writer,
    stream: &mut dyn RollupStream,
) -> Result<Vec<DataFileMeta>, TierError> {
    let mut files = Vec::new();
    let mut histograms = stream.has_histograms();
    let mut next = stream.next_series()?;
    while next.is_some() {
        let (path, columns) = (table.new_path(partition), table.state().labels());
        let mut file =
            FileWriter::create(table, path, partition.to_owned(), by.clone(), columns, histograms)?;
        while let Some(series) = next.take_if(|series| file.takes(series)) {
            file.push(table, &series)?;
            next = stream.next_series()?;
        }
        files.push(file.finish(table)?);
        histograms = true;
    }
    Ok(files)
}

/// # Errors
/// When files that were begun so long ago must not be committed any more.
pub(super) fn check_age(table: &str, age_ms: i64) -> Result<(), TierError> {
    if age_ms <= JOB_MS_MAX {
        return Ok(());
    }
    Err(TierError::Overdue { table: table.to_owned(), hours: age_ms / 3_600_000 })
}

/// Makes the files those of the table.
///
/// # Errors
/// Errors of the place, and when what they replace is not there any more, or they are too old.
pub(super) fn commit(table: &mut Table, what: &Commit, written: &Written) -> Result<Committed, TierError> {
    let (partition, now, name) = (table.partition(), table.now(), table.name().to_owned());
    let oldest = written.files.iter().map(|file| file.created.0).min().unwrap_or(now.0);
    check_age(&name, now.0.saturating_sub(oldest))?;
    table.commit(what, |state| {
        // Somebody else may have put a file together with others meanwhile: then all is done anew.
        if written.replaced.iter().any(|file| state.file(&file.path).is_none()) {
            return Err(TierError::Contended { table: name.clone(), attempts: 1 });
        }
        let removes =
            written.replaced.iter().map(|file| Action::Remove(file.to_remove(partition, now, true)));
        let adds = written.files.iter().map(|file| Action::Add(file.to_add(partition, true)));
        Ok(removes.chain(adds).collect())
    })
}

/// Rows of wider windows.
struct Coarser<'a> {
    finer: Merge<'a>,
    width_ms: i64,
}

impl RollupStream for Coarser<'_> {
    fn next_series(&mut self) -> Result<Option<SeriesRollups>, TierError> {
        let Some(series) = self.finer.next_series()? else { return Ok(None) };
        let mut rollups: Vec<Rollup> = Vec::new();
        roll_up_rollups(&series.rollups, self.width_ms, &mut rollups);
        Ok(Some(SeriesRollups { labels: series.labels, rollups }))
    }

    fn has_histograms(&self) -> bool {
        self.finer.has_histograms()
    }
}
