//! What writers, readers and operators do.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use kymo_engine::{
    Engine, EngineStats, Error, Exemplar, Fs, HistogramValue, Labels, MatchOp, Matcher, Metadata, stale_nan,
};

use super::{End, FLOAT_SERIES, HISTOGRAMS, HOUR, MINUTE, Run, number_of, read, series_matchers, start_of};
use crate::{
    model::Scope,
    support::{digest, histogram, labels},
};

/// A sample on its way.
struct Row {
    series: usize,
    ts: i64,
    value: Value,
}

enum Value {
    Float(f64),
    Histogram(HistogramValue),
}

impl Row {
    /// What the model knows the value by.
    fn bits(&self) -> u64 {
        match &self.value {
            Value::Float(value) => value.to_bits(),
            Value::Histogram(value) => digest(&value.to_float()),
        }
    }
}

impl Run {
    /// One request of some rows.
    pub(super) fn append(&mut self) -> Result<(), String> {
        let rows = self.rows();
        let Some(engine) = &self.engine else { return Ok(()) };
        let log_failed = engine.stats().wal.failed;
        let begin = self.now();
        let mut batch = engine.batch();
        let mut known = Vec::with_capacity(rows.len());
        for row in &rows {
            self.tiers.touch(row.series, row.ts, row.ts);
            known.push(self.model.knows(row.series, row.ts, row.bits()));
            self.model.send(row.series, row.ts, row.bits());
            let id = batch.series(&labels(row.series), None).map_err(|refusal| refusal.to_string())?;
            let start = start_of(row.series, row.ts);
            match &row.value {
                Value::Float(value) => batch.float(id, row.ts, start, *value),
                Value::Histogram(value) => batch.histogram(id, row.ts, start, value.clone()),
            }
        }
        match batch.commit() {
            Err(_) => {
                self.counts.failed_operations += 1;
                self.counts.failed_logs += u64::from(log_failed);
                self.note("not committed", rows.len() as u64);
                rows.iter().for_each(|row| self.tiers.leave_open(row.series, row.ts, row.ts));
            }
            Ok(_) if log_failed => return Err("a log that has failed took rows".to_owned()),
            Ok(outcome) => {
                let refused: BTreeSet<_> =
                    outcome.refused.iter().map(|row| (row.labels.clone(), row.ts)).collect();
                self.note("committed", outcome.floats + 7 * outcome.refused_count);
                for (row, known) in rows.iter().zip(known) {
                    if refused.contains(&(labels(row.series), Some(row.ts))) {
                        self.refused(row, known, begin)?;
                    } else {
                        self.counts.acknowledged += 1;
                        self.model.acknowledge(row.series, row.ts);
                    }
                }
                // Accepted, and perhaps too old the next moment.
                let expired = self.expired();
                self.model.expire(expired);
            }
        }
        Ok(())
    }

    /// A refusal must have a reason: another value, or its time when the request began.
    fn refused(&mut self, row: &Row, known: bool, begin: i64) -> Result<(), String> {
        let in_time = (begin - super::RETENTION..=begin + 10 * MINUTE).contains(&row.ts);
        if in_time && !self.model.contradicts(row.series, row.ts, row.bits()) {
            return Err(format!("series {} at {} was refused without a reason", row.series, row.ts));
        }
        self.model.refuse(row.series, row.ts, row.bits(), known);
        Ok(())
    }

    /// Rows of distinct series.
    fn rows(&mut self) -> Vec<Row> {
        let count = 1 + self.below(6);
        let first = self.below(FLOAT_SERIES + 1);
        (0..count)
            .map(|i| {
                let series = (first + i * 3) % (FLOAT_SERIES + 1);
                let ts = match self.rng.below(40) {
                    0..=2 => self.now() - MINUTE * self.below(6 * 60) as i64,
                    3 => self.now() - HOUR * self.below(40) as i64,
                    // A round time, which is met again.
                    4..=6 => self.now() / HOUR * HOUR,
                    _ => self.now() - i as i64,
                };
                let value = if series == HISTOGRAMS {
                    Value::Histogram(histogram(self.rng.below(200)))
                } else {
                    Value::Float(self.float())
                };
                Row { series, ts, value }
            })
            .collect()
    }

    fn float(&mut self) -> f64 {
        const SPECIAL: [f64; 5] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE / 4.0];
        match self.rng.below(20) {
            0 => stale_nan(),
            1 => SPECIAL[self.below(SPECIAL.len())],
            2..=10 => self.below(1_000) as f64 / 8.0,
            11..=14 => self.below(1 << 40) as f64,
            _ => f64::from_bits(self.rng.next_u64() >> 2),
        }
    }

    /// A request of an exemplar and of a help text.
    pub(super) fn tell(&mut self) -> Result<(), String> {
        let series = self.below(FLOAT_SERIES + 1);
        let (ts, value) = (self.now(), self.below(3) as f64);
        let help = format!("text {}", self.below(4));
        let Some(engine) = &self.engine else { return Ok(()) };
        let labels = labels(series);
        let metric = String::from_utf8_lossy(labels.get(b"__name__")).into_owned();
        let exemplar = (series, ts, value.to_bits());
        self.model.told.send(exemplar, &metric, &help);
        let mut batch = engine.batch();
        let id = batch.series(&labels, None).map_err(|refusal| refusal.to_string())?;
        batch.exemplar(id, Exemplar { labels: Labels::from_pairs([("trace_id", "a")]), value, ts });
        batch.metadata(&metric, Metadata { help: help.clone(), ..Metadata::default() });
        match batch.commit() {
            Ok(outcome) => {
                self.counts.exemplars += outcome.exemplars;
                self.note("told", outcome.exemplars);
                self.model.told.acknowledge(exemplar, outcome.exemplars > 0, &metric, &help);
            }
            Err(_) => {
                self.counts.failed_operations += 1;
                self.note("not told", 0);
            }
        }
        Ok(())
    }

    /// Which series there are, without their samples.
    pub(super) fn look_up(&mut self) -> Result<(), String> {
        let start = self.now() - MINUTE * self.below(48 * 60) as i64;
        let end = start + MINUTE * self.below(12 * 60) as i64;
        let wanted = labels(self.below(FLOAT_SERIES + 1));
        let Some(engine) = &self.engine else { return Ok(()) };
        let matcher = Matcher::new(MatchOp::Equal, b"instance", wanted.get(b"instance"));
        let matcher = matcher.map_err(|error| error.to_string())?;
        match engine.series(&[matcher], start, end) {
            Ok(found) if !found.warnings.is_empty() => Err("a look-up is incomplete".to_owned()),
            Ok(found) => {
                let numbers = found.items.iter().map(number_of).collect::<Result<BTreeSet<_>, _>>()?;
                let concerns = |series: usize| labels(series).get(b"instance") == wanted.get(b"instance");
                let scope = Scope { start, end, concerns: &concerns, incomplete: false };
                self.model.check_series(&numbers, &scope)?;
                self.counts.checks += 1;
                self.note("series", numbers.len() as u64);
                Ok(())
            }
            Err(_) if self.may_fail_to_read() => {
                self.counts.failed_operations += 1;
                self.note("no series", 0);
                Ok(())
            }
            Err(error) => Err(format!("a look-up fails: {error}")),
        }
    }

    /// Whether a file may be unreadable: files are read when they are first asked.
    fn may_fail_to_read(&self) -> bool {
        self.fs.crashed() || matches!(self.end, End::FailedCall(_) | End::CutRead(_))
    }

    /// A copy of the store must hold what the store holds.
    pub(super) fn snapshot(&mut self) -> Result<(), String> {
        const DIR: &str = "/copies/one";
        let Some(engine) = &self.engine else { return Ok(()) };
        let fs: Arc<dyn Fs> = Arc::new(self.fs.clone());
        drop(fs.remove_dir_all(Path::new(DIR)));
        if engine.snapshot(DIR).is_err() {
            self.counts.failed_operations += 1;
            self.note("no snapshot", 0);
            return Ok(());
        }
        let opened = Engine::open_in(&self.env(&self.fs), Path::new(DIR), super::config(self.seed, self.lie));
        let found = opened
            .map_err(|error| error.to_string())
            .and_then(|copy| read(&copy, &[crate::support::everything()], i64::MIN, i64::MAX));
        drop(fs.remove_dir_all(Path::new(DIR)));
        match found {
            Ok((_, true)) => Err("a snapshot is incomplete".to_owned()),
            Ok((found, false)) => {
                let expired = self.expired();
                self.model.expire(expired);
                let scope = Scope { start: i64::MIN, end: i64::MAX, concerns: &|_| true, incomplete: false };
                let checked =
                    self.model.check(&found, &scope).map_err(|error| format!("snapshot: {error}"))?;
                self.counts.snapshots += 1;
                self.note("snapshot", checked as u64);
                Ok(())
            }
            Err(_)
                if self.may_fail_to_read() || matches!(self.end, End::FailedSync(_) | End::FullDisk(_)) =>
            {
                self.note("no store of a snapshot", 0);
                Ok(())
            }
            Err(error) => Err(format!("a snapshot cannot be opened: {error}")),
        }
    }

    /// A selection by a matcher and a range.
    pub(super) fn query(&mut self) -> Result<(), String> {
        let start = self.now() - MINUTE * self.below(48 * 60) as i64;
        let end = start + MINUTE * self.below(12 * 60) as i64;
        let number = self.below(FLOAT_SERIES + 1);
        let wanted = labels(number);
        let name: &[u8] = if self.chance(500) { b"instance" } else { b"__name__" };
        let negated = self.chance(200);
        let op = if negated { MatchOp::NotEqual } else { MatchOp::Equal };
        let matcher = Matcher::new(op, name, wanted.get(name)).map_err(|error| error.to_string())?;
        let concerns = |series: usize| (labels(series).get(name) == wanted.get(name)) != negated;
        self.compare(&[matcher], start, end, &concerns)
    }

    /// Asks the engine and the model.
    pub(super) fn compare(
        &mut self,
        matchers: &[Matcher],
        start: i64,
        end: i64,
        concerns: &dyn Fn(usize) -> bool,
    ) -> Result<(), String> {
        let Some(engine) = &self.engine else { return Ok(()) };
        match read(engine, matchers, start, end) {
            Ok((found, warned)) => {
                if warned {
                    return Err("an answer is incomplete, and nothing was damaged".to_owned());
                }
                let scope = Scope { start, end, concerns, incomplete: false };
                let checked = self.model.check(&found, &scope)? as u64;
                self.counts.checks += 1;
                self.counts.checked_samples += checked;
                self.note(
                    "answer",
                    checked + found.values().map(|samples| samples.len() as u64).sum::<u64>(),
                );
                Ok(())
            }
            Err(_) if self.may_fail_to_read() => {
                self.counts.failed_operations += 1;
                self.note("no answer", 0);
                Ok(())
            }
            Err(error) => Err(format!("a query fails: {error}")),
        }
    }

    /// What happens by itself, or an operator asks for. It may fail only where something went wrong.
    pub(super) fn upkeep<T>(&mut self, what: &str, run: impl Fn(&Engine) -> Result<T, Error>) {
        let Some(engine) = &self.engine else { return };
        let before = engine.stats();
        let done = run(engine).is_ok();
        self.count(&before);
        self.counts.failed_operations += u64::from(!done);
        self.note(what, u64::from(done));
        // Blocks are dropped only here, by what the clock shows now.
        let expired = self.expired();
        self.model.expire(expired);
    }

    /// Rolls up what is due, or tends to the tables.
    pub(super) fn roll_up(&mut self, run: impl Fn(&Engine) -> Result<(), Error>) {
        let Some(engine) = &self.engine else { return };
        let before = engine.rollup_stats().jobs;
        let done = run(engine).is_ok();
        self.counts.rollup_jobs += engine.rollup_stats().jobs - before;
        self.counts.roll_ups += u64::from(done);
        self.counts.failed_roll_ups += u64::from(!done);
        self.note("roll up", u64::from(done));
        self.see_clock();
    }

    /// Compares the rows of all tiers with the samples, and with what they were.
    pub(super) fn check_tiers(&mut self) -> Result<(), String> {
        let Some(engine) = &self.engine else { return Ok(()) };
        let checked = self.tiers.check(engine, number_of, self.latest)?;
        self.see_clock();
        match checked {
            Ok(checked) => {
                self.counts.checked_rows += checked.rows;
                self.counts.checked_old_rows += checked.old_rows;
                self.note("rows", checked.rows + checked.old_rows);
                Ok(())
            }
            Err(_) if self.may_fail_to_read() || self.tiers.may_fail() => {
                self.counts.failed_operations += 1;
                self.note("no rows", 0);
                Ok(())
            }
            Err(error) => Err(format!("tiers cannot be read: {error}")),
        }
    }

    fn count(&mut self, before: &EngineStats) {
        let Some(engine) = &self.engine else { return };
        let stats = engine.stats();
        self.counts.flushes += stats.flushes_total - before.flushes_total;
        self.counts.compactions += stats.compactions_total - before.compactions_total;
        self.counts.expired_blocks += stats.blocks_expired_total - before.blocks_expired_total;
    }

    /// Deletes a range of one series.
    pub(super) fn delete(&mut self) {
        let series = self.below(FLOAT_SERIES + 1);
        let start = self.now() - MINUTE * self.below(24 * 60) as i64;
        let end = start + MINUTE * self.below(3 * 60) as i64;
        let Some(engine) = &self.engine else { return };
        self.tiers.touch(series, start, end);
        let deleted = engine.delete_series(&series_matchers(series), start, end).is_ok();
        self.note("delete", u64::from(deleted));
        self.counts.failed_operations += u64::from(!deleted);
        if !deleted {
            self.tiers.leave_open(series, start, end);
        }
        self.model.delete(series, start, end, deleted);
    }

    /// Without faults the store takes what is sent, and moves it to blocks.
    pub(super) fn make_progress(&mut self) -> Result<(), String> {
        let env = self.env(&self.fs.clone());
        let opened = Engine::open_in(&env, Path::new("/data"), super::config(self.seed, self.lie));
        self.engine = Some(opened.map_err(|error| format!("after all faults: {error}"))?);
        self.end = End::Close(0);
        self.tiers.clear_up();
        self.check_all(true)?;
        for _ in 0..3 {
            let before = self.counts.failed_operations;
            for _ in 0..20 {
                self.clock.set(kymo_engine::Millis(self.now() + MINUTE));
                self.append()?;
            }
            self.upkeep("maintain", Engine::maintain);
            self.upkeep("flush", |engine| engine.flush().map(drop));
            self.upkeep("compact", Engine::compact);
            if self.counts.failed_operations > before {
                return Err("something fails, and there is no fault any more".to_owned());
            }
            self.tell()?;
            self.snapshot()?;
            self.check_all(false)?;
            self.roll_up_all()?;
        }
        let Some(engine) = self.engine.take() else { return Ok(()) };
        engine.close().map_err(|error| format!("closing: {error}"))
    }

    /// Without faults all windows that are complete are rolled up.
    fn roll_up_all(&mut self) -> Result<(), String> {
        let before = self.counts.failed_roll_ups;
        self.roll_up(Engine::roll_up);
        self.roll_up(Engine::tend_tiers);
        if self.counts.failed_roll_ups > before {
            return Err("rolling up fails, and there is no fault any more".to_owned());
        }
        let late = self.engine.iter().flat_map(Engine::tiers).find(|tier| !tier.due.is_empty());
        if let Some(tier) = late {
            return Err(format!("{} is not rolled up in full: {:?}", tier.table, tier.due));
        }
        self.check_tiers()
    }
}
