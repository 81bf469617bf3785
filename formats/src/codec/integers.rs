//! A column of integers, dense and fast to read: timestamps, counts, the digits of decimal numbers.
//!
//! Layout: form, what the form begins with, and for all but the first two forms the runs of [`super::bitpack`], each
//! of 128 integers but the last. What the runs hold depends on the form: the integers, their differences, or the
//! differences of those. Arithmetic wraps, so that every column can be kept in every form.
//!
//! A form with differences is read from the column's start. Of one without, [`decode_range`] skips the runs
//! before the range.

use super::bitpack::{self, RUN};
use crate::DecodeError;
use crate::cursor::{Reader, Writer};

/// How many runs are looked at to choose a form: enough to see what a column is like, few enough not to matter.
const SAMPLE_RUNS: usize = 8;

/// How a column is stored. The numbers are on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One integer, so many times.
    Constant = 0,
    /// The same difference between all.
    Linear = 1,
    /// Runs of the integers.
    Plain = 2,
    /// Runs of the differences.
    Delta = 3,
    /// Runs of the differences of the differences.
    DeltaOfDelta = 4,
}

impl Form {
    /// The form of the column `bytes`; `None` for an empty or unknown one.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        Some(match bytes.first()? {
            0 => Self::Constant,
            1 => Self::Linear,
            2 => Self::Plain,
            3 => Self::Delta,
            4 => Self::DeltaOfDelta,
            _ => return None,
        })
    }
}

/// Appends the column of `values` to `out`; nothing for none.
pub fn encode(values: &[i64], out: &mut Vec<u8>) {
    let Some(&first) = values.first() else { return };
    let mut writer = Writer::new(out);
    if values.iter().all(|&value| value == first) {
        writer.u8(Form::Constant as u8);
        writer.varint_i64(first);
        return;
    }
    let deltas = differences(values);
    let delta = deltas.first().copied().unwrap_or_default();
    if deltas.iter().all(|&other| other == delta) {
        writer.u8(Form::Linear as u8);
        writer.varint_i64(first);
        writer.varint_i64(delta);
        return;
    }
    let deltas_of_deltas = differences_from(&deltas, delta);
    let candidates = [
        (Form::Plain, values),
        (Form::Delta, deltas.as_slice()),
        (Form::DeltaOfDelta, deltas_of_deltas.as_slice()),
    ];
    let (form, coded) = cheapest(candidates);
    writer.u8(form as u8);
    if form != Form::Plain {
        writer.varint_i64(first.wrapping_sub(delta));
    }
    if form == Form::DeltaOfDelta {
        writer.varint_i64(delta);
    }
    coded.chunks(RUN).for_each(|run| bitpack::encode(run, out));
}

/// Appends the `count` integers of the column `bytes` to `out`.
///
/// # Errors
/// When `bytes` is not a column of exactly as many; `out` is then as it was.
pub fn decode(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), DecodeError> {
    let before = out.len();
    append(bytes, count, out).inspect_err(|_| out.truncate(before))
}

/// Appends the integers `first..first + length` of the `count` of the column `bytes` to `out`.
///
/// What lies behind the range is not looked at.
///
/// # Errors
/// When the range is not within the column, or `bytes` does not decode; `out` is then as it was.
pub fn decode_range(
    bytes: &[u8],
    count: usize,
    first: usize,
    length: usize,
    out: &mut Vec<i64>,
) -> Result<(), DecodeError> {
    let end = first.checked_add(length).filter(|&end| end <= count);
    let end = end.ok_or(DecodeError::new("range of integers", 0))?;
    let before = out.len();
    out.reserve(length);
    decode_runs_of(bytes, count, first..end, out).inspect_err(|_| out.truncate(before))
}

fn decode_runs_of(
    bytes: &[u8],
    count: usize,
    range: std::ops::Range<usize>,
    out: &mut Vec<i64>,
) -> Result<(), DecodeError> {
    if range.is_empty() {
        return Ok(());
    }
    let mut reader = Reader::new(bytes);
    let mut runs = Runs::new(&mut reader)?;
    let mut run = [0; RUN];
    for start in (0..range.end).step_by(RUN) {
        let values = run.get_mut(..RUN.min(count - start)).unwrap_or_default();
        if start + values.len() <= range.start && runs.form == Form::Plain {
            bitpack::skip(&mut reader, values.len())?;
            continue;
        }
        runs.next(&mut reader, values)?;
        let wanted = range.start.saturating_sub(start)..values.len().min(range.end - start);
        out.extend_from_slice(values.get(wanted).unwrap_or_default());
    }
    Ok(())
}

fn append(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    read(&mut reader, count, out)?;
    reader.finish("end of integers")
}

/// Reads a column of `count` integers and appends them to `out`.
///
/// # Errors
/// When the bytes are no column of that many; some may have been appended then.
pub(crate) fn read(reader: &mut Reader<'_>, count: usize, out: &mut Vec<i64>) -> Result<(), DecodeError> {
    if count == 0 {
        return Ok(());
    }
    let mut runs = Runs::new(reader)?;
    out.reserve(count);
    // Through a run's worth of memory: it stays in the nearest cache, and no slot is written twice.
    let mut run = [0; RUN];
    for start in (0..count).step_by(RUN) {
        let integers = run.get_mut(..RUN.min(count - start)).unwrap_or_default();
        runs.next(reader, integers)?;
        out.extend_from_slice(integers);
    }
    Ok(())
}

/// Reads a column run by run.
#[derive(Debug)]
pub(crate) struct Runs {
    form: Form,
    /// The integer before the next run.
    previous: i64,
    /// The difference before the next run.
    delta: i64,
}

impl Runs {
    /// Reads what is before the first run.
    pub(crate) fn new(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let form = Form::of(reader.remaining()).ok_or(reader.error("form of integers"))?;
        reader.u8("form of integers")?;
        let mut runs = Self { form, previous: 0, delta: 0 };
        if form != Form::Plain {
            runs.previous = reader.varint_i64("first integer")?;
        }
        if matches!(form, Form::Linear | Form::DeltaOfDelta) {
            runs.delta = reader.varint_i64("first difference")?;
        }
        if form == Form::Linear {
            runs.previous = runs.previous.wrapping_sub(runs.delta);
        }
        Ok(runs)
    }

    /// Reads the next integers into `out`: [`RUN`], or those that are left.
    #[inline]
    pub(crate) fn next(&mut self, reader: &mut Reader<'_>, out: &mut [i64]) -> Result<(), DecodeError> {
        match self.form {
            Form::Constant => out.fill(self.previous),
            Form::Linear => self.fill_linear(out),
            Form::Plain => bitpack::decode(reader, out)?,
            Form::Delta => {
                bitpack::decode(reader, out)?;
                self.sum(out);
            }
            Form::DeltaOfDelta => {
                bitpack::decode(reader, out)?;
                self.sum_twice(out);
            }
        }
        Ok(())
    }

    fn fill_linear(&mut self, out: &mut [i64]) {
        for slot in out {
            self.previous = self.previous.wrapping_add(self.delta);
            *slot = self.previous;
        }
    }

    fn sum(&mut self, out: &mut [i64]) {
        let mut value = self.previous;
        for slot in out {
            value = value.wrapping_add(*slot);
            *slot = value;
        }
        self.previous = value;
    }

    fn sum_twice(&mut self, out: &mut [i64]) {
        let (mut value, mut delta) = (self.previous, self.delta);
        for slot in out {
            delta = delta.wrapping_add(*slot);
            value = value.wrapping_add(delta);
            *slot = value;
        }
        (self.previous, self.delta) = (value, delta);
    }
}

/// The differences between neighbours. The first has none before it and gets that of the second, which is as likely
/// as any and so costs little.
fn differences(values: &[i64]) -> Vec<i64> {
    let delta = match values {
        [first, second, ..] => second.wrapping_sub(*first),
        _ => 0,
    };
    let first = values.first().copied().unwrap_or_default();
    differences_from(values, first.wrapping_sub(delta))
}

/// The difference of each value to the one before it, of the first to `previous`.
fn differences_from(values: &[i64], previous: i64) -> Vec<i64> {
    let before = std::iter::once(previous).chain(values.iter().copied());
    values.iter().zip(before).map(|(value, before)| value.wrapping_sub(before)).collect()
}

fn cheapest(candidates: [(Form, &[i64]); 3]) -> (Form, &[i64]) {
    let [plain, delta, delta_of_delta] = candidates;
    let mut best = (sampled_bytes(plain.1), plain);
    for candidate in [delta, delta_of_delta] {
        let bytes = sampled_bytes(candidate.1);
        if bytes < best.0 {
            best = (bytes, candidate);
        }
    }
    best.1
}

/// About how many bytes some of the runs of `values` take.
fn sampled_bytes(values: &[i64]) -> usize {
    let runs = values.chunks(RUN);
    let step = runs.len().div_ceil(SAMPLE_RUNS).max(1);
    // Where all runs are looked at, half of their values tell enough.
    let value_step = if step == 1 { 2 } else { 1 };
    runs.step_by(step).map(|run| bitpack::estimate(run, value_step)).sum()
}

#[cfg(test)]
mod tests;
