//! What a matcher tells about the values it can match, so that few of them need to be looked at.

use crate::model::Matcher;

/// The label values for which a matcher must be evaluated.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// Exactly these, sorted, each once, none empty; nothing needs to be evaluated.
    Set(Vec<Vec<u8>>),
    /// Every non-empty value; nothing needs to be evaluated.
    Any,
    /// Those that pass evaluation.
    Tested,
}

/// The non-empty values that satisfy the comparison of `matcher`, or for the negative operators the
/// comparison that they negate.
pub(super) fn compared_values(matcher: &Matcher) -> Values {
    if let Some(values) = matcher.set_matches() {
        return Values::Set(
            values.iter().filter(|value| !value.is_empty()).map(|value| value.to_vec()).collect(),
        );
    }
    match matcher.regex() {
        Some(regex) if regex.matches_all_non_empty() => Values::Any,
        _ => Values::Tested,
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

    #[test]
    fn literals_are_a_sorted_set() {
        assert_eq!(values(MatchOp::Equal, "x"), literals(&["x"]));
        assert_eq!(values(MatchOp::Equal, ""), literals(&[]));
        assert_eq!(values(MatchOp::Regex, "b|a|b|"), literals(&["a", "b"]));
    }

    #[test]
    fn only_what_is_neither_few_values_nor_all_is_tested() {
        assert_eq!(values(MatchOp::Regex, "ab.*"), Values::Tested);
        assert_eq!(values(MatchOp::NotRegex, "a.c|b.*"), Values::Tested);
        assert_eq!(values(MatchOp::Regex, ".+"), Values::Any);
        assert_eq!(values(MatchOp::NotRegex, ".*"), Values::Any);
        assert_eq!(values(MatchOp::Regex, "^(?:.*)$"), Values::Any);
        let few: Vec<_> = (0..256).map(|i| format!("v{i:03}")).collect();
        let few: Vec<_> = few.iter().map(String::as_str).collect();
        assert_eq!(values(MatchOp::Regex, &few.join("|")), literals(&few));
    }
}
