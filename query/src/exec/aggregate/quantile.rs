//! `quantile`.

use kymo_formats::histogram::FloatHistogram;

use super::{
    super::{Evaluator, Notes, Sample, Series, grouping::Grouping},
    fold::{Context, Fold},
    param::Param,
    simple::ignored,
};
use crate::{Error, lang::promql::Aggregate};

impl Evaluator<'_> {
    /// `quantile`, whose parameter may vary over time.
    pub(super) fn aggregate_quantile(
        &self,
        aggregate: &Aggregate,
        grouping: &Grouping,
        notes: &mut Notes,
    ) -> Result<Vec<Series>, Error> {
        let param = self.eval_param(aggregate, notes)?;
        param.check_quantile(notes);
        self.fold(aggregate, grouping, &Quantile { param }, notes)
    }
}

/// `quantile`: all values of a group are kept until the end.
struct Quantile {
    param: Param,
}

impl Fold for Quantile {
    type State = Vec<f64>;

    fn add_float(&self, state: &mut Vec<f64>, value: f64) {
        state.push(value);
    }

    fn add_histogram(&self, _: &mut Vec<f64>, _: &FloatHistogram, context: &mut Context<'_>) {
        ignored(context, "quantile");
    }

    fn finish(&self, state: Vec<f64>, step: usize, _: &mut Context<'_>) -> Option<Sample> {
        let q = self.param.values.get(step).copied().unwrap_or(f64::NAN);
        (!state.is_empty()).then(|| Sample::Float(quantile(q, state)))
    }
}

/// The `q`-quantile of `values`, of which there is one at least: linear between neighbours, NaN below all.
fn quantile(q: f64, mut values: Vec<f64>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    values.sort_unstable_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(b),
        (a_nan, b_nan) => b_nan.cmp(&a_nan),
    });
    let last = values.len() - 1;
    let rank = q * last as f64;
    let lower = rank.floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank lies in the values")]
    let below = (lower as usize).min(last);
    let above = (below + 1).min(last);
    let weight = rank - lower;
    values[below] * (1.0 - weight) + values[above] * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values = || vec![4.0, f64::NAN, 1.0, 2.0];
        assert_eq!(quantile(1.0, values()), 4.0);
        assert_eq!(quantile(0.5, values()), 1.5);
        assert!(quantile(0.0, values()).is_nan());
        assert_eq!(quantile(1.1, values()), f64::INFINITY);
        assert_eq!(quantile(-0.1, values()), f64::NEG_INFINITY);
        assert!(quantile(f64::NAN, values()).is_nan());
    }
}
