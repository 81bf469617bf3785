//! The values of a series description.

use super::{HistogramState, Lexer, Mode, is_alpha, is_digit, is_space};
use crate::lang::{
    promql::{BinaryOp, token::TokenKind},
    quote_char,
};

impl Lexer<'_> {
    pub(super) fn values(&mut self) -> Mode {
        if self.histogram != HistogramState::Outside {
            return Mode::Histogram;
        }
        let Some(c) = self.next() else { return Mode::Statement };
        match c {
            '{' if self.peek() == Some('{') => {
                self.next();
                self.histogram = HistogramState::Inside;
                self.emit(TokenKind::OpenHistogram);
                return Mode::Histogram;
            }
            '+' => self.emit(TokenKind::Op(BinaryOp::Add)),
            '-' => self.emit(TokenKind::Op(BinaryOp::Sub)),
            'x' => self.emit(TokenKind::Times),
            '_' => self.emit(TokenKind::Blank),
            '.' if self.peek().is_some_and(is_digit) => return self.number_in_values(),
            _ if is_digit(c) => return self.number_in_values(),
            _ if is_space(c) => {
                self.emit(TokenKind::Space);
                self.skip_spaces();
            }
            _ if is_alpha(c) => {
                self.back();
                return Mode::KeywordOrIdentifier;
            }
            _ => {
                return self
                    .fail(format!("unexpected character in series sequence: {}", quote_char(Some(c))));
            }
        }
        Mode::Values
    }

    fn number_in_values(&mut self) -> Mode {
        self.back();
        match self.number() {
            Mode::Done => Mode::Done,
            _ => Mode::Values,
        }
    }
}
