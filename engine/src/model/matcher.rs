//! One condition on one label.

use std::{fmt, sync::Arc};

use super::{
    quote::{quote, write_name},
    regex::{Regex, RegexError},
};

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// The operator as PromQL writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// A matcher that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MatcherError {
    /// Upstream's text for the regular expression's error.
    pub message: String,
}

impl From<RegexError> for MatcherError {
    fn from(error: RegexError) -> Self {
        Self { message: error.to_string() }
    }
}

/// One condition on one label. A missing label has the empty value.
#[derive(Clone)]
pub struct Matcher {
    name: Box<[u8]>,
    op: MatchOp,
    value: Box<[u8]>,
    /// Set for the regular expression operators. Shared, because matchers are cloned and caches are per pattern.
    regex: Option<Arc<Regex>>,
}

impl Matcher {
    /// A matcher; regular expressions are RE2's, anchored at both ends, with a dot that matches newlines.
    ///
    /// # Errors
    /// When `op` needs a regular expression and `value` is not one, or is one that compiles to too much.
    pub fn new(op: MatchOp, name: &[u8], value: &[u8]) -> Result<Self, MatcherError> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(Arc::new(Regex::new(value)?)),
        };
        Ok(Self { name: name.into(), op, value: value.into(), regex })
    }

    /// The label it looks at.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// How it compares.
    #[must_use]
    pub const fn op(&self) -> MatchOp {
        self.op
    }

    /// What it compares with: a value, or a regular expression as written.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Whether a label with this value satisfies the condition.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        let regex = || self.regex.as_ref().is_some_and(|regex| regex.is_match(value));
        match self.op {
            MatchOp::Equal => *self.value == *value,
            MatchOp::NotEqual => *self.value != *value,
            MatchOp::Regex => regex(),
            MatchOp::NotRegex => !regex(),
        }
    }

    /// Whether a series without this label satisfies the condition.
    #[must_use]
    pub fn matches_empty(&self) -> bool {
        self.matches(b"")
    }
}

/// Facts for indexes. They are about the comparison itself: for the negative operators the matching values
/// are the others.
impl Matcher {
    /// All values that satisfy the comparison, sorted, each once, the empty one included, if they are few.
    #[must_use]
    pub fn set_matches(&self) -> Option<&[Box<[u8]>]> {
        match &self.regex {
            None => Some(std::slice::from_ref(&self.value)),
            Some(regex) => regex.set_matches(),
        }
    }

    /// What all values that satisfy the comparison begin with; empty when nothing is known.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        self.regex.as_ref().map_or(&self.value, |regex| regex.prefix())
    }

    /// The regular expression, if the operator has one.
    #[must_use]
    pub fn regex(&self) -> Option<&Regex> {
        self.regex.as_deref()
    }
}

impl Eq for Matcher {}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

/// As PromQL writes it: `name="value"`.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, &self.name)?;
        write!(f, "{}{}", self.op.as_str(), quote(&self.value))
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(op: MatchOp, value: &[u8]) -> Matcher {
        Matcher::new(op, b"job", value).unwrap()
    }

    #[test]
    fn a_missing_label_is_empty() {
        assert!(matcher(MatchOp::Equal, b"").matches_empty());
        assert!(matcher(MatchOp::NotEqual, b"a").matches_empty());
        assert!(matcher(MatchOp::Regex, b"a|").matches_empty());
        assert!(!matcher(MatchOp::NotRegex, b".*").matches_empty());
        assert!(!matcher(MatchOp::Regex, b".+").matches_empty());
    }

    #[test]
    fn indexes_learn_what_can_match() {
        assert_eq!(matcher(MatchOp::Equal, b"api").set_matches().unwrap(), [Box::from(*b"api")]);
        assert_eq!(matcher(MatchOp::NotRegex, b"b|a").set_matches().map(<[_]>::len), Some(2));
        assert_eq!(matcher(MatchOp::Regex, b"api.*").prefix(), b"api");
        assert_eq!(matcher(MatchOp::Regex, b"api.*").set_matches(), None);
    }

    #[test]
    fn it_prints_as_upstream_prints_it() {
        let print =
            |name: &[u8], value: &[u8]| Matcher::new(MatchOp::NotRegex, name, value).unwrap().to_string();
        assert_eq!(print(b"job", b"a\n\\."), r#"job!~"a\n\\.""#);
        assert_eq!(print(b"a.b", b""), r#""a.b"!~"""#);
        assert_eq!(Matcher::new(MatchOp::Equal, b"", b"\xff").unwrap().to_string(), r#"""="\xff""#);
    }
}
