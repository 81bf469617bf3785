//! Numbers and durations.

use super::{Lexer, Mode, is_alphanumeric, is_digit};
use crate::lang::{promql::token::TokenKind, quote};

impl Lexer<'_> {
    pub(super) fn number(&mut self) -> Mode {
        if !self.scan_number() {
            return self.fail(format!("bad number syntax: {}", quote(self.text().as_bytes())));
        }
        self.emit(TokenKind::Number);
        Mode::Statement
    }

    pub(super) fn number_or_duration(&mut self) -> Mode {
        if self.scan_number() {
            self.emit(TokenKind::Number);
            return Mode::Statement;
        }
        if self.scan_rest_of_duration() {
            self.emit(TokenKind::Duration);
            return Mode::Statement;
        }
        self.fail(format!("bad number or duration syntax: {}", quote(self.text().as_bytes())))
    }

    /// Behind digits: units and more digits. Whether the text so far is a duration, not of what value.
    fn scan_rest_of_duration(&mut self) -> bool {
        if !self.accept(|c| "smhdwy".contains(c)) {
            return false;
        }
        // For ms. Others, such as hs, are refused when the value is computed.
        self.accept(|c| c == 's');
        while self.accept(is_digit) {
            self.skip_while(is_digit);
            // A year comes first or not at all.
            if !self.accept(|c| "smhdw".contains(c)) {
                return false;
            }
            self.accept(|c| c == 's');
        }
        // The character that is one too many is part of the error's text.
        !self.accept(is_alphanumeric)
    }

    /// Reads what looks like a number in any notation; the parser computes its value, or refuses it.
    ///
    /// In hexadecimal numbers `e` is taken for an exponent from the second digit on, as upstream does.
    fn scan_number(&mut self) -> bool {
        let begin = self.at;
        // In series descriptions x means repetition, so there are no hexadecimal numbers.
        let is_hex = !self.is_series && self.accept(|c| c == '0') && self.accept(|c| matches!(c, 'x' | 'X'));
        if is_hex {
            self.accept(|c| c == '_');
        }
        let is_number_digit = |c: char| if is_hex { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
        self.accept(|c| c == '.');
        self.accept(is_number_digit);
        let (mut has_dot, mut has_exponent) = (false, false);
        while let Some(c) = self.peek() {
            match c {
                '.' => {
                    self.next();
                    if has_dot || self.accept(|c| matches!(c, '_' | '.')) || is_hex {
                        return false;
                    }
                    has_dot = true;
                }
                'e' | 'E' => {
                    self.next();
                    if has_exponent {
                        return false;
                    }
                    has_exponent = true;
                    self.accept(|c| matches!(c, '+' | '-'));
                    if self.accept(|c| matches!(c, '.' | '_' | 'e' | 'E')) || self.peek().is_none() {
                        return false;
                    }
                }
                '_' => {
                    self.next();
                    if self.accept(|c| matches!(c, '.' | '_' | 'e' | 'E')) || self.peek().is_none() {
                        return false;
                    }
                }
                _ if is_number_digit(c) => self.skip_while(is_number_digit),
                _ => break,
            }
        }
        self.at > begin && !self.peek().is_some_and(|c| is_alphanumeric(c) && !(self.is_series && c == 'x'))
    }
}
