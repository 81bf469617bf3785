//! `absent()` and `absent_over_time()`.

use kymo_engine::{Labels, LabelsBuilder, MatchOp};

use super::{
    Column, Evaluator, Notes, Series,
    call::{argument, unwrapped},
    context::{Evaluated, internal},
    hash::Set,
    kernel::{Function, WindowFunction},
};
use crate::{
    Error, functions,
    lang::promql::{self, Expr},
};

impl Evaluator<'_> {
    /// 1 at the steps at which the vector is empty.
    pub(crate) fn eval_absent(&self, call: &promql::Call, notes: &mut Notes) -> Result<Evaluated, Error> {
        let arg = argument(call, 0)?;
        let mut present = vec![false; self.grid.steps];
        let held = self.shared.budget.held();
        self.for_each_part(arg, notes, &mut |part, _| {
            mark(&part, &mut present);
            self.shared.budget.settle(held, 0)
        })?;
        Ok(Evaluated::Vector(vec![absences(arg, &present, false)]))
    }

    /// 1 at the steps at which no series has a sample in its window.
    pub(crate) fn eval_absent_over_time(
        &self,
        call: &promql::Call,
        notes: &mut Notes,
    ) -> Result<Evaluated, Error> {
        let Some(Function::Window(present_function)) = functions::find("present_over_time") else {
            return Err(internal("present_over_time is not a window function"));
        };
        let arguments =
            self.window_arguments(call, WindowFunction { keeps_name: true, ..*present_function }, notes)?;
        let mut present = vec![false; self.grid.steps];
        let held = self.shared.budget.held();
        self.run_window_call(call, arguments, notes, &mut |part, _| {
            mark(&part, &mut present);
            self.shared.budget.settle(held, 0)
        })?;
        Ok(Evaluated::Vector(vec![absences(argument(call, 0)?, &present, true)]))
    }
}

fn mark(part: &[Series], present: &mut [bool]) {
    for (step, _) in part.iter().flat_map(|series| series.column.iter()) {
        present[step] = true;
    }
}

fn absences(arg: &Expr, present: &[bool], drop_name: bool) -> Series {
    let mut column = Column::default();
    for (step, _) in present.iter().enumerate().filter(|(_, present)| !**present) {
        column.push_float(step, 1.0);
    }
    Series { labels: labels_of(arg), drop_name, column }
}

/// The labels that the selector fixes to one value.
///
/// A label with a second condition is left out, even if the conditions are the same: upstream's rule.
fn labels_of(arg: &Expr) -> Labels {
    let matchers = match unwrapped(arg) {
        Expr::Vector(selector) => &selector.matchers,
        Expr::Matrix(matrix) => &matrix.selector.matchers,
        _ => return Labels::empty(),
    };
    let mut labels = LabelsBuilder::default();
    let mut fixed = Set::default();
    for matcher in matchers.iter().filter(|matcher| matcher.name() != b"__name__") {
        if matcher.op() == MatchOp::Equal && fixed.insert(matcher.name()) {
            labels.set(matcher.name(), matcher.value());
        } else {
            labels.remove(matcher.name());
        }
    }
    labels.build()
}
