//! `quantile`.

use kymo_formats::histogram::FloatHistogram;

use super::{
    super::{Evaluator, Notes, Sample, Series, grouping::Grouping},
    fold::{Context, Fold},
    param::Param,
    simple::ignored,
};
use crate::{Error, functions::quantile, lang::promql::Aggregate};

impl Evaluator<'_> {
    /// `quantile`, whose parameter may vary over time.
    pub(super) fn aggregate_quantile(
        &self,
        aggregate: &Aggregate,
        grouping: &Grouping,
        notes: &mut Notes,
    ) -> Result<Vec<Series>, Error> {
        let quantile = Quantile { param: self.eval_param(aggregate, notes)? };
        let series = self.fold(aggregate, grouping, &quantile, notes)?;
        // After the operand's: of equal texts the latest position stays.
        quantile.param.check_quantile(notes);
        Ok(series)
    }
}

/// `quantile`: all values of a group are kept until the end.
struct Quantile {
    param: Param,
}

impl Fold for Quantile {
    type State = Vec<f64>;

    const KEEPS_FLOATS: bool = true;

    fn add_float(&self, state: &mut Vec<f64>, value: f64) {
        state.push(value);
    }

    fn add_histogram(&self, _: &mut Vec<f64>, _: &FloatHistogram, context: &mut Context<'_>) {
        ignored(context, "quantile");
    }

    fn finish(&self, mut state: Vec<f64>, step: usize, _: &mut Context<'_>) -> Option<Sample> {
        let q = self.param.values.get(step).copied().unwrap_or(f64::NAN);
        (!state.is_empty()).then(|| Sample::Float(quantile(q, &mut state)))
    }
}
