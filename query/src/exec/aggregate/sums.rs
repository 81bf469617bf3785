//! `sum` and `avg`.

use std::sync::Arc;

use kymo_formats::histogram::{FloatHistogram, ResetHint};

use super::{
    super::{HistogramOperation, Note, Sample},
    fold::{Context, Fold},
};
use crate::histogram::{Combined, HistogramMean, HistogramSum, IncompatibleSchemas, Kahan, compact};

/// What a group has seen at a step.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    float: bool,
    histogram: bool,
    /// Exponential and custom buckets met: nothing more is added.
    incompatible: bool,
    reset: bool,
    not_reset: bool,
}

impl Seen {
    const fn any(self) -> bool {
        self.float || self.histogram
    }

    const fn note_hint(&mut self, hint: ResetHint) {
        match hint {
            ResetHint::Reset => self.reset = true,
            ResetHint::NotReset => self.not_reset = true,
            ResetHint::Unknown | ResetHint::Gauge => {}
        }
    }

    /// Takes note of what adding a histogram came to.
    fn note_outcome(&mut self, outcome: Result<Combined, IncompatibleSchemas>, context: &mut Context<'_>) {
        let note = match outcome {
            Ok(combined) if combined.bounds_reconciled => {
                Note::MismatchedCustomBuckets { operation: HistogramOperation::Aggregation }
            }
            Ok(_) => return,
            Err(IncompatibleSchemas) => {
                self.incompatible = true;
                Note::MixedExponentialCustom { metric: context.metric.metric_name().to_vec() }
            }
        };
        context.notes.add(context.position, note);
    }

    /// Which kind of value comes out, with what the user must know about it.
    fn outcome(self, context: &mut Context<'_>) -> Option<Kind> {
        if self.float && self.histogram {
            context.notes.add(context.position, Note::MixedFloatsHistogramsAggregation);
            return None;
        }
        if !self.any() || self.incompatible {
            return None;
        }
        if self.reset && self.not_reset {
            let operation = HistogramOperation::Aggregation;
            context.notes.add(context.position, Note::CounterResetCollision { operation });
        }
        Some(if self.histogram { Kind::Histogram } else { Kind::Float })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Histogram,
}

/// `sum`
pub(super) struct Sum;

/// State of `sum`.
#[derive(Debug, Clone, Default)]
pub(super) struct SumState {
    seen: Seen,
    float: Kahan,
    histogram: Option<Box<HistogramSum>>,
}

impl Fold for Sum {
    type State = SumState;

    fn add_float(&self, state: &mut SumState, value: f64) {
        if state.seen.incompatible {
            return;
        }
        if state.seen.any() {
            state.float.add(value);
        } else {
            state.float = Kahan::new(value);
        }
        state.seen.float = true;
    }

    fn add_histogram(&self, state: &mut SumState, histogram: &FloatHistogram, context: &mut Context<'_>) {
        if state.seen.incompatible {
            return;
        }
        if let Some(sum) = &mut state.histogram {
            state.seen.note_hint(histogram.reset_hint);
            let outcome = sum.add(histogram);
            state.seen.note_outcome(outcome, context);
        } else if !state.seen.any() {
            state.seen.note_hint(histogram.reset_hint);
            state.histogram = Some(Box::new(HistogramSum::new(histogram)));
        }
        state.seen.histogram = true;
    }

    fn finish(&self, state: SumState, _: usize, context: &mut Context<'_>) -> Option<Sample> {
        match state.seen.outcome(context)? {
            Kind::Float => Some(Sample::Float(state.float.total())),
            Kind::Histogram => state.histogram.map(|sum| compacted(sum.total())),
        }
    }
}

/// `avg`
pub(super) struct Avg;

/// State of `avg`.
#[derive(Debug, Clone, Default)]
pub(super) struct AvgState {
    seen: Seen,
    /// Whether `float` is a mean that is adjusted with every value, because the sum would overflow.
    incremental: bool,
    count: f64,
    float: Kahan,
    histogram: Option<Box<HistogramMean>>,
}

impl Fold for Avg {
    type State = AvgState;

    fn add_float(&self, state: &mut AvgState, value: f64) {
        if state.seen.incompatible {
            return;
        }
        state.count += 1.0;
        if !state.seen.any() {
            state.float = Kahan::new(value);
        } else {
            add_to_mean(state, value);
        }
        state.seen.float = true;
    }

    fn add_histogram(&self, state: &mut AvgState, histogram: &FloatHistogram, context: &mut Context<'_>) {
        if state.seen.incompatible {
            return;
        }
        state.count += 1.0;
        if let Some(mean) = &mut state.histogram {
            state.seen.note_hint(histogram.reset_hint);
            let outcome = mean.add(histogram, 1.0);
            state.seen.note_outcome(outcome, context);
        } else if !state.seen.any() {
            state.seen.note_hint(histogram.reset_hint);
            state.histogram = Some(Box::new(HistogramMean::new(histogram, 1.0)));
        }
        state.seen.histogram = true;
    }

    fn finish(&self, state: AvgState, _: usize, context: &mut Context<'_>) -> Option<Sample> {
        match state.seen.outcome(context)? {
            Kind::Float if state.incremental => Some(Sample::Float(state.float.total())),
            Kind::Float => {
                Some(Sample::Float(state.float.sum / state.count + state.float.compensation / state.count))
            }
            Kind::Histogram => state.histogram.map(|mean| compacted(mean.finish())),
        }
    }
}

fn add_to_mean(state: &mut AvgState, value: f64) {
    if !state.incremental {
        let mut sum = state.float;
        sum.add(value);
        if !sum.sum.is_infinite() {
            state.float = sum;
            return;
        }
        state.incremental = true;
        state.float.sum /= state.count - 1.0;
        state.float.compensation /= state.count - 1.0;
    }
    let share = (state.count - 1.0) / state.count;
    state.float.sum *= share;
    state.float.compensation *= share;
    state.float.add(value / state.count);
}

fn compacted(mut histogram: FloatHistogram) -> Sample {
    compact(&mut histogram, 0);
    Sample::Histogram(Arc::new(histogram))
}
