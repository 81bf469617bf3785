//! Duration expressions: arithmetic on lengths of time, in brackets and behind `offset`.

use super::{Parsed, Parser, Stop, expr::binding};
use crate::lang::{
    Span,
    promql::{
        BinaryOp, DurationExpr, DurationKind, DurationOp, DurationSpec, NumberLiteral, UnaryOp,
        number::to_integer,
        token::{Token, TokenKind, Word},
    },
};

/// A duration expression and how many nodes high it is.
pub(super) struct DurationTree {
    pub(super) expr: DurationExpr,
    height: usize,
}

impl DurationTree {
    const fn leaf(kind: DurationKind, span: Span) -> Self {
        Self { expr: DurationExpr { kind, wrapped: false, span }, height: 1 }
    }

    const fn number(number: NumberLiteral) -> Self {
        Self::leaf(DurationKind::Number(number), number.span)
    }

    /// A literal if it is one, else the expression.
    pub(super) fn into_spec(self) -> DurationSpec {
        match self.expr.kind {
            DurationKind::Number(number) => {
                DurationSpec { nanos: to_integer((number.value * 1e9).round()), expr: None }
            }
            _ => DurationSpec { nanos: 0, expr: Some(Box::new(self.expr)) },
        }
    }

    /// As it is in parentheses that begin at `start`. A literal gets a node for them.
    fn wrapped(mut self, start: u32) -> Self {
        if let DurationKind::Number(_) = self.expr.kind {
            let mut span = self.expr.span;
            span.start = start;
            self = self.signed(UnaryOp::Plus, span);
        }
        self.expr.wrapped = true;
        self
    }

    fn signed(self, op: UnaryOp, span: Span) -> Self {
        let kind = DurationKind::Unary(op, Box::new(self.expr));
        Self { expr: DurationExpr { kind, wrapped: false, span }, height: self.height + 1 }
    }
}

/// Binding strength of the operators that bind tighter than a sign.
const ABOVE_SIGN: u8 = binding(BinaryOp::Pow).0;

impl Parser<'_> {
    /// What follows `offset`: without parentheses only one operand, so that `x offset 1m + y` adds to `x`.
    pub(super) fn offset_duration(&mut self) -> Parsed<DurationSpec> {
        let token = self.peek();
        let tree = match token.kind {
            TokenKind::Op(BinaryOp::Add) => self.signed_offset(UnaryOp::Plus)?,
            TokenKind::Op(BinaryOp::Sub) => self.signed_offset(UnaryOp::Minus)?,
            // Behind parentheses it goes on with operators after all. That is upstream's grammar.
            TokenKind::LeftParen => self.duration_expr(0)?,
            _ => self.duration_primary()?,
        };
        Ok(tree.into_spec())
    }

    fn signed_offset(&mut self, op: UnaryOp) -> Parsed<DurationTree> {
        let sign = self.bump();
        match self.peek_kind() {
            TokenKind::Number | TokenKind::Duration => {
                let token = self.bump();
                let (value, is_duration) = self.literal(token);
                let number = NumberLiteral { value, is_duration, span: token.span };
                Ok(self.signed_number_literal(sign, op, number))
            }
            TokenKind::LeftParen => {
                self.bump();
                let inner = self.duration_expr(0)?;
                self.expect(TokenKind::RightParen)?;
                let start = inner.expr.span.start;
                self.apply_sign(sign, op, inner.wrapped(start))
            }
            TokenKind::Word(_) => {
                let inner = self.duration_word(false)?;
                let span = sign.span.to(inner.expr.span);
                self.check_height(inner.height)?;
                let tree = inner.signed(op, span);
                self.require_duration_exprs(span);
                Ok(tree)
            }
            _ => {
                let inner = self.duration_expr(ABOVE_SIGN)?;
                let tree = self.apply_sign(sign, op, inner)?;
                self.duration_operators(tree, 0)
            }
        }
    }

    /// A duration expression of operators that bind at least as strongly as `power`.
    pub(super) fn duration_expr(&mut self, power: u8) -> Parsed<DurationTree> {
        self.enter()?;
        let lhs = match self.peek_kind() {
            TokenKind::Op(BinaryOp::Add) => self.signed_duration(UnaryOp::Plus)?,
            TokenKind::Op(BinaryOp::Sub) => self.signed_duration(UnaryOp::Minus)?,
            _ => self.duration_primary()?,
        };
        let tree = self.duration_operators(lhs, power)?;
        self.depth -= 1;
        Ok(tree)
    }

    fn duration_operators(&mut self, mut lhs: DurationTree, power: u8) -> Parsed<DurationTree> {
        loop {
            let token = self.peek();
            let TokenKind::Op(op) = token.kind else { return Ok(lhs) };
            let Some(duration_op) = duration_op(op) else { return Ok(lhs) };
            let (left, right) = binding(op);
            if left < power {
                return Ok(lhs);
            }
            self.bump();
            let rhs = self.duration_expr(right)?;
            lhs = self.duration_binary(lhs, duration_op, token, rhs)?;
        }
    }

    fn duration_binary(
        &mut self,
        lhs: DurationTree,
        op: DurationOp,
        token: Token,
        rhs: DurationTree,
    ) -> Parsed<DurationTree> {
        self.require_duration_exprs(lhs.expr.span);
        let by_zero = match op {
            DurationOp::Div => "division by zero",
            DurationOp::Mod => "modulo by zero",
            _ => "",
        };
        if let DurationKind::Number(number) = &rhs.expr.kind
            && number.value == 0.0
            && !by_zero.is_empty()
        {
            self.error(token.span, by_zero.to_owned());
        }
        self.join(op, lhs, rhs)
    }

    fn join(&mut self, op: DurationOp, lhs: DurationTree, rhs: DurationTree) -> Parsed<DurationTree> {
        let below = lhs.height.max(rhs.height);
        self.check_height(below)?;
        let span = lhs.expr.span.to(rhs.expr.span);
        let kind = DurationKind::Binary(op, Box::new(lhs.expr), Box::new(rhs.expr));
        Ok(DurationTree { expr: DurationExpr { kind, wrapped: false, span }, height: below + 1 })
    }

    fn signed_duration(&mut self, op: UnaryOp) -> Parsed<DurationTree> {
        let sign = self.bump();
        let inner = self.duration_expr(ABOVE_SIGN)?;
        self.apply_sign(sign, op, inner)
    }

    /// A sign becomes part of a literal; a plus vanishes.
    fn apply_sign(&mut self, sign: Token, op: UnaryOp, inner: DurationTree) -> Parsed<DurationTree> {
        if let DurationKind::Number(number) = inner.expr.kind {
            return Ok(self.signed_number_literal(sign, op, number));
        }
        if op == UnaryOp::Plus {
            return Ok(inner);
        }
        self.check_height(inner.height)?;
        let span = sign.span.to(inner.expr.span);
        Ok(inner.signed(op, span))
    }

    fn signed_number_literal(&mut self, sign: Token, op: UnaryOp, number: NumberLiteral) -> DurationTree {
        let value = if op == UnaryOp::Minus { -number.value } else { number.value };
        let value = self.in_duration_range(value, sign.span);
        DurationTree::number(NumberLiteral { value, span: sign.span.to(number.span), ..number })
    }

    fn duration_primary(&mut self) -> Parsed<DurationTree> {
        let token = self.peek();
        match token.kind {
            TokenKind::Number | TokenKind::Duration => {
                self.bump();
                let (value, is_duration) = self.literal(token);
                let value = self.in_duration_range(value, token.span);
                Ok(DurationTree::number(NumberLiteral { value, is_duration, span: token.span }))
            }
            TokenKind::LeftParen => {
                self.bump();
                let inner = self.duration_expr(0)?;
                self.expect(TokenKind::RightParen)?;
                self.require_duration_exprs(inner.expr.span);
                Ok(inner.wrapped(token.span.start))
            }
            TokenKind::Word(_) => self.duration_word(true),
            _ => Err(Stop::Unexpected),
        }
    }

    /// `step()`, `range()`, `min_of(a, b)` or `max_of(a, b)`.
    fn duration_word(&mut self, is_outermost: bool) -> Parsed<DurationTree> {
        let token = self.peek();
        let TokenKind::Word(word) = token.kind else { return Err(Stop::Unexpected) };
        let kind = match word {
            Word::Step => Some(DurationKind::Step),
            Word::Range => Some(DurationKind::Range),
            Word::MinOf | Word::MaxOf => None,
            Word::Start | Word::End => return Err(Stop::Unexpected),
        };
        self.bump();
        self.expect(TokenKind::LeftParen)?;
        let tree = match kind {
            Some(kind) => {
                let close = self.expect(TokenKind::RightParen)?;
                DurationTree::leaf(kind, token.span.to(close.span))
            }
            None => self.choice(word)?,
        };
        if is_outermost {
            self.require_duration_exprs(tree.expr.span);
        }
        Ok(tree)
    }

    fn choice(&mut self, word: Word) -> Parsed<DurationTree> {
        let lhs = self.duration_expr(0)?;
        self.expect(TokenKind::Comma)?;
        let rhs = self.duration_expr(0)?;
        self.expect(TokenKind::RightParen)?;
        let op = if word == Word::MinOf { DurationOp::MinOf } else { DurationOp::MaxOf };
        self.join(op, lhs, rhs)
    }

    fn require_duration_exprs(&mut self, span: Span) {
        if !self.options.duration_expressions {
            self.error(span, "experimental duration expression is not enabled".to_owned());
        }
    }

    /// `value` if it fits into 64 bits of nanoseconds, else an error and zero.
    fn in_duration_range(&mut self, value: f64, span: Span) -> f64 {
        const LIMIT: f64 = i64::MAX as f64 / 1e9;
        // A NaN passes, as upstream lets it.
        if value.is_nan() || (-LIMIT..=LIMIT).contains(&value) {
            return value;
        }
        self.error(span, "duration out of range".to_owned());
        0.0
    }
}

const fn duration_op(op: BinaryOp) -> Option<DurationOp> {
    match op {
        BinaryOp::Add => Some(DurationOp::Add),
        BinaryOp::Sub => Some(DurationOp::Sub),
        BinaryOp::Mul => Some(DurationOp::Mul),
        BinaryOp::Div => Some(DurationOp::Div),
        BinaryOp::Mod => Some(DurationOp::Mod),
        BinaryOp::Pow => Some(DurationOp::Pow),
        _ => None,
    }
}
