//! `sort` and the like: the order of instant vectors. Range queries are ordered by labels whatever is asked.

use std::cmp::Ordering;

use crate::{
    Error,
    exec::{
        Note, Notes, Series,
        kernel::{Argument, Call},
    },
};

/// `sort(v)`: NaN last.
pub(super) fn sort(args: Vec<Argument>, call: &Call<'_>, notes: &mut Notes) -> Result<Vec<Series>, Error> {
    Ok(by_value(args, call, notes, |a, b| a.partial_cmp(&b)))
}

/// `sort_desc(v)`: NaN last.
pub(super) fn sort_desc(
    args: Vec<Argument>,
    call: &Call<'_>,
    notes: &mut Notes,
) -> Result<Vec<Series>, Error> {
    Ok(by_value(args, call, notes, |a, b| b.partial_cmp(&a)))
}

/// `sort_by_label(v, label...)`: natural order, ties by all labels.
pub(super) fn sort_by_label(
    args: Vec<Argument>,
    call: &Call<'_>,
    notes: &mut Notes,
) -> Result<Vec<Series>, Error> {
    Ok(by_label(args, call, notes, |ordering| ordering))
}

/// `sort_by_label_desc(v, label...)`
pub(super) fn sort_by_label_desc(
    args: Vec<Argument>,
    call: &Call<'_>,
    notes: &mut Notes,
) -> Result<Vec<Series>, Error> {
    Ok(by_label(args, call, notes, Ordering::reverse))
}

/// The vector among the arguments; notes that a range query is not sorted.
fn vector(args: &mut Vec<Argument>, call: &Call<'_>, notes: &mut Notes) -> Vec<Series> {
    if call.grid.steps > 1 {
        notes.add(call.position, Note::SortInRangeQuery);
    }
    if args.is_empty() {
        return Vec::new();
    }
    match args.remove(0) {
        Argument::Vector(series) => series,
        Argument::Scalar(_) | Argument::String(_) => Vec::new(),
    }
}

fn by_value(
    mut args: Vec<Argument>,
    call: &Call<'_>,
    notes: &mut Notes,
    compare: fn(f64, f64) -> Option<Ordering>,
) -> Vec<Series> {
    let mut series = vector(&mut args, call, notes);
    series.iter_mut().for_each(|series| series.column.clear_histograms());
    if call.grid.steps == 1 {
        let value = |series: &Series| series.column.float(0).unwrap_or(f64::NAN);
        series.sort_by(|a, b| {
            let (a, b) = (value(a), value(b));
            compare(a, b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        });
    }
    series
}

fn by_label(
    mut args: Vec<Argument>,
    call: &Call<'_>,
    notes: &mut Notes,
    direction: fn(Ordering) -> Ordering,
) -> Vec<Series> {
    let mut series = vector(&mut args, call, notes);
    let names: Vec<Vec<u8>> = args
        .into_iter()
        .filter_map(|argument| if let Argument::String(name) = argument { Some(name) } else { None })
        .collect();
    if call.grid.steps == 1 {
        series.sort_by(|a, b| {
            let by_name = names.iter().map(|name| natural(a.labels.get(name), b.labels.get(name)));
            let ordering = by_name.into_iter().find(|ordering| ordering.is_ne());
            direction(ordering.unwrap_or_else(|| a.labels.cmp(&b.labels)))
        });
    }
    series
}

/// Natural order: runs of digits compare as numbers, the rest byte by byte.
///
/// Numbers are compared by their digits, so those beyond 64 bits are in order as well. Equal numbers that are
/// written differently are ordered by their bytes, because sorting needs a total order.
fn natural(a: &[u8], b: &[u8]) -> Ordering {
    let digits = |chunk: &[u8]| chunk.first().is_some_and(u8::is_ascii_digit);
    let (mut chunks_a, mut chunks_b) = (chunks(a), chunks(b));
    loop {
        let ordering = match (chunks_a.next(), chunks_b.next()) {
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) if digits(a) && digits(b) => {
                let (a, b) = (significant(a), significant(b));
                a.len().cmp(&b.len()).then_with(|| a.cmp(b))
            }
            (Some(a), Some(b)) => a.cmp(b),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}

/// Runs of digits and of other bytes.
fn chunks(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
}

/// Digits without leading zeros.
fn significant(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_labels_are_in_natural_order() {
        let mut values =
            ["cpu10", "cpu2", "10", "9", "cpu2a", "", "a9b10", "a9b9", "4m1000", "4m600", "007", "7"];
        values.sort_by(|a, b| natural(a.as_bytes(), b.as_bytes()));
        assert_eq!(
            values,
            ["", "4m600", "4m1000", "007", "7", "9", "10", "a9b9", "a9b10", "cpu2", "cpu2a", "cpu10"]
        );
    }
}
