//! Why a pattern is not a regular expression.

/// What is wrong with a pattern, in the words of Go's `regexp/syntax`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegexErrorKind {
    /// `[b-a]`, `\p{Nothing}`.
    #[error("invalid character class range")]
    CharRange,
    /// `\q`
    #[error("invalid escape sequence")]
    Escape,
    /// `(?P<1-2>a)`
    #[error("invalid named capture")]
    NamedCapture,
    /// `(?=a)`: look-around is not part of the dialect.
    #[error("invalid or unsupported Perl syntax")]
    PerlOp,
    /// `a**`
    #[error("invalid nested repetition operator")]
    NestedRepeat,
    /// `a{1001}`, also by nesting.
    #[error("invalid repeat count")]
    RepeatSize,
    /// The pattern is not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// `[a`
    #[error("missing closing ]")]
    MissingBracket,
    /// `(a`
    #[error("missing closing )")]
    MissingParen,
    /// `*a`
    #[error("missing argument to repetition operator")]
    MissingRepeatArgument,
    /// `a\`
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    /// `a)`
    #[error("unexpected )")]
    UnexpectedParen,
    /// More groups inside of groups than are allowed.
    #[error("expression nests too deeply")]
    NestingDepth,
    /// It would compile to more than the memory that one pattern may take.
    #[error("expression too large")]
    Large,
}

/// A pattern that is not a regular expression of the dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {kind}: `{part}`")]
pub struct RegexError {
    /// What is wrong.
    pub kind: RegexErrorKind,
    /// The part of the pattern where it is wrong.
    pub part: String,
}

impl RegexError {
    pub(super) fn new(kind: RegexErrorKind, part: impl Into<String>) -> Self {
        Self { kind, part: part.into() }
    }
}
