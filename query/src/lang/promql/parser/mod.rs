//! From tokens to a syntax tree, by recursive descent.
//!
//! Error texts follow upstream's grammar, which knows few places that report an unexpected token: the
//! innermost of them around it gives the text its context. Here such a place is a call of
//! [`Parser::in_context`]. Upstream's positions depend on whether its parser has read one token ahead at some
//! point; so this one reads ahead ([`Parser::peek`]) exactly where upstream does.
//!
//! * `expr` - operators and what stands between them
//! * `selectors` - series with their label matchers
//! * `ranges` - what stands in brackets behind a selector
//! * `modifiers` - `offset`, `@`, `anchored`, `smoothed`
//! * `durations` - duration expressions
//! * `aggregates`, `calls`, `matching` - what their names say
//! * `metric`, `series`, `histogram` - series descriptions of test scripts

mod aggregates;
mod calls;
mod durations;
mod expr;
mod histogram;
mod matching;
mod metric;
mod modifiers;
mod ranges;
mod selectors;
mod series;

use kymo_engine::{Labels, Matcher};

pub use series::{SequenceValue, SeriesDescription, parse_series_description};

use super::{
    EXPR_DEPTH_MAX, Expr, ParseErrors, ParserOptions, check,
    error::ErrorList,
    lexer::Lexer,
    number::parse_number,
    token::{Token, TokenKind},
};
use crate::lang::{Span, duration::parse_duration};

/// Parses and checks an expression.
///
/// # Errors
/// When `text` is not an expression, or one with wrong types, or higher than [`EXPR_DEPTH_MAX`].
pub fn parse(text: &str, options: &ParserOptions) -> Result<Expr, ParseErrors> {
    let mut parser = Parser::new(text, *options, Lexer::new)?;
    let parsed = parser.whole_expr();
    let parsed = parser.finish(parsed)?;
    check::check(text, parsed)
}

/// Parses a selector of series, as the API's `match[]` takes it, and returns its conditions.
///
/// # Errors
/// When `text` is not a selector. A selector of everything is one.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseErrors> {
    let mut parser = Parser::new(text, ParserOptions::default(), Lexer::new)?;
    let parsed = parser.whole_selector();
    parser.finish(parsed).map(|selector| selector.matchers)
}

/// Parses a metric: a name, labels in braces, or both.
///
/// # Errors
/// When `text` is something else.
pub fn parse_metric(text: &str) -> Result<Labels, ParseErrors> {
    let mut parser = Parser::new(text, ParserOptions::default(), Lexer::new)?;
    let parsed = parser.whole_metric();
    parser.finish(parsed)
}

/// State of a parser.
struct Parser<'a> {
    text: &'a str,
    options: ParserOptions,
    lexer: Lexer<'a>,
    /// The token that was read ahead.
    ahead: Option<Token>,
    /// The last token read, ahead or not.
    last: Token,
    /// End of the last token that can close something: `) ] }`, numbers and durations.
    last_closing: u32,
    errors: ErrorList<'a>,
    /// How deep the descent is.
    depth: usize,
}

/// Why the descent stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The last token read does not fit; nobody has said so yet.
    Unexpected,
    /// The reason is among the errors.
    Reported,
}

type Parsed<T> = Result<T, Stop>;

impl<'a> Parser<'a> {
    fn new(
        text: &'a str,
        options: ParserOptions,
        lexer: impl FnOnce(&'a str) -> Lexer<'a>,
    ) -> Result<Self, ParseErrors> {
        let mut parser = Self {
            text,
            options,
            lexer: lexer(text),
            ahead: None,
            last: Token { kind: TokenKind::Eof, span: Span::default() },
            last_closing: 0,
            errors: ErrorList::new(text),
            depth: 0,
        };
        if u32::try_from(text.len()).is_ok() {
            return Ok(parser);
        }
        parser.error(Span::default(), "text is longer than 4 GiB".to_owned());
        parser.errors.into_result(()).map(|()| unreachable!("an error was just noted"))
    }

    /// The outcome: `parsed` if there was no error at all.
    fn finish<T>(mut self, parsed: Parsed<T>) -> Result<T, ParseErrors> {
        let parsed = self.in_context(parsed, "", "");
        let parsed = self.errors.into_result(parsed)?;
        Ok(parsed.unwrap_or_else(|_| unreachable!("a stop is always reported")))
    }

    /// The next token, which stays the next one.
    fn peek(&mut self) -> Token {
        if let Some(token) = self.ahead {
            return token;
        }
        let token = self.read();
        self.ahead = Some(token);
        token
    }

    fn peek_kind(&mut self) -> TokenKind {
        self.peek().kind
    }

    /// Takes the next token.
    fn bump(&mut self) -> Token {
        let token = self.peek();
        self.ahead = None;
        token
    }

    /// Takes the next token if it is of `kind`.
    fn accept(&mut self, kind: TokenKind) -> Option<Token> {
        (self.peek_kind() == kind).then(|| self.bump())
    }

    /// Takes the next token, which must be of `kind`.
    fn expect(&mut self, kind: TokenKind) -> Parsed<Token> {
        self.accept(kind).ok_or(Stop::Unexpected)
    }

    fn read(&mut self) -> Token {
        let mut token = self.lexer.next_token();
        while token.kind == TokenKind::Comment {
            token = self.lexer.next_token();
        }
        self.last = token;
        match token.kind {
            TokenKind::Error => self.error(token.span, self.lexer.error().to_owned()),
            TokenKind::RightBrace
            | TokenKind::RightParen
            | TokenKind::RightBracket
            | TokenKind::Duration
            | TokenKind::Number => self.last_closing = token.span.end,
            _ => {}
        }
        token
    }

    fn text_of(&self, token: Token) -> &'a str {
        let (start, end) = (token.span.start as usize, token.span.end as usize);
        self.text.get(start..end).unwrap_or_default()
    }

    /// Notes an error; the descent may go on.
    fn error(&mut self, span: Span, message: String) {
        self.errors.push(span, message);
    }

    /// If `parsed` stopped at an unexpected token, reports it as standing in `context`.
    fn in_context<T>(&mut self, parsed: Parsed<T>, context: &str, expected: &str) -> Parsed<T> {
        parsed.map_err(|stop| {
            if stop == Stop::Unexpected {
                self.unexpected(context, expected);
            }
            Stop::Reported
        })
    }

    /// Reports that the last token read does not fit. The lexer's errors are not reported twice.
    fn unexpected(&mut self, context: &str, expected: &str) {
        if self.last.kind == TokenKind::Error {
            return;
        }
        let mut message = format!("unexpected {}", self.last.kind.describe(self.text_of(self.last)));
        if !context.is_empty() {
            message.push_str(" in ");
            message.push_str(context);
        }
        if !expected.is_empty() {
            message.push_str(", expected ");
            message.push_str(expected);
        }
        self.error(self.last.span, message);
    }

    /// Goes one level deeper, unless that is too deep. Not undone when the descent stops: it is over then.
    fn enter(&mut self) -> Parsed<()> {
        self.check_height(self.depth)?;
        self.depth += 1;
        Ok(())
    }

    /// Stops when a tree of height `below` gets another level.
    fn check_height(&mut self, below: usize) -> Parsed<()> {
        if below < EXPR_DEPTH_MAX {
            return Ok(());
        }
        let message = format!("expression is nested more than {EXPR_DEPTH_MAX} levels deep");
        let span = self.last.span;
        self.error(span, message);
        Err(Stop::Reported)
    }

    /// Value of a number or duration that was just read, and whether it is the latter.
    fn literal(&mut self, token: Token) -> (f64, bool) {
        let text = self.text_of(token);
        if token.kind == TokenKind::Duration {
            let nanos = parse_duration(text).unwrap_or_else(|error| {
                self.error(token.span, error.to_string());
                0
            });
            return (seconds(nanos), true);
        }
        let value = parse_number(text).unwrap_or_else(|message| {
            self.error(token.span, format!("error parsing number: {message}"));
            0.0
        });
        (value, false)
    }
}

/// Seconds with all digits of the nanoseconds: whole seconds are exact.
fn seconds(nanos: i64) -> f64 {
    const SECOND: i64 = 1_000_000_000;
    (nanos / SECOND) as f64 + (nanos % SECOND) as f64 / SECOND as f64
}
