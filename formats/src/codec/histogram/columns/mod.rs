//! Histograms by column: each field of all histograms of a chunk as one column of integers or floats.
//!
//! Times are kept elsewhere. The histograms of a chunk fall into runs, each of which is what a chunk of its own would
//! be in the encoding of [`super`]: the same histograms are put into one layout, and what is said of counter resets
//! is the same. Layouts are kept once for all runs that have them, and the buckets of all histograms of one layout
//! lie together, so that neither a reset nor a gap makes the columns short.
//!
//! Layout: form (0 integers, 1 floats), number of layouts and each with its length, number of runs and each as
//! `histograms << 2 | header`, index of its layout, and number of the stale markers behind them, all varints. Then the
//! columns of the histograms that are no stale markers: what the count is more than all buckets together, zero count,
//! sum, and for each layout its buckets.
//!
//! * `runs`: histograms to runs; `head`: layouts and runs as bytes
//! * `table`: runs to columns of cells and back; `cell`: a count, integer or float, and its columns
//! * `matrix`: the buckets of one layout

mod cell;
mod head;
mod matrix;
mod runs;
mod table;
#[cfg(test)]
mod tests;

use super::form::{Coded, Form};
use super::{ResetHeader, SAMPLES_MAX, WORDS_MAX};
use crate::DecodeError;
use crate::codec::values::Density;
use crate::cursor::Reader;
use crate::histogram::{FloatHistogram, Histogram, HistogramValue};

pub(super) use cell::Cell;
use head::Head;
use table::Table;

/// Appends the column of `histograms` to `out`, and says whether there is one: not for more than 65,535, nor for more
/// buckets than readers take memory for.
///
/// # Panics
/// When spans and buckets of a histogram do not agree.
pub fn encode<H: Form>(histograms: &[&H], density: Density, out: &mut Vec<u8>) -> bool {
    if histograms.len() > SAMPLES_MAX {
        return false;
    }
    let runs = runs::cut(histograms);
    let Some(head) = Head::of(&runs) else { return false };
    head.write(H::NUMBER, out);
    Table::of(&head, &runs).write(density, out);
    true
}

/// Gives each of the `count` histograms of the column `bytes` to `push`, with the hint that is certain: see
/// [`super::HistogramIter`].
///
/// # Errors
/// When `bytes` is not a column of exactly as many; some may have been given then.
pub fn decode(bytes: &[u8], count: usize, push: impl FnMut(HistogramValue)) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    let (number, head) = Head::read(&mut reader, count)?;
    match number {
        Histogram::NUMBER => decode_form::<Histogram>(&mut reader, &head, HistogramValue::Integer, push),
        _ => decode_form::<FloatHistogram>(&mut reader, &head, HistogramValue::Float, push),
    }
}

fn decode_form<H: Form>(
    reader: &mut Reader<'_>,
    head: &Head,
    value: fn(H) -> HistogramValue,
    mut push: impl FnMut(HistogramValue),
) -> Result<(), DecodeError> {
    let table = Table::<H::Count>::read(head, reader)?;
    reader.finish("end of histograms")?;
    table.histograms(head, |histogram| push(value(histogram)));
    Ok(())
}

/// What a column says without its buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// Whether counts are floats.
    pub is_float: bool,
    /// Buckets, spans and custom bounds of all histograms together, decoded: words of eight bytes.
    pub words: usize,
}

/// The outline of the column `bytes` of `count` histograms.
///
/// # Errors
/// When the column's beginning does not decode.
pub fn outline(bytes: &[u8], count: usize) -> Result<Outline, DecodeError> {
    let (number, head) = Head::read(&mut Reader::new(bytes), count)?;
    Ok(Outline { is_float: number == FloatHistogram::NUMBER, words: head.words() })
}

/// Which of the `count` histograms of the column `bytes` are known to be counter resets, though readers are not told:
/// their indexes.
///
/// # Errors
/// When the column's beginning does not decode.
pub fn resets(bytes: &[u8], count: usize) -> Result<Vec<usize>, DecodeError> {
    let (_, head) = Head::read(&mut Reader::new(bytes), count)?;
    let mut first = 0;
    let mut resets = Vec::new();
    for run in &head.runs {
        if run.header == ResetHeader::Reset {
            resets.push(first);
        }
        first += run.histograms + run.stale;
    }
    Ok(resets)
}
