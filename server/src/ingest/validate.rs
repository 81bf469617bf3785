//! What a label set must be.

use std::{borrow::Cow, fmt};

use kymo_engine::Labels;

/// The labels of `pairs`, which may come in any order, or what is wrong with them, in upstream's words.
pub(super) fn labels<'a>(pairs: &[(&'a [u8], &'a [u8])]) -> Result<Labels, String> {
    let mut sorted = Cow::Borrowed(pairs);
    if !pairs.is_sorted() {
        sorted.to_mut().sort_unstable();
    }
    let has_name = sorted.iter().any(|(name, value)| *name == b"__name__" && !value.is_empty());
    if !has_name || sorted.iter().any(|(name, value)| !is_valid(name, value)) {
        return Err(format!("invalid metric name or labels, got {}", Pairs(&sorted)));
    }
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!(
            "invalid labels for series, labels {}, duplicated label {}",
            Pairs(&sorted),
            String::from_utf8_lossy(twice[0].0)
        ));
    }
    Ok(Labels::from_pairs(sorted.iter().copied()))
}

fn is_valid(name: &[u8], value: &[u8]) -> bool {
    !name.is_empty() && std::str::from_utf8(name).is_ok() && std::str::from_utf8(value).is_ok()
}

/// Labels as they were sent, as PromQL would write them; cut where nobody reads on.
pub(super) struct Pairs<'a>(pub(super) &'a [(&'a [u8], &'a [u8])]);

/// Most bytes printed of one name or value, and most labels of a set.
const SHOWN_MAX: usize = 128;

impl fmt::Display for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.0.iter().take(SHOWN_MAX).enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            write!(f, "{separator}{}={:?}", shown(name), shown(value))?;
        }
        f.write_str(if self.0.len() > SHOWN_MAX { ", ...}" } else { "}" })
    }
}

fn shown(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_MAX)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)]) -> Result<String, String> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        labels(&pairs).map(|labels| labels.to_string())
    }

    #[test]
    fn labels_may_come_in_any_order() {
        assert_eq!(check(&[("b", "1"), ("__name__", "m")]).unwrap(), r#"{__name__="m", b="1"}"#);
        assert_eq!(check(&[("__name__", "m"), ("b", "")]).unwrap(), r#"{__name__="m"}"#);
    }

    #[test]
    fn what_is_wrong_is_said_in_upstreams_words() {
        assert_eq!(check(&[("b", "1")]).unwrap_err(), r#"invalid metric name or labels, got {b="1"}"#);
        assert!(check(&[("__name__", "")]).is_err());
        assert!(check(&[("__name__", "m"), ("", "x")]).is_err());
        assert_eq!(
            check(&[("a", "1"), ("__name__", "m"), ("a", "1")]).unwrap_err(),
            r#"invalid labels for series, labels {__name__="m", a="1", a="1"}, duplicated label a"#
        );
        assert!(labels(&[(b"__name__", b"m"), (b"a", b"\xff")]).is_err());
    }

    #[test]
    fn a_text_about_labels_is_bounded() {
        let value = "x".repeat(1 << 20);
        let pairs: Vec<(&[u8], &[u8])> = vec![(b"a", value.as_bytes()); 1000];
        assert!(labels(&pairs).unwrap_err().len() < 20_000);
    }
}
