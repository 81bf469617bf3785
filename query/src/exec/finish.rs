//! What is done to the series of an operator's result: names dropped, equal label sets brought together.

use super::{
    Column, Evaluator, Series,
    context::execution,
    hash::{Map, Set},
    series::without_metadata,
};
use crate::Error;

const SAME_LABELSET: &str = "vector cannot contain metrics with the same labelset";

impl Evaluator<'_> {
    /// The result of an operator that works step by step: a label set may occur once per step.
    ///
    /// Series that share labels at different steps become one. With delayed name removal a single step may
    /// hold equal label sets until the end of the query.
    pub(crate) fn finish(&self, mut series: Vec<Series>) -> Result<Vec<Series>, Error> {
        series.retain(|series| !series.column.is_empty());
        self.drop_names(&mut series);
        if !has_same_labels(&series) {
            return Ok(series);
        }
        if self.is_instant() {
            return if self.options().delayed_name_removal { Ok(series) } else { Err(same_labelset()) };
        }
        merge(series, Overlap::Forbidden)
    }

    /// Removes names at once, unless that is left to the end of the query.
    pub(crate) fn drop_names(&self, series: &mut [Series]) {
        if !self.options().delayed_name_removal {
            drop_flagged_names(series);
        }
    }
}

/// Removes the names of all series that have lost them. To be done at the end of the query.
pub(crate) fn drop_flagged_names(series: &mut [Series]) {
    for series in series.iter_mut().filter(|series| series.drop_name) {
        series.labels = without_metadata(&series.labels);
        series.drop_name = false;
    }
}

/// Merges series of equal labels; they must not have samples of one kind at the same step.
pub(crate) fn merge_same_labels(series: Vec<Series>) -> Result<Vec<Series>, Error> {
    if has_same_labels(&series) { merge(series, Overlap::OfKinds) } else { Ok(series) }
}

/// Merges series of equal labels; they must not have any samples at the same step.
pub(crate) fn merge_distinct(series: Vec<Series>) -> Result<Vec<Series>, Error> {
    if has_same_labels(&series) { merge(series, Overlap::Forbidden) } else { Ok(series) }
}

/// Whether a label set occurs twice.
pub(crate) fn has_same_labels(series: &[Series]) -> bool {
    if series.len() < 2 {
        return false;
    }
    let mut seen = Set::with_capacity_and_hasher(series.len(), Default::default());
    !series.iter().all(|series| seen.insert(&series.labels))
}

/// The error for a label set that occurs twice.
pub(crate) fn same_labelset() -> Error {
    execution(SAME_LABELSET)
}

/// Which samples of equal label sets may meet at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overlap {
    /// None.
    Forbidden,
    /// A float and a histogram.
    OfKinds,
}

fn merge(series: Vec<Series>, overlap: Overlap) -> Result<Vec<Series>, Error> {
    let mut merged: Vec<Series> = Vec::with_capacity(series.len());
    let mut places = Map::with_capacity_and_hasher(series.len(), Default::default());
    for next in series {
        match places.get(&next.labels) {
            None => {
                places.insert(next.labels.clone(), merged.len());
                merged.push(next);
            }
            Some(&place) => {
                let base: &mut Series = &mut merged[place];
                // As upstream, which goes step by step: the first one says whether the name stays.
                if first_step(&next.column) < first_step(&base.column) {
                    base.drop_name = next.drop_name;
                }
                base.column = union(&base.column, &next.column, overlap)?;
            }
        }
    }
    Ok(merged)
}

fn first_step(column: &Column) -> Option<usize> {
    column.iter().next().map(|(step, _)| step)
}

fn union(left: &Column, right: &Column, overlap: Overlap) -> Result<Column, Error> {
    let mut out = Column::default();
    let mut rest = right.floats().peekable();
    for (step, value) in left.floats() {
        while let Some((step, value)) = rest.next_if(|(other, _)| *other < step) {
            out.push_float(step, value);
        }
        if rest.peek().is_some_and(|(other, _)| *other == step) {
            return Err(same_labelset());
        }
        out.push_float(step, value);
    }
    rest.for_each(|(step, value)| out.push_float(step, value));
    let mut rest = right.histograms().peekable();
    for (step, histogram) in left.histograms() {
        while let Some((step, histogram)) = rest.next_if(|(other, _)| *other < step) {
            out.push_histogram(step, std::sync::Arc::clone(histogram));
        }
        if rest.peek().is_some_and(|(other, _)| *other == step) {
            return Err(same_labelset());
        }
        out.push_histogram(step, std::sync::Arc::clone(histogram));
    }
    rest.for_each(|(step, histogram)| out.push_histogram(step, std::sync::Arc::clone(histogram)));
    let kinds_meet = || out.histograms().any(|(step, _)| out.float(step).is_some());
    if overlap == Overlap::Forbidden && kinds_meet() { Err(same_labelset()) } else { Ok(out) }
}
