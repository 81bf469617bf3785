//! `and`, `or` and `unless`.

use super::{
    super::{Column, Series, StepSet},
    matching::Signatures,
};
use crate::lang::promql::VectorMatching;

/// Elements on the left that have a partner on the right.
pub(super) fn and(lhs: &[Series], rhs: &[Series], matching: &VectorMatching) -> Vec<Series> {
    let signatures = Signatures::new(lhs, rhs, matching);
    let present = presence(rhs, &signatures.rhs, signatures.len);
    let kept = |(series, group): (&Series, &usize)| filtered(series, |step| present[*group].contains(step));
    lhs.iter().zip(&signatures.lhs).map(kept).collect()
}

/// Elements on the left that have no partner on the right.
pub(super) fn unless(lhs: &[Series], rhs: &[Series], matching: &VectorMatching) -> Vec<Series> {
    let signatures = Signatures::new(lhs, rhs, matching);
    let present = presence(rhs, &signatures.rhs, signatures.len);
    let kept = |(series, group): (&Series, &usize)| filtered(series, |step| !present[*group].contains(step));
    lhs.iter().zip(&signatures.lhs).map(kept).collect()
}

/// Elements on the left, and those on the right that have no partner on the left.
pub(super) fn or(lhs: Vec<Series>, rhs: &[Series], matching: &VectorMatching) -> Vec<Series> {
    let signatures = Signatures::new(&lhs, rhs, matching);
    let present = presence(&lhs, &signatures.lhs, signatures.len);
    let mut out = lhs;
    out.extend(
        rhs.iter()
            .zip(&signatures.rhs)
            .map(|(series, group)| filtered(series, |step| !present[*group].contains(step))),
    );
    out
}

/// For each match group the steps at which it has an element.
fn presence(series: &[Series], groups: &[usize], len: usize) -> Vec<StepSet> {
    let mut present = vec![StepSet::default(); len];
    for (series, group) in series.iter().zip(groups) {
        series.column.iter().for_each(|(step, _)| {
            present[*group].insert(step);
        });
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
