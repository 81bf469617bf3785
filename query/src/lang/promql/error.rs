//! Why a text is not PromQL.

use std::fmt;

use crate::{ErrorKind, lang::Span};

/// One thing that is wrong with a text. Its message is upstream's wherever upstream has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Where it is wrong, as upstream counts: for errors of the lexer up to the end of the text.
    pub span: Span,
    /// What is wrong, without the position.
    pub message: String,
    /// Line and column of the start; `None` when the text is empty.
    pub position: Option<(usize, usize)>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some((line, column)) => write!(f, "{line}:{column}: parse error: {}", self.message),
            None => write!(f, "unknown position: parse error: {}", self.message),
        }
    }
}

impl std::error::Error for ParseError {}

/// Most errors that are kept. The first one is what users see; a hostile text can have one every few bytes,
/// and each has to be searched for its line.
const ERRORS_MAX: usize = 20;

/// What has been found wrong with a text so far.
pub(super) struct ErrorList<'a> {
    text: &'a str,
    errors: Vec<ParseError>,
}

impl<'a> ErrorList<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, errors: Vec::new() }
    }

    /// Notes an error, unless there are many already.
    pub(super) fn push(&mut self, span: Span, message: String) {
        if self.errors.len() >= ERRORS_MAX {
            return;
        }
        let position = if self.text.is_empty() { None } else { span.line_column(self.text) };
        self.errors.push(ParseError { span, message, position });
    }

    /// `parsed` if nothing is wrong.
    pub(super) fn into_result<T>(self, parsed: T) -> Result<T, ParseErrors> {
        if self.errors.is_empty() { Ok(parsed) } else { Err(ParseErrors(self.errors)) }
    }
}

/// What the parser found wrong, at least one thing. It prints the first, as upstream does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseErrors(Vec<ParseError>);

impl ParseErrors {
    /// The first errors in the order in which they were found.
    #[must_use]
    pub fn errors(&self) -> &[ParseError] {
        &self.0
    }

    /// Always [`ErrorKind::Invalid`].
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(1).try_for_each(|error| error.fmt(f))
    }
}

impl std::error::Error for ParseErrors {}

impl From<ParseErrors> for crate::Error {
    fn from(errors: ParseErrors) -> Self {
        Self::new(ErrorKind::Invalid, errors.to_string())
    }
}
