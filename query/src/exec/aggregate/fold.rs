//! Groups that are added to sample by sample: only the groups are in memory, not the series.

use kymo_engine::Labels;
use kymo_formats::histogram::FloatHistogram;

use super::super::{Column, Evaluator, Notes, Sample, Series, grouping::Grouping, hash::Map};
use crate::{Error, lang::promql::Aggregate};

/// How samples of one group and step become one value.
pub(super) trait Fold {
    /// What is kept per group and step; the default is that of a group without samples.
    type State: Default + Clone;

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

/// One group.
struct GroupStates<S> {
    labels: Labels,
    drop_name: bool,
    /// Step of `states[0]`.
    first: usize,
    states: Vec<S>,
}

impl<S: Default + Clone> GroupStates<S> {
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
            let mut added = 0;
            for series in part {
                let key = grouping.key(&series.labels, &mut key);
                let place = match places.get(key) {
                    Some(place) => *place,
                    None => {
                        places.insert(key.into(), groups.len());
                        groups.push(GroupStates {
                            labels: grouping.labels(&series.labels),
                            drop_name: false,
                            first: 0,
                            states: Vec::new(),
                        });
                        groups.len() - 1
                    }
                };
                let group = &mut groups[place];
                added += group.cover(&series.column);
                group.drop_name |= series.drop_name;
                add(fold, group, &series, &mut Context { notes, position, metric: series.labels.clone() });
            }
            // The part is gone, its groups stay.
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
