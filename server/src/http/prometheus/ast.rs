//! Syntax trees as upstream's API shows them.
//!
//! Keys of objects are sorted, as Go sorts those of maps; `serde_json` does the same.

use kymo_engine::Matcher;
use kymo_query::promql::{
    Aggregate, AtModifier, Binary, Call, DurationExpr, DurationKind, DurationSpec, Expr, NumberLiteral, Subquery,
    VectorSelector,
};
use serde_json::{Value, json};

use super::super::number::push_plain;

/// The tree under `expr`.
pub(crate) fn to_json(expr: &Expr) -> Value {
    match expr {
        Expr::Aggregate(node) => aggregate(node),
        Expr::Binary(node) => binary(node),
        Expr::Call(node) => call(node),
        Expr::Matrix(node) => {
            let mut value = selector("matrixSelector", &node.selector);
            value["range"] = json!(node.range.millis());
            value["rangeExpr"] = duration(&node.range);
            value
        }
        Expr::Number(node) => json!({ "type": "numberLiteral", "val": plain(node.value) }),
        Expr::Paren(node) => json!({ "type": "parenExpr", "expr": to_json(&node.expr) }),
        // Only evaluation makes these; the tree as it was written has none.
        Expr::StepInvariant(node) => to_json(&node.expr),
        Expr::String(node) => json!({ "type": "stringLiteral", "val": text(&node.value) }),
        Expr::Subquery(node) => subquery(node),
        Expr::Unary(node) => {
            json!({ "type": "unaryExpr", "op": node.op.as_str(), "expr": to_json(&node.expr) })
        }
        Expr::Vector(node) => selector("vectorSelector", node),
    }
}

fn aggregate(node: &Aggregate) -> Value {
    json!({
        "type": "aggregation",
        "op": node.op.as_str(),
        "expr": to_json(&node.expr),
        "param": node.param.as_ref().map(to_json),
        "grouping": node.grouping,
        "without": node.without,
    })
}

fn binary(node: &Binary) -> Value {
    let matching = node.matching.as_ref().map(|matching| {
        json!({
            "card": matching.cardinality.as_str(),
            "labels": matching.labels,
            "on": matching.on,
            "include": matching.include,
            "fillValues": { "lhs": matching.fill.lhs, "rhs": matching.fill.rhs },
        })
    });
    json!({
        "type": "binaryExpr",
        "op": node.op.as_str(),
        "lhs": to_json(&node.lhs),
        "rhs": to_json(&node.rhs),
        "matching": matching,
        "bool": node.return_bool,
    })
}

fn call(node: &Call) -> Value {
    let types: Vec<_> = node.function.args.iter().map(|argument| argument.as_str()).collect();
    json!({
        "type": "call",
        "func": {
            "name": node.function.name,
            "argTypes": types,
            "variadic": node.function.variadic,
            "returnType": node.function.returns.as_str(),
        },
        "args": node.args.iter().map(to_json).collect::<Vec<_>>(),
    })
}

fn selector(node_type: &str, node: &VectorSelector) -> Value {
    json!({
        "type": node_type,
        "name": node.name,
        "offset": node.offset.millis(),
        "offsetExpr": duration(&node.offset),
        "matchers": node.matchers.iter().map(matcher).collect::<Vec<_>>(),
        "timestamp": node.at.and_then(AtModifier::timestamp),
        "startOrEnd": start_or_end(node.at),
        "anchored": node.anchored,
        "smoothed": node.smoothed,
    })
}

fn subquery(node: &Subquery) -> Value {
    json!({
        "type": "subquery",
        "expr": to_json(&node.expr),
        "range": node.range.millis(),
        "rangeExpr": duration(&node.range),
        "offset": node.offset.millis(),
        "offsetExpr": duration(&node.offset),
        "step": node.step.millis(),
        "stepExpr": duration(&node.step),
        "timestamp": node.at.and_then(AtModifier::timestamp),
        "startOrEnd": start_or_end(node.at),
    })
}

fn matcher(matcher: &Matcher) -> Value {
    json!({ "name": text(matcher.name()), "value": text(matcher.value()), "type": matcher.op().as_str() })
}

fn start_or_end(at: Option<AtModifier>) -> Value {
    match at {
        Some(AtModifier::Start) => json!("start"),
        Some(AtModifier::End) => json!("end"),
        Some(AtModifier::Timestamp(_)) | None => Value::Null,
    }
}

fn duration(spec: &DurationSpec) -> Value {
    spec.expr.as_deref().map_or(Value::Null, duration_node)
}

fn duration_node(node: &DurationExpr) -> Value {
    let (op, lhs, rhs) = match &node.kind {
        DurationKind::Number(number) => return duration_number(number),
        DurationKind::Step => ("step", None, None),
        DurationKind::Range => ("range", None, None),
        DurationKind::Unary(op, operand) => (op.as_str(), None, Some(operand)),
        DurationKind::Binary(op, lhs, rhs) => (op.as_str(), Some(lhs), Some(rhs)),
    };
    json!({
        "type": "durationExpr",
        "op": op,
        "lhs": lhs.map(|node| duration_node(node)),
        "rhs": rhs.map(|node| duration_node(node)),
        "wrapped": node.wrapped,
    })
}

fn duration_number(number: &NumberLiteral) -> Value {
    json!({ "type": "numberLiteral", "val": plain(number.value), "duration": number.is_duration })
}

fn plain(value: f64) -> String {
    let mut out = String::new();
    push_plain(&mut out, value);
    out
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
