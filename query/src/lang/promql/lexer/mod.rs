//! From text to tokens.
//!
//! PromQL has no context-free tokens: `step` is a name outside of brackets and a function inside, `1m` in a
//! series description is followed by `x3`. So the lexer has modes, and switches between them by what it has
//! just read. The modes and their transitions are upstream's, because they show in error texts.
//!
//! * `statement` - expressions, and what stands in brackets
//! * `braces` - label matchers
//! * `number`, `string` - literals
//! * `series`, `histogram` - series descriptions of test scripts

mod braces;
mod histogram;
mod number;
mod series;
mod statement;
mod string;

use super::token::{Token, TokenKind, keyword};
use crate::lang::Span;

/// Reads tokens off a text.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    input: &'a str,
    mode: Mode,
    /// Offset of the next character.
    at: usize,
    /// Offset of the token being read.
    start: usize,
    /// Length of the last character read, for stepping back.
    width: usize,
    /// The token that the current mode has produced.
    token: Option<Token>,
    error: Option<String>,
    paren_depth: i32,
    in_braces: bool,
    in_brackets: bool,
    got_colon: bool,
    got_duration: bool,
    /// The delimiter of the string being read.
    quote: char,
    is_series: bool,
    histogram: HistogramState,
}

/// What the next characters are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Statement,
    Braces,
    DurationExpr,
    Space,
    Comment,
    Identifier,
    KeywordOrIdentifier,
    Number,
    NumberOrDuration,
    String,
    RawString,
    Escape,
    Values,
    Histogram,
    HistogramKey,
    Buckets,
    /// Nothing but the end follows.
    Done,
}

/// Where in a histogram literal the lexer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HistogramState {
    Outside,
    Inside,
    /// Just behind one, with a `x`, `+` or `-` to read.
    Operator(TokenKind),
}

/// Where the tokens of an expression, or of a series description, stand. The last one is the end of the text or
/// what is wrong with it.
#[cfg(any(test, feature = "test-util"))]
#[must_use]
pub fn token_spans(text: &str, is_series: bool) -> Vec<Span> {
    let mut lexer = if is_series { Lexer::series(text) } else { Lexer::new(text) };
    let mut spans = Vec::new();
    loop {
        let token = lexer.next_token();
        spans.push(token.span);
        if matches!(token.kind, TokenKind::Eof | TokenKind::Error) {
            return spans;
        }
    }
}

impl<'a> Lexer<'a> {
    /// A lexer for an expression.
    pub(super) const fn new(input: &'a str) -> Self {
        Self {
            input,
            mode: Mode::Statement,
            at: 0,
            start: 0,
            width: 0,
            token: None,
            error: None,
            paren_depth: 0,
            in_braces: false,
            in_brackets: false,
            got_colon: false,
            got_duration: false,
            quote: '"',
            is_series: false,
            histogram: HistogramState::Outside,
        }
    }

    /// A lexer for a series description.
    pub(super) const fn series(input: &'a str) -> Self {
        let mut lexer = Self::new(input);
        lexer.is_series = true;
        lexer
    }

    /// The next token. After the end, or an error, only [`TokenKind::Eof`] follows.
    pub(super) fn next_token(&mut self) -> Token {
        loop {
            self.mode = self.step();
            if let Some(token) = self.token.take() {
                if token.kind == TokenKind::Error {
                    self.mode = Mode::Done;
                }
                return token;
            }
        }
    }

    /// Why the last token is a [`TokenKind::Error`].
    pub(super) fn error(&self) -> &str {
        self.error.as_deref().unwrap_or_default()
    }

    fn step(&mut self) -> Mode {
        match self.mode {
            Mode::Statement => self.statement(),
            Mode::Braces => self.braces(),
            Mode::DurationExpr => self.duration_expr(),
            Mode::Space => self.space(),
            Mode::Comment => self.comment(),
            Mode::Identifier => self.identifier(),
            Mode::KeywordOrIdentifier => self.keyword_or_identifier(),
            Mode::Number => self.number(),
            Mode::NumberOrDuration => self.number_or_duration(),
            Mode::String => self.string(),
            Mode::RawString => self.raw_string(),
            Mode::Escape => self.escape(),
            Mode::Values => self.values(),
            Mode::Histogram => self.histogram(),
            Mode::HistogramKey => self.histogram_key(),
            Mode::Buckets => self.buckets(),
            Mode::Done => {
                self.emit(TokenKind::Eof);
                Mode::Done
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.input[self.at..].chars().next();
        self.width = c.map_or(0, char::len_utf8);
        self.at += self.width;
        c
    }

    fn peek(&self) -> Option<char> {
        self.input[self.at..].chars().next()
    }

    /// Un-reads the last character; once per [`Self::next`].
    const fn back(&mut self) {
        self.at -= self.width;
    }

    fn accept(&mut self, wanted: impl Fn(char) -> bool) -> bool {
        let accepted = self.peek().is_some_and(wanted);
        if accepted {
            self.next();
        }
        accepted
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.accept(&wanted) {}
    }

    fn text(&self) -> &'a str {
        &self.input[self.start..self.at]
    }

    fn emit(&mut self, kind: TokenKind) {
        self.token = Some(Token { kind, span: span(self.start, self.at) });
        self.start = self.at;
    }

    /// Ends the input with an error at the current token. Replaces a token produced in the same step.
    fn fail(&mut self, message: String) -> Mode {
        self.token = Some(Token { kind: TokenKind::Error, span: span(self.start, self.input.len()) });
        self.error = Some(message);
        Mode::Done
    }

    fn skip_spaces(&mut self) {
        self.skip_while(is_space);
        self.start = self.at;
    }

    fn space(&mut self) -> Mode {
        self.skip_spaces();
        Mode::Statement
    }

    fn comment(&mut self) -> Mode {
        self.skip_while(|c| !matches!(c, '\r' | '\n'));
        self.emit(TokenKind::Comment);
        Mode::Statement
    }

    fn identifier(&mut self) -> Mode {
        self.skip_while(is_alphanumeric);
        self.emit(TokenKind::Identifier);
        Mode::Statement
    }

    fn keyword_or_identifier(&mut self) -> Mode {
        self.skip_while(|c| is_alphanumeric(c) || c == ':');
        let kind = self.word_kind();
        self.emit(kind);
        if self.is_series && self.peek() != Some('{') { Mode::Values } else { Mode::Statement }
    }

    fn word_kind(&self) -> TokenKind {
        use super::token::Keyword::{Fill, FillLeft, FillRight};
        match keyword(self.text()) {
            // Metrics may have these names, so they are keywords only where they have an argument.
            Some(TokenKind::Keyword(Fill | FillLeft | FillRight))
                if !self.input[self.at..].trim_start_matches(is_space).starts_with('(') =>
            {
                TokenKind::Identifier
            }
            Some(kind) => kind,
            None if self.text().contains(':') => TokenKind::MetricIdentifier,
            None => TokenKind::Identifier,
        }
    }
}

/// Offsets fit: the parser refuses longer texts before it makes a lexer.
#[expect(clippy::cast_possible_truncation, reason = "texts are shorter than 4 GiB")]
const fn span(start: usize, end: usize) -> Span {
    Span::new(start as u32, end as u32)
}

pub(super) const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

const fn is_alpha(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

const fn is_alphanumeric(c: char) -> bool {
    is_alpha(c) || c.is_ascii_digit()
}

const fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}
