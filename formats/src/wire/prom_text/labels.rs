//! The part of a line between the braces.

use std::borrow::Cow;

use crate::DecodeError;

/// Iterator over the labels of a sample, whose form was checked. Values are borrowed unless they have
/// escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLabels<'a> {
    rest: &'a [u8],
}

/// A label list split off a line.
pub(super) struct LabelList<'a> {
    /// The labels.
    pub(super) labels: TextLabels<'a>,
    /// The metric name, if it stands among the labels.
    pub(super) metric_name: Option<Cow<'a, [u8]>>,
    /// What follows the closing brace.
    pub(super) rest: &'a [u8],
}

/// A quoted or plain token of the label list.
enum Item<'a> {
    /// `name="value"`, both still escaped.
    Label(&'a [u8], &'a [u8]),
    /// `"name"` alone: the name of the metric.
    MetricName(&'a [u8]),
}

impl<'a> TextLabels<'a> {
    pub(super) const EMPTY: Self = Self { rest: &[] };

    /// Checks the list at the front of `bytes`, behind its opening brace, and splits it off. `offset` is
    /// where `bytes` start in the page.
    pub(super) fn split(bytes: &'a [u8], offset: usize) -> Result<LabelList<'a>, DecodeError> {
        let error = |rest: &[u8]| DecodeError::new("label", offset + bytes.len() - rest.len());
        let mut rest = bytes;
        let mut metric_name = None;
        loop {
            rest = trim(rest);
            if let [b'}', after @ ..] = rest {
                let list = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
                return Ok(LabelList { labels: Self { rest: list }, metric_name, rest: after });
            }
            let (item, after) = item(rest).ok_or_else(|| error(rest))?;
            if let Item::MetricName(name) = item {
                if metric_name.is_some() {
                    return Err(error(rest));
                }
                metric_name = Some(unescape(name));
            }
            rest = match trim(after) {
                [b',', after @ ..] => after,
                after @ [b'}', ..] => after,
                after => return Err(error(after)),
            };
        }
    }
}

impl<'a> Iterator for TextLabels<'a> {
    type Item = (Cow<'a, [u8]>, Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (item, after) = item(trim(self.rest))?;
            self.rest = match trim(after) {
                [b',', after @ ..] => after,
                after => after,
            };
            if let Item::Label(name, value) = item {
                return Some((unescape(name), unescape(value)));
            }
        }
    }
}

/// One item of the list, and what follows it.
fn item(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let (name, after) = match bytes {
        [b'"', quoted @ ..] => until_quote(quoted)?,
        _ => plain_name(bytes, false)?,
    };
    match trim(after) {
        [b'=', after @ ..] => {
            let [b'"', quoted @ ..] = trim(after) else { return None };
            let (value, after) = until_quote(quoted)?;
            Some((Item::Label(name, value), after))
        }
        after if bytes.first() == Some(&b'"') => Some((Item::MetricName(name), after)),
        _ => None,
    }
}

/// A name at the front of `bytes`, and what follows it; metric names may have colons.
pub(super) fn plain_name(bytes: &[u8], colons: bool) -> Option<(&[u8], &[u8])> {
    let len = bytes
        .iter()
        .position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_' || colons && *byte == b':'))
        .unwrap_or(bytes.len());
    let starts_well = bytes.first().is_some_and(|byte| !byte.is_ascii_digit());
    bytes.split_at_checked(len).filter(|(name, _)| starts_well && !name.is_empty())
}

/// What stands before the next quote that is not escaped, and what follows that quote.
fn until_quote(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut escaped = false;
    let end = bytes.iter().position(|byte| {
        let found = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        found
    })?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// Skips spaces and tabs.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}

/// Replaces `\\`, `\"` and `\n`. A backslash before anything else stays, as in Prometheus.
#[must_use]
pub fn unescape(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'\\') {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        let (replaced, tail) = match (byte, tail) {
            (b'\\', [b'n', tail @ ..]) => (b'\n', tail),
            (b'\\', [escaped @ (b'\\' | b'"'), tail @ ..]) => (*escaped, tail),
            _ => (*byte, tail),
        };
        out.push(replaced);
        rest = tail;
    }
    Cow::Owned(out)
}
