//! Label matchers: no keywords here, every word is a name.

use super::{Lexer, Mode, is_alpha, is_space};
use crate::lang::{
    promql::{BinaryOp, token::TokenKind},
    quote_char,
};

impl Lexer<'_> {
    pub(super) fn braces(&mut self) -> Mode {
        let Some(c) = self.next() else {
            return self.fail("unexpected end of input inside braces".to_owned());
        };
        let kind = match c {
            '#' => return Mode::Comment,
            ',' => TokenKind::Comma,
            '"' | '\'' => return self.quoted(c, Mode::String),
            '`' => return self.quoted(c, Mode::RawString),
            '=' if self.accept(|c| c == '~') => TokenKind::MatchRegex,
            '=' => TokenKind::Assign,
            '!' => match self.next() {
                Some('~') => TokenKind::MatchNotRegex,
                Some('=') => TokenKind::Op(BinaryOp::NotEqual),
                other => {
                    let other = quote_char(other);
                    return self.fail(format!("unexpected character after '!' inside braces: {other}"));
                }
            },
            '{' => return self.fail("unexpected left brace '{'".to_owned()),
            '}' => {
                self.in_braces = false;
                self.emit(TokenKind::RightBrace);
                return if self.is_series { Mode::Values } else { Mode::Statement };
            }
            _ if is_space(c) => return Mode::Space,
            _ if is_alpha(c) => {
                self.back();
                return Mode::Identifier;
            }
            _ => return self.fail(format!("unexpected character inside braces: {}", quote_char(Some(c)))),
        };
        self.emit(kind);
        Mode::Braces
    }
}
