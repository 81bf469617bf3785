//! Operators and what stands between them, by precedence climbing.

use super::{Parsed, Parser, Stop};
use crate::lang::promql::{
    BinaryOp, Expr, NumberLiteral, Paren, StringLiteral, Unary, UnaryOp, VectorSelector,
    token::{Keyword, TokenKind},
    unquote::unquote,
};

/// An expression and how many nodes high it is.
pub(super) struct Tree {
    pub(super) expr: Expr,
    pub(super) height: usize,
}

impl Tree {
    pub(super) const fn leaf(expr: Expr) -> Self {
        Self { expr, height: 1 }
    }
}

/// Binding strength of the operators that bind tighter than a sign.
const ABOVE_SIGN: u8 = 6;

/// How strongly an operator binds, and what its right operand may consist of.
pub(super) const fn binding(op: BinaryOp) -> (u8, u8) {
    match op {
        BinaryOp::Or => (1, 2),
        BinaryOp::And | BinaryOp::Unless => (2, 3),
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessOrEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterOrEqual
        | BinaryOp::TrimUpper
        | BinaryOp::TrimLower => (3, 4),
        BinaryOp::Add | BinaryOp::Sub => (4, 5),
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Atan2 => (5, ABOVE_SIGN),
        // To the right: `2^3^2` is `2^(3^2)`.
        BinaryOp::Pow => (ABOVE_SIGN, ABOVE_SIGN),
    }
}

impl Parser<'_> {
    /// An expression up to the end of the text.
    pub(super) fn whole_expr(&mut self) -> Parsed<Expr> {
        if self.peek_kind() == TokenKind::Eof {
            self.error(Default::default(), "no expression found in input".to_owned());
            return Err(Stop::Reported);
        }
        let tree = self.expr(0)?;
        self.expect(TokenKind::Eof)?;
        Ok(tree.expr)
    }

    /// A selector up to the end of the text.
    pub(super) fn whole_selector(&mut self) -> Parsed<VectorSelector> {
        let kind = self.peek_kind();
        if kind != TokenKind::LeftBrace && !is_metric_identifier(kind) {
            return Err(Stop::Unexpected);
        }
        let selector = self.selector()?;
        self.expect(TokenKind::Eof)?;
        Ok(selector)
    }

    /// An expression of operators that bind at least as strongly as `power`.
    pub(super) fn expr(&mut self, power: u8) -> Parsed<Tree> {
        self.enter()?;
        let mut lhs = self.operand()?;
        while let TokenKind::Op(op) = self.peek_kind() {
            let (left, right) = binding(op);
            if left < power {
                break;
            }
            self.bump();
            lhs = self.binary(lhs, op, right)?;
        }
        self.depth -= 1;
        Ok(lhs)
    }

    fn binary(&mut self, lhs: Tree, op: BinaryOp, power: u8) -> Parsed<Tree> {
        let modifiers = self.binary_modifiers()?;
        let rhs = self.expr(power)?;
        let below = lhs.height.max(rhs.height);
        self.check_height(below)?;
        let binary = modifiers.assemble(lhs.expr, op, rhs.expr);
        let has_fill = binary.matching.as_ref().is_some_and(|it| it.fill.lhs.or(it.fill.rhs).is_some());
        if has_fill && !self.options.binop_fill_modifiers {
            let message = "binop fill modifiers are experimental and not enabled";
            self.error(binary.span(), message.to_owned());
        }
        Ok(Tree { expr: Expr::Binary(Box::new(binary)), height: below + 1 })
    }

    /// What stands between operators: something with a sign, or with modifiers behind it.
    fn operand(&mut self) -> Parsed<Tree> {
        match self.peek_kind() {
            TokenKind::Op(BinaryOp::Add) => self.signed(UnaryOp::Plus),
            TokenKind::Op(BinaryOp::Sub) => self.signed(UnaryOp::Minus),
            _ => {
                let tree = self.primary()?;
                self.with_modifiers(tree)
            }
        }
    }

    fn signed(&mut self, op: UnaryOp) -> Parsed<Tree> {
        let start = self.bump().span.start;
        let Tree { mut expr, height } = self.expr(ABOVE_SIGN)?;
        if let Expr::Number(number) = &mut expr {
            if op == UnaryOp::Minus {
                number.value = -number.value;
            }
            number.span.start = start;
            return Ok(Tree { expr, height });
        }
        self.check_height(height)?;
        let mut span = expr.span();
        span.start = start;
        Ok(Tree { expr: Expr::Unary(Box::new(Unary { op, expr, span })), height: height + 1 })
    }

    fn primary(&mut self) -> Parsed<Tree> {
        let token = self.peek();
        match token.kind {
            TokenKind::Number | TokenKind::Duration => {
                self.bump();
                let (value, is_duration) = self.literal(token);
                Ok(Tree::leaf(Expr::Number(NumberLiteral { value, is_duration, span: token.span })))
            }
            TokenKind::String => {
                self.bump();
                let value = unquote(self.text_of(token)).into_boxed_slice();
                Ok(Tree::leaf(Expr::String(StringLiteral { value, span: token.span })))
            }
            TokenKind::LeftParen => self.parenthesized(),
            TokenKind::Aggregate(op) => self.aggregate_or_selector(op),
            TokenKind::Identifier | TokenKind::Word(_) => self.call_or_selector(),
            TokenKind::LeftBrace => self.selector_tree(),
            kind if is_metric_identifier(kind) => self.selector_tree(),
            _ => Err(Stop::Unexpected),
        }
    }

    fn selector_tree(&mut self) -> Parsed<Tree> {
        let selector = self.selector()?;
        Ok(Tree::leaf(Expr::Vector(Box::new(selector))))
    }

    fn parenthesized(&mut self) -> Parsed<Tree> {
        let open = self.bump();
        let Tree { expr, height } = self.expr(0)?;
        let close = self.expect(TokenKind::RightParen)?;
        self.check_height(height)?;
        let paren = Paren { expr, span: open.span.to(close.span) };
        Ok(Tree { expr: Expr::Paren(Box::new(paren)), height: height + 1 })
    }
}

/// Whether a token of `kind` can begin an expression.
pub(super) const fn starts_expr(kind: TokenKind) -> bool {
    is_metric_identifier(kind)
        || matches!(
            kind,
            TokenKind::Number
                | TokenKind::Duration
                | TokenKind::String
                | TokenKind::LeftParen
                | TokenKind::LeftBrace
                | TokenKind::Op(BinaryOp::Add | BinaryOp::Sub)
        )
}

/// Whether a token of `kind` can be the name of a metric: most keywords can.
pub(super) const fn is_metric_identifier(kind: TokenKind) -> bool {
    match kind {
        TokenKind::Identifier
        | TokenKind::MetricIdentifier
        | TokenKind::Aggregate(_)
        | TokenKind::Word(_)
        | TokenKind::Op(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless) => true,
        TokenKind::Keyword(keyword) => !matches!(
            keyword,
            Keyword::Bool | Keyword::On | Keyword::Ignoring | Keyword::GroupLeft | Keyword::GroupRight
        ),
        _ => false,
    }
}
