//! `and`, `or` and `unless`.

use super::{
    super::{Column, Series},
    matching::Signatures,
};
use crate::lang::promql::VectorMatching;

/// Elements on the left that have a partner on the right.
pub(super) fn and(lhs: &[Series], rhs: &[Series], matching: &VectorMatching, steps: usize) -> Vec<Series> {
    let signatures = Signatures::new(lhs, rhs, matching);
    let present = presence(rhs, &signatures.rhs, signatures.len, steps);
    let kept = |(series, group): (&Series, &usize)| {
        filtered(series, |step| present[*group].as_ref().is_some_and(|steps| steps[step]))
    };
    lhs.iter().zip(&signatures.lhs).map(kept).collect()
}

/// Elements on the left that have no partner on the right.
pub(super) fn unless(lhs: &[Series], rhs: &[Series], matching: &VectorMatching, steps: usize) -> Vec<Series> {
    let signatures = Signatures::new(lhs, rhs, matching);
    let present = presence(rhs, &signatures.rhs, signatures.len, steps);
    let kept = |(series, group): (&Series, &usize)| {
        filtered(series, |step| present[*group].as_ref().is_none_or(|steps| !steps[step]))
    };
    lhs.iter().zip(&signatures.lhs).map(kept).collect()
}

/// Elements on the left, and those on the right that have no partner on the left.
pub(super) fn or(lhs: Vec<Series>, rhs: &[Series], matching: &VectorMatching, steps: usize) -> Vec<Series> {
    let signatures = Signatures::new(&lhs, rhs, matching);
    let present = presence(&lhs, &signatures.lhs, signatures.len, steps);
    let mut out = lhs;
    out.extend(rhs.iter().zip(&signatures.rhs).map(|(series, group)| {
        filtered(series, |step| present[*group].as_ref().is_none_or(|steps| !steps[step]))
    }));
    out
}

/// For each match group the steps at which it has an element; `None` when it never has.
fn presence(series: &[Series], groups: &[usize], len: usize, steps: usize) -> Vec<Option<Vec<bool>>> {
    let mut present: Vec<Option<Vec<bool>>> = vec![None; len];
    for (series, group) in series.iter().zip(groups) {
        let present = present[*group].get_or_insert_with(|| vec![false; steps]);
        series.column.iter().for_each(|(step, _)| present[step] = true);
    }
    present
}

fn filtered(series: &Series, keep: impl Fn(usize) -> bool) -> Series {
    let mut column = Column::default();
    for (step, sample) in series.column.iter().filter(|(step, _)| keep(*step)) {
        column.push(step, sample.to_owned());
    }
    Series { labels: series.labels.clone(), drop_name: series.drop_name, column }
}
