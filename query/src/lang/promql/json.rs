//! Syntax trees as the JSON of upstream's `/api/v1/parse_query`, for tree views in user interfaces.

use kymo_engine::Matcher;

use super::{
    AtModifier, Binary, Call, DurationExpr, DurationKind, DurationSpec, Expr, NumberLiteral, Subquery,
    UnaryOp, VectorMatching, VectorSelector,
    number::{format_float, format_float_json},
};

/// `expr` as JSON, keys in the order of the alphabet.
#[must_use]
pub fn to_json(expr: &Expr) -> String {
    let mut writer = Writer { out: String::new() };
    writer.expr(expr);
    writer.out
}

struct Writer {
    out: String,
}

impl Writer {
    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::StepInvariant(node) => self.expr(&node.expr),
            Expr::Aggregate(node) => {
                self.open("expr");
                self.expr(&node.expr);
                self.key("grouping");
                self.strings(&node.grouping);
                self.key("op");
                self.string(node.op.as_str());
                self.key("param");
                match &node.param {
                    Some(param) => self.expr(param),
                    None => self.raw("null"),
                }
                self.key("type");
                self.string("aggregation");
                self.key("without");
                self.bool(node.without);
                self.raw("}");
            }
            Expr::Binary(node) => self.binary(node),
            Expr::Call(node) => self.call(node),
            Expr::Matrix(node) => self.selector("matrixSelector", &node.selector, Some(&node.range)),
            Expr::Vector(node) => self.selector("vectorSelector", node, None),
            Expr::Number(node) => {
                self.open("type");
                self.string("numberLiteral");
                self.key("val");
                self.string(&format_float(node.value));
                self.raw("}");
            }
            Expr::Paren(node) => {
                self.open("expr");
                self.expr(&node.expr);
                self.key("type");
                self.string("parenExpr");
                self.raw("}");
            }
            Expr::String(node) => {
                self.open("type");
                self.string("stringLiteral");
                self.key("val");
                self.bytes(&node.value);
                self.raw("}");
            }
            Expr::Subquery(node) => self.subquery(node),
            Expr::Unary(node) => {
                self.open("expr");
                self.expr(&node.expr);
                self.key("op");
                self.string(node.op.as_str());
                self.key("type");
                self.string("unaryExpr");
                self.raw("}");
            }
        }
    }

    fn binary(&mut self, node: &Binary) {
        self.open("bool");
        self.bool(node.return_bool);
        self.key("lhs");
        self.expr(&node.lhs);
        self.key("matching");
        match &node.matching {
            Some(matching) => self.matching(matching),
            None => self.raw("null"),
        }
        self.key("op");
        self.string(node.op.as_str());
        self.key("rhs");
        self.expr(&node.rhs);
        self.key("type");
        self.string("binaryExpr");
        self.raw("}");
    }

    fn matching(&mut self, matching: &VectorMatching) {
        self.open("card");
        self.string(matching.cardinality.as_str());
        self.key("fillValues");
        self.open("lhs");
        self.optional_number(matching.fill.lhs);
        self.key("rhs");
        self.optional_number(matching.fill.rhs);
        self.raw("}");
        self.key("include");
        self.strings(&matching.include);
        self.key("labels");
        self.strings(&matching.labels);
        self.key("on");
        self.bool(matching.on);
        self.raw("}");
    }

    fn call(&mut self, node: &Call) {
        let function = node.function;
        self.open("args");
        self.list(node.args.iter(), Self::expr);
        self.key("func");
        self.open("argTypes");
        self.list(function.args.iter(), |writer, arg| writer.string(arg.as_str()));
        self.key("name");
        self.string(function.name);
        self.key("returnType");
        self.string(function.returns.as_str());
        self.key("variadic");
        self.raw(&function.variadic.to_string());
        self.raw("}");
        self.key("type");
        self.string("call");
        self.raw("}");
    }

    fn subquery(&mut self, node: &Subquery) {
        self.open("expr");
        self.expr(&node.expr);
        self.key("offset");
        self.duration("offset", &node.offset);
        self.key("range");
        self.duration("range", &node.range);
        self.key("startOrEnd");
        self.start_or_end(node.at);
        self.key("step");
        self.duration("step", &node.step);
        self.key("timestamp");
        self.timestamp(node.at);
        self.key("type");
        self.string("subquery");
        self.raw("}");
    }

    fn selector(&mut self, kind: &str, node: &VectorSelector, range: Option<&DurationSpec>) {
        self.open("anchored");
        self.bool(node.anchored);
        self.key("matchers");
        self.list(node.matchers.iter(), Self::matcher);
        self.key("name");
        self.string(&node.name);
        self.key("offset");
        self.duration("offset", &node.offset);
        if let Some(range) = range {
            self.key("range");
            self.duration("range", range);
        }
        self.key("smoothed");
        self.bool(node.smoothed);
        self.key("startOrEnd");
        self.start_or_end(node.at);
        self.key("timestamp");
        self.timestamp(node.at);
        self.key("type");
        self.string(kind);
        self.raw("}");
    }

    fn matcher(&mut self, matcher: &Matcher) {
        self.open("name");
        self.bytes(matcher.name());
        self.key("type");
        self.string(matcher.op().as_str());
        self.key("value");
        self.bytes(matcher.value());
        self.raw("}");
    }

    /// Milliseconds, and under a second key the expression.
    fn duration(&mut self, key: &str, duration: &DurationSpec) {
        self.raw(&duration.millis().to_string());
        self.key(&format!("{key}Expr"));
        match &duration.expr {
            Some(expr) => self.duration_expr(expr),
            None => self.raw("null"),
        }
    }

    fn duration_expr(&mut self, node: &DurationExpr) {
        let (lhs, op, rhs) = match &node.kind {
            DurationKind::Number(number) => return self.duration_literal(number),
            DurationKind::Step => (None, "step", None),
            DurationKind::Range => (None, "range", None),
            DurationKind::Unary(UnaryOp::Plus, inner) => (None, "+", Some(&**inner)),
            DurationKind::Unary(UnaryOp::Minus, inner) => (None, "-", Some(&**inner)),
            DurationKind::Binary(op, lhs, rhs) => (Some(&**lhs), op.as_str(), Some(&**rhs)),
        };
        self.open("lhs");
        self.optional_duration(lhs);
        self.key("op");
        self.string(op);
        self.key("rhs");
        self.optional_duration(rhs);
        self.key("type");
        self.string("durationExpr");
        self.key("wrapped");
        self.bool(node.wrapped);
        self.raw("}");
    }

    fn optional_duration(&mut self, node: Option<&DurationExpr>) {
        match node {
            Some(node) => self.duration_expr(node),
            None => self.raw("null"),
        }
    }

    fn duration_literal(&mut self, number: &NumberLiteral) {
        self.open("duration");
        self.bool(number.is_duration);
        self.key("type");
        self.string("numberLiteral");
        self.key("val");
        self.string(&format_float(number.value));
        self.raw("}");
    }

    fn timestamp(&mut self, at: Option<AtModifier>) {
        match at.and_then(AtModifier::timestamp) {
            Some(ts) => self.raw(&ts.to_string()),
            None => self.raw("null"),
        }
    }

    fn start_or_end(&mut self, at: Option<AtModifier>) {
        match at {
            Some(AtModifier::Start) => self.string("start"),
            Some(AtModifier::End) => self.string("end"),
            Some(AtModifier::Timestamp(_)) | None => self.raw("null"),
        }
    }

    /// JSON has no infinities and no NaN: they become `null`.
    fn optional_number(&mut self, value: Option<f64>) {
        match value.filter(|value| value.is_finite()) {
            Some(value) => self.raw(&format_float_json(value)),
            None => self.raw("null"),
        }
    }

    fn strings(&mut self, strings: &[String]) {
        self.list(strings.iter(), |writer, string| writer.string(string));
    }

    fn list<T>(&mut self, items: impl Iterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.raw("[");
        for (i, item) in items.enumerate() {
            self.raw(if i == 0 { "" } else { "," });
            write(self, item);
        }
        self.raw("]");
    }

    /// Opens an object with its first key.
    fn open(&mut self, key: &str) {
        self.raw("{");
        self.string(key);
        self.raw(":");
    }

    fn key(&mut self, key: &str) {
        self.raw(",");
        self.string(key);
        self.raw(":");
    }

    fn bool(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    /// Text that need not be UTF-8: bytes that do not belong to a character are escaped, one by one.
    fn bytes(&mut self, bytes: &[u8]) {
        self.out.push('"');
        for chunk in bytes.utf8_chunks() {
            self.escaped(chunk.valid());
            chunk.invalid().iter().for_each(|_| self.raw("\\ufffd"));
        }
        self.out.push('"');
    }

    fn string(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '"' => self.raw("\\\""),
                '\\' => self.raw("\\\\"),
                '\n' => self.raw("\\n"),
                '\r' => self.raw("\\r"),
                '\t' => self.raw("\\t"),
                // As Go escapes by default, so that the text can stand inside of a web page.
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                    self.raw(&format!("\\u{:04x}", u32::from(c)));
                }
                _ => self.out.push(c),
            }
        }
    }

    fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }
}
