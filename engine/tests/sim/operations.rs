//! What writers, readers and operators do.

use std::{collections::BTreeSet, path::Path};

use kymo_engine::{Engine, EngineStats, Error, HistogramValue, MatchOp, Matcher};

use super::{End, FLOAT_SERIES, HISTOGRAMS, HOUR, MINUTE, Run, read, series_matchers};
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
        let mut batch = engine.batch();
        let mut known = Vec::with_capacity(rows.len());
        for row in &rows {
            known.push(self.model.knows(row.series, row.ts, row.bits()));
            self.model.send(row.series, row.ts, row.bits());
            let id = batch.series(&labels(row.series), None).map_err(|refusal| refusal.to_string())?;
            match &row.value {
                Value::Float(value) => batch.float(id, row.ts, 0, *value),
                Value::Histogram(value) => batch.histogram(id, row.ts, 0, value.clone()),
            }
        }
        match batch.commit() {
            Err(_) => {
                self.counts.failed_operations += 1;
                self.counts.failed_logs += u64::from(log_failed);
                self.note("not committed", rows.len() as u64);
            }
            Ok(_) if log_failed => return Err("a log that has failed took rows".to_owned()),
            Ok(outcome) => {
                let refused: BTreeSet<_> =
                    outcome.refused.iter().map(|row| (row.labels.clone(), row.ts)).collect();
                self.note("committed", outcome.floats + 7 * outcome.refused_count);
                for (row, known) in rows.iter().zip(known) {
                    if refused.contains(&(labels(row.series), Some(row.ts))) {
                        self.refused(row, known)?;
                    } else {
                        self.counts.acknowledged += 1;
                        self.model.acknowledge(row.series, row.ts);
                    }
                }
                // Accepted, and perhaps too old the next moment.
                self.model.expire(self.expired());
            }
        }
        Ok(())
    }

    /// A refusal must have a reason: another value, or its time.
    fn refused(&mut self, row: &Row, known: bool) -> Result<(), String> {
        let in_time = (self.now() - super::RETENTION..=self.now() + 10 * MINUTE).contains(&row.ts);
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
                } else if self.chance(500) {
                    Value::Float(self.below(1_000) as f64 / 8.0)
                } else {
                    Value::Float(f64::from_bits(self.rng.next_u64() >> 2))
                };
                Row { series, ts, value }
            })
            .collect()
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
            // Files are read when they are first asked.
            Err(_) if self.fs.crashed() || matches!(self.end, End::FailedCall(_)) => {
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
        self.model.expire(self.expired());
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
        let deleted = engine.delete_series(&series_matchers(series), start, end).is_ok();
        self.note("delete", u64::from(deleted));
        self.counts.failed_operations += u64::from(!deleted);
        self.model.delete(series, start, end, deleted);
    }

    /// Without faults the store takes what is sent, and moves it to blocks.
    pub(super) fn make_progress(&mut self) -> Result<(), String> {
        let env = self.env(&self.fs.clone());
        let opened = Engine::open_in(&env, Path::new("/data"), super::config(self.lie));
        self.engine = Some(opened.map_err(|error| format!("after all faults: {error}"))?);
        self.end = End::Close(0);
        self.check_all(true)?;
        for _ in 0..3 {
            let before = self.counts.failed_operations;
            for _ in 0..20 {
                self.clock.set(kymo_engine::Millis(self.now() + MINUTE));
                self.latest = self.latest.max(self.now());
                self.append()?;
            }
            self.upkeep("maintain", Engine::maintain);
            self.upkeep("flush", |engine| engine.flush().map(drop));
            self.upkeep("compact", Engine::compact);
            if self.counts.failed_operations > before {
                return Err("something fails, and there is no fault any more".to_owned());
            }
            self.check_all(false)?;
        }
        let Some(engine) = self.engine.take() else { return Ok(()) };
        engine.close().map_err(|error| format!("closing: {error}"))
    }
}
