//! What a matcher tells about the values it can match, so that few of them need to be looked at.

use crate::model::Matcher;

/// The label values for which a matcher must be evaluated.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// Exactly these, sorted, each once, none empty; nothing needs to be evaluated.
    Set(Vec<Vec<u8>>),
    /// Every non-empty value; nothing needs to be evaluated.
    Any,
    /// Those that start with these bytes and then pass evaluation.
    Prefixed(Vec<u8>),
}

/// The non-empty values that satisfy the comparison of `matcher`, or for the negative operators the
/// comparison that they negate.
pub(super) fn compared_values(matcher: &Matcher) -> Values {
    if let Some(values) = matcher.set_matches() {
        return Values::Set(
            values.iter().filter(|value| !value.is_empty()).map(|value| value.to_vec()).collect(),
        );
    }
    match matcher.value() {
        b".*" | b".+" => Values::Any,
        _ => Values::Prefixed(matcher.prefix().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MatchOp;

    fn values(op: MatchOp, value: &str) -> Values {
        compared_values(&Matcher::new(op, b"a", value.as_bytes()).unwrap())
    }

    fn literals(values: &[&str]) -> Values {
        Values::Set(values.iter().map(|value| value.as_bytes().to_vec()).collect())
    }

    fn prefixed(prefix: &str) -> Values {
        Values::Prefixed(prefix.as_bytes().to_vec())
    }

    #[test]
    fn literals_are_a_sorted_set() {
        assert_eq!(values(MatchOp::Equal, "x"), literals(&["x"]));
        assert_eq!(values(MatchOp::Equal, ""), literals(&[]));
        assert_eq!(values(MatchOp::Regex, "b|a|b|"), literals(&["a", "b"]));
    }

    #[test]
    fn patterns_give_their_prefix() {
        assert_eq!(values(MatchOp::Regex, "ab.*"), prefixed("ab"));
        assert_eq!(values(MatchOp::Regex, "a.*b"), prefixed("a"));
        assert_eq!(values(MatchOp::NotRegex, "a.c|b.*"), prefixed(""));
        assert_eq!(values(MatchOp::Regex, ".+"), Values::Any);
        assert_eq!(values(MatchOp::NotRegex, ".*"), Values::Any);
    }
}
