//! Quoted strings. Escapes are checked here and resolved by the parser.

use super::{Lexer, Mode};
use crate::lang::{is_printable, promql::token::TokenKind};

impl Lexer<'_> {
    pub(super) fn string(&mut self) -> Mode {
        loop {
            match self.next() {
                Some('\\') => return Mode::Escape,
                // What Go's decoder returns for bytes that are not UTF-8; so it cannot be written itself.
                Some(char::REPLACEMENT_CHARACTER) => return self.fail("invalid UTF-8 rune".to_owned()),
                None | Some('\n') => return self.fail("unterminated quoted string".to_owned()),
                Some(c) if c == self.quote => break,
                Some(_) => {}
            }
        }
        self.emit(TokenKind::String);
        Mode::Statement
    }

    pub(super) fn raw_string(&mut self) -> Mode {
        loop {
            match self.next() {
                Some(char::REPLACEMENT_CHARACTER) => return self.fail("invalid UTF-8 rune".to_owned()),
                None => return self.fail("unterminated raw string".to_owned()),
                Some(c) if c == self.quote => break,
                Some(_) => {}
            }
        }
        self.emit(TokenKind::String);
        Mode::Statement
    }

    /// Behind a backslash.
    pub(super) fn escape(&mut self) -> Mode {
        let (digits, base, max) = match self.next() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => return Mode::String,
            Some(c) if c == self.quote => return Mode::String,
            Some('0'..='7') => {
                self.back();
                (3, 8, 255)
            }
            Some('x') => (2, 16, 255),
            Some('u') => (4, 16, u32::from(char::MAX)),
            Some('U') => (8, 16, u32::from(char::MAX)),
            Some(c) => return self.fail(format!("unknown escape sequence {}", code_point(c))),
            None => return self.fail("escape sequence not terminated".to_owned()),
        };
        let mut code = 0_u32;
        for _ in 0..digits {
            let Some(c) = self.next() else {
                return self.fail("escape sequence not terminated".to_owned());
            };
            let Some(digit) = c.to_digit(base) else {
                return self.fail(format!("illegal character {} in escape sequence", code_point(c)));
            };
            code = code.wrapping_mul(base).wrapping_add(digit);
        }
        if code > max || (0xd800..0xe000).contains(&code) {
            return self.fail("escape sequence is an invalid Unicode code point".to_owned());
        }
        Mode::String
    }
}

/// `U+0071 'q'`, as Go's `%#U`.
fn code_point(c: char) -> String {
    let code = u32::from(c);
    if is_printable(c) { format!("U+{code:04X} '{c}'") } else { format!("U+{code:04X}") }
}
