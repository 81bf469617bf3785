//! What stands in brackets behind an expression: a range, or a range and a step.

use super::{Parsed, Parser, Stop, expr::Tree};
use crate::lang::{
    Span,
    promql::{DurationKind, DurationSpec, Expr, MatrixSelector, Subquery, VectorSelector, token::TokenKind},
};

impl Parser<'_> {
    pub(super) fn range_or_subquery(&mut self, tree: Tree) -> Parsed<Tree> {
        let open = self.bump();
        let range = self.positive_duration();
        let range =
            self.in_context(range, "subquery or range selector", "number, duration, step(), or range()")?;
        match self.peek_kind() {
            TokenKind::RightBracket => {
                let close = self.bump();
                Ok(self.matrix(tree.expr, range, open.span.to(close.span)))
            }
            TokenKind::Colon => {
                self.bump();
                self.subquery(tree, range)
            }
            _ => self.in_context(Err(Stop::Unexpected), "subquery or range", "\":\" or \"]\""),
        }
    }

    /// A matrix selector counts as one level, as does its selector inside.
    fn matrix(&mut self, expr: Expr, range: DurationSpec, brackets: Span) -> Tree {
        let mut span = expr.span();
        span.end = self.last_closing;
        let (selector, problem) = match expr {
            Expr::Vector(selector) => {
                let problem = if !selector.offset.is_zero() {
                    "no offset modifiers allowed before range"
                } else if selector.at.is_some() {
                    "no @ modifiers allowed before range"
                } else {
                    ""
                };
                (*selector, problem)
            }
            _ => (VectorSelector::default(), "ranges only allowed for vector selectors"),
        };
        if !problem.is_empty() {
            self.error(brackets, problem.to_owned());
        }
        Tree::leaf(Expr::Matrix(Box::new(MatrixSelector { selector, range, span })))
    }

    fn subquery(&mut self, tree: Tree, range: DurationSpec) -> Parsed<Tree> {
        const CONTEXT: &str = "subquery selector";
        let mut step = DurationSpec::default();
        if self.peek_kind() != TokenKind::RightBracket {
            let parsed = self.positive_duration();
            step = self.in_context(parsed, CONTEXT, "number, duration, step(), range(), or \"]\"")?;
        }
        let close = self.expect(TokenKind::RightBracket);
        let close = self.in_context(close, CONTEXT, "\"]\"")?;
        self.check_height(tree.height)?;
        let span = tree.expr.span().to(close.span);
        let subquery =
            Subquery { expr: tree.expr, range, step, offset: DurationSpec::default(), at: None, span };
        Ok(Tree { expr: Expr::Subquery(Box::new(subquery)), height: tree.height + 1 })
    }

    /// A duration expression; one that is a plain literal must be positive.
    fn positive_duration(&mut self) -> Parsed<DurationSpec> {
        let mut duration = self.duration_expr(0)?;
        if let DurationKind::Number(number) = &mut duration.expr.kind
            && number.value <= 0.0
        {
            number.value = 0.0;
            let span = number.span;
            self.error(span, "duration must be greater than 0".to_owned());
        }
        Ok(duration.into_spec())
    }
}
