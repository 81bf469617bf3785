//! A binary operator on two values.

use std::sync::Arc;

use kymo_formats::histogram::{FloatHistogram, ResetHint};

use super::super::{HistogramOperation, Note, Sample, SampleRef};
use crate::{
    histogram::{self, Combined, IncompatibleSchemas, Keep},
    lang::promql::BinaryOp,
};

/// The result for two values.
pub(super) struct Element {
    /// The value; for comparisons that of the left operand.
    pub(super) value: Sample,
    /// Whether a comparison holds; true for other operators.
    pub(super) keep: bool,
    /// What the user should know.
    pub(super) info: Option<Note>,
}

impl Element {
    const fn new(value: Sample) -> Self {
        Self { value, keep: true, info: None }
    }
}

/// The operator as a function of floats, if it is arithmetic.
pub(super) fn arithmetic(op: BinaryOp) -> Option<fn(f64, f64) -> f64> {
    Some(match op {
        BinaryOp::Add => |l, r| l + r,
        BinaryOp::Sub => |l, r| l - r,
        BinaryOp::Mul => |l, r| l * r,
        BinaryOp::Div => |l, r| l / r,
        BinaryOp::Mod => |l, r| l % r,
        BinaryOp::Pow => f64::powf,
        BinaryOp::Atan2 => f64::atan2,
        _ => return None,
    })
}

/// The operator as a predicate of floats, if it compares.
pub(super) fn comparison(op: BinaryOp) -> Option<fn(f64, f64) -> bool> {
    Some(match op {
        BinaryOp::Equal => |l, r| l == r,
        BinaryOp::NotEqual => |l, r| l != r,
        BinaryOp::Less => |l, r| l < r,
        BinaryOp::LessOrEqual => |l, r| l <= r,
        BinaryOp::Greater => |l, r| l > r,
        BinaryOp::GreaterOrEqual => |l, r| l >= r,
        _ => return None,
    })
}

/// Whether the result means something else than the left operand, so that the metric's name is dropped.
pub(super) fn changes_meaning(op: BinaryOp) -> bool {
    arithmetic(op).is_some()
}

/// The operator applied to two values; the note says why there is no result.
pub(super) fn combine(op: BinaryOp, lhs: SampleRef<'_>, rhs: SampleRef<'_>) -> Result<Element, Note> {
    match (lhs, rhs) {
        (SampleRef::Float(l), SampleRef::Float(r)) => floats(op, l, r),
        (SampleRef::Float(l), SampleRef::Histogram(r)) => match op {
            BinaryOp::Mul => Ok(Element::new(scaled(r, |h| histogram::multiply(h, l)))),
            _ => Err(incompatible(op, "float", "histogram")),
        },
        (SampleRef::Histogram(l), SampleRef::Float(r)) => match op {
            BinaryOp::Mul => Ok(Element::new(scaled(l, |h| histogram::multiply(h, r)))),
            BinaryOp::Div => Ok(Element::new(scaled(l, |h| histogram::divide(h, r)))),
            BinaryOp::TrimUpper => Ok(Element::new(trimmed(l, r, Keep::Below))),
            BinaryOp::TrimLower => Ok(Element::new(trimmed(l, r, Keep::Above))),
            _ => Err(incompatible(op, "histogram", "float")),
        },
        (SampleRef::Histogram(l), SampleRef::Histogram(r)) => histograms(op, l, r),
    }
}

/// The histogram with the opposite sign.
pub(in super::super) fn negate(histogram: &FloatHistogram) -> FloatHistogram {
    let mut negated = histogram.clone();
    histogram::multiply(&mut negated, -1.0);
    negated
}

fn floats(op: BinaryOp, l: f64, r: f64) -> Result<Element, Note> {
    if let Some(arithmetic) = arithmetic(op) {
        return Ok(Element::new(Sample::Float(arithmetic(l, r))));
    }
    match comparison(op) {
        Some(compare) => Ok(Element { keep: compare(l, r), ..Element::new(Sample::Float(l)) }),
        None => Err(incompatible(op, "float", "float")),
    }
}

fn histograms(op: BinaryOp, l: &Arc<FloatHistogram>, r: &Arc<FloatHistogram>) -> Result<Element, Note> {
    match op {
        BinaryOp::Add => {
            let mut sum = (**l).clone();
            let combined = histogram::add(&mut sum, r);
            outcome(op, sum, combined, HistogramOperation::Addition)
        }
        BinaryOp::Sub => {
            let mut difference = (**l).clone();
            let combined = histogram::sub(&mut difference, r);
            difference.reset_hint = ResetHint::Gauge;
            outcome(op, difference, combined, HistogramOperation::Subtraction)
        }
        BinaryOp::Equal | BinaryOp::NotEqual => {
            let keep = histogram::same_data(l, r) == (op == BinaryOp::Equal);
            Ok(Element { keep, ..Element::new(Sample::Histogram(Arc::clone(l))) })
        }
        _ => Err(incompatible(op, "histogram", "histogram")),
    }
}

fn outcome(
    op: BinaryOp,
    mut result: FloatHistogram,
    combined: Result<Combined, IncompatibleSchemas>,
    operation: HistogramOperation,
) -> Result<Element, Note> {
    let combined =
        combined.map_err(|IncompatibleSchemas| Note::IncompatibleBucketLayout { operator: op.as_str() })?;
    if combined.hints_collide {
        return Err(Note::CounterResetCollision { operation });
    }
    histogram::compact(&mut result, 0);
    let info = combined.bounds_reconciled.then_some(Note::MismatchedCustomBuckets { operation });
    Ok(Element { info, ..Element::new(Sample::Histogram(Arc::new(result))) })
}

fn scaled(histogram: &FloatHistogram, scale: impl FnOnce(&mut FloatHistogram)) -> Sample {
    let mut result = histogram.clone();
    scale(&mut result);
    histogram::compact(&mut result, 0);
    Sample::Histogram(Arc::new(result))
}

fn trimmed(histogram: &FloatHistogram, value: f64, keep: Keep) -> Sample {
    let mut result = histogram.clone();
    histogram::trim(&mut result, value, keep);
    Sample::Histogram(Arc::new(result))
}

fn incompatible(op: BinaryOp, left: &'static str, right: &'static str) -> Note {
    Note::IncompatibleTypes { operator: op.as_str(), left, right }
}
