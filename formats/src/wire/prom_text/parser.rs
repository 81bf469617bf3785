//! Reads a page line by line.

use std::borrow::Cow;

use super::labels::{LabelList, TextLabels, plain_name, trim, unescape};
use crate::{DecodeError, wire::MetricType};

/// One line that says something. Comments and empty lines are passed over.
#[derive(Debug, Clone, PartialEq)]
pub enum Line<'a> {
    /// `# HELP name text`
    Help {
        /// Name of the metric family.
        family: Cow<'a, [u8]>,
        /// The text, without its escapes.
        help: Cow<'a, [u8]>,
    },
    /// `# TYPE name type`
    Type {
        /// Name of the metric family.
        family: Cow<'a, [u8]>,
        /// Its type.
        metric_type: MetricType,
    },
    /// `# UNIT name unit`
    Unit {
        /// Name of the metric family.
        family: Cow<'a, [u8]>,
        /// Its unit.
        unit: &'a [u8],
    },
    /// A sample.
    Sample(TextSample<'a>),
}

/// A sample of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct TextSample<'a> {
    /// Name of the metric.
    pub name: Cow<'a, [u8]>,
    /// Its labels, without the name.
    pub labels: TextLabels<'a>,
    /// The value.
    pub value: f64,
    /// Milliseconds since the Unix epoch, if the exporter gives a time.
    pub ts: Option<i64>,
    /// The exemplar, if there is one.
    pub exemplar: Option<TextExemplar<'a>>,
}

/// An exemplar of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct TextExemplar<'a> {
    /// Its labels.
    pub labels: TextLabels<'a>,
    /// The value.
    pub value: f64,
    /// Seconds since the Unix epoch, if the exporter gives a time.
    pub ts_seconds: Option<f64>,
}

/// Iterator over the lines of a page. A line that is wrong is an error of its own; the next call goes on
/// behind it.
#[derive(Debug, Clone)]
pub struct TextParser<'a> {
    page_len: usize,
    rest: &'a [u8],
    dialect: Dialect,
}

/// Which format a page is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Prometheus,
    OpenMetrics,
}

impl<'a> TextParser<'a> {
    /// A parser of `page`.
    #[must_use]
    pub const fn new(page: &'a [u8]) -> Self {
        Self { page_len: page.len(), rest: page, dialect: Dialect::Prometheus }
    }

    /// A parser of a `page` in OpenMetrics' text format, in which the times of samples are seconds. A time between two
    /// milliseconds becomes the nearest. That `# EOF` comes last is for the caller to see.
    #[must_use]
    pub const fn open_metrics(page: &'a [u8]) -> Self {
        Self { page_len: page.len(), rest: page, dialect: Dialect::OpenMetrics }
    }

    fn next_line(&mut self) -> Option<(&'a [u8], usize)> {
        if self.rest.is_empty() {
            return None;
        }
        let offset = self.page_len - self.rest.len();
        let end = self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len());
        let line = self.rest.get(..end)?;
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        Some((line.strip_suffix(b"\r").unwrap_or(line), offset))
    }
}

impl<'a> Iterator for TextParser<'a> {
    type Item = Result<Line<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (line, offset) = self.next_line()?;
            let text = trim(line);
            let text_offset = offset + line.len() - text.len();
            match text {
                [] => {}
                [b'#', comment @ ..] => match comment_line(comment, text_offset) {
                    Ok(None) => {}
                    Ok(Some(line)) => return Some(Ok(line)),
                    Err(error) => return Some(Err(error)),
                },
                _ => return Some(sample(text, text_offset, self.dialect).map(Line::Sample)),
            }
        }
    }
}

/// What a line behind its `#` says; `None` for a plain comment.
fn comment_line(comment: &[u8], offset: usize) -> Result<Option<Line<'_>>, DecodeError> {
    let (keyword, rest) = word(trim(comment));
    let keyword = match keyword {
        b"HELP" | b"TYPE" | b"UNIT" if !trim(rest).is_empty() => keyword,
        _ => return Ok(None),
    };
    let (family, rest) = family(trim(rest)).ok_or(DecodeError::new("metric name", offset))?;
    let text = trim(rest);
    Ok(Some(match keyword {
        b"HELP" => Line::Help { family, help: unescape(text) },
        b"UNIT" => Line::Unit { family, unit: text },
        _ => {
            let metric_type = MetricType::from_word(text.trim_ascii_end());
            let metric_type = metric_type.ok_or(DecodeError::new("metric type", offset))?;
            Line::Type { family, metric_type }
        }
    }))
}

/// A name that may be quoted, and what follows it.
fn family(bytes: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    if let [b'"', ..] = bytes {
        // A quoted name is a list of one item, but for the brace at its end.
        let mut end = 1;
        let mut escaped = false;
        while let Some(byte) = bytes.get(end) {
            if *byte == b'"' && !escaped {
                return Some((unescape(bytes.get(1..end)?), bytes.get(end + 1..)?));
            }
            escaped = *byte == b'\\' && !escaped;
            end += 1;
        }
        return None;
    }
    plain_name(bytes, true).map(|(name, rest)| (Cow::Borrowed(name), rest))
}

fn sample(line: &[u8], offset: usize, dialect: Dialect) -> Result<TextSample<'_>, DecodeError> {
    let at = |rest: &[u8]| offset + line.len() - rest.len();
    let (plain, rest) = match plain_name(line, true) {
        Some((name, rest)) => (Some(Cow::Borrowed(name)), rest),
        None => (None, line),
    };
    let list = match trim(rest) {
        [b'{', list @ ..] => TextLabels::split(list, at(list))?,
        rest => LabelList { labels: TextLabels::EMPTY, metric_name: None, rest },
    };
    let name = match (plain, list.metric_name) {
        (Some(name), None) | (None, Some(name)) => name,
        _ => return Err(DecodeError::new("metric name", offset)),
    };
    let rest = trim(list.rest);
    let (value, after) = number(rest).ok_or_else(|| DecodeError::new("sample value", at(rest)))?;
    let mut rest = trim(after);
    let mut ts = None;
    if !matches!(rest, [] | [b'#', ..]) {
        let (time, after) = word(rest);
        let time = str::from_utf8(time).ok();
        let parsed = match dialect {
            Dialect::Prometheus => time.and_then(|time| time.parse().ok()),
            Dialect::OpenMetrics => time.and_then(millis_of_seconds),
        };
        ts = Some(parsed.ok_or_else(|| DecodeError::new("sample timestamp", at(rest)))?);
        rest = trim(after);
    }
    let exemplar = match rest {
        [] => None,
        [b'#', list @ ..] => Some(exemplar(trim(list), at(trim(list)))?),
        _ => return Err(DecodeError::new("end of line", at(rest))),
    };
    Ok(TextSample { name, labels: list.labels, value, ts, exemplar })
}

fn exemplar(bytes: &[u8], offset: usize) -> Result<TextExemplar<'_>, DecodeError> {
    let error = DecodeError::new("exemplar", offset);
    let [b'{', list @ ..] = bytes else { return Err(error) };
    let list = TextLabels::split(list, offset + 1)?;
    if list.metric_name.is_some() {
        return Err(error);
    }
    let (value, rest) = number(trim(list.rest)).ok_or(error)?;
    let ts_seconds = match trim(rest) {
        [] => None,
        rest => match number(rest) {
            Some((ts, after)) if trim(after).is_empty() => Some(ts),
            _ => return Err(error),
        },
    };
    Ok(TextExemplar { labels: list.labels, value, ts_seconds })
}

/// The millisecond nearest to a time in seconds.
#[expect(clippy::cast_possible_truncation, reason = "the bounds of `i64` were checked")]
fn millis_of_seconds(text: &str) -> Option<i64> {
    let ms = (text.parse::<f64>().ok()? * 1_000.0).round();
    // Both bounds are powers of two; the upper one is one too many.
    (-(2.0_f64.powi(63))..2.0_f64.powi(63)).contains(&ms).then_some(ms as i64)
}

fn number(bytes: &[u8]) -> Option<(f64, &[u8])> {
    let (number, rest) = word(bytes);
    Some((str::from_utf8(number).ok()?.parse().ok()?, rest))
}

/// What stands before the next space or tab, and the rest.
fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(bytes.len());
    bytes.split_at_checked(end).unwrap_or((bytes, &[]))
}
