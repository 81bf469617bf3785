//! The parameter of an aggregation: one number per step.

use super::super::{Evaluator, Note, Notes, context::internal};
use crate::{
    Error,
    lang::promql::{Aggregate, Expr},
};

/// A parameter over all steps.
pub(super) struct Param {
    /// A value per step.
    pub(super) values: Vec<f64>,
    /// The least; NaN when one is and the parameter is not a literal.
    pub(super) min: f64,
    /// The greatest; likewise.
    pub(super) max: f64,
    /// Where it starts in the query.
    pub(super) position: usize,
}

impl Param {
    /// Whether there is a value that is not a number.
    pub(super) fn has_nan(&self) -> bool {
        self.values.iter().any(|value| value.is_nan())
    }

    /// Warns about values that are not quantiles.
    pub(super) fn check_quantile(&self, notes: &mut Notes) {
        if self.has_nan() {
            notes.add(self.position, Note::InvalidQuantile { quantile: f64::NAN });
        }
        for quantile in [self.max].into_iter().filter(|max| *max > 1.0) {
            notes.add(self.position, Note::InvalidQuantile { quantile });
        }
        for quantile in [self.min].into_iter().filter(|min| *min < 0.0) {
            notes.add(self.position, Note::InvalidQuantile { quantile });
        }
    }
}

impl Evaluator<'_> {
    /// Evaluates the parameter of `aggregate`.
    pub(super) fn eval_param(&self, aggregate: &Aggregate, notes: &mut Notes) -> Result<Param, Error> {
        let expr: &Expr =
            aggregate.param.as_ref().ok_or_else(|| internal("aggregation without its parameter"))?;
        let values = self.eval_scalar(expr, notes)?;
        Ok(Param {
            min: values.iter().copied().fold(f64::MAX, go_min),
            max: values.iter().copied().fold(-f64::MAX, go_max),
            values,
            position: expr.span().start as usize,
        })
    }
}

/// Go's `math.Min`: NaN if either is.
fn go_min(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

/// Go's `math.Max`: NaN if either is.
fn go_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}
