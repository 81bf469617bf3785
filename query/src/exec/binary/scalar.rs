//! Binary operators with a scalar on one side at least.

use std::collections::BTreeMap;

use super::{
    super::{Column, Evaluator, Note, Notes, Sample, SampleRef, Series, context::execution},
    element::{arithmetic, changes_meaning, combine, comparison},
};
use crate::{
    Error,
    lang::promql::{Binary, BinaryOp},
};

/// On which side the scalar stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// `1 - v`
    Left,
    /// `v - 1`
    Right,
}

/// Two scalars at all steps.
pub(super) fn scalars(op: BinaryOp, lhs: &[f64], rhs: &[f64]) -> Result<Vec<f64>, Error> {
    let pairs = lhs.iter().zip(rhs);
    if let Some(arithmetic) = arithmetic(op) {
        return Ok(pairs.map(|(l, r)| arithmetic(*l, *r)).collect());
    }
    // The operators that trim histograms, which the parser lets through, as upstream's does.
    let compare = comparison(op)
        .ok_or_else(|| execution(format!("operator \"{op}\" not allowed for Scalar operations")))?;
    Ok(pairs.map(|(l, r)| f64::from(u8::from(compare(*l, *r)))).collect())
}

impl Evaluator<'_> {
    /// A vector and a scalar.
    pub(super) fn vector_scalar(
        &self,
        binary: &Binary,
        mut vector: Vec<Series>,
        scalar: &[f64],
        side: Side,
        notes: &mut Notes,
    ) -> Result<Vec<Series>, Error> {
        // What the last element without a result says at each step. Upstream keeps one per step.
        let mut refusals = BTreeMap::new();
        for series in &mut vector {
            series.column = match (series.column.has_histograms(), arithmetic(binary.op)) {
                (false, Some(arithmetic)) => floats(&series.column, scalar, side, arithmetic),
                _ => elements(binary, &series.column, scalar, side, &mut refusals),
            };
            series.drop_name |= changes_meaning(binary.op) || binary.return_bool;
        }
        let position = binary.span().start as usize;
        refusals.into_values().for_each(|note| notes.add(position, note));
        self.finish(vector)
    }
}

/// The common case, without a decision per element.
fn floats(column: &Column, scalar: &[f64], side: Side, arithmetic: fn(f64, f64) -> f64) -> Column {
    let mut out = Column::with_capacity(column.len());
    for (step, value) in column.floats() {
        let other = scalar[step];
        out.push_float(
            step,
            if side == Side::Right { arithmetic(value, other) } else { arithmetic(other, value) },
        );
    }
    out
}

fn elements(
    binary: &Binary,
    column: &Column,
    scalar: &[f64],
    side: Side,
    refusals: &mut BTreeMap<usize, Note>,
) -> Column {
    let mut out = Column::default();
    for (step, sample) in column.iter() {
        let other = SampleRef::Float(scalar[step]);
        let (lhs, rhs) = if side == Side::Right { (sample, other) } else { (other, sample) };
        let element = match combine(binary.op, lhs, rhs) {
            Ok(element) => element,
            Err(reason) => {
                refusals.insert(step, reason);
                continue;
            }
        };
        // A comparison keeps the vector's value, wherever it stands.
        let is_filter = comparison(binary.op).is_some();
        let value = if is_filter { sample.to_owned() } else { element.value };
        if binary.return_bool {
            out.push(step, Sample::Float(f64::from(u8::from(element.keep))));
        } else if element.keep {
            out.push(step, value);
        }
    }
    out
}
