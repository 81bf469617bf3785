//! Types and other rules that a grammar cannot express.

use super::{
    Aggregate, AggregateOp, Binary, Call, Cardinality, Expr, ParseErrors, Subquery, Unary, ValueType,
    VectorSelector, error::ErrorList, lexer::is_space,
};
use crate::lang::{Span, quote};

/// Checks `expr`, which was parsed from `text`, and settles what depends on types: vector matching exists only
/// between vectors, and set operators match many to many.
///
/// # Errors
/// The first violations in the order of upstream's walk.
pub(super) fn check(text: &str, mut expr: Expr) -> Result<Expr, ParseErrors> {
    let mut checker = Checker { text, errors: ErrorList::new(text) };
    checker.expr(&mut expr);
    checker.errors.into_result(expr)
}

struct Checker<'a> {
    text: &'a str,
    errors: ErrorList<'a>,
}

impl Checker<'_> {
    /// Checks a subtree and returns its type, so that types are computed once, from the leaves up.
    fn expr(&mut self, expr: &mut Expr) -> ValueType {
        match expr {
            Expr::Binary(node) => return self.binary(node),
            Expr::Paren(node) => return self.expr(&mut node.expr),
            Expr::StepInvariant(node) => return self.expr(&mut node.expr),
            Expr::Unary(node) => return self.unary(node),
            Expr::Aggregate(node) => self.aggregate(node),
            Expr::Call(node) => self.call(node),
            Expr::Matrix(node) => self.selector(&node.selector),
            Expr::Subquery(node) => self.subquery(node),
            Expr::Vector(node) => self.selector(node),
            Expr::Number(_) | Expr::String(_) => {}
        }
        expr.value_type()
    }

    fn error(&mut self, span: Span, message: String) {
        self.errors.push(span, message);
    }

    fn expect_type(&mut self, expr: &mut Expr, wanted: ValueType, context: &str) {
        let got = self.expr(expr);
        if got != wanted {
            let (wanted, got) = (wanted.documented(), got.documented());
            self.error(expr.span(), format!("expected type {wanted} in {context}, got {got}"));
        }
    }

    fn aggregate(&mut self, node: &mut Aggregate) {
        self.expect_type(&mut node.expr, ValueType::Vector, "aggregation expression");
        let wanted = if node.op == AggregateOp::CountValues { ValueType::String } else { ValueType::Scalar };
        if let Some(param) = &mut node.param {
            self.expect_type(param, wanted, "aggregation parameter");
        }
    }

    fn subquery(&mut self, node: &mut Subquery) {
        let got = self.expr(&mut node.expr);
        if got != ValueType::Vector {
            let message = format!("subquery is only allowed on instant vector, got {got} instead");
            self.error(node.span, message);
        }
    }

    fn unary(&mut self, node: &mut Unary) -> ValueType {
        let got = self.expr(&mut node.expr);
        if !is_operand(got) {
            let message = format!(
                "unary expression only allowed on expressions of type scalar or instant vector, got \"{}\"",
                got.documented()
            );
            self.error(node.span, message);
        }
        got
    }

    fn binary(&mut self, node: &mut Binary) -> ValueType {
        let lhs = self.expr(&mut node.lhs);
        let rhs = self.expr(&mut node.rhs);
        self.operator(node, lhs, rhs);
        for (operand, span) in [(lhs, node.lhs.span()), (rhs, node.rhs.span())] {
            if !is_operand(operand) {
                let message = "binary expression must contain only scalar and instant vector types";
                self.error(span, message.to_owned());
            }
        }
        if lhs == ValueType::Vector && rhs == ValueType::Vector {
            self.set_operator(node);
        } else {
            self.matching_without_vectors(node);
        }
        if node.op.is_set() && (lhs == ValueType::Scalar || rhs == ValueType::Scalar) {
            let message = format!("set operator \"{}\" not allowed in binary scalar expression", node.op);
            self.error(node.span(), message);
        }
        if lhs == ValueType::Scalar && rhs == ValueType::Scalar {
            ValueType::Scalar
        } else {
            ValueType::Vector
        }
    }

    /// Rules whose violations are reported at the operator.
    fn operator(&mut self, node: &mut Binary, lhs: ValueType, rhs: ValueType) {
        let is_comparison = node.op.is_comparison();
        if node.return_bool && !is_comparison {
            let message = "bool modifier can only be used on comparison operators";
            self.error(self.operator_span(node), message.to_owned());
        }
        let are_scalars = lhs == ValueType::Scalar && rhs == ValueType::Scalar;
        if is_comparison && !node.return_bool && are_scalars {
            let message = "comparisons between scalars must use BOOL modifier";
            self.error(self.operator_span(node), message.to_owned());
        }
        let Some(matching) = &mut node.matching else { return };
        if node.op.is_set() && matching.cardinality == Cardinality::OneToOne {
            matching.cardinality = Cardinality::ManyToMany;
        }
        if matching.on && !matching.include.is_empty() {
            self.on_and_group(node);
        }
    }

    fn on_and_group(&mut self, node: &Binary) {
        let span = self.operator_span(node);
        let Some(matching) = &node.matching else { return };
        for label in &matching.labels {
            for _ in matching.include.iter().filter(|&included| included == label) {
                let label = quote(label.as_bytes());
                self.error(span, format!("label {label} must not occur in ON and GROUP clause at once"));
            }
        }
    }

    /// The text between the operands, without white space around it. Its end is one byte short, and counts
    /// from the byte before the right operand: upstream's range, which the interface shows.
    fn operator_span(&self, node: &Binary) -> Span {
        let is_space_at =
            |at: u32| self.text.as_bytes().get(at as usize).is_some_and(|&byte| is_space(char::from(byte)));
        let mut span = Span::new(node.lhs.span().end, node.rhs.span().start.saturating_sub(1));
        while is_space_at(span.start) {
            span.start += 1;
        }
        while span.end > 0 && is_space_at(span.end) {
            span.end -= 1;
        }
        span
    }

    fn set_operator(&mut self, node: &Binary) {
        let Some(matching) = node.matching.as_ref().filter(|_| node.op.is_set()) else { return };
        if matching.cardinality != Cardinality::ManyToMany {
            self.error(node.span(), format!("no grouping allowed for \"{}\" operation", node.op));
            self.error(node.span(), "set operations must always be many-to-many".to_owned());
        }
        if matching.fill.lhs.or(matching.fill.rhs).is_some() {
            let message = "filling in missing series not allowed for set operators";
            self.error(node.span(), message.to_owned());
        }
    }

    fn matching_without_vectors(&mut self, node: &mut Binary) {
        let Some(matching) = node.matching.take() else { return };
        if !matching.labels.is_empty() {
            let message = "vector matching only allowed between instant vectors";
            self.error(node.span(), message.to_owned());
        }
        if matching.fill.lhs.or(matching.fill.rhs).is_some() {
            let message = "filling in missing series only allowed between instant vectors";
            self.error(node.span(), message.to_owned());
        }
    }

    fn call(&mut self, node: &mut Call) {
        self.arity(node);
        let name = node.function.name;
        if name == "info" {
            self.info_filter(node);
        }
        let signature = node.function;
        for (i, arg) in node.args.iter_mut().enumerate() {
            let wanted = match signature.args.get(i) {
                Some(wanted) => *wanted,
                // Upstream does not look at arguments that are too many.
                None if signature.variadic == 0 => break,
                None => match signature.args.last() {
                    Some(wanted) => *wanted,
                    None => break,
                },
            };
            let got = self.expr(arg);
            if got != wanted {
                let (wanted, got) = (wanted.documented(), got.documented());
                let message = format!("expected type {wanted} in call to function \"{name}\", got {got}");
                self.error(arg.span(), message);
            }
        }
    }

    fn arity(&mut self, node: &Call) {
        let (got, listed, variadic) = (node.args.len(), node.function.args.len(), node.function.variadic);
        let name = node.function.name;
        if variadic == 0 {
            if got != listed {
                let message = format!("expected {listed} argument(s) in call to \"{name}\", got {got}");
                self.error(node.span, message);
            }
            return;
        }
        let least = listed.saturating_sub(1);
        // Negative: any number.
        let most = usize::try_from(variadic).map_or(usize::MAX, |extra| least + extra);
        if got < least {
            let message = format!("expected at least {least} argument(s) in call to \"{name}\", got {got}");
            self.error(node.span, message);
        } else if got > most {
            let message = format!("expected at most {most} argument(s) in call to \"{name}\", got {got}");
            self.error(node.span, message);
        }
    }

    fn info_filter(&mut self, node: &mut Call) {
        let span = node.span;
        let Some(filter) = node.args.get_mut(1) else { return };
        let got = filter.value_type();
        if got != ValueType::Vector {
            let message = format!(
                "expected type instant vector in call to function \"info\", got {}",
                got.documented()
            );
            self.error(span, message);
        }
        let span = filter.span();
        match filter {
            Expr::Vector(selector) if selector.name.is_empty() => selector.is_info_filter = true,
            Expr::Vector(_) => {
                let message = "expected label selectors only, got vector selector instead";
                self.error(span, message.to_owned());
            }
            _ => self.error(span, "expected label selectors only".to_owned()),
        }
    }

    fn selector(&mut self, node: &VectorSelector) {
        if let Some((_, others)) = node.matchers.split_last().filter(|_| !node.name.is_empty()) {
            for other in others.iter().filter(|other| other.name() == b"__name__") {
                let (first, second) = (quote(node.name.as_bytes()), quote(other.value()));
                let message = format!("metric name must not be set twice: {first} or {second}");
                self.error(node.span, message);
            }
            return;
        }
        if !node.is_info_filter && node.matchers.iter().all(|matcher| matcher.matches_empty()) {
            let message = "vector selector must contain at least one non-empty matcher";
            self.error(node.span, message.to_owned());
        }
    }
}

fn is_operand(value: ValueType) -> bool {
    matches!(value, ValueType::Scalar | ValueType::Vector)
}
