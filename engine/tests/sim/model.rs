//! What the store must and may hold: a plain map.

use std::collections::{BTreeMap, BTreeSet};

/// Samples by series and time: bits of the value, or the digest of a histogram.
pub(crate) type Found = BTreeMap<usize, BTreeMap<i64, u64>>;

/// One time of one series.
#[derive(Debug, Clone, Default)]
struct Cell {
    /// What was sent for it.
    values: BTreeSet<u64>,
    /// What came too late to count. It shows when retention has dropped the block of the one that did, and may be why a
    /// repeat of that one is refused.
    rivals: BTreeSet<u64>,
    /// Whether one of them was acknowledged, and nothing since may have taken it away.
    must: bool,
}

/// Everything that was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    cells: BTreeMap<usize, BTreeMap<i64, Cell>>,
    pub(crate) told: Told,
}

/// An exemplar: series, time, bits of the value.
pub(crate) type ExemplarKey = (usize, i64, u64);

/// What is told beside samples, and kept in memory and in the log alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// Exemplars that were sent, and whether they were acknowledged.
    exemplars: BTreeMap<ExemplarKey, bool>,
    /// Help texts that a metric may have, and whether it must have one of them.
    help: BTreeMap<String, (BTreeSet<String>, bool)>,
}

impl Told {
    pub(crate) fn send(&mut self, exemplar: ExemplarKey, metric: &str, help: &str) {
        self.exemplars.entry(exemplar).or_default();
        self.help.entry(metric.to_owned()).or_default().0.insert(help.to_owned());
    }

    /// The request was acknowledged; whether with its exemplar is said by `stored`.
    pub(crate) fn acknowledge(&mut self, exemplar: ExemplarKey, stored: bool, metric: &str, help: &str) {
        match self.exemplars.get_mut(&exemplar) {
            Some(acknowledged) if stored => *acknowledged = true,
            Some(false) => drop(self.exemplars.remove(&exemplar)),
            _ => {}
        }
        self.help.insert(metric.to_owned(), (BTreeSet::from([help.to_owned()]), true));
    }

    /// Compares with what the store has.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(
        &self,
        exemplars: &BTreeSet<ExemplarKey>,
        help: &BTreeMap<String, String>,
    ) -> Result<usize, String> {
        if let Some(foreign) = exemplars.iter().find(|key| !self.exemplars.contains_key(*key)) {
            return Err(format!("the exemplar {foreign:?} was never sent"));
        }
        let must = self.exemplars.iter().filter(|(_, acknowledged)| **acknowledged);
        if let Some((lost, _)) = must.clone().find(|(key, _)| !exemplars.contains(*key)) {
            return Err(format!("the acknowledged exemplar {lost:?} is lost"));
        }
        for (metric, (texts, acknowledged)) in &self.help {
            match help.get(metric) {
                Some(found) if !texts.contains(found) => {
                    return Err(format!("the help of {metric} is {found:?}, not of {texts:?}"));
                }
                None if *acknowledged => return Err(format!("the help of {metric} is lost: {texts:?}")),
                _ => {}
            }
        }
        Ok(must.count() + help.len())
    }

    /// After a start everything is decided.
    pub(crate) fn settle(&mut self, exemplars: &BTreeSet<ExemplarKey>, help: &BTreeMap<String, String>) {
        self.exemplars = exemplars.iter().map(|key| (*key, true)).collect();
        let settled =
            |(metric, text): (&String, &String)| (metric.clone(), (BTreeSet::from([text.clone()]), true));
        self.help = help.iter().map(settled).collect();
    }
}

/// What an answer is compared with.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s> {
    /// Both ends inclusive.
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Whether the answer is about this series.
    pub(crate) concerns: &'s dyn Fn(usize) -> bool,
    /// Whether the answer says that it left something out, or something that was found at the start says so.
    pub(crate) incomplete: bool,
}

impl Model {
    /// A sample is on its way.
    pub(crate) fn send(&mut self, series: usize, ts: i64, bits: u64) {
        self.cells.entry(series).or_default().entry(ts).or_default().values.insert(bits);
    }

    /// The sample was refused: it is as if it had not been sent, unless it was before.
    pub(crate) fn refuse(&mut self, series: usize, ts: i64, bits: u64, known: bool) {
        let Some(cells) = self.cells.get_mut(&series) else { return };
        let Some(cell) = cells.get_mut(&ts) else { return };
        if !known {
            cell.values.remove(&bits);
        }
        if cell.values.is_empty() {
            cells.remove(&ts);
        }
    }

    /// Whether this very sample was sent before.
    pub(crate) fn knows(&self, series: usize, ts: i64, bits: u64) -> bool {
        self.cell(series, ts).is_some_and(|cell| cell.values.contains(&bits))
    }

    /// Whether another value was sent for this time.
    pub(crate) fn contradicts(&self, series: usize, ts: i64, bits: u64) -> bool {
        let other = |cell: &Cell| cell.values.union(&cell.rivals).any(|value| *value != bits);
        self.cell(series, ts).is_some_and(other)
    }

    fn cell(&self, series: usize, ts: i64) -> Option<&Cell> {
        self.cells.get(&series)?.get(&ts)
    }

    /// The sample was acknowledged.
    pub(crate) fn acknowledge(&mut self, series: usize, ts: i64) {
        if let Some(cell) = self.cells.get_mut(&series).and_then(|cells| cells.get_mut(&ts)) {
            cell.must = true;
        }
    }

    /// Samples of the series between `start` and `end` are deleted, or, if not `acknowledged`, may be.
    pub(crate) fn delete(&mut self, series: usize, start: i64, end: i64, acknowledged: bool) {
        let Some(cells) = self.cells.get_mut(&series) else { return };
        if acknowledged {
            cells.retain(|ts, _| !(start..=end).contains(ts));
        } else {
            cells.range_mut(start..=end).for_each(|(_, cell)| cell.must = false);
        }
    }

    /// Samples before `ts` may be gone.
    pub(crate) fn expire(&mut self, ts: i64) {
        for cells in self.cells.values_mut() {
            cells.range_mut(..ts).for_each(|(_, cell)| cell.must = false);
        }
    }

    /// After a start everything is decided: what is there stays, and what is not does not come back. Samples before
    /// `expired` may still go.
    pub(crate) fn settle(&mut self, found: &Found, expired: i64) {
        let nothing = BTreeMap::new();
        for (series, cells) in &mut self.cells {
            let found = found.get(series).unwrap_or(&nothing);
            cells.retain(|ts, cell| match found.get(ts) {
                Some(bits) => {
                    cell.rivals.append(&mut cell.values);
                    cell.values.insert(*bits);
                    cell.must = *ts >= expired;
                    true
                }
                None => *ts < expired,
            });
        }
    }

    /// Compares the series that an answer names with those that it must and may name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check_series(&self, found: &BTreeSet<usize>, scope: &Scope<'_>) -> Result<usize, String> {
        let concerned = || self.cells.iter().filter(|(series, _)| (scope.concerns)(**series));
        let has = |cells: &BTreeMap<i64, Cell>| {
            scope.start <= scope.end && cells.range(scope.start..=scope.end).any(|(_, cell)| cell.must)
        };
        if let Some((series, _)) = concerned().find(|(series, cells)| has(cells) && !found.contains(*series))
        {
            return Err(format!("series {series} has samples and is not named"));
        }
        let foreign = |series: &&usize| !(scope.concerns)(**series);
        if let Some(series) = found.iter().find(foreign) {
            return Err(format!("series {series} is named, and was not asked for"));
        }
        Ok(found.len())
    }

    /// Compares an answer with what it must and may say; returns how many samples it looked at.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(&self, found: &Found, scope: &Scope<'_>) -> Result<usize, String> {
        let mut checked = 0;
        for (series, samples) in found {
            for (ts, bits) in samples {
                checked += 1;
                match self.cell(*series, *ts) {
                    Some(cell) if cell.values.contains(bits) => {}
                    Some(cell) if !cell.must && cell.rivals.contains(bits) => {}
                    Some(cell) => {
                        return Err(format!("series {series} at {ts} is {bits:x}, not of {cell:x?}"));
                    }
                    None => {
                        return Err(format!("series {series} at {ts}: {bits:x} was not sent, or is gone"));
                    }
                }
            }
        }
        if scope.incomplete || scope.start > scope.end {
            return Ok(checked);
        }
        let nothing = BTreeMap::new();
        for (series, cells) in self.cells.iter().filter(|(series, _)| (scope.concerns)(**series)) {
            let found = found.get(series).unwrap_or(&nothing);
            for (ts, cell) in cells.range(scope.start..=scope.end).filter(|(_, cell)| cell.must) {
                checked += 1;
                if !found.contains_key(ts) {
                    return Err(format!(
                        "series {series} at {ts}, acknowledged as one of {cell:x?}, is lost"
                    ));
                }
            }
        }
        Ok(checked)
    }
}
