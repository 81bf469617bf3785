//! Expressions, and durations in brackets.

use super::{HistogramState, Lexer, Mode, is_alpha, is_digit, is_space};
use crate::lang::{
    promql::{
        BinaryOp,
        token::{TokenKind, Word, keyword},
    },
    quote_char,
};

impl Lexer<'_> {
    pub(super) fn statement(&mut self) -> Mode {
        if self.histogram != HistogramState::Outside {
            return Mode::Histogram;
        }
        if self.in_braces {
            return Mode::Braces;
        }
        let Some(c) = self.next() else { return self.end_of_statement() };
        if let Some(op) = arithmetic(c) {
            self.emit(TokenKind::Op(op));
            return Mode::Statement;
        }
        match c {
            '#' => Mode::Comment,
            ',' => self.emit_in_statement(TokenKind::Comma),
            '@' => self.emit_in_statement(TokenKind::At),
            '=' | '!' | '<' | '>' => self.comparison(c),
            '.' if self.peek().is_some_and(is_digit) => self.back_to(Mode::NumberOrDuration),
            '"' | '\'' => self.quoted(c, Mode::String),
            '`' => self.quoted(c, Mode::RawString),
            '(' => {
                self.paren_depth += 1;
                self.emit_in_statement(TokenKind::LeftParen)
            }
            ')' => self.right_paren(Mode::Statement),
            '{' => {
                self.in_braces = true;
                self.emit(TokenKind::LeftBrace);
                Mode::Braces
            }
            '[' => self.left_bracket(),
            ']' => self.right_bracket(),
            _ if is_space(c) => Mode::Space,
            _ if is_digit(c) => self.back_to(Mode::NumberOrDuration),
            _ if is_alpha(c) || c == ':' => self.word(c),
            _ => self.fail(format!("unexpected character: {}", quote_char(Some(c)))),
        }
    }

    /// What stands in brackets, up to the first number: from there on [`Self::statement`] reads on.
    pub(super) fn duration_expr(&mut self) -> Mode {
        let Some(c) = self.next() else {
            return self.fail("unexpected end of input in duration expression".to_owned());
        };
        if let Some(op) = arithmetic(c) {
            self.emit(TokenKind::Op(op));
            return Mode::DurationExpr;
        }
        match c {
            ']' => {
                self.in_brackets = false;
                self.got_colon = false;
                self.emit_in_statement(TokenKind::RightBracket)
            }
            ':' => self.colon_in_duration(),
            '(' => {
                self.paren_depth += 1;
                self.emit(TokenKind::LeftParen);
                Mode::DurationExpr
            }
            ')' => self.right_paren(Mode::DurationExpr),
            ',' => {
                self.emit(TokenKind::Comma);
                Mode::DurationExpr
            }
            '.' if self.peek().is_some_and(is_digit) => self.number_in_duration(),
            _ if is_digit(c) => self.number_in_duration(),
            _ if is_space(c) => {
                self.skip_spaces();
                Mode::DurationExpr
            }
            _ if starts_duration_word(c) && self.duration_word() => Mode::DurationExpr,
            _ => self.fail(format!("unexpected character in duration expression: {}", quote_char(Some(c)))),
        }
    }

    fn end_of_statement(&mut self) -> Mode {
        if self.paren_depth != 0 {
            return self.fail("unclosed left parenthesis".to_owned());
        }
        if self.in_brackets {
            return self.fail("unclosed left bracket".to_owned());
        }
        self.emit(TokenKind::Eof);
        Mode::Done
    }

    fn emit_in_statement(&mut self, kind: TokenKind) -> Mode {
        self.emit(kind);
        Mode::Statement
    }

    fn back_to(&mut self, mode: Mode) -> Mode {
        self.back();
        mode
    }

    pub(super) const fn quoted(&mut self, delimiter: char, mode: Mode) -> Mode {
        self.quote = delimiter;
        mode
    }

    fn comparison(&mut self, c: char) -> Mode {
        let next = self.peek();
        let (kind, is_pair) = match (c, next) {
            ('=', Some('=')) => (TokenKind::Op(BinaryOp::Equal), true),
            ('=', Some('~')) => {
                return self.fail(format!("unexpected character after '=': {}", quote_char(next)));
            }
            ('=', _) => (TokenKind::Assign, false),
            ('!', Some('=')) => (TokenKind::Op(BinaryOp::NotEqual), true),
            ('!', _) => {
                return self.fail(format!("unexpected character after '!': {}", quote_char(next)));
            }
            ('<', Some('=')) => (TokenKind::Op(BinaryOp::LessOrEqual), true),
            ('<', Some('/')) => (TokenKind::Op(BinaryOp::TrimUpper), true),
            ('<', _) => (TokenKind::Op(BinaryOp::Less), false),
            (_, Some('=')) => (TokenKind::Op(BinaryOp::GreaterOrEqual), true),
            (_, Some('/')) => (TokenKind::Op(BinaryOp::TrimLower), true),
            (..) => (TokenKind::Op(BinaryOp::Greater), false),
        };
        if is_pair {
            self.next();
        }
        self.emit_in_statement(kind)
    }

    fn right_paren(&mut self, mode: Mode) -> Mode {
        self.emit(TokenKind::RightParen);
        self.paren_depth -= 1;
        if self.paren_depth < 0 {
            return self.fail("unexpected right parenthesis ')'".to_owned());
        }
        mode
    }

    fn left_bracket(&mut self) -> Mode {
        if self.in_brackets {
            return self.fail("unexpected left bracket '['".to_owned());
        }
        self.got_colon = false;
        self.emit(TokenKind::LeftBracket);
        self.skip_spaces();
        self.in_brackets = true;
        Mode::DurationExpr
    }

    fn right_bracket(&mut self) -> Mode {
        if !self.in_brackets {
            return self.fail("unexpected right bracket ']'".to_owned());
        }
        self.in_brackets = false;
        self.emit_in_statement(TokenKind::RightBracket)
    }

    /// A letter or colon. In brackets, behind the first number, only few words are left.
    fn word(&mut self, c: char) -> Mode {
        if !self.in_brackets {
            return self.back_to(Mode::KeywordOrIdentifier);
        }
        if c == ':' {
            if self.got_colon {
                return self.fail("unexpected colon ':'".to_owned());
            }
            self.got_colon = true;
            return self.emit_in_statement(TokenKind::Colon);
        }
        if starts_duration_word(c) && self.duration_word() {
            return Mode::Statement;
        }
        self.fail(format!("unexpected character: {}, expected ':'", quote_char(Some(c))))
    }

    fn colon_in_duration(&mut self) -> Mode {
        self.emit(TokenKind::Colon);
        if !self.got_duration {
            return self.fail("unexpected colon before duration in duration expression".to_owned());
        }
        if self.got_colon {
            return self.fail("unexpected repeated colon in duration expression".to_owned());
        }
        self.got_colon = true;
        Mode::DurationExpr
    }

    fn number_in_duration(&mut self) -> Mode {
        self.got_duration = true;
        self.back_to(Mode::NumberOrDuration)
    }

    /// Reads a word of letters and emits it if it is a function of durations.
    fn duration_word(&mut self) -> bool {
        self.skip_while(is_alpha);
        match keyword(self.text()) {
            Some(kind @ TokenKind::Word(Word::Step | Word::Range | Word::MaxOf | Word::MinOf)) => {
                self.emit(kind);
                true
            }
            _ => false,
        }
    }
}

const fn arithmetic(c: char) -> Option<BinaryOp> {
    match c {
        '+' => Some(BinaryOp::Add),
        '-' => Some(BinaryOp::Sub),
        '*' => Some(BinaryOp::Mul),
        '/' => Some(BinaryOp::Div),
        '%' => Some(BinaryOp::Mod),
        '^' => Some(BinaryOp::Pow),
        _ => None,
    }
}

/// Upstream lowers by Unicode's rules, but no other letter lowers to these.
const fn starts_duration_word(c: char) -> bool {
    matches!(c.to_ascii_lowercase(), 's' | 'r' | 'm')
}
