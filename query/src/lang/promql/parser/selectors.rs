//! Series selectors.

use kymo_engine::{MatchOp, Matcher};

use super::{Parsed, Parser, Stop};
use crate::lang::{
    Span,
    promql::{
        BinaryOp, VectorSelector,
        token::{Token, TokenKind},
        unquote::unquote,
    },
};

const CONTEXT: &str = "label matching";
const METRIC_NAME: &[u8] = b"__name__";

impl Parser<'_> {
    /// A selector that starts with the next token: a name or a brace.
    pub(super) fn selector(&mut self) -> Parsed<VectorSelector> {
        if self.peek_kind() == TokenKind::LeftBrace {
            let (matchers, span) = self.braces()?;
            return Ok(VectorSelector { matchers, span, ..Default::default() });
        }
        let name = self.bump();
        self.selector_named(name)
    }

    /// A selector whose name has just been read.
    pub(super) fn selector_named(&mut self, name: Token) -> Parsed<VectorSelector> {
        let (mut matchers, mut span) = (Vec::new(), name.span);
        if self.peek_kind() == TokenKind::LeftBrace {
            let (inside, braces) = self.braces()?;
            matchers = inside;
            span = span.to(braces);
        }
        let name = self.text_of(name).to_owned();
        matchers.extend(Matcher::new(MatchOp::Equal, METRIC_NAME, name.as_bytes()).ok());
        Ok(VectorSelector { name, matchers, span, ..Default::default() })
    }

    fn braces(&mut self) -> Parsed<(Vec<Matcher>, Span)> {
        let open = self.bump();
        let mut matchers = Vec::new();
        if let Some(close) = self.accept(TokenKind::RightBrace) {
            return Ok((matchers, open.span.to(close.span)));
        }
        loop {
            matchers.extend(self.matcher()?);
            let separator = self.peek();
            match separator.kind {
                TokenKind::Comma => self.bump(),
                TokenKind::RightBrace => break,
                _ => return self.in_context(Err(Stop::Unexpected), CONTEXT, "\",\" or \"}\""),
            };
            if self.peek_kind() == TokenKind::RightBrace {
                break;
            }
        }
        let close = self.bump();
        Ok((matchers, open.span.to(close.span)))
    }

    /// One condition; `None` when its regular expression is wrong, which is reported.
    fn matcher(&mut self) -> Parsed<Option<Matcher>> {
        let name = self.peek();
        let name_bytes = match name.kind {
            TokenKind::Identifier => self.text_of(name).as_bytes().to_vec(),
            TokenKind::String => unquote(self.text_of(name)),
            _ => return self.in_context(Err(Stop::Unexpected), CONTEXT, "identifier or \"}\""),
        };
        self.bump();
        let op = match match_op(self.peek_kind()) {
            Some(op) => op,
            None if name.kind == TokenKind::String => {
                return Ok(Matcher::new(MatchOp::Equal, METRIC_NAME, &name_bytes).ok());
            }
            None => return self.in_context(Err(Stop::Unexpected), CONTEXT, "label matching operator"),
        };
        self.bump();
        let value = self.expect(TokenKind::String);
        let value = self.in_context(value, CONTEXT, "string")?;
        let value_bytes = unquote(self.text_of(value));
        let matcher = Matcher::new(op, &name_bytes, &value_bytes)
            .map_err(|error| self.error(name.span.to(value.span), error.message));
        Ok(matcher.ok())
    }
}

const fn match_op(kind: TokenKind) -> Option<MatchOp> {
    match kind {
        TokenKind::Assign => Some(MatchOp::Equal),
        TokenKind::Op(BinaryOp::NotEqual) => Some(MatchOp::NotEqual),
        TokenKind::MatchRegex => Some(MatchOp::Regex),
        TokenKind::MatchNotRegex => Some(MatchOp::NotRegex),
        _ => None,
    }
}
