//! What follows a selector: range, offset, `@`, `anchored`, `smoothed`.

use super::{Parsed, Parser, Stop, expr::Tree};
use crate::lang::{
    Span,
    promql::{
        AtModifier, BinaryOp, DurationSpec, Expr, VectorSelector,
        number::to_integer,
        token::{Keyword, TokenKind, Word},
    },
};

/// How to extend a range at its edges.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extension {
    Anchored,
    Smoothed,
}

/// The parts of a selector or subquery that modifiers set.
struct Target<'a> {
    offset: &'a mut DurationSpec,
    at: &'a mut Option<AtModifier>,
    span: &'a mut Span,
}

impl Parser<'_> {
    /// `tree` with all modifiers behind it.
    pub(super) fn with_modifiers(&mut self, mut tree: Tree) -> Parsed<Tree> {
        loop {
            match self.peek_kind() {
                TokenKind::LeftBracket => tree = self.range_or_subquery(tree)?,
                TokenKind::Keyword(Keyword::Offset) => {
                    self.bump();
                    let offset = self.offset_duration();
                    let offset = self.in_context(offset, "offset", "number, duration, step(), or range()")?;
                    self.set_offset(&mut tree.expr, offset);
                }
                TokenKind::At => {
                    self.bump();
                    let parsed = self.at_modifier(&mut tree.expr);
                    self.in_context(parsed, "@", "timestamp")?;
                }
                TokenKind::Keyword(Keyword::Anchored) => {
                    self.bump();
                    self.set_extension(&mut tree.expr, Extension::Anchored);
                }
                TokenKind::Keyword(Keyword::Smoothed) => {
                    self.bump();
                    self.set_extension(&mut tree.expr, Extension::Smoothed);
                }
                _ => return Ok(tree),
            }
        }
    }

    fn set_offset(&mut self, expr: &mut Expr, offset: DurationSpec) {
        let span = expr.span();
        let end = self.last_closing;
        let Some(target) = target(expr) else {
            let message = "offset modifier must be preceded by an instant vector selector or range vector \
                           selector or a subquery";
            return self.error(span, message.to_owned());
        };
        let is_set = !target.offset.is_zero();
        if !is_set {
            *target.offset = offset;
        }
        target.span.end = end;
        if is_set {
            self.error(span, "offset may not be set multiple times".to_owned());
        }
    }

    fn at_modifier(&mut self, expr: &mut Expr) -> Parsed<()> {
        if let TokenKind::Word(word @ (Word::Start | Word::End)) = self.peek_kind() {
            self.bump();
            self.expect(TokenKind::LeftParen)?;
            self.expect(TokenKind::RightParen)?;
            let at = if word == Word::Start { AtModifier::Start } else { AtModifier::End };
            self.set_at(expr, at);
            return Ok(());
        }
        let seconds = self.signed_number()?;
        // Bounds of 64-bit seconds; what overflows milliseconds passes, as upstream lets it.
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        if !(-LIMIT < seconds && seconds < LIMIT) {
            let text = match seconds {
                f64::INFINITY => "+Inf".to_owned(),
                f64::NEG_INFINITY => "-Inf".to_owned(),
                _ => format!("{seconds:.6}"),
            };
            self.error(expr.span(), format!("timestamp out of bounds for @ modifier: {text}"));
        }
        self.set_at(expr, AtModifier::Timestamp(to_integer((seconds * 1000.0).round())));
        Ok(())
    }

    /// A number or duration with or without a sign.
    pub(super) fn signed_number(&mut self) -> Parsed<f64> {
        let sign = self.accept(TokenKind::Op(BinaryOp::Sub));
        if sign.is_none() {
            self.accept(TokenKind::Op(BinaryOp::Add));
        }
        let value = self.unsigned_number()?;
        Ok(if sign.is_some() { -value } else { value })
    }

    /// A number or duration without a sign.
    pub(super) fn unsigned_number(&mut self) -> Parsed<f64> {
        let token = self.peek();
        if !matches!(token.kind, TokenKind::Number | TokenKind::Duration) {
            return Err(Stop::Unexpected);
        }
        self.bump();
        Ok(self.literal(token).0)
    }

    fn set_at(&mut self, expr: &mut Expr, at: AtModifier) {
        let span = expr.span();
        let end = self.last_closing;
        let Some(target) = target(expr) else {
            let message = "@ modifier must be preceded by an instant vector selector or range vector selector \
                           or a subquery";
            return self.error(span, message.to_owned());
        };
        if target.at.is_some() {
            return self.error(span, "@ <timestamp> may not be set multiple times".to_owned());
        }
        *target.at = Some(at);
        target.span.end = end;
    }

    fn set_extension(&mut self, expr: &mut Expr, extension: Extension) {
        let name = if extension == Extension::Anchored { "anchored" } else { "smoothed" };
        let span = expr.span();
        if !self.options.extended_range_selectors {
            return self.error(span, format!("{name} modifier is experimental and not enabled"));
        }
        let selector = match expr {
            Expr::Vector(selector) => selector,
            Expr::Matrix(matrix) => &mut matrix.selector,
            Expr::Subquery(_) => {
                return self.error(span, format!("{name} modifier is not supported for subqueries"));
            }
            _ => return self.error(span, format!("{name} modifier not implemented")),
        };
        if extend(selector, extension) {
            let message = "anchored and smoothed modifiers cannot be used together";
            self.error(span, message.to_owned());
        }
    }
}

/// Sets the extension; whether the other one is set, too.
fn extend(selector: &mut VectorSelector, extension: Extension) -> bool {
    match extension {
        Extension::Anchored => selector.anchored = true,
        Extension::Smoothed => selector.smoothed = true,
    }
    selector.anchored && selector.smoothed
}

fn target(expr: &mut Expr) -> Option<Target<'_>> {
    match expr {
        Expr::Vector(node) => {
            Some(Target { offset: &mut node.offset, at: &mut node.at, span: &mut node.span })
        }
        Expr::Matrix(node) => Some(Target {
            offset: &mut node.selector.offset,
            at: &mut node.selector.at,
            span: &mut node.span,
        }),
        Expr::Subquery(node) => {
            Some(Target { offset: &mut node.offset, at: &mut node.at, span: &mut node.span })
        }
        _ => None,
    }
}
