//! From an expression to its value over all steps.

use super::{
    Column, Evaluator, Grid, Notes, Sample, Series,
    context::{Consume, Evaluated, internal},
    finish::merge_same_labels,
};
use crate::{
    Error,
    lang::promql::{Expr, Unary, UnaryOp},
};

impl Evaluator<'_> {
    /// The value of `expr` over all steps.
    pub(crate) fn eval(&self, expr: &Expr, notes: &mut Notes) -> Result<Evaluated, Error> {
        self.shared.check_interrupt()?;
        // A subquery may ask for any number of steps; columns are allocated for all of them.
        self.shared.budget.probe(0, self.grid.steps)?;
        let budget = &self.shared.budget;
        let (before, bytes_before) = (budget.held(), budget.memory().held());
        let value = self.eval_node(expr, notes)?;
        budget.memory().settle(bytes_before, value.held_bytes())?;
        budget.settle(before, value.weight())?;
        Ok(value)
    }

    fn eval_node(&self, expr: &Expr, notes: &mut Notes) -> Result<Evaluated, Error> {
        match expr {
            Expr::Number(number) => Ok(Evaluated::Scalar(vec![number.value; self.grid.steps])),
            Expr::String(string) => Ok(Evaluated::String(string.value.to_vec())),
            Expr::Paren(paren) => self.eval_node(&paren.expr, notes),
            Expr::StepInvariant(inner) => self.eval_invariant(&inner.expr, notes),
            Expr::Unary(unary) => self.eval_unary(unary, notes),
            Expr::Binary(binary) => self.eval_binary(binary, notes),
            Expr::Aggregate(aggregate) => Ok(Evaluated::Vector(self.eval_aggregate(aggregate, notes)?)),
            Expr::Call(call) => self.eval_call(call, notes),
            Expr::Vector(_) => self.collect(expr, notes).map(Evaluated::Vector),
            Expr::Matrix(matrix) => self.eval_matrix(matrix, notes).map(Evaluated::Matrix),
            Expr::Subquery(subquery) => self.eval_bare_subquery(subquery, notes).map(Evaluated::Matrix),
        }
    }

    /// The value of an instant vector.
    pub(crate) fn eval_vector(&self, expr: &Expr, notes: &mut Notes) -> Result<Vec<Series>, Error> {
        match self.eval(expr, notes)? {
            Evaluated::Vector(series) => Ok(series),
            other => Err(internal(format!("expected a vector, got {}", other.type_name()))),
        }
    }

    /// The value of a scalar: one number per step.
    pub(crate) fn eval_scalar(&self, expr: &Expr, notes: &mut Notes) -> Result<Vec<f64>, Error> {
        match self.eval(expr, notes)? {
            Evaluated::Scalar(values) => Ok(values),
            other => Err(internal(format!("expected a scalar, got {}", other.type_name()))),
        }
    }

    /// The series of an instant vector, in parts: where `expr` can be evaluated series by series, only a part
    /// is in memory at a time.
    pub(crate) fn for_each_part(
        &self,
        expr: &Expr,
        notes: &mut Notes,
        consume: Consume<'_>,
    ) -> Result<(), Error> {
        if self.grid.steps == 0 {
            return Ok(());
        }
        match expr {
            Expr::Paren(paren) => self.for_each_part(&paren.expr, notes, consume),
            Expr::Vector(selector) if selector.smoothed => self.scan_smoothed(selector, notes, consume),
            Expr::Vector(selector) => self.scan_instant(selector, notes, consume),
            Expr::Call(call) => match self.window_call(call, notes)? {
                Some(window) => self.run_window_call(call, window, notes, consume),
                None => {
                    let series = self.eval_vector(expr, notes)?;
                    consume(series, notes)
                }
            },
            _ => {
                let series = self.eval_vector(expr, notes)?;
                consume(series, notes)
            }
        }
    }

    /// All parts of `expr` together.
    pub(crate) fn collect(&self, expr: &Expr, notes: &mut Notes) -> Result<Vec<Series>, Error> {
        let mut all = Vec::new();
        self.for_each_part(expr, notes, &mut |mut part, _| {
            if all.is_empty() {
                all = part;
            } else {
                all.append(&mut part);
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// Evaluates once, at the first step, and repeats the value for all.
    fn eval_invariant(&self, expr: &Expr, notes: &mut Notes) -> Result<Evaluated, Error> {
        let steps = self.grid.steps;
        if steps == 0 {
            return Ok(Evaluated::empty(expr));
        }
        let once = Evaluator::new(self.shared, Grid { steps: 1, ..self.grid });
        let value = once.eval(expr, notes)?;
        self.counters.add_invariant(&once.counters, steps);
        Ok(match value {
            Evaluated::Scalar(values) => Evaluated::Scalar(repeat_scalar(&values, steps)),
            Evaluated::Vector(mut series) => {
                for series in &mut series {
                    series.column = repeat_column(&series.column, steps);
                }
                Evaluated::Vector(series)
            }
            other @ (Evaluated::String(_) | Evaluated::Matrix(_)) => other,
        })
    }

    fn eval_unary(&self, unary: &Unary, notes: &mut Notes) -> Result<Evaluated, Error> {
        let value = self.eval(&unary.expr, notes)?;
        if unary.op == UnaryOp::Plus {
            return Ok(value);
        }
        match value {
            Evaluated::Scalar(values) => {
                Ok(Evaluated::Scalar(values.into_iter().map(|value| -value).collect()))
            }
            Evaluated::Vector(mut series) => {
                for series in &mut series {
                    series.drop_name = true;
                    series.column.map_floats(|value| -value);
                    series.column.map_histograms(super::binary::negate);
                }
                self.drop_names(&mut series);
                if !self.options().delayed_name_removal {
                    series = merge_same_labels(series)?;
                }
                Ok(Evaluated::Vector(series))
            }
            other => Err(internal(format!("cannot negate {}", other.type_name()))),
        }
    }
}

impl Evaluated {
    /// What the value counts against the sample limit.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Scalar(values) => values.len(),
            Self::String(_) => 0,
            Self::Vector(series) => series.iter().map(|series| series.column.weight()).sum(),
            Self::Matrix(series) => series.iter().map(super::matrix::weight).sum(),
        }
    }

    /// Memory that the value takes beside its samples.
    fn held_bytes(&self) -> usize {
        match self {
            Self::Scalar(_) => 0,
            Self::String(text) => text.len(),
            Self::Vector(series) => series.iter().map(Series::held_bytes).sum(),
            Self::Matrix(series) => series
                .iter()
                .map(|series| size_of::<crate::MatrixSeries>() + series.labels.held_bytes())
                .sum(),
        }
    }

    /// The name of its type, for internal errors.
    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "a scalar",
            Self::String(_) => "a string",
            Self::Vector(_) => "a vector",
            Self::Matrix(_) => "a matrix",
        }
    }

    /// The value over no steps.
    fn empty(expr: &Expr) -> Self {
        use crate::lang::promql::ValueType;
        match expr.value_type() {
            ValueType::Scalar => Self::Scalar(Vec::new()),
            ValueType::String => Self::String(Vec::new()),
            ValueType::Vector => Self::Vector(Vec::new()),
            ValueType::Matrix => Self::Matrix(Vec::new()),
        }
    }
}

fn repeat_scalar(values: &[f64], steps: usize) -> Vec<f64> {
    values.first().map_or_else(Vec::new, |value| vec![*value; steps])
}

fn repeat_column(once: &Column, steps: usize) -> Column {
    match once.get(0) {
        None => Column::default(),
        Some(super::SampleRef::Float(value)) => Column::from_floats(vec![value; steps]),
        Some(sample) => {
            let mut column = Column::default();
            let sample: Sample = sample.to_owned();
            (0..steps).for_each(|step| column.push(step, sample.clone()));
            column
        }
    }
}
