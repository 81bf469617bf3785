//! Tokens of PromQL.

use super::{AggregateOp, BinaryOp};
use crate::lang::{Span, quote};

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

/// Kinds of tokens, those of series descriptions included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// The end of the input.
    Eof,
    /// The lexer has failed; it holds the message.
    Error,
    Comment,
    Identifier,
    /// An identifier with a colon in it.
    MetricIdentifier,
    Number,
    Duration,
    String,
    LeftBrace,
    RightBrace,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    /// `=`
    Assign,
    /// `=~`
    MatchRegex,
    /// `!~`
    MatchNotRegex,
    At,
    Op(BinaryOp),
    Aggregate(AggregateOp),
    Keyword(Keyword),
    Word(Word),
    /// `_`: an omitted value.
    Blank,
    /// `x`: repetition of a value.
    Times,
    Space,
    OpenHistogram,
    CloseHistogram,
    HistogramKey(HistogramKey),
    ResetHint(ResetHintWord),
}

/// Words with a place in the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Anchored,
    Bool,
    By,
    Fill,
    FillLeft,
    FillRight,
    GroupLeft,
    GroupRight,
    Ignoring,
    Offset,
    On,
    Smoothed,
    Without,
}

/// Words that are functions, too, and mean something after `@` or in durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    End,
    MaxOf,
    MinOf,
    Range,
    Start,
    Step,
}

/// Keys of a histogram literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HistogramKey {
    Buckets,
    Count,
    CounterResetHint,
    CustomValues,
    NegativeBuckets,
    NegativeOffset,
    Offset,
    Schema,
    Sum,
    ZeroBucket,
    ZeroBucketWidth,
}

/// Values of the key `counter_reset_hint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResetHintWord {
    Gauge,
    NotReset,
    Reset,
    Unknown,
}

const KEYWORDS: [(&str, TokenKind); 39] = [
    ("anchored", TokenKind::Keyword(Keyword::Anchored)),
    ("and", TokenKind::Op(BinaryOp::And)),
    ("atan2", TokenKind::Op(BinaryOp::Atan2)),
    ("avg", TokenKind::Aggregate(AggregateOp::Avg)),
    ("bool", TokenKind::Keyword(Keyword::Bool)),
    ("bottomk", TokenKind::Aggregate(AggregateOp::BottomK)),
    ("by", TokenKind::Keyword(Keyword::By)),
    ("count", TokenKind::Aggregate(AggregateOp::Count)),
    ("count_values", TokenKind::Aggregate(AggregateOp::CountValues)),
    ("end", TokenKind::Word(Word::End)),
    ("fill", TokenKind::Keyword(Keyword::Fill)),
    ("fill_left", TokenKind::Keyword(Keyword::FillLeft)),
    ("fill_right", TokenKind::Keyword(Keyword::FillRight)),
    ("group", TokenKind::Aggregate(AggregateOp::Group)),
    ("group_left", TokenKind::Keyword(Keyword::GroupLeft)),
    ("group_right", TokenKind::Keyword(Keyword::GroupRight)),
    ("ignoring", TokenKind::Keyword(Keyword::Ignoring)),
    ("inf", TokenKind::Number),
    ("limit_ratio", TokenKind::Aggregate(AggregateOp::LimitRatio)),
    ("limitk", TokenKind::Aggregate(AggregateOp::LimitK)),
    ("max", TokenKind::Aggregate(AggregateOp::Max)),
    ("max_of", TokenKind::Word(Word::MaxOf)),
    ("min", TokenKind::Aggregate(AggregateOp::Min)),
    ("min_of", TokenKind::Word(Word::MinOf)),
    ("nan", TokenKind::Number),
    ("offset", TokenKind::Keyword(Keyword::Offset)),
    ("on", TokenKind::Keyword(Keyword::On)),
    ("or", TokenKind::Op(BinaryOp::Or)),
    ("quantile", TokenKind::Aggregate(AggregateOp::Quantile)),
    ("range", TokenKind::Word(Word::Range)),
    ("smoothed", TokenKind::Keyword(Keyword::Smoothed)),
    ("start", TokenKind::Word(Word::Start)),
    ("stddev", TokenKind::Aggregate(AggregateOp::Stddev)),
    ("stdvar", TokenKind::Aggregate(AggregateOp::Stdvar)),
    ("step", TokenKind::Word(Word::Step)),
    ("sum", TokenKind::Aggregate(AggregateOp::Sum)),
    ("topk", TokenKind::Aggregate(AggregateOp::TopK)),
    ("unless", TokenKind::Op(BinaryOp::Unless)),
    ("without", TokenKind::Keyword(Keyword::Without)),
];

const HISTOGRAM_KEYS: [(&str, HistogramKey); 11] = [
    ("buckets", HistogramKey::Buckets),
    ("count", HistogramKey::Count),
    ("counter_reset_hint", HistogramKey::CounterResetHint),
    ("custom_values", HistogramKey::CustomValues),
    ("n_buckets", HistogramKey::NegativeBuckets),
    ("n_offset", HistogramKey::NegativeOffset),
    ("offset", HistogramKey::Offset),
    ("schema", HistogramKey::Schema),
    ("sum", HistogramKey::Sum),
    ("z_bucket", HistogramKey::ZeroBucket),
    ("z_bucket_w", HistogramKey::ZeroBucketWidth),
];

const RESET_HINTS: [(&str, ResetHintWord); 4] = [
    ("gauge", ResetHintWord::Gauge),
    ("not_reset", ResetHintWord::NotReset),
    ("reset", ResetHintWord::Reset),
    ("unknown", ResetHintWord::Unknown),
];

/// The keyword that `word` is in any case of letters.
pub(super) fn keyword(word: &str) -> Option<TokenKind> {
    look_up(&KEYWORDS, word)
}

/// The histogram key that `word` is in any case of letters.
pub(super) fn histogram_key(word: &str) -> Option<HistogramKey> {
    look_up(&HISTOGRAM_KEYS, word)
}

/// The reset hint that `word` is in any case of letters.
pub(super) fn reset_hint(word: &str) -> Option<ResetHintWord> {
    look_up(&RESET_HINTS, word)
}

/// Finds `word` in a table sorted by name.
fn look_up<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    table
        .binary_search_by(|(name, _)| name.bytes().cmp(word.bytes().map(lower)))
        .ok()
        .map(|found| table[found].1)
}

impl HistogramKey {
    /// The key as it is written.
    pub(super) fn as_str(self) -> &'static str {
        HISTOGRAM_KEYS.iter().find(|(_, key)| *key == self).map_or("", |(name, _)| name)
    }
}

impl TokenKind {
    /// The token as error texts describe it, `text` being its text.
    pub(super) fn describe(self, text: &str) -> String {
        let quoted = || shortened(text);
        match self {
            Self::Eof => "end of input".to_owned(),
            Self::Error => format!("error {text}"),
            Self::Identifier => format!("identifier {}", quote(text.as_bytes())),
            Self::MetricIdentifier => format!("metric identifier {}", quote(text.as_bytes())),
            Self::String => format!("string {}", quoted()),
            Self::Number => format!("number {}", quoted()),
            Self::Duration => format!("duration {}", quoted()),
            Self::Comment => format!("comment {}", quoted()),
            Self::Keyword(_) => format!("<{text}>"),
            Self::Op(_) | Self::MatchRegex | Self::MatchNotRegex | Self::At => format!("<op:{text}>"),
            Self::Aggregate(_) => format!("<aggr:{text}>"),
            _ => quoted(),
        }
    }
}

/// Quoted, and cut after ten characters when it has more than ten bytes.
fn shortened(text: &str) -> String {
    if text.len() <= 10 {
        return quote(text.as_bytes());
    }
    let end = text.char_indices().nth(10).map_or(text.len(), |(at, _)| at);
    format!("{}...", quote(&text.as_bytes()[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted() {
        assert!(KEYWORDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(HISTOGRAM_KEYS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(RESET_HINTS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(keyword("OFFSET"), Some(TokenKind::Keyword(Keyword::Offset)));
        assert_eq!(keyword("offsets"), None);
    }
}
