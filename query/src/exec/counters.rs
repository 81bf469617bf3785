//! What a query has looked at, in all and for each step.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::Grid;
use crate::SampleCounts;

/// Most steps for which samples are counted one by one. A subquery may have more; then only its sums are known.
const STEPS_MAX: usize = 1 << 20;

/// What an evaluation has looked at.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    queryable: AtomicU64,
    read: AtomicU64,
    /// A step's samples, where steps are counted; empty until there are any.
    steps: Option<Mutex<Vec<SampleCounts>>>,
}

/// What the evaluation of one series has looked at.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    total: SampleCounts,
    /// Empty unless steps are counted.
    steps: Vec<SampleCounts>,
}

impl Tally {
    /// Adds samples looked at by step `step`, and read for it.
    pub(crate) fn add(&mut self, step: usize, queryable: u64, read: u64) {
        self.total.add(queryable, read);
        if let Some(counts) = self.steps.get_mut(step) {
            counts.add(queryable, read);
        }
    }

    /// Whether steps are counted.
    pub(crate) const fn counts_steps(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Forgets what was read: the samples were counted where they came from.
    pub(crate) fn forget_read(&mut self) {
        self.total.read = 0;
        self.steps.iter_mut().for_each(|counts| counts.read = 0);
    }
}

impl Counters {
    /// Counters of an evaluation; of each of its steps if `of_steps`.
    pub(crate) fn new(of_steps: bool) -> Self {
        Self { steps: of_steps.then(Mutex::default), ..Self::default() }
    }

    /// Whether steps are counted.
    pub(crate) const fn counts_steps(&self) -> bool {
        self.steps.is_some()
    }

    /// A tally of a series over `grid`, nothing counted.
    pub(crate) fn tally(&self, grid: Grid) -> Tally {
        let steps = if self.counts_steps() && grid.steps <= STEPS_MAX { grid.steps } else { 0 };
        Tally { total: SampleCounts::default(), steps: vec![SampleCounts::default(); steps] }
    }

    /// Adds the tally of a series.
    pub(crate) fn add(&self, tally: &Tally) {
        self.add_total(tally.total);
        self.with_steps(|steps| {
            steps.resize(steps.len().max(tally.steps.len()), SampleCounts::default());
            for (sum, counts) in steps.iter_mut().zip(&tally.steps) {
                sum.add(counts.queryable, counts.read);
            }
        });
    }

    /// Adds the samples of one step.
    pub(crate) fn add_at(&self, step: usize, counts: SampleCounts) {
        self.add_total(counts);
        if step < STEPS_MAX {
            self.with_steps(|steps| {
                steps.resize(steps.len().max(step + 1), SampleCounts::default());
                steps[step].add(counts.queryable, counts.read);
            });
        }
    }

    /// Adds what was looked at once for all of `steps` steps: each step uses it, but only the first reads it.
    pub(crate) fn add_invariant(&self, once: &Self, steps: usize) {
        let SampleCounts { queryable, read } = once.total();
        self.add_at(0, SampleCounts { queryable, read });
        if self.counts_steps() {
            (1..steps).for_each(|step| self.add_at(step, SampleCounts { queryable, read: 0 }));
        } else {
            self.add_total(SampleCounts { queryable: queryable * (steps as u64 - 1), read: 0 });
        }
    }

    /// Adds what a subquery has read. Its windows, `range` long, end `offset` before the steps of `grid`; a step
    /// of the subquery counts for the first of them that contains it, and not at all when it lies between two.
    pub(crate) fn add_subquery(&self, inner: &Inner<'_>, grid: Grid, offset: i64, range: i64) {
        let steps = inner.counters.steps();
        if grid.steps <= 1 || steps.is_empty() {
            let read = inner.counters.total().read;
            return self.add_at(0, SampleCounts { queryable: 0, read });
        }
        for (idx, counts) in steps.iter().enumerate().filter(|(_, counts)| counts.read > 0) {
            let ts = inner.grid.ts(idx).saturating_add(offset);
            let step = grid.first_not_before(ts);
            if ts > grid.ts(step).saturating_sub(range) {
                self.add_at(step, SampleCounts { queryable: 0, read: counts.read });
            }
        }
    }

    /// All samples.
    pub(crate) fn total(&self) -> SampleCounts {
        SampleCounts {
            queryable: self.queryable.load(Ordering::Relaxed),
            read: self.read.load(Ordering::Relaxed),
        }
    }

    /// The samples of each step, up to the last one that has any; empty unless steps are counted.
    pub(crate) fn steps(&self) -> Vec<SampleCounts> {
        let mut copy = Vec::new();
        self.with_steps(|steps| copy.clone_from(steps));
        copy
    }

    fn add_total(&self, counts: SampleCounts) {
        self.queryable.fetch_add(counts.queryable, Ordering::Relaxed);
        self.read.fetch_add(counts.read, Ordering::Relaxed);
    }

    fn with_steps(&self, visit: impl FnOnce(&mut Vec<SampleCounts>)) {
        if let Some(steps) = &self.steps {
            visit(&mut steps.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// The evaluation of a subquery.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inner<'a> {
    /// What it has looked at.
    pub(crate) counters: &'a Counters,
    /// Its steps.
    pub(crate) grid: Grid,
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn counts(queryable: u64, read: u64) -> SampleCounts {
        SampleCounts { queryable, read }
    }

    #[test]
    fn steps_are_counted_where_asked() {
        for of_steps in [false, true] {
            let counters = Counters::new(of_steps);
            let mut tally = counters.tally(Grid::new(0, 20, 10));
            tally.add(0, 2, 2);
            tally.add(2, 3, 1);
            counters.add(&tally);
            counters.add(&tally);
            assert_eq!(counters.total(), counts(10, 6));
            let expected = if of_steps { vec![counts(4, 4), counts(0, 0), counts(6, 2)] } else { Vec::new() };
            assert_eq!(counters.steps(), expected);
        }
    }

    #[test]
    fn what_is_the_same_at_each_step_is_read_once() {
        for of_steps in [false, true] {
            let once = Counters::default();
            once.add_at(0, counts(5, 4));
            let counters = Counters::new(of_steps);
            counters.add_invariant(&once, 3);
            assert_eq!(counters.total(), counts(15, 4));
            let expected = if of_steps { vec![counts(5, 4), counts(5, 0), counts(5, 0)] } else { Vec::new() };
            assert_eq!(counters.steps(), expected);
        }
    }

    #[test]
    fn a_subquery_counts_for_the_first_window_that_has_it() {
        let inner_grid = Grid::new(0, 100, 10);
        let inner = Counters::new(true);
        (0..inner_grid.steps).for_each(|step| inner.add_at(step, counts(1, 1)));
        // Windows of 20 that end at 20, 60 and 100: 30, 40, 70 and 80 are in none of them.
        let outer = Counters::new(true);
        let grid = Grid::new(20, 100, 40);
        outer.add_subquery(&Inner { counters: &inner, grid: inner_grid }, grid, 0, 20);
        assert_eq!(outer.steps().iter().map(|counts| counts.read).collect::<Vec<_>>(), [2, 2, 2]);
        assert_eq!(outer.total(), counts(0, 6));
    }
}
