//! Metrics: label sets as series descriptions and the API write them.

use kymo_engine::{Labels, LabelsBuilder};

use super::{Parsed, Parser, Stop, expr::is_metric_identifier};
use crate::lang::promql::{token::TokenKind, unquote::unquote};

const CONTEXT: &str = "label set";
const METRIC_NAME: &[u8] = b"__name__";

impl Parser<'_> {
    /// A metric up to the end of the text.
    pub(super) fn whole_metric(&mut self) -> Parsed<Labels> {
        let metric = self.metric()?;
        self.expect(TokenKind::Eof)?;
        Ok(metric)
    }

    /// A name, labels, both, or nothing.
    pub(super) fn metric(&mut self) -> Parsed<Labels> {
        let mut labels = LabelsBuilder::default();
        let name = is_metric_identifier(self.peek_kind()).then(|| self.bump());
        if self.accept(TokenKind::LeftBrace).is_some() {
            self.label_set(&mut labels)?;
        }
        if let Some(name) = name {
            labels.set(METRIC_NAME, self.text_of(name).as_bytes());
        }
        Ok(labels.build())
    }

    fn label_set(&mut self, labels: &mut LabelsBuilder) -> Parsed<()> {
        if self.accept(TokenKind::RightBrace).is_some() {
            return Ok(());
        }
        loop {
            self.label(labels)?;
            match self.peek_kind() {
                TokenKind::Comma => self.bump(),
                TokenKind::RightBrace => break,
                _ => return self.in_context(Err(Stop::Unexpected), CONTEXT, "\",\" or \"}\""),
            };
            if self.peek_kind() == TokenKind::RightBrace {
                break;
            }
        }
        self.bump();
        Ok(())
    }

    fn label(&mut self, labels: &mut LabelsBuilder) -> Parsed<()> {
        let name = self.peek();
        let name_bytes = match name.kind {
            TokenKind::Identifier => self.text_of(name).as_bytes().to_vec(),
            TokenKind::String => unquote(self.text_of(name)),
            _ => return self.in_context(Err(Stop::Unexpected), CONTEXT, "identifier or \"}\""),
        };
        self.bump();
        if self.accept(TokenKind::Assign).is_none() {
            if name.kind == TokenKind::String {
                labels.set(METRIC_NAME, &name_bytes);
                return Ok(());
            }
            return self.in_context(Err(Stop::Unexpected), CONTEXT, "\"=\"");
        }
        let value = self.expect(TokenKind::String);
        let value = self.in_context(value, CONTEXT, "string")?;
        labels.set(&name_bytes, &unquote(self.text_of(value)));
        Ok(())
    }
}
