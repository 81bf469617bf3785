//! Groups that are added to sample by sample: only the groups are in memory, not the series.

use kymo_engine::Labels;
use kymo_formats::histogram::FloatHistogram;

use super::super::{
    Column, Evaluator, Notes, Sample, Series, StepSet, column::histogram_weight, grouping::Grouping,
    hash::Map,
};
use crate::{Error, lang::promql::Aggregate};

/// How samples of one group and step become one value.
pub(super) trait Fold {
    /// What is kept per group and step; the default is that of a group without samples.
    type State: Default + Clone;

    /// Whether a state keeps every float that it is given.
    const KEEPS_FLOATS: bool = false;

    /// Adds a float.
    fn add_float(&self, state: &mut Self::State, value: f64);

    /// Adds a histogram.
    fn add_histogram(&self, state: &mut Self::State, histogram: &FloatHistogram, context: &mut Context<'_>);

    /// The value, if the group has one at step `step`.
    fn finish(&self, state: Self::State, step: usize, context: &mut Context<'_>) -> Option<Sample>;
}

/// Where a fold leaves annotations.
pub(super) struct Context<'n> {
    /// Annotations.
    pub(super) notes: &'n mut Notes,
    /// Where the aggregated expression starts.
    pub(super) position: usize,
    /// Name of the metric of the series that is being added.
    pub(super) metric: Labels,
}

/// A unit of a histogram's weight is 16 bytes; a state has a compensation beside each count.
const STATE_BYTES_PER_WEIGHT: usize = 32;

/// One group.
struct GroupStates<S> {
    labels: Labels,
    drop_name: bool,
    /// Step of `states[0]`.
    first: usize,
    states: Vec<S>,
    /// Steps at which a histogram was added, whose size the states have then.
    with_histogram: StepSet,
}

impl<S: Default + Clone> GroupStates<S> {
    fn new(labels: Labels) -> Self {
        Self { labels, drop_name: false, first: 0, states: Vec::new(), with_histogram: StepSet::default() }
    }

    /// Memory of a group beside its states, with that of the key under which it is found.
    fn held_bytes(&self) -> usize {
        size_of::<Self>() + 3 * self.labels.held_bytes()
    }

    /// Makes room for all steps at which `column` has samples; returns how many steps were added.
    fn cover(&mut self, column: &Column) -> usize {
        let Some((from, to)) = column.extent() else {
            return 0;
        };
        let before = self.states.len();
        if before == 0 {
            self.first = from;
        } else if from < self.first {
            let missing = self.first - from;
            self.states.splice(0..0, std::iter::repeat_n(S::default(), missing));
            self.first = from;
        }
        let len = (to + 1 - self.first).max(self.states.len());
        self.states.resize(len, S::default());
        self.states.len() - before
    }

    /// Takes note of the steps at which `column` has histograms; returns the bytes that the states grow by.
    fn note_histograms(&mut self, column: &Column) -> usize {
        let new = column.histograms().filter(|(step, _)| self.with_histogram.insert(*step));
        new.map(|(_, histogram)| STATE_BYTES_PER_WEIGHT * histogram_weight(histogram)).sum()
    }
}

impl Evaluator<'_> {
    /// Aggregates with `fold`. Series are added in the order of the vector, so sums do not depend on how the
    /// work is spread over threads.
    pub(super) fn fold<F: Fold>(
        &self,
        aggregate: &Aggregate,
        grouping: &Grouping,
        fold: &F,
        notes: &mut Notes,
    ) -> Result<Vec<Series>, Error> {
        let position = aggregate.expr.span().start as usize;
        let mut groups: Vec<GroupStates<F::State>> = Vec::new();
        let mut places: Map<Box<[u8]>, usize> = Map::default();
        let mut key = Vec::new();
        let budget = &self.shared.budget;
        let mut held = budget.held();
        self.for_each_part(&aggregate.expr, notes, &mut |part, notes| {
            let (mut added, mut bytes) = (0, 0);
            for series in part {
                let key = grouping.key(&series.labels, &mut key);
                let place = match places.get(key) {
                    Some(place) => *place,
                    None => {
                        places.insert(key.into(), groups.len());
                        let group = GroupStates::new(grouping.labels(&series.labels));
                        bytes += group.held_bytes();
                        groups.push(group);
                        groups.len() - 1
                    }
                };
                let group = &mut groups[place];
                let steps = group.cover(&series.column);
                added += steps + if F::KEEPS_FLOATS { series.column.len() } else { 0 };
                bytes += steps * size_of::<F::State>() + group.note_histograms(&series.column);
                group.drop_name |= series.drop_name;
                add(fold, group, &series, &mut Context { notes, position, metric: series.labels.clone() });
            }
            // The part is gone, its groups stay.
            budget.take_bytes(bytes)?;
            budget.settle(held, added)?;
            held = budget.held();
            Ok(())
        })?;
        let mut context = Context { notes, position, metric: Labels::empty() };
        Ok(groups.into_iter().filter_map(|group| finish(fold, group, &mut context)).collect())
    }
}

fn add<F: Fold>(fold: &F, group: &mut GroupStates<F::State>, series: &Series, context: &mut Context<'_>) {
    for (step, value) in series.column.floats() {
        fold.add_float(&mut group.states[step - group.first], value);
    }
    for (step, histogram) in series.column.histograms() {
        fold.add_histogram(&mut group.states[step - group.first], histogram, context);
    }
}

fn finish<F: Fold>(fold: &F, group: GroupStates<F::State>, context: &mut Context<'_>) -> Option<Series> {
    let mut column = Column::with_capacity(group.states.len());
    for (i, state) in group.states.into_iter().enumerate() {
        let step = group.first + i;
        if let Some(sample) = fold.finish(state, step, context) {
            column.push(step, sample);
        }
    }
    (!column.is_empty()).then_some(Series { labels: group.labels, drop_name: group.drop_name, column })
}
