//! Whether two answers say the same.

use std::collections::BTreeMap;

use super::answer::{Answer, Data, Point, Series};

/// Relative tolerance of numbers.
pub(crate) const TOLERANCE: f64 = 1e-9;

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strictness {
    pub(crate) tolerance: f64,
    /// Warnings and infos.
    pub(crate) notes: bool,
    pub(crate) order: Order,
}

/// What the order of an instant vector means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Nothing,
    /// Values come in this order; equal ones in any.
    Values,
    Labels,
}

/// The first difference.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    pub(crate) how: How,
    /// Time of the point, where there is one.
    pub(crate) at: Option<i64>,
    /// Expected and found number, where all else is alike.
    pub(crate) values: Option<(f64, f64)>,
    pub(crate) text: String,
}

/// The kind of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    /// Only one of them is an error.
    Error,
    ErrorText,
    Type,
    Labels,
    Times,
    Values,
    Order,
    Notes,
}

/// The difference of `found` from `expected`, if there is one.
pub(crate) fn difference(expected: &Answer, found: &Answer, strictness: Strictness) -> Option<Difference> {
    let (expected, found) = match (expected, found) {
        (Answer::Data(expected), Answer::Data(found)) => (expected, found),
        (Answer::Error { text, .. }, Answer::Data(_)) => {
            return some(How::Error, None, format!("expected {text}"));
        }
        (Answer::Data(_), Answer::Error { text, .. }) => {
            return some(How::Error, None, format!("found {text}"));
        }
        (Answer::Error { status, kind, text }, Answer::Error { status: s, kind: k, text: t }) => {
            let is_same = (status, kind, text) == (s, k, t);
            return some(How::ErrorText, None, format!("{status} {kind} {text}\n  {s} {k} {t}"))
                .filter(|_| !is_same);
        }
    };
    if expected.result_type != found.result_type {
        return some(How::Type, None, format!("{} and {}", expected.result_type, found.result_type));
    }
    in_series(expected, found, strictness.tolerance)
        .or_else(|| in_order(expected, found, strictness))
        .or_else(|| in_notes(expected, found).filter(|_| strictness.notes))
}

fn some(how: How, at: Option<i64>, text: String) -> Option<Difference> {
    Some(Difference { how, at, values: None, text })
}

fn in_series(expected: &Data, found: &Data, tolerance: f64) -> Option<Difference> {
    let by_labels = |data: &Data| -> BTreeMap<String, Series> {
        data.series.iter().map(|series| (series.labels.clone(), series.clone())).collect()
    };
    let (a, b) = (by_labels(expected), by_labels(found));
    let only = |a: &BTreeMap<String, Series>, b: &BTreeMap<String, Series>| {
        a.values().find(|series| !b.contains_key(&series.labels)).cloned()
    };
    for (word, series) in [("missing", only(&a, &b)), ("surplus", only(&b, &a))] {
        if let Some(series) = series {
            let at = series.points.first().map(|(ts, _)| *ts);
            return some(How::Labels, at, format!("{word} series {}", series.labels));
        }
    }
    if found.series.len() != b.len() {
        return some(How::Labels, None, "the same labels more than once".to_owned());
    }
    a.values().zip(b.values()).find_map(|(a, b)| in_points(a, b, tolerance))
}

fn in_points(a: &Series, b: &Series, tolerance: f64) -> Option<Difference> {
    let (mut expected, mut found) = (a.points.iter().peekable(), b.points.iter().peekable());
    loop {
        let (x, y) = match (expected.peek(), found.peek()) {
            (None, None) => return None,
            (Some(x), Some(y)) if x.0 == y.0 => (*x, *y),
            (Some(x), y) if y.is_none_or(|y| x.0 < y.0) => {
                return some(How::Times, Some(x.0), format!("{}: missing {x:?}", a.labels));
            }
            (_, y) => return some(How::Times, y.map(|y| y.0), format!("{}: surplus {y:?}", a.labels)),
        };
        if !is_close(&x.1, &y.1, tolerance) {
            let values = match (&x.1, &y.1) {
                (Point::Float(x), Point::Float(y)) => Some((*x, *y)),
                _ => None,
            };
            let text = format!("{}: expected {x:?}, found {y:?}", a.labels);
            return Some(Difference { how: How::Values, at: Some(x.0), values, text });
        }
        expected.next();
        found.next();
    }
}

fn is_close(a: &Point, b: &Point, tolerance: f64) -> bool {
    match (a, b) {
        (Point::Float(a), Point::Float(b)) => are_close(*a, *b, tolerance),
        (Point::Histogram(a), Point::Histogram(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| are_close(*a, *b, tolerance))
        }
        _ => a == b,
    }
}

/// Whether numbers differ by no more than `tolerance` times the larger of them.
pub(crate) fn are_close(a: f64, b: f64, tolerance: f64) -> bool {
    a == b
        || (a.is_nan() && b.is_nan())
        || (a.is_finite() && b.is_finite() && (a - b).abs() <= tolerance * a.abs().max(b.abs()))
}

fn in_order(expected: &Data, found: &Data, strictness: Strictness) -> Option<Difference> {
    if expected.result_type != "vector" {
        return None;
    }
    let is_same = |a: &Series, b: &Series| match strictness.order {
        Order::Nothing => true,
        Order::Values => is_close(&a.points[0].1, &b.points[0].1, strictness.tolerance),
        Order::Labels => a.labels == b.labels,
    };
    let place = expected.series.iter().zip(&found.series).position(|(a, b)| !is_same(a, b))?;
    some(How::Order, None, format!("place {place} is another"))
}

fn in_notes(expected: &Data, found: &Data) -> Option<Difference> {
    // Which ten of many are shown is up to the order of a hash table upstream.
    let has_more = expected.notes.iter().any(|note| note.ends_with(" annotations omitted"));
    let is_same =
        if has_more { expected.notes.len() == found.notes.len() } else { expected.notes == found.notes };
    let text = || format!("expected {:?}, found {:?}", expected.notes, found.notes);
    if is_same { None } else { some(How::Notes, None, text()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Strictness = Strictness { tolerance: TOLERANCE, notes: true, order: Order::Values };

    fn vector(series: &[(&str, f64)]) -> Data {
        let series = series.iter().map(|(labels, value)| Series {
            labels: (*labels).to_owned(),
            points: vec![(5, Point::Float(*value))],
        });
        Data { result_type: "vector".to_owned(), series: series.collect(), notes: Vec::new() }
    }

    fn how(a: &Data, b: &Data) -> Option<How> {
        difference(&Answer::Data(a.clone()), &Answer::Data(b.clone()), STRICT)
            .map(|difference| difference.how)
    }

    #[test]
    fn every_kind_of_difference_is_seen() {
        let one = vector(&[("a", 1.0), ("b", 2.0)]);
        assert_eq!(how(&one, &one), None);
        assert_eq!(how(&one, &vector(&[("a", 1.0 + 1e-12), ("b", 2.0)])), None);
        assert_eq!(how(&one, &vector(&[("a", 1.0 + 1e-8), ("b", 2.0)])), Some(How::Values));
        assert_eq!(how(&one, &vector(&[("a", f64::NAN), ("b", 2.0)])), Some(How::Values));
        assert_eq!(how(&one, &vector(&[("b", 2.0), ("a", 1.0)])), Some(How::Order));
        assert_eq!(how(&one, &vector(&[("a", 1.0)])), Some(How::Labels));
        assert_eq!(how(&one, &vector(&[("a", 1.0), ("b", 2.0), ("c", 0.0)])), Some(How::Labels));
        let mut other = one.clone();
        other.series[0].points[0].0 = 6;
        assert_eq!(how(&one, &other), Some(How::Times));
        other = one.clone();
        other.notes.push("note".to_owned());
        assert_eq!(how(&one, &other), Some(How::Notes));
        other = one.clone();
        other.result_type = "matrix".to_owned();
        assert_eq!(how(&one, &other), Some(How::Type));
    }

    #[test]
    fn errors_are_answers() {
        let error =
            |text: &str| Answer::Error { status: 422, kind: "execution".to_owned(), text: text.to_owned() };
        let how = |a: &Answer, b: &Answer| difference(a, b, STRICT).map(|difference| difference.how);
        assert_eq!(how(&error("a"), &error("a")), None);
        assert_eq!(how(&error("a"), &error("b")), Some(How::ErrorText));
        assert_eq!(how(&error("a"), &Answer::Data(vector(&[]))), Some(How::Error));
        assert_eq!(how(&Answer::Data(vector(&[])), &error("a")), Some(How::Error));
    }
}
