//! Native histograms that stand for those of a window of rollups.
//!
//! As with floats, a few states give a kernel the result that all of them would: it meets all of a window or none. What
//! is no state of the series is placed between the first and the last one with hints that say how it follows.

use std::sync::Arc;

use kymo_engine::{HistogramRun, HistogramSample, HistogramTraits as Traits, Rollup};
use kymo_formats::histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, ResetHint};

use super::condensed::{Condense, Weights};
use crate::histogram::is_custom;

/// A state, and how many samples it stands for.
type Stand = (Arc<FloatHistogram>, u32);

/// Histograms of a series, some of which stand for others.
#[derive(Debug, Default)]
pub(super) struct CondensedHistograms {
    pub(super) samples: Vec<HistogramSample>,
    pub(super) weights: Weights,
}

impl CondensedHistograms {
    /// Histograms that are just themselves.
    pub(super) fn samples(&mut self, samples: impl Iterator<Item = HistogramSample>) {
        for sample in samples {
            self.weights.push(1);
            self.samples.push(sample);
        }
    }

    /// Histograms that stand for those of a window.
    pub(super) fn window(&mut self, rollup: &Rollup, run: &HistogramRun, to: Condense) {
        match to {
            Condense::First | Condense::Min | Condense::Max => {
                self.push(run.first_ts, Arc::clone(&run.first), run.count);
            }
            Condense::Sum => {
                sums(run).into_iter().for_each(|(state, weight)| self.push(run.first_ts, state, weight));
            }
            Condense::Ends => self.stands(run, ends(run)),
            Condense::Counter => self.stands(run, counter(run)),
            Condense::Changes | Condense::Resets => self.events(rollup, run, to),
        }
    }

    /// The first and the last state, as far as they are the first and the last sample of the window, whose floats are
    /// beside them.
    fn events(&mut self, rollup: &Rollup, run: &HistogramRun, to: Condense) {
        let (first, last) = match &rollup.floats {
            None => (true, run.count > 1),
            Some(floats) => (run.first_ts < floats.first_ts, floats.last_ts < run.last_ts),
        };
        let happened = match rollup.together {
            Some(together) if to == Condense::Changes => together.changes,
            Some(together) => together.resets,
            None if to == Condense::Changes => run.changes,
            None => run.resets,
        };
        if first {
            self.push(run.first_ts, Arc::clone(&run.first), run.count - u32::from(last));
        }
        if last {
            let weight = if first { 1 } else { run.count };
            self.push(run.last_ts, Arc::clone(&run.last), weight);
            self.weights.end_chunk(happened);
        }
    }

    /// `stands` at the time of the first one, but for the last of several.
    fn stands(&mut self, run: &HistogramRun, mut stands: Vec<Stand>) {
        let last = if run.count > 1 { stands.pop() } else { None };
        stands.into_iter().for_each(|(state, weight)| self.push(run.first_ts, state, weight));
        last.into_iter().for_each(|(state, weight)| self.push(run.last_ts, state, weight));
    }

    fn push(&mut self, ts: i64, value: Arc<FloatHistogram>, weight: u32) {
        self.weights.push(weight);
        self.samples.push(HistogramSample { ts, start_ts: 0, value });
    }
}

/// The first and the last state.
fn ends(run: &HistogramRun) -> Vec<Stand> {
    if run.count == 1 {
        return vec![(Arc::clone(&run.first), 1)];
    }
    vec![(Arc::clone(&run.first), run.count - 1), (Arc::clone(&run.last), 1)]
}

/// The first and the last state, and between them what is added for resets.
fn counter(run: &HistogramRun) -> Vec<Stand> {
    let mut stands = ends(run);
    let Some(last) = stands.pop().filter(|_| run.count > 1) else { return ends(run) };
    let mut next = if run.first_reset { ResetHint::Reset } else { ResetHint::NotReset };
    if run.traits.contains(Traits::REST_MIXED) {
        // Whatever the layout of the last one, this is another.
        let schema = if is_custom(run.last.schema) { 0 } else { CUSTOM_BUCKETS_SCHEMA };
        stands.push((hinted(&FloatHistogram { schema, ..FloatHistogram::default() }, next), 0));
    }
    if let Some(correction) = &run.correction {
        let correction = correction.total();
        if run.traits.contains(Traits::CORRECTION_BOUNDS_DIFFER) {
            stands.push((hinted(&with_other_bounds(&correction), next), 0));
            next = ResetHint::Reset;
        }
        stands.push((hinted(&correction, next), 0));
        next = ResetHint::Reset;
    }
    let is_gauge = |state: &FloatHistogram| state.reset_hint == ResetHint::Gauge;
    if run.traits.contains(Traits::GAUGE) && !is_gauge(&run.first) {
        // That there was one is told by the last state, which then is there twice: nothing happens between them.
        stands.push((hinted(&run.last, next), 0));
        stands.push((hinted(&run.last, ResetHint::Gauge), last.1));
    } else {
        stands.push((hinted(&run.last, next), last.1));
    }
    stands
}

/// The sum, and empty histograms that tell of what else was added up.
fn sums(run: &HistogramRun) -> Vec<Stand> {
    let Some(sum) = &run.sum else {
        let empty = |schema| (Arc::new(FloatHistogram { schema, ..FloatHistogram::default() }), 0);
        let custom = empty(CUSTOM_BUCKETS_SCHEMA);
        return vec![(empty(0).0, run.count), custom];
    };
    let sum = FloatHistogram { reset_hint: run.traits.hint(), ..sum.total() };
    let empty = FloatHistogram {
        reset_hint: sum.reset_hint,
        schema: sum.schema,
        zero_threshold: sum.zero_threshold,
        custom_values: sum.custom_values.clone(),
        ..FloatHistogram::default()
    };
    let mut stands = Vec::with_capacity(1);
    if run.traits.contains(Traits::BOUNDS_DIFFER) {
        stands.push((Arc::new(with_other_bounds(&empty)), 0));
    }
    for hint in [ResetHint::Reset, ResetHint::NotReset] {
        if run.traits.contains(Traits::of_hint(hint)) && hint != sum.reset_hint {
            stands.push((hinted(&empty, hint), 0));
        }
    }
    stands.insert(0, (Arc::new(sum), run.count));
    stands
}

fn hinted(histogram: &FloatHistogram, reset_hint: ResetHint) -> Arc<FloatHistogram> {
    Arc::new(FloatHistogram { reset_hint, ..histogram.clone() })
}

/// An empty histogram with the bounds of this one and a bound that no other has: that of both is that of this one, and
/// that they differ is seen.
fn with_other_bounds(histogram: &FloatHistogram) -> FloatHistogram {
    let mut custom_values = histogram.custom_values.clone();
    custom_values.push(f64::MAX);
    FloatHistogram {
        reset_hint: histogram.reset_hint,
        schema: histogram.schema,
        custom_values,
        ..FloatHistogram::default()
    }
}
