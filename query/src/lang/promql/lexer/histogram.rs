//! Histogram literals in series descriptions.

use super::{HistogramState, Lexer, Mode, is_alpha, is_digit, is_space};
use crate::lang::{
    promql::{
        BinaryOp,
        token::{TokenKind, histogram_key, keyword, reset_hint},
    },
    quote, quote_char,
};

impl Lexer<'_> {
    pub(super) fn histogram(&mut self) -> Mode {
        if let HistogramState::Operator(kind) = self.histogram {
            self.histogram = HistogramState::Outside;
            self.next();
            self.emit(kind);
            return Mode::Values;
        }
        if self.in_brackets {
            return Mode::Buckets;
        }
        let c = self.next();
        match c {
            Some(c) if is_space(c) => {
                self.emit(TokenKind::Space);
                Mode::Space
            }
            Some(c) if is_alpha(c) => {
                self.back();
                Mode::HistogramKey
            }
            Some(':') => self.emit_in_histogram(TokenKind::Colon),
            Some('-') => self.emit_in_histogram(TokenKind::Op(BinaryOp::Sub)),
            Some(c) if is_digit(c) => {
                self.back();
                Mode::Number
            }
            Some('[') => {
                self.in_brackets = true;
                self.emit(TokenKind::LeftBracket);
                Mode::Buckets
            }
            Some('}') if self.peek() == Some('}') => self.close_histogram(),
            _ => self.fail(format!("histogram description incomplete unexpected: {}", quote_char(c))),
        }
    }

    pub(super) fn histogram_key(&mut self) -> Mode {
        self.skip_while(is_alpha);
        let word = self.text();
        if let Some(key) = histogram_key(word) {
            if self.peek() != Some(':') {
                return self.fail("missing `:` for histogram descriptor".to_owned());
            }
            return self.emit_in_histogram(TokenKind::HistogramKey(key));
        }
        if keyword(word) == Some(TokenKind::Number) {
            return self.emit_in_histogram(TokenKind::Number);
        }
        if let Some(hint) = reset_hint(word) {
            return self.emit_in_histogram(TokenKind::ResetHint(hint));
        }
        self.fail(format!("bad histogram descriptor found: {}", quote(word.as_bytes())))
    }

    pub(super) fn buckets(&mut self) -> Mode {
        let c = self.next();
        match c {
            Some(c) if is_space(c) => {
                self.emit(TokenKind::Space);
                Mode::Space
            }
            Some('-') => {
                self.emit(TokenKind::Op(BinaryOp::Sub));
                Mode::Number
            }
            Some(c) if is_digit(c) => {
                self.back();
                Mode::Number
            }
            Some(']') => {
                self.in_brackets = false;
                self.emit_in_histogram(TokenKind::RightBracket)
            }
            // Letter by letter, until the word so far is Inf or NaN.
            Some(c) if is_alpha(c) => {
                if keyword(self.text()) == Some(TokenKind::Number) {
                    self.emit(TokenKind::Number);
                    return Mode::Statement;
                }
                Mode::Buckets
            }
            _ => self.fail(format!("invalid character in buckets description: {}", quote_char(c))),
        }
    }

    fn close_histogram(&mut self) -> Mode {
        self.next();
        let operator = match self.peek() {
            Some('x') => Some(TokenKind::Times),
            Some('+') => Some(TokenKind::Op(BinaryOp::Add)),
            Some('-') => Some(TokenKind::Op(BinaryOp::Sub)),
            _ => None,
        };
        self.emit(TokenKind::CloseHistogram);
        match operator {
            Some(kind) => {
                self.histogram = HistogramState::Operator(kind);
                Mode::Histogram
            }
            None => {
                self.histogram = HistogramState::Outside;
                Mode::Values
            }
        }
    }

    fn emit_in_histogram(&mut self, kind: TokenKind) -> Mode {
        self.emit(kind);
        Mode::Histogram
    }
}
