//! One condition on one label.

use std::fmt;

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

/// One condition on one label. A missing label has the empty value.
#[derive(Clone)]
pub struct Matcher {
    name: Box<[u8]>,
    op: MatchOp,
    value: Box<[u8]>,
    regex: Option<regex_automata::meta::Regex>,
}

impl Matcher {
    /// A matcher; regular expressions are RE2's, anchored at both ends, with a dot that matches newlines.
    ///
    /// # Errors
    /// When `op` needs a regular expression and `value` is not one, or is one that compiles to too much.
    pub fn new(op: MatchOp, name: &[u8], value: &[u8]) -> Result<Self, MatcherError> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => {
                let text = String::from_utf8_lossy(value);
                let regex = regex_automata::meta::Regex::new(&format!("^(?s:{text})$"))
                    .map_err(|error| MatcherError { message: error.to_string() })?;
                Some(regex)
            }
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

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

/// As PromQL writes it: `name="value"`.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = String::from_utf8_lossy(&self.name);
        let value = String::from_utf8_lossy(&self.value);
        write!(f, "{name}{}{value:?}", self.op.as_str())
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
