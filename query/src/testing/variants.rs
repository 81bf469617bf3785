//! The same query with `@`, which must answer the same at any time.

use crate::lang::promql::{AtModifier, Expr, ParserOptions, TIME_DEPENDENT, VectorSelector, parse};

/// The query with every selector fixed to `ts`, and times at which it must answer as the original does at
/// `ts`. None when it depends on the evaluation time in other ways.
pub(super) fn fixed(query: &str, ts: i64) -> Result<Option<(String, Vec<i64>)>, String> {
    let mut expr = parse(query, &ParserOptions::ALL).map_err(|error| error.to_string())?;
    if fix(&mut expr, AtModifier::Timestamp(ts)) {
        return Ok(None);
    }
    let times = if ts == 0 { vec![-1000, 0, 1000] } else { vec![-10 * ts, 0, ts / 5, ts, 10 * ts] };
    Ok(Some((expr.to_string(), times)))
}

/// Fixes all selectors in `expr`; returns whether it calls a function that depends on time. What lies inside
/// of a subquery is neither fixed nor looked at: the subquery itself is fixed.
fn fix(expr: &mut Expr, at: AtModifier) -> bool {
    match expr {
        Expr::Vector(selector) => fix_selector(selector, at),
        Expr::Matrix(matrix) => fix_selector(&mut matrix.selector, at),
        Expr::Subquery(subquery) => {
            fix_at(&mut subquery.at, at);
            false
        }
        Expr::Call(call) => {
            let depends = TIME_DEPENDENT.contains(&call.function.name);
            call.args.iter_mut().fold(depends, |depends, arg| fix(arg, at) | depends)
        }
        Expr::Aggregate(aggregate) => {
            let depends = fix(&mut aggregate.expr, at);
            aggregate.param.as_mut().is_some_and(|param| fix(param, at)) | depends
        }
        Expr::Binary(binary) => fix(&mut binary.lhs, at) | fix(&mut binary.rhs, at),
        Expr::Paren(paren) => fix(&mut paren.expr, at),
        Expr::Unary(unary) => fix(&mut unary.expr, at),
        Expr::StepInvariant(inner) => fix(&mut inner.expr, at),
        Expr::Number(_) | Expr::String(_) => false,
    }
}

fn fix_selector(selector: &mut VectorSelector, at: AtModifier) -> bool {
    fix_at(&mut selector.at, at);
    false
}

fn fix_at(written: &mut Option<AtModifier>, at: AtModifier) {
    if written.and_then(AtModifier::timestamp).is_none() {
        *written = Some(at);
    }
}
