//! What is settled once the range of a query is known, before it is evaluated.
//!
//! * `start()`, `end()`, `range()` and `step()` become numbers, `@ start()` and `@ end()` times;
//! * duration expressions are folded into the literal beside them;
//! * parentheses around arguments vanish;
//! * the highest subtrees that have the same value at all steps are marked ([`Expr::StepInvariant`]);
//! * selectors whose histograms need no buckets are marked.

use super::{
    Aggregate, AtModifier, Binary, BinaryOp, Call, DurationExpr, DurationKind, DurationOp, DurationSpec,
    Expr, NumberLiteral, StepInvariant, Subquery, UnaryOp, VectorSelector, number::to_integer,
};
use crate::{Error, ErrorKind, lang::Span};

/// The steps at which a query is evaluated, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueryRange {
    /// First step.
    pub start: i64,
    /// Last step at the latest; equal to `start` for an instant query.
    pub end: i64,
    /// Distance of the steps; 0 for an instant query.
    pub step: i64,
}

impl QueryRange {
    fn seconds(self) -> f64 {
        self.end.saturating_sub(self.start) as f64 / 1000.0
    }

    fn step_seconds(self) -> f64 {
        self.step as f64 / 1000.0
    }
}

/// Functions whose value depends on the evaluation time though their arguments do not.
pub(crate) const TIME_DEPENDENT: [&str; 15] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "end",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
    "year",
];

/// Prepares a checked expression for evaluation over `range`.
///
/// # Errors
/// When a duration expression has no useful value: division by zero, a range that is not positive.
pub fn lower(mut expr: Expr, range: &QueryRange) -> Result<Expr, Error> {
    mark_bucketless(&mut expr, Buckets::Needed);
    fold_range_functions(&mut expr, range);
    fold_durations(&mut expr, range)?;
    if settle(&mut expr, range).wrap {
        wrap(&mut expr);
    }
    Ok(expr)
}

/// What the functions around a selector need of native histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Buckets {
    /// Nothing says otherwise.
    Needed,
    /// A function asks for count or sum only.
    Unused,
    /// Something asks for buckets, or for resets to be detected with them, whatever stands inside.
    Forced,
}

fn mark_bucketless(expr: &mut Expr, buckets: Buckets) {
    let inner = match expr {
        Expr::Vector(selector) => return selector.skip_histogram_buckets = buckets == Buckets::Unused,
        Expr::Matrix(matrix) => {
            return matrix.selector.skip_histogram_buckets = buckets == Buckets::Unused;
        }
        _ if buckets == Buckets::Forced => Buckets::Forced,
        Expr::Subquery(_) => Buckets::Forced,
        Expr::Binary(node) if matches!(node.op, BinaryOp::TrimUpper | BinaryOp::TrimLower) => Buckets::Forced,
        Expr::Call(call) => match call.function.name {
            "histogram_count" | "histogram_sum" | "histogram_avg" => Buckets::Unused,
            "histogram_quantile" | "histogram_quantiles" | "histogram_fraction" => Buckets::Forced,
            _ => buckets,
        },
        _ => buckets,
    };
    for_each_child(expr, |child| {
        mark_bucketless(child, inner);
        Ok(())
    })
    .unwrap_or_default();
}

fn fold_range_functions(expr: &mut Expr, range: &QueryRange) {
    if let Expr::Call(call) = expr
        && let Some(value) = range_function(call.function.name, range)
    {
        *expr = Expr::Number(NumberLiteral { value, is_duration: false, span: call.span });
        return;
    }
    for_each_child(expr, |child| {
        fold_range_functions(child, range);
        Ok(())
    })
    .unwrap_or_default();
}

fn range_function(name: &str, range: &QueryRange) -> Option<f64> {
    match name {
        "start" => Some(range.start as f64 / 1000.0),
        "end" => Some(range.end as f64 / 1000.0),
        "range" => Some(range.seconds()),
        "step" if range.start == range.end => Some(0.0),
        "step" => Some(range.step_seconds()),
        _ => None,
    }
}

fn fold_durations(expr: &mut Expr, range: &QueryRange) -> Result<(), Error> {
    match expr {
        Expr::Vector(selector) => fold(&mut selector.offset, range, Sign::Any)?,
        Expr::Matrix(matrix) => {
            fold(&mut matrix.range, range, Sign::Positive)?;
            fold(&mut matrix.selector.offset, range, Sign::Any)?;
        }
        Expr::Subquery(node) => {
            fold(&mut node.offset, range, Sign::Any)?;
            fold(&mut node.step, range, Sign::Positive)?;
            fold(&mut node.range, range, Sign::Positive)?;
        }
        _ => {}
    }
    for_each_child(expr, |child| fold_durations(child, range))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Any,
    Positive,
}

fn fold(duration: &mut DurationSpec, range: &QueryRange, sign: Sign) -> Result<(), Error> {
    const LIMIT: f64 = i64::MAX as f64 / 1e9;
    let Some(expr) = &duration.expr else { return Ok(()) };
    let seconds = evaluate(expr, range)?;
    if !seconds.is_finite() {
        return Err(error(expr.span, "duration is NaN or infinite"));
    }
    if seconds <= 0.0 && sign == Sign::Positive {
        return Err(error(expr.span, "duration must be greater than 0"));
    }
    if !(-LIMIT..=LIMIT).contains(&seconds) {
        return Err(error(expr.span, "duration is out of range"));
    }
    duration.nanos = to_integer(seconds * 1000.0).wrapping_mul(1_000_000);
    Ok(())
}

fn evaluate(expr: &DurationExpr, range: &QueryRange) -> Result<f64, Error> {
    match &expr.kind {
        DurationKind::Number(number) => Ok(number.value),
        DurationKind::Step => Ok(range.step_seconds()),
        DurationKind::Range => Ok(range.seconds()),
        DurationKind::Unary(UnaryOp::Plus, inner) => evaluate(inner, range),
        DurationKind::Unary(UnaryOp::Minus, inner) => Ok(-evaluate(inner, range)?),
        DurationKind::Binary(op, lhs, rhs) => {
            let (lhs, rhs) = (evaluate(lhs, range)?, evaluate(rhs, range)?);
            match op {
                DurationOp::Div if rhs == 0.0 => Err(error(expr.span, "division by zero")),
                DurationOp::Mod if rhs == 0.0 => Err(error(expr.span, "modulo by zero")),
                _ => Ok(compute(*op, lhs, rhs)),
            }
        }
    }
}

fn compute(op: DurationOp, lhs: f64, rhs: f64) -> f64 {
    match op {
        DurationOp::Add => lhs + rhs,
        DurationOp::Sub => lhs - rhs,
        DurationOp::Mul => lhs * rhs,
        DurationOp::Div => lhs / rhs,
        DurationOp::Mod => lhs % rhs,
        DurationOp::Pow => lhs.powf(rhs),
        // Unlike the standard library's, Go's minimum and maximum of a NaN are NaN.
        DurationOp::MinOf | DurationOp::MaxOf if lhs.is_nan() || rhs.is_nan() => f64::NAN,
        DurationOp::MinOf => lhs.min(rhs),
        DurationOp::MaxOf => lhs.max(rhs),
    }
}

/// Upstream gives this one position as two offsets in bytes.
fn error(span: Span, message: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("{}:{}: {message}", span.start, span.end))
}

/// What is known of a subtree.
#[derive(Debug, Clone, Copy)]
struct Settled {
    /// It has the same value at all steps.
    invariant: bool,
    /// It pays to evaluate it once: not for literals, nor for ranges, which functions read themselves.
    wrap: bool,
}

impl Settled {
    const VARIES: Self = Self { invariant: false, wrap: false };
    const ONCE: Self = Self { invariant: true, wrap: true };
}

/// Resolves `@`, drops parentheses around arguments, and wraps the invariant children of what varies.
fn settle(expr: &mut Expr, range: &QueryRange) -> Settled {
    match expr {
        Expr::Vector(selector) => {
            let invariant = settle_selector(selector, range);
            Settled { invariant, wrap: invariant }
        }
        Expr::Matrix(matrix) => {
            Settled { invariant: settle_selector(&mut matrix.selector, range), wrap: false }
        }
        Expr::Aggregate(node) => settle_aggregate(node, range),
        Expr::Binary(node) => settle_binary(node, range),
        Expr::Call(node) => settle_call(node, range),
        Expr::Subquery(node) => settle_subquery(node, range),
        Expr::Paren(node) => settle(&mut node.expr, range),
        Expr::Unary(node) => settle(&mut node.expr, range),
        Expr::StepInvariant(_) => Settled::ONCE,
        Expr::String(_) | Expr::Number(_) => Settled { invariant: true, wrap: false },
    }
}

fn settle_selector(selector: &mut VectorSelector, range: &QueryRange) -> bool {
    selector.at = resolve(selector.at, range);
    selector.at.is_some()
}

fn resolve(at: Option<AtModifier>, range: &QueryRange) -> Option<AtModifier> {
    at.map(|at| match at {
        AtModifier::Start => AtModifier::Timestamp(range.start),
        AtModifier::End => AtModifier::Timestamp(range.end),
        AtModifier::Timestamp(_) => at,
    })
}

/// The parameter does not decide: upstream evaluates it for every step, and so does the executor.
///
/// Upstream does not descend into the parameter at all, and so drops `@ start()` and `@ end()` in it without a
/// word. That is not worth copying: here they are resolved.
fn settle_aggregate(node: &mut Aggregate, range: &QueryRange) -> Settled {
    unwrap_parens(&mut node.expr);
    if let Some(param) = &mut node.param {
        unwrap_parens(param);
        settle(param, range);
    }
    settle(&mut node.expr, range)
}

fn settle_binary(node: &mut Binary, range: &QueryRange) -> Settled {
    let lhs = settle(&mut node.lhs, range);
    let rhs = settle(&mut node.rhs, range);
    if lhs.invariant && rhs.invariant {
        return Settled::ONCE;
    }
    for (operand, settled) in [(&mut node.lhs, lhs), (&mut node.rhs, rhs)] {
        if settled.wrap {
            wrap(operand);
        }
    }
    Settled::VARIES
}

fn settle_call(node: &mut Call, range: &QueryRange) -> Settled {
    let name = node.function.name;
    let mut invariant = !TIME_DEPENDENT.contains(&name);
    // The time of a selector with @ is fixed; that of other expressions is the evaluation's.
    let mut fixed_timestamps = name == "timestamp";
    let mut wraps = Vec::with_capacity(node.args.len());
    for arg in &mut node.args {
        unwrap_parens(arg);
        let settled = settle(arg, range);
        invariant &= settled.invariant;
        fixed_timestamps &= settled.invariant && matches!(arg, Expr::Vector(_));
        wraps.push(settled.wrap);
    }
    if invariant || fixed_timestamps {
        return Settled::ONCE;
    }
    for (arg, _) in node.args.iter_mut().zip(wraps).filter(|(_, wrap)| *wrap) {
        wrap(arg);
    }
    Settled::VARIES
}

/// The inside is wrapped even when the subquery has `@`: it is then evaluated once for its first step.
fn settle_subquery(node: &mut Subquery, range: &QueryRange) -> Settled {
    if settle(&mut node.expr, range).invariant {
        wrap(&mut node.expr);
    }
    node.at = resolve(node.at, range);
    Settled { invariant: node.at.is_some(), wrap: false }
}

fn wrap(expr: &mut Expr) {
    let inner = take(expr);
    *expr = Expr::StepInvariant(Box::new(StepInvariant { expr: inner }));
}

fn unwrap_parens(expr: &mut Expr) {
    while let Expr::Paren(paren) = expr {
        *expr = take(&mut paren.expr);
    }
}

fn take(expr: &mut Expr) -> Expr {
    let nothing = NumberLiteral { value: 0.0, is_duration: false, span: Span::default() };
    std::mem::replace(expr, Expr::Number(nothing))
}

/// Calls `visit` for each child that is an expression, until it fails.
fn for_each_child(
    expr: &mut Expr,
    mut visit: impl FnMut(&mut Expr) -> Result<(), Error>,
) -> Result<(), Error> {
    match expr {
        Expr::Aggregate(node) => {
            visit(&mut node.expr)?;
            node.param.iter_mut().try_for_each(visit)
        }
        Expr::Binary(node) => {
            visit(&mut node.lhs)?;
            visit(&mut node.rhs)
        }
        Expr::Call(node) => node.args.iter_mut().try_for_each(visit),
        Expr::Paren(node) => visit(&mut node.expr),
        Expr::StepInvariant(node) => visit(&mut node.expr),
        Expr::Subquery(node) => visit(&mut node.expr),
        Expr::Unary(node) => visit(&mut node.expr),
        Expr::Matrix(_) | Expr::Number(_) | Expr::String(_) | Expr::Vector(_) => Ok(()),
    }
}
