//! Aggregations.

use super::{Parsed, Parser, expr::Tree};
use crate::lang::promql::{
    Aggregate, AggregateOp, Expr, NumberLiteral,
    lexer::is_space,
    token::{Keyword, Token, TokenKind},
};

/// `by` or `without` with its labels.
#[derive(Default)]
struct Grouping {
    labels: Vec<String>,
    without: bool,
}

impl Parser<'_> {
    /// An aggregation if what follows its name says so, else a selector of a metric of that name.
    pub(super) fn aggregate_or_selector(&mut self, op: AggregateOp) -> Parsed<Tree> {
        let name = self.bump();
        let next = self.peek_kind();
        if next == TokenKind::LeftParen || is_grouping(next) {
            let parsed = self.aggregate(op, name);
            return self.in_context(parsed, "aggregation", "");
        }
        let selector = self.selector_named(name)?;
        Ok(Tree::leaf(Expr::Vector(Box::new(selector))))
    }

    fn aggregate(&mut self, op: AggregateOp, name: Token) -> Parsed<Tree> {
        let mut grouping = self.grouping()?;
        let (args, height) = self.arguments()?;
        let mut end = self.last_closing;
        if grouping.is_none() {
            grouping = self.grouping()?;
            end = if grouping.is_some() { self.last_closing } else { self.end_before_lookahead() };
        }
        self.check_height(height)?;
        let grouping = grouping.unwrap_or_default();
        let mut span = name.span;
        span.end = end;
        let placeholder = NumberLiteral { value: 0.0, is_duration: false, span };
        let mut aggregate = Aggregate {
            op,
            expr: Expr::Number(placeholder),
            param: None,
            grouping: grouping.labels,
            without: grouping.without,
            span,
        };
        self.set_arguments(&mut aggregate, args);
        Ok(Tree { expr: Expr::Aggregate(Box::new(aggregate)), height: height + 1 })
    }

    fn set_arguments(&mut self, aggregate: &mut Aggregate, args: Vec<Expr>) {
        let op = aggregate.op;
        if args.is_empty() {
            let message = "no arguments for aggregate expression provided";
            return self.error(aggregate.span, message.to_owned());
        }
        if op.is_experimental() && !self.options.experimental_functions {
            let message = format!(
                "{op}() is experimental and must be enabled with \
                 --enable-feature=promql-experimental-functions"
            );
            return self.error(aggregate.span, message);
        }
        let (wanted, got) = (if op.has_param() { 2 } else { 1 }, args.len());
        let mut args = args.into_iter();
        if op.has_param() {
            aggregate.param = args.next();
        }
        match args.next() {
            Some(expr) if got == wanted => aggregate.expr = expr,
            _ => {
                let message = format!(
                    "wrong number of arguments for aggregate expression provided, \
                     expected {wanted}, got {got}"
                );
                self.error(aggregate.span, message);
            }
        }
    }

    fn grouping(&mut self) -> Parsed<Option<Grouping>> {
        let kind = self.peek_kind();
        if !is_grouping(kind) {
            return Ok(None);
        }
        self.bump();
        let labels = self.grouping_labels()?;
        Ok(Some(Grouping { labels, without: kind == TokenKind::Keyword(Keyword::Without) }))
    }

    /// End of an aggregation without grouping, behind which one token has been read ahead.
    ///
    /// Upstream steps back over that token only if it is a parenthesis, and only over white space.
    fn end_before_lookahead(&self) -> u32 {
        let at = self.last.span.start as usize;
        let before = self.text.get(..at).unwrap_or_default().trim_end_matches(is_space);
        if self.last.kind == TokenKind::RightParen && before.ends_with(')') {
            return u32::try_from(before.len()).unwrap_or(self.last_closing);
        }
        self.last_closing
    }
}

fn is_grouping(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Keyword(Keyword::By | Keyword::Without))
}
