//! Native histograms of series that count: buckets, resets, and layouts that change.

use std::collections::BTreeMap;

use kymo_engine::{HistogramValue, stale_nan};
use kymo_formats::histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Histogram, Span};

use crate::store::Random;

/// What a series of native histograms has observed since it began anew.
#[derive(Debug, Clone)]
pub(crate) struct Native {
    custom: bool,
    schema: i32,
    zero_threshold: f64,
    zero_count: u64,
    sum: f64,
    /// Counts by side, negative ones first, and index.
    buckets: BTreeMap<(bool, i32), u64>,
    bounds: Vec<f64>,
}

impl Native {
    pub(crate) fn new(custom: bool) -> Self {
        Self {
            custom,
            schema: if custom { CUSTOM_BUCKETS_SCHEMA } else { 3 },
            zero_threshold: if custom { 0.0 } else { 0.125 },
            zero_count: 0,
            sum: 0.0,
            buckets: BTreeMap::new(),
            bounds: if custom { vec![0.5, 1.0, 2.5, 5.0] } else { Vec::new() },
        }
    }

    /// The next state: grown, begun anew, or brought to a coarser layout.
    pub(crate) fn next(&mut self, random: &mut Random) -> HistogramValue {
        // So many that it is seen that they are gone: bounds that change unseen behind a reset are nobody's.
        if random.one_in(40) && self.buckets.values().sum::<u64>() > 60 {
            *self = Self::new(self.custom);
            // Then layouts may become finer, too, and bounds others.
            self.schema -= if self.custom { 0 } else { i32::from(random.one_in(2)) };
            if self.custom && random.one_in(3) {
                self.bounds = vec![0.5, 2.5, 5.0];
            }
        }
        if !self.custom && random.one_in(60) && self.schema > 0 {
            self.coarsen();
        }
        if !self.custom && random.one_in(150) {
            self.widen_zero();
        }
        for _ in 0..random.below(6) {
            self.observe(random);
        }
        if random.one_in(70) {
            return HistogramValue::Float(FloatHistogram { sum: stale_nan(), ..FloatHistogram::default() });
        }
        // Most senders count in integers.
        let integer = HistogramValue::Integer(self.integer());
        if self.custom { HistogramValue::Float(integer.to_float()) } else { integer }
    }

    fn observe(&mut self, random: &mut Random) {
        let times = 1 + random.below(3).unsigned_abs();
        self.sum += random.below(1_000) as f64 / 7.0;
        if !self.custom && random.one_in(5) {
            self.zero_count += times;
            return;
        }
        let bound = i64::try_from(self.bounds.len()).unwrap() + 1;
        // Above one there are none in the zero bucket.
        let index = if self.custom { random.below(bound) } else { 1 + random.below(30 >> (3 - self.schema)) };
        let is_positive = self.custom || !random.one_in(3);
        *self.buckets.entry((is_positive, i32::try_from(index).unwrap())).or_default() += times;
    }

    fn coarsen(&mut self) {
        self.schema -= 1;
        for ((is_positive, index), count) in std::mem::take(&mut self.buckets) {
            *self.buckets.entry((is_positive, ((index - 1) >> 1) + 1)).or_default() += count;
        }
    }

    /// The zero bucket swallows what lies below two.
    fn widen_zero(&mut self) {
        self.zero_threshold = 2.0;
        let last = 1 << self.schema;
        let swallowed = self.buckets.extract_if(.., |(_, index), _| *index <= last);
        self.zero_count += swallowed.map(|(_, count)| count).sum::<u64>();
    }

    fn side(&self, is_positive: bool) -> (Vec<Span>, Vec<i64>) {
        let (mut spans, mut deltas) = (Vec::new(), Vec::new());
        let (mut end, mut last) = (0, 0_i64);
        for ((_, index), count) in self.buckets.iter().filter(|((side, _), _)| *side == is_positive) {
            spans.push(Span { offset: index - end, length: 1 });
            deltas.push(count.cast_signed() - last);
            (end, last) = (index + 1, count.cast_signed());
        }
        (spans, deltas)
    }

    fn integer(&self) -> Histogram {
        let (positive_spans, positive_buckets) = self.side(true);
        let (negative_spans, negative_buckets) = self.side(false);
        Histogram {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count,
            count: self.zero_count + self.buckets.values().sum::<u64>(),
            sum: self.sum,
            positive_spans,
            negative_spans,
            positive_buckets,
            negative_buckets,
            custom_values: self.bounds.clone(),
            ..Histogram::default()
        }
    }
}
