//! What stands between a binary operator and its right operand, and lists of labels.

use super::{Parsed, Parser, Stop, expr::starts_expr};
use crate::lang::{
    promql::{
        Binary, BinaryOp, Cardinality, Expr, FillValues, VectorMatching,
        token::{Keyword, TokenKind},
        unquote::unquote,
    },
    quote,
};

const CONTEXT: &str = "grouping opts";

/// Modifiers of a binary operator.
pub(super) struct BinaryModifiers {
    matching: VectorMatching,
    return_bool: bool,
}

impl BinaryModifiers {
    /// The operator with its operands.
    pub(super) fn assemble(self, lhs: Expr, op: BinaryOp, rhs: Expr) -> Binary {
        Binary { op, lhs, rhs, matching: Some(self.matching), return_bool: self.return_bool }
    }
}

impl Parser<'_> {
    /// `bool`, `on` or `ignoring`, `group_left` or `group_right`, `fill`: each may be missing.
    pub(super) fn binary_modifiers(&mut self) -> Parsed<BinaryModifiers> {
        let return_bool = self.accept_keyword(Keyword::Bool);
        let mut matching = VectorMatching {
            cardinality: Cardinality::OneToOne,
            labels: Vec::new(),
            on: false,
            include: Vec::new(),
            fill: FillValues::default(),
        };
        if let TokenKind::Keyword(keyword @ (Keyword::On | Keyword::Ignoring)) = self.peek_kind() {
            self.bump();
            matching.on = keyword == Keyword::On;
            matching.labels = self.grouping_labels()?;
            self.group_modifier(&mut matching)?;
        }
        matching.fill = self.fill_values()?;
        Ok(BinaryModifiers { matching, return_bool })
    }

    fn group_modifier(&mut self, matching: &mut VectorMatching) -> Parsed<()> {
        if self.accept_keyword(Keyword::GroupLeft) {
            matching.cardinality = Cardinality::ManyToOne;
        } else if self.accept_keyword(Keyword::GroupRight) {
            matching.cardinality = Cardinality::OneToMany;
        } else {
            return Ok(());
        }
        // Without labels the right operand follows, or `fill`, which could begin one, too.
        let next = self.peek_kind();
        if next == TokenKind::LeftParen || !starts_expr(next) {
            matching.include = self.grouping_labels()?;
        }
        Ok(())
    }

    fn fill_values(&mut self) -> Parsed<FillValues> {
        let mut fill = FillValues::default();
        if self.accept_keyword(Keyword::Fill) {
            let value = Some(self.fill_value()?);
            return Ok(FillValues { lhs: value, rhs: value });
        }
        if self.accept_keyword(Keyword::FillLeft) {
            fill.lhs = Some(self.fill_value()?);
            if self.accept_keyword(Keyword::FillRight) {
                fill.rhs = Some(self.fill_value()?);
            }
        } else if self.accept_keyword(Keyword::FillRight) {
            fill.rhs = Some(self.fill_value()?);
            if self.accept_keyword(Keyword::FillLeft) {
                fill.lhs = Some(self.fill_value()?);
            }
        }
        Ok(fill)
    }

    fn fill_value(&mut self) -> Parsed<f64> {
        self.expect(TokenKind::LeftParen)?;
        let is_negative = self.accept(TokenKind::Op(BinaryOp::Sub)).is_some();
        if !is_negative {
            self.accept(TokenKind::Op(BinaryOp::Add));
        }
        let token = self.peek();
        if !matches!(token.kind, TokenKind::Number | TokenKind::Duration) {
            return Err(Stop::Unexpected);
        }
        self.bump();
        let (value, _) = self.literal(token);
        self.expect(TokenKind::RightParen)?;
        Ok(if is_negative { -value } else { value })
    }

    /// Names of labels in parentheses.
    pub(super) fn grouping_labels(&mut self) -> Parsed<Vec<String>> {
        let open = self.expect(TokenKind::LeftParen);
        self.in_context(open, CONTEXT, "\"(\"")?;
        let mut labels = Vec::new();
        while self.accept(TokenKind::RightParen).is_none() {
            let label = self.grouping_label();
            labels.push(self.in_context(label, CONTEXT, "label")?);
            if self.accept(TokenKind::Comma).is_none() && self.peek_kind() != TokenKind::RightParen {
                return self.in_context(Err(Stop::Unexpected), CONTEXT, "\",\" or \")\"");
            }
        }
        Ok(labels)
    }

    fn grouping_label(&mut self) -> Parsed<String> {
        let token = self.peek();
        let name = match token.kind {
            TokenKind::String => unquote(self.text_of(token)),
            kind if is_label(kind) => self.text_of(token).as_bytes().to_vec(),
            _ => return Err(Stop::Unexpected),
        };
        self.bump();
        if name.is_empty() || str::from_utf8(&name).is_err() {
            self.error(token.span, format!("invalid label name for grouping: {}", quote(&name)));
        }
        Ok(String::from_utf8(name).unwrap_or_default())
    }

    fn accept_keyword(&mut self, keyword: Keyword) -> bool {
        self.accept(TokenKind::Keyword(keyword)).is_some()
    }
}

/// Whether a token of `kind` can be the name of a label in a list.
const fn is_label(kind: TokenKind) -> bool {
    match kind {
        TokenKind::Identifier
        | TokenKind::MetricIdentifier
        | TokenKind::Aggregate(_)
        | TokenKind::Word(_)
        | TokenKind::Op(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless | BinaryOp::Atan2) => true,
        TokenKind::Keyword(keyword) => !matches!(keyword, Keyword::Without),
        _ => false,
    }
}
