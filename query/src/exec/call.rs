//! Function calls.

use kymo_engine::Labels;

use super::{
    Column, Evaluator, Note, Notes, Series,
    context::{Consume, Evaluated, internal},
    finish::same_labelset,
    hash::Set,
    kernel::{Argument, Call, Extension, Function, WindowFunction},
    matrix::SubqueryInput,
    scan::{SeriesData, Timing},
    window::{WindowCall, extension},
};
use crate::{
    Error, Summaries, functions,
    lang::promql::{self, Expr, ValueType},
};

/// Functions that need more than their arguments' values; the others are in the table.
type OwnFunction = fn(&Evaluator<'_>, &promql::Call, &mut Notes) -> Result<Evaluated, Error>;

const OWN_FUNCTIONS: [(&str, OwnFunction); 9] = [
    ("absent", |ev, call, notes| ev.eval_absent(call, notes)),
    ("absent_over_time", |ev, call, notes| ev.eval_absent_over_time(call, notes)),
    ("info", |ev, call, notes| ev.eval_info(call, notes)),
    ("label_join", |ev, call, notes| ev.eval_label_join(call, notes)),
    ("label_replace", |ev, call, notes| ev.eval_label_replace(call, notes)),
    ("scalar", |ev, call, notes| ev.eval_scalar_call(call, notes)),
    ("start_timestamp", |ev, call, notes| ev.eval_timestamp(call, notes)),
    ("timestamp", |ev, call, notes| ev.eval_timestamp(call, notes)),
    ("vector", |ev, call, notes| ev.eval_vector_call(call, notes)),
];

impl Evaluator<'_> {
    /// The value of a call.
    pub(crate) fn eval_call(&self, call: &promql::Call, notes: &mut Notes) -> Result<Evaluated, Error> {
        let name = call.function.name;
        if let Some((_, own)) = OWN_FUNCTIONS.iter().find(|(own, _)| *own == name) {
            return own(self, call, notes);
        }
        let function = functions::find(name).ok_or_else(|| internal(format!("unknown function {name}")))?;
        match function {
            Function::Window(_) => {
                let window =
                    self.window_call(call, notes)?.ok_or_else(|| internal("not a window function"))?;
                let mut all = Vec::new();
                self.run_window_call(call, window, notes, &mut |mut part, _| {
                    all.append(&mut part);
                    Ok(())
                })?;
                Ok(Evaluated::Vector(all))
            }
            Function::Map(map) => self.eval_map(call, |column| column.map_floats(*map), notes),
            Function::MapWithScalars(map) => self.eval_map_with_scalars(call, *map, notes),
            Function::HistogramMap(map) => {
                self.eval_map(call, |column| *column = map_histograms(column, *map), notes)
            }
            Function::Scalar(scalar) => self.eval_scalar_function(call, *scalar, notes),
            Function::Vector(vector) => {
                let positions = positions(call);
                let facts = self.facts(call, &positions, 0);
                if name.starts_with("sort") && !self.is_instant() {
                    notes.add(facts.position, Note::SortInRangeQuery);
                }
                let args = self.eval_arguments(&call.args, notes)?;
                let series = vector(args, &facts, notes)?;
                self.finish(series).map(Evaluated::Vector)
            }
        }
    }

    /// The facts about a call that its kernel may ask for.
    fn facts<'p>(&self, call: &promql::Call, arg_positions: &'p [usize], matrix_arg: usize) -> Call<'p> {
        Call {
            name: call.function.name,
            grid: self.grid,
            options: self.options(),
            position: call.span.start as usize,
            arg_positions,
            matrix_arg,
        }
    }

    fn eval_arguments(&self, args: &[Expr], notes: &mut Notes) -> Result<Vec<Argument>, Error> {
        let argument = |expr: &Expr| {
            Ok(match self.eval(expr, notes)? {
                Evaluated::Vector(series) => Argument::Vector(series),
                Evaluated::Scalar(values) => Argument::Scalar(values),
                Evaluated::String(string) => Argument::String(string),
                Evaluated::Matrix(_) => return Err(internal("unexpected range vector")),
            })
        };
        args.iter().map(argument).collect()
    }

    /// Applies `map` to every column; floats only unless `map` keeps histograms itself.
    fn eval_map(
        &self,
        call: &promql::Call,
        map: impl Fn(&mut Column),
        notes: &mut Notes,
    ) -> Result<Evaluated, Error> {
        let is_float_map = matches!(functions::find(call.function.name), Some(Function::Map(_)));
        let mut series = match call.args.first() {
            Some(arg) => self.eval_vector(arg, notes)?,
            // Functions of dates take the evaluation time when nothing is given.
            None => vec![self.evaluation_times()],
        };
        for series in &mut series {
            if is_float_map {
                series.column.clear_histograms();
            }
            map(&mut series.column);
            series.drop_name = true;
        }
        self.finish(series).map(Evaluated::Vector)
    }

    /// The time of each step in seconds.
    fn evaluation_times(&self) -> Series {
        let seconds = self.grid.times().map(|time| time as f64 / 1000.0).collect();
        Series { column: Column::from_floats(seconds), ..Series::default() }
    }

    fn eval_map_with_scalars(
        &self,
        call: &promql::Call,
        map: fn(f64, &[f64]) -> Option<f64>,
        notes: &mut Notes,
    ) -> Result<Evaluated, Error> {
        let mut series = self.eval_vector(argument(call, 0)?, notes)?;
        let scalars: Vec<Vec<f64>> =
            call.args.iter().skip(1).map(|arg| self.eval_scalar(arg, notes)).collect::<Result<_, _>>()?;
        let mut at_step = vec![0.0; scalars.len()];
        for series in &mut series {
            let mut column = Column::default();
            for (step, value) in series.column.floats() {
                at_step.iter_mut().zip(&scalars).for_each(|(scalar, column)| *scalar = column[step]);
                if let Some(value) = map(value, &at_step) {
                    column.push_float(step, value);
                }
            }
            series.column = column;
            series.drop_name = true;
        }
        self.finish(series).map(Evaluated::Vector)
    }

    fn eval_scalar_function(
        &self,
        call: &promql::Call,
        function: fn(i64, &[f64]) -> f64,
        notes: &mut Notes,
    ) -> Result<Evaluated, Error> {
        let args: Vec<Vec<f64>> =
            call.args.iter().map(|arg| self.eval_scalar(arg, notes)).collect::<Result<_, _>>()?;
        let mut at_step = vec![0.0; args.len()];
        let values = self.grid.times().enumerate().map(|(step, time)| {
            at_step.iter_mut().zip(&args).for_each(|(value, column)| *value = column[step]);
            function(time, &at_step)
        });
        Ok(Evaluated::Scalar(values.collect()))
    }

    /// The window function that `call` calls, if it calls one.
    pub(crate) fn window_call<'c>(
        &self,
        call: &'c promql::Call,
        notes: &mut Notes,
    ) -> Result<Option<WindowArguments<'c>>, Error> {
        let Some(Function::Window(function)) = functions::find(call.function.name) else {
            return Ok(None);
        };
        self.window_arguments(call, *function, notes).map(Some)
    }

    /// Evaluates what a window function needs beside the range vector.
    pub(crate) fn window_arguments<'c>(
        &self,
        call: &'c promql::Call,
        function: WindowFunction,
        notes: &mut Notes,
    ) -> Result<WindowArguments<'c>, Error> {
        let is_matrix = |expr: &Expr| expr.value_type() == ValueType::Matrix;
        let matrix_arg =
            call.args.iter().position(is_matrix).ok_or_else(|| internal("no range vector argument"))?;
        let matrix = unwrapped(&call.args[matrix_arg]);
        let held_before = self.shared.budget.held();
        let inputs = match matrix {
            Expr::Subquery(subquery) => Some(self.subquery_inputs(subquery, notes)?),
            _ => None,
        };
        let others = call.args.iter().enumerate().filter(|(i, _)| *i != matrix_arg);
        let scalars = others.map(|(_, arg)| self.eval_scalar(arg, notes)).collect::<Result<_, _>>()?;
        Ok(WindowArguments {
            function,
            matrix,
            matrix_arg,
            inputs,
            scalars,
            held_before,
            positions: positions(call),
        })
    }

    /// Runs a window function over all series.
    pub(crate) fn run_window_call(
        &self,
        call: &promql::Call,
        arguments: WindowArguments<'_>,
        notes: &mut Notes,
        consume: Consume<'_>,
    ) -> Result<(), Error> {
        if self.grid.steps == 0 {
            return Ok(());
        }
        let WindowArguments { function, matrix, matrix_arg, inputs, scalars, held_before, positions } =
            arguments;
        let (timing, range, extension) = match matrix {
            Expr::Matrix(matrix) => {
                let timing = Timing::new(&matrix.selector.offset, matrix.selector.at);
                (timing, matrix.range.millis(), extension(&matrix.selector))
            }
            Expr::Subquery(subquery) => {
                (Timing::new(&subquery.offset, subquery.at), subquery.range.millis(), Extension::Plain)
            }
            _ => return Err(internal("unexpected kind of range vector")),
        };
        let window = WindowCall {
            function,
            call: self.facts(call, &positions, matrix_arg),
            timing,
            range,
            extension,
            lookback: self.shared.lookback,
            scalars,
            from_subquery: inputs.is_some(),
            held_before,
        };
        window.check_extension()?;
        let mut labels_check = UniqueLabels::default();
        let delayed = self.options().delayed_name_removal;
        let finish = &mut |mut part: Vec<Series>, notes: &mut Notes| {
            self.drop_names(&mut part);
            if !delayed {
                labels_check.check(&part)?;
            }
            consume(part, notes)
        };
        match (inputs, matrix) {
            (Some(inputs), _) => {
                let evaluate = |input: &SubqueryInput| {
                    let mut columns = input.columns.clone();
                    window.evaluate(self, &input.labels, input.drop_name, &mut columns, &Summaries::default())
                };
                self.for_each_item(&inputs, &evaluate, notes, finish)
            }
            (None, Expr::Matrix(matrix)) => {
                let readers = self.select(&matrix.selector, timing, window.reach(), window.need(), notes)?;
                let request = window.summary_request();
                let evaluate = |labels: &Labels, data: &mut SeriesData| {
                    window.evaluate(self, labels, false, &mut data.columns, &data.summaries)
                };
                self.for_each_summarised_series(readers, request.as_ref(), &evaluate, notes, finish)
            }
            (None, _) => Err(internal("unexpected kind of range vector")),
        }
    }
}

/// The evaluated arguments of a window function.
pub(crate) struct WindowArguments<'c> {
    function: WindowFunction,
    /// The range vector.
    matrix: &'c Expr,
    matrix_arg: usize,
    /// The range vector's series when it is a subquery.
    inputs: Option<Vec<SubqueryInput>>,
    scalars: Vec<Vec<f64>>,
    held_before: usize,
    positions: Vec<usize>,
}

/// Finds label sets that occur twice over all parts of a result.
#[derive(Debug, Default)]
struct UniqueLabels {
    seen: Set<Labels>,
}

impl UniqueLabels {
    fn check(&mut self, part: &[Series]) -> Result<(), Error> {
        let mut unique = true;
        for series in part {
            unique &= self.seen.insert(series.labels.clone());
        }
        if unique { Ok(()) } else { Err(same_labelset()) }
    }
}

/// Argument `idx` of a call.
pub(crate) fn argument(call: &promql::Call, idx: usize) -> Result<&Expr, Error> {
    call.args.get(idx).ok_or_else(|| internal(format!("{} lacks argument {idx}", call.function.name)))
}

/// The expression inside of parentheses and markers.
pub(crate) fn unwrapped(mut expr: &Expr) -> &Expr {
    loop {
        expr = match expr {
            Expr::Paren(paren) => &paren.expr,
            Expr::StepInvariant(inner) => &inner.expr,
            _ => return expr,
        };
    }
}

/// Where arguments start. Upstream puts what it has evaluated in the place of a subquery, and loses where that
/// stood: annotations point at the start of the query.
fn positions(call: &promql::Call) -> Vec<usize> {
    let position = |arg: &Expr| match unwrapped(arg) {
        Expr::Subquery(_) => 0,
        _ => arg.span().start as usize,
    };
    call.args.iter().map(position).collect()
}

fn map_histograms(column: &Column, map: fn(&kymo_formats::histogram::FloatHistogram) -> f64) -> Column {
    let mut out = Column::default();
    column.histograms().for_each(|(step, histogram)| out.push_float(step, map(histogram)));
    out
}

impl Evaluator<'_> {
    /// `scalar()`: the only float of each step, else NaN.
    fn eval_scalar_call(&self, call: &promql::Call, notes: &mut Notes) -> Result<Evaluated, Error> {
        let series = self.eval_vector(argument(call, 0)?, notes)?;
        let mut found = vec![0_u32; self.grid.steps];
        let mut values = vec![f64::NAN; self.grid.steps];
        for (step, value) in series.iter().flat_map(|series| series.column.floats()) {
            found[step] = found[step].saturating_add(1);
            values[step] = if found[step] == 1 { value } else { f64::NAN };
        }
        Ok(Evaluated::Scalar(values))
    }

    /// `vector()`: the scalar as an element without labels.
    fn eval_vector_call(&self, call: &promql::Call, notes: &mut Notes) -> Result<Evaluated, Error> {
        let values = self.eval_scalar(argument(call, 0)?, notes)?;
        let series = Series { column: Column::from_floats(values), ..Series::default() };
        Ok(Evaluated::Vector(vec![series]))
    }
}
