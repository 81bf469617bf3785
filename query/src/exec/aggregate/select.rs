//! `topk`, `bottomk`, `limitk` and `limit_ratio`: aggregations that pick elements of each group.

use kymo_engine::Labels;
use xxhash_rust::xxh64::xxh64;

use super::{
    super::{
        Column, Evaluator, Note, Notes, SampleRef, Series, context::execution, format::format_g,
        grouping::Grouping, hash::Map,
    },
    heap::{Element, KHeap, Wanted},
    param::Param,
};
use crate::{
    Error,
    lang::promql::{Aggregate, AggregateOp},
};

/// Least and greatest float that upstream takes for an `int64`.
const INT_MIN: f64 = -9_223_372_036_854_775_808.0;
const INT_MAX: f64 = 9_223_372_036_854_774_784.0;

impl Evaluator<'_> {
    /// The elements that the aggregation picks, with their own labels.
    pub(super) fn aggregate_select(
        &self,
        aggregate: &Aggregate,
        grouping: &Grouping,
        notes: &mut Notes,
    ) -> Result<Vec<Series>, Error> {
        let param = self.eval_param(aggregate, notes)?;
        let series = self.eval_vector(&aggregate.expr, notes)?;
        let selection = Selection::new(aggregate, grouping, &series);
        let picked = match aggregate.op {
            AggregateOp::LimitRatio => {
                if !check_ratio(&param, notes)? {
                    return Ok(Vec::new());
                }
                selection.by_ratio(&param)
            }
            _ => {
                if !check_k(&param)? {
                    return Ok(Vec::new());
                }
                match aggregate.op {
                    AggregateOp::LimitK => selection.first_k(&param),
                    AggregateOp::BottomK => selection.by_value(&param, Wanted::Bottom, notes),
                    _ => selection.by_value(&param, Wanted::Top, notes),
                }
            }
        };
        Ok(picked)
    }
}

/// Whether anything can be picked at all.
fn check_k(param: &Param) -> Result<bool, Error> {
    if param.values.is_empty() || param.max < 1.0 {
        return Ok(false);
    }
    if param.has_nan() {
        return Err(execution("Parameter value is NaN"));
    }
    if param.min <= INT_MIN {
        return Err(execution(format!("Scalar value {} underflows int64", format_g(param.min))));
    }
    if param.max >= INT_MAX {
        return Err(execution(format!("Scalar value {} overflows int64", format_g(param.max))));
    }
    Ok(true)
}

fn check_ratio(param: &Param, notes: &mut Notes) -> Result<bool, Error> {
    if param.values.is_empty() || (param.max == 0.0 && param.min == 0.0) {
        return Ok(false);
    }
    if param.has_nan() {
        return Err(execution("Ratio value is NaN"));
    }
    if param.max > 1.0 {
        notes.add(param.position, Note::InvalidRatio { ratio: param.max, capped: 1.0 });
    }
    if param.min < -1.0 {
        notes.add(param.position, Note::InvalidRatio { ratio: param.min, capped: -1.0 });
    }
    Ok(true)
}

/// The vector to pick from.
struct Selection<'s> {
    series: &'s [Series],
    /// Group of each series.
    group_of: Vec<usize>,
    groups: usize,
    name: &'static str,
    position: usize,
}

impl<'s> Selection<'s> {
    fn new(aggregate: &Aggregate, grouping: &Grouping, series: &'s [Series]) -> Self {
        let mut places: Map<Vec<u8>, usize> = Map::default();
        let mut key = Vec::new();
        let mut group_of = Vec::with_capacity(series.len());
        for series in series {
            let next = places.len();
            let key = grouping.key(&series.labels, &mut key);
            group_of.push(*places.entry_ref(key).or_insert(next));
        }
        let position = aggregate.span.start as usize;
        Self { series, group_of, groups: places.len(), name: aggregate.op.as_str(), position }
    }

    /// How many elements to pick at `step`.
    fn k(&self, param: &Param, step: usize) -> usize {
        let k = param.values.get(step).copied().unwrap_or(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturating is what is meant"
        )]
        let k = k.max(0.0) as usize;
        k.min(self.series.len())
    }

    fn by_value(&self, param: &Param, wanted: Wanted, notes: &mut Notes) -> Vec<Series> {
        let mut picked = Picked::new(self.series);
        for step in 0..param.values.len() {
            let k = self.k(param, step);
            if k == 0 {
                continue;
            }
            let mut heaps: Vec<KHeap> = (0..self.groups).map(|_| KHeap::new(wanted, k)).collect();
            for (i, series) in self.series.iter().enumerate() {
                match series.column.get(step) {
                    Some(SampleRef::Float(value)) => {
                        heaps[self.group_of[i]].offer(Element { value, series: i });
                    }
                    Some(SampleRef::Histogram(_)) => {
                        let aggregation = self.name;
                        notes.add(self.position, Note::HistogramIgnoredInAggregation { aggregation });
                    }
                    None => {}
                }
            }
            for element in heaps.into_iter().flat_map(KHeap::into_sorted) {
                picked.take(element.series, step);
            }
        }
        picked.finish()
    }

    fn first_k(&self, param: &Param) -> Vec<Series> {
        let mut picked = Picked::new(self.series);
        for step in 0..param.values.len() {
            let k = self.k(param, step);
            let mut left = vec![k; self.groups];
            for (i, series) in self.series.iter().enumerate() {
                let left = &mut left[self.group_of[i]];
                if *left > 0 && series.column.get(step).is_some() {
                    *left -= 1;
                    picked.take(i, step);
                }
            }
        }
        picked.finish_by_group(self)
    }

    fn by_ratio(&self, param: &Param) -> Vec<Series> {
        let mut picked = Picked::new(self.series);
        let offsets: Vec<f64> = self.series.iter().map(|series| offset(&series.labels)).collect();
        for (step, ratio) in param.values.iter().enumerate() {
            let ratio = ratio.clamp(-1.0, 1.0);
            for (i, series) in self.series.iter().enumerate() {
                let wanted = if ratio >= 0.0 { offsets[i] < ratio } else { offsets[i] >= 1.0 + ratio };
                if wanted && ratio != 0.0 && series.column.get(step).is_some() {
                    picked.take(i, step);
                }
            }
        }
        picked.finish_by_group(self)
    }
}

/// The elements picked so far.
struct Picked<'s> {
    series: &'s [Series],
    columns: Vec<Column>,
    /// Series in the order in which they were first picked.
    order: Vec<usize>,
}

impl<'s> Picked<'s> {
    fn new(series: &'s [Series]) -> Self {
        Self { series, columns: vec![Column::default(); series.len()], order: Vec::new() }
    }

    fn take(&mut self, series: usize, step: usize) {
        if let Some(sample) = self.series[series].column.get(step) {
            if self.columns[series].is_empty() {
                self.order.push(series);
            }
            self.columns[series].push(step, sample.to_owned());
        }
    }

    fn finish(mut self) -> Vec<Series> {
        let series =
            |i: &usize| Series { column: std::mem::take(&mut self.columns[*i]), ..header(&self.series[*i]) };
        self.order.iter().map(series).collect()
    }

    /// The elements of the first group before those of the second.
    fn finish_by_group(mut self, selection: &Selection<'_>) -> Vec<Series> {
        self.order.sort_by_key(|series| (selection.group_of[*series], *series));
        self.finish()
    }
}

/// The series without its values.
fn header(series: &Series) -> Series {
    Series { labels: series.labels.clone(), drop_name: series.drop_name, column: Column::default() }
}

/// A number in `[0, 1)` that depends on nothing but the labels: their XXH64 in upstream's encoding.
#[expect(clippy::cast_precision_loss, reason = "upstream's formula")]
fn offset(labels: &Labels) -> f64 {
    let mut bytes = Vec::new();
    for label in labels {
        push_sized(&mut bytes, label.name);
        push_sized(&mut bytes, label.value);
    }
    xxh64(&bytes, 0) as f64 / u64::MAX as f64
}

/// Appends a string as upstream keeps it in a label set: one byte of length, or 255 and three bytes.
fn push_sized(out: &mut Vec<u8>, string: &[u8]) {
    match u8::try_from(string.len()) {
        Ok(len) if len < u8::MAX => out.push(len),
        _ => {
            out.push(u8::MAX);
            out.extend_from_slice(&string.len().to_le_bytes()[..3]);
        }
    }
    out.extend_from_slice(string);
}
