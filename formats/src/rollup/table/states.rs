//! Native histograms to columns and back.

use std::{io::Write, sync::Arc};

use parquet::{
    data_type::{BoolType, DataType, DoubleType, Int32Type},
    errors::ParquetError,
    file::writer::SerializedRowGroupWriter,
};

use super::{
    super::{Events, HistogramRun, Rollup, Traits},
    columns::{next_column, offset, saturated, write},
    lists::ListColumn,
};
use crate::histogram::{
    FloatHistogram, ResetHint,
    algebra::{HistogramSum, Indexed, spans_of},
    is_valid_schema,
};

/// A histogram whose buckets are lists: their indices, ascending, and their counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct State {
    pub(super) schema: i32,
    pub(super) zero_threshold: f64,
    pub(super) zero_count: f64,
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) positive: (Vec<i32>, Vec<f64>),
    pub(super) negative: (Vec<i32>, Vec<f64>),
    pub(super) bounds: Vec<f64>,
}

impl State {
    fn of(histogram: &FloatHistogram) -> Self {
        let side = |spans, counts| Indexed::new(spans, counts).filter(|(_, count)| *count != 0.0).unzip();
        Self {
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: histogram.zero_count,
            count: histogram.count,
            sum: histogram.sum,
            positive: side(&histogram.positive_spans, &histogram.positive_buckets),
            negative: side(&histogram.negative_spans, &histogram.negative_buckets),
            bounds: histogram.custom_values.clone(),
        }
    }

    /// The histogram, if it is one.
    pub(super) fn into_histogram(self, reset_hint: ResetHint) -> Option<FloatHistogram> {
        let fits = |(indices, counts): &(Vec<i32>, Vec<f64>)| indices.len() == counts.len();
        if !is_valid_schema(self.schema) || !fits(&self.positive) || !fits(&self.negative) {
            return None;
        }
        Some(FloatHistogram {
            reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count,
            count: self.count,
            sum: self.sum,
            positive_spans: spans_of(&self.positive.0)?,
            negative_spans: spans_of(&self.negative.0)?,
            positive_buckets: self.positive.1,
            negative_buckets: self.negative.1,
            custom_values: self.bounds,
        })
    }

    fn elements(&self) -> usize {
        self.positive.0.len() + self.negative.0.len() + self.bounds.len()
    }
}

/// The hint as it is stored.
pub(super) const fn hint_code(hint: ResetHint) -> i32 {
    match hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NotReset => 2,
        ResetHint::Gauge => 3,
    }
}

/// The hint that is stored as `code`.
pub(super) const fn hint_of(code: i32) -> Option<ResetHint> {
    match code {
        0 => Some(ResetHint::Unknown),
        1 => Some(ResetHint::Reset),
        2 => Some(ResetHint::NotReset),
        3 => Some(ResetHint::Gauge),
        _ => None,
    }
}

/// The histograms of one row.
#[derive(Debug)]
struct Row {
    /// Which row of the group it is.
    at: usize,
    first_off: i32,
    last_off: i32,
    resets: i32,
    changes: i32,
    first_reset: bool,
    first_hint: i32,
    hint: i32,
    traits: i32,
    both: Option<Events>,
    /// In the order of the columns.
    states: [Option<State>; 4],
}

impl Row {
    fn state(&self, at: usize) -> Option<&State> {
        self.states.get(at)?.as_ref()
    }
}

/// The histograms of a row group before it is written: of the rows that have any.
#[derive(Debug, Default)]
pub(super) struct StateRows {
    rows: Vec<Row>,
    elements: usize,
}

impl StateRows {
    /// Buckets and bounds of all.
    pub(super) const fn elements(&self) -> usize {
        self.elements
    }

    /// Whether no row has any.
    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds row `at` of the group if it has any.
    pub(super) fn push(&mut self, at: usize, rollup: &Rollup) {
        let Some(run) = &rollup.states else { return };
        let states = [
            Some(State::of(&run.last)),
            Some(State::of(&run.first)),
            run.sum.as_ref().map(|sum| State::of(&sum.total())),
            run.correction.as_ref().map(|sum| State::of(&sum.total())),
        ];
        self.elements += states.iter().flatten().map(State::elements).sum::<usize>();
        self.rows.push(Row {
            at,
            first_off: offset(rollup.end, run.first_ts),
            last_off: offset(rollup.end, run.last_ts),
            resets: saturated(run.resets),
            changes: saturated(run.changes),
            first_reset: run.first_reset,
            first_hint: hint_code(run.first.reset_hint),
            hint: hint_code(run.last.reset_hint),
            traits: run.traits.bits().into(),
            both: rollup.together,
            states,
        });
    }

    /// Writes all columns of `rows` rows, in the order of the schema.
    pub(super) fn write<W: Write + Send>(
        &self,
        rows: usize,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let mut column = Columns { rows, of: &self.rows, group };
        column.numbers::<Int32Type>(|row| Some(row.first_off))?;
        column.numbers::<Int32Type>(|row| Some(row.last_off))?;
        column.numbers::<Int32Type>(|row| Some(row.resets))?;
        column.numbers::<Int32Type>(|row| Some(row.changes))?;
        column.numbers::<BoolType>(|row| Some(row.first_reset))?;
        column.numbers::<Int32Type>(|row| Some(row.first_hint))?;
        column.numbers::<Int32Type>(|row| Some(row.hint))?;
        column.numbers::<Int32Type>(|row| Some(row.traits))?;
        column.numbers::<Int32Type>(|row| row.both.map(|both| saturated(both.resets)))?;
        column.numbers::<Int32Type>(|row| row.both.map(|both| saturated(both.changes)))?;
        for at in 0..4 {
            column.numbers::<Int32Type>(|row| Some(row.state(at)?.schema))?;
            column.numbers::<DoubleType>(|row| Some(row.state(at)?.zero_threshold))?;
            column.numbers::<DoubleType>(|row| Some(row.state(at)?.zero_count))?;
            column.numbers::<DoubleType>(|row| Some(row.state(at)?.count))?;
            column.numbers::<DoubleType>(|row| Some(row.state(at)?.sum))?;
            column.lists::<Int32Type>(|row| Some(&row.state(at)?.positive.0))?;
            column.lists::<DoubleType>(|row| Some(&row.state(at)?.positive.1))?;
            column.lists::<Int32Type>(|row| Some(&row.state(at)?.negative.0))?;
            column.lists::<DoubleType>(|row| Some(&row.state(at)?.negative.1))?;
            column.lists::<DoubleType>(|row| Some(&row.state(at)?.bounds))?;
        }
        Ok(())
    }
}

/// Columns of a row group of which few rows may have a value.
struct Columns<'a, 'g, W: Write> {
    rows: usize,
    of: &'a [Row],
    group: &'a mut SerializedRowGroupWriter<'g, W>,
}

impl<W: Write + Send> Columns<'_, '_, W> {
    fn numbers<T: DataType>(&mut self, of: impl Fn(&Row) -> Option<T::T>) -> Result<(), ParquetError> {
        let (mut values, mut defined) = (Vec::new(), vec![0_i16; self.rows]);
        for row in self.of {
            if let (Some(value), Some(defined)) = (of(row), defined.get_mut(row.at)) {
                values.push(value);
                *defined = 1;
            }
        }
        write::<T, _>(self.group, &values, Some(&defined))
    }

    fn lists<T: DataType>(&mut self, of: impl Fn(&Row) -> Option<&Vec<T::T>>) -> Result<(), ParquetError>
    where
        T::T: Copy,
    {
        let mut column = ListColumn::new();
        let mut writer = next_column(self.group)?;
        let mut rows = self.of.iter().peekable();
        for at in 0..self.rows {
            let row = rows.next_if(|row| row.at == at);
            column.push(row.and_then(&of).map(|list| &**list));
            column.write(writer.typed::<T>(), false)?;
        }
        column.write(writer.typed::<T>(), true)?;
        writer.close()
    }
}

/// What was read of the histograms of one row.
#[derive(Debug, Default)]
pub(super) struct FoundRow {
    pub(super) first_ts: i64,
    pub(super) last_ts: i64,
    pub(super) resets: u32,
    pub(super) changes: u32,
    pub(super) first_reset: bool,
    pub(super) first_hint: ResetHint,
    pub(super) hint: ResetHint,
    pub(super) traits: u8,
    /// As in [`super::schema::STATES`].
    pub(super) states: [Option<State>; 4],
}

impl FoundRow {
    /// The run of `count` histograms that was written; `None` if it is damaged. States that were not asked for are
    /// empty.
    pub(super) fn into_run(self, count: u32) -> Option<HistogramRun> {
        let [last, first, sum, correction] = self.states;
        let traits = Traits::of_bits(self.traits);
        let histogram = |state: Option<State>, hint| state.unwrap_or_default().into_histogram(hint);
        let total = |state: Option<State>, hint| match state {
            None => Some(None),
            Some(state) => Some(Some(HistogramSum::new(&state.into_histogram(hint)?))),
        };
        Some(HistogramRun {
            count,
            first_ts: self.first_ts,
            last_ts: self.last_ts,
            first: Arc::new(histogram(first, self.first_hint)?),
            last: Arc::new(histogram(last, self.hint)?),
            sum: total(sum, traits.hint())?,
            correction: total(correction, ResetHint::Unknown)?,
            first_reset: self.first_reset,
            resets: self.resets,
            changes: self.changes,
            traits,
        })
    }
}
