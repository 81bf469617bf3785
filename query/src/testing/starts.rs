//! The `@st` lines of a `load` command: start timestamps of a series' samples.

use kymo_engine::Labels;

use super::{
    load::parse_series,
    script::{millis, word},
};
use crate::lang::promql::SeriesDescription;

/// Whether a line gives start timestamps: its first word ends in `@st`.
pub(super) fn is_start_line(line: &str) -> bool {
    line.contains([' ', '\t']) && word(line).ends_with("@st")
}

/// The start timestamps of one series, as milliseconds from the sample's time.
#[derive(Debug)]
pub(super) struct StartLine {
    labels: Labels,
    distances: Vec<Option<i64>>,
}

impl StartLine {
    /// The distances, if they belong to `series`, the line that follows.
    pub(super) fn checked(self, series: &SeriesDescription) -> Result<Vec<Option<i64>>, String> {
        if self.labels != series.labels {
            return Err("@st metric does not match the following sample line metric".to_owned());
        }
        let (starts, samples) = (self.distances.len(), series.values.len());
        if starts != samples {
            return Err(format!("@st line has {starts} values but sample line has {samples}"));
        }
        Ok(self.distances)
    }
}

/// Parses `metric{labels}@st item item ...`.
pub(super) fn parse(line: &str) -> Result<StartLine, String> {
    let metric = word(line);
    let items = &line[metric.len()..];
    let metric = metric.trim_end_matches("@st");
    let series = parse_series(&format!("{metric} _"))
        .map_err(|error| format!("invalid @st line metric {metric:?}: {error}"))?;
    let mut distances = Vec::new();
    for text in items.split_whitespace() {
        item(text, &mut distances)
            .map_err(|error| format!("invalid @st sequence: invalid ST item {text:?}: {error}"))?;
    }
    Ok(StartLine { labels: series.labels, distances })
}

/// `_`, `_x3`, `-1m`, `-1mx3` or `-1m+10sx3`.
fn item(text: &str, out: &mut Vec<Option<i64>>) -> Result<(), String> {
    if text == "_" {
        out.push(None);
        return Ok(());
    }
    if let Some(count) = text.strip_prefix("_x") {
        let count = repeat_count(count)?;
        if count == 0 {
            return Err("invalid repeat count".to_owned());
        }
        out.extend(std::iter::repeat_n(None, count));
        return Ok(());
    }
    let (base, rest) = duration_prefix(text)?;
    if rest.is_empty() {
        out.push(Some(base));
        return Ok(());
    }
    if let Some(count) = rest.strip_prefix('x') {
        out.extend(std::iter::repeat_n(Some(base), repeat_count(count)? + 1));
        return Ok(());
    }
    let negative = rest.starts_with('-');
    if !negative && !rest.starts_with('+') {
        return Err(format!("unexpected text {rest:?} after duration"));
    }
    let (step, rest) =
        duration_prefix(&rest[1..]).map_err(|error| format!("invalid step duration: {error}"))?;
    let count = rest.strip_prefix('x').ok_or("expected 'x<count>' after step duration")?;
    let step = if negative { -step } else { step };
    let mut distance = base;
    for _ in 0..=repeat_count(count)? {
        out.push(Some(distance));
        distance += step;
    }
    Ok(())
}

/// Longest run of samples that makes sense in a script.
const REPEAT_MAX: usize = 10_000_000;

fn repeat_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count <= REPEAT_MAX => Ok(count),
        _ => Err("invalid repeat count".to_owned()),
    }
}

/// A signed duration of one unit at the start of `text`, in milliseconds, and what follows it.
fn duration_prefix(text: &str) -> Result<(i64, &str), String> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    if digits == 0 {
        return Err(format!("expected digits in duration {text:?}"));
    }
    let is_unit = |c: char| c.is_ascii_alphabetic() && c != 'x';
    let unit = unsigned[digits..].find(|c| !is_unit(c)).unwrap_or(unsigned.len() - digits);
    let (duration, rest) = unsigned.split_at(digits + unit);
    let millis = millis(duration).map_err(|error| format!("invalid duration {duration:?}: {error}"))?;
    Ok((if negative { -millis } else { millis }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Result<Vec<Option<i64>>, String> {
        let mut out = Vec::new();
        item(text, &mut out).map(|()| out)
    }

    #[test]
    fn items_expand() {
        assert_eq!(items("_x2"), Ok(vec![None, None]));
        assert_eq!(items("-1mx1"), Ok(vec![Some(-60_000), Some(-60_000)]));
        assert_eq!(items("-1m+10sx2"), Ok(vec![Some(-60_000), Some(-50_000), Some(-40_000)]));
        assert_eq!(items("0s"), Ok(vec![Some(0)]));
        assert!(items("_x0").is_err());
        assert!(items("1m*2").is_err());
        assert!(items("m").is_err());
    }
}
