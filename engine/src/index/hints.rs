//! What a matcher tells about the values it can match, so that few of them need to be looked at.

use crate::model::{MatchOp, Matcher};

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
    match matcher.op() {
        MatchOp::Equal | MatchOp::NotEqual => set([matcher.value().to_vec()]),
        MatchOp::Regex | MatchOp::NotRegex => regex_values(matcher.value()),
    }
}

fn regex_values(pattern: &[u8]) -> Values {
    if matches!(pattern, b".*" | b".+") {
        return Values::Any;
    }
    if !pattern.iter().any(|&byte| is_meta(byte) && byte != b'|') {
        return set(pattern.split(|&byte| byte == b'|').map(<[u8]>::to_vec));
    }
    Values::Prefixed(literal_prefix(pattern).to_vec())
}

fn set(values: impl IntoIterator<Item = Vec<u8>>) -> Values {
    let mut values: Vec<_> = values.into_iter().filter(|value| !value.is_empty()).collect();
    values.sort_unstable();
    values.dedup();
    Values::Set(values)
}

/// The bytes that every match of `pattern` starts with, as far as they can be seen without parsing it.
fn literal_prefix(pattern: &[u8]) -> &[u8] {
    if pattern.contains(&b'|') {
        return &[];
    }
    let end = pattern.iter().position(|&byte| is_meta(byte)).unwrap_or(pattern.len());
    let (prefix, rest) = pattern.split_at(end);
    match rest.first() {
        // The quantifier may ask for none of the last character, which may be several bytes.
        Some(b'?' | b'*' | b'{') => {
            let last = prefix.iter().rposition(|byte| byte & 0xc0 != 0x80).unwrap_or(0);
            &prefix[..last]
        }
        _ => prefix,
    }
}

fn is_meta(byte: u8) -> bool {
    b"\\.+*?()|[]{}^$".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(values(MatchOp::Regex, "ab*"), prefixed("a"));
        assert_eq!(values(MatchOp::Regex, "aé?"), prefixed("a"));
        assert_eq!(values(MatchOp::NotRegex, "a.c|b.*"), prefixed(""));
        assert_eq!(values(MatchOp::Regex, ".+"), Values::Any);
        assert_eq!(values(MatchOp::Regex, "(?i)ab"), prefixed(""));
    }
}
