//! The samples behind the golden files, made anew from a seed. The program that made the files draws the same numbers in
//! the same order: a change here makes all of them useless.

use std::collections::BTreeMap;

use kymo_formats::histogram::{CUSTOM_BUCKETS_SCHEMA, Histogram, ResetHint, STALE_NAN_BITS, Span};

/// What the histograms of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Custom,
}

const BOUNDS: [&[f64]; 2] =
    [&[-1.0, 0.0, 0.005, 0.1, 1.0, 2.5, 10.0, 33554.43, 33554.431], &[1.0 / 3.0, 1.0, 2.5, 1e9, 1e300]];

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> i64 {
        i64::try_from(self.next() % n).unwrap()
    }
}

/// Times and value bits of 200 floats.
pub(crate) fn floats(seed: u64) -> Vec<(i64, u64)> {
    let mut rng = Rng(seed);
    let (mut ts, mut bits) = (1_700_000_000_000_i64, 0_u64);
    let mut next = || {
        let step = match rng.below(8) {
            5 => 15_000 + rng.below(20) - 10,
            6 => rng.below(4_000_000) - 2_000_000,
            7 => {
                let wide = rng.next();
                // Drawn in the order in which the other program evaluates its operands.
                (wide >> rng.below(64)).cast_signed()
            }
            _ => 15_000,
        };
        ts = ts.wrapping_add(step);
        bits = match rng.below(6) {
            1 => (rng.below(1000) as f64).to_bits(),
            2 => rng.next(),
            3 => STALE_NAN_BITS,
            4 => (-0.0_f64).to_bits(),
            5 => (rng.below(10_000) as f64 / 100.0).to_bits(),
            _ => bits,
        };
        (ts, bits)
    };
    (0..200).map(|_| next()).collect()
}

/// 60 histograms: growing, at times reset, stale, of another layout, with empty buckets and empty spans.
pub(crate) fn histograms(seed: u64, kind: Kind) -> Vec<(i64, Histogram)> {
    let mut rng = Rng(seed);
    let (mut positive, mut negative) = (BTreeMap::new(), BTreeMap::new());
    let (mut zero, mut sum, mut ts) = (0_i64, 0.0, 1_700_000_000_000_i64);
    let (mut schema, mut threshold, mut bounds) = (3, 2.0_f64.powi(-128), BOUNDS[0]);
    let custom_buckets = i64::try_from(BOUNDS[1].len()).unwrap() + 1;
    let mut samples = Vec::new();
    for i in 0..60_i64 {
        ts += 15_000 + rng.below(3);
        let event = rng.below(20);
        match event {
            0 => {
                positive.clear();
                negative.clear();
                zero = 0;
            }
            1 => {
                schema = 2 + i32::try_from(rng.below(3)).unwrap();
                bounds = BOUNDS[usize::try_from(rng.below(2)).unwrap()];
            }
            2 => threshold = [0.0, 2.0_f64.powi(-128), 0.001, 2.0][usize::try_from(rng.below(4)).unwrap()],
            _ => {}
        }
        if kind == Kind::Gauge && rng.below(2) == 0 {
            positive.clear();
            negative.clear();
        }
        for _ in 0..=rng.below(4) {
            let mut index = rng.below(10) - 5 + i / 10;
            if kind == Kind::Custom {
                index = (index + 5) % custom_buckets;
            }
            *positive.entry(index).or_insert(0) += rng.below(100);
        }
        for _ in 0..rng.below(2) {
            let index = rng.below(6);
            *negative.entry(index).or_insert(0) += rng.below(50);
        }
        zero += rng.below(3);
        sum += rng.below(10_000) as f64 / 8.0;
        if rng.below(4) == 0 {
            let mut index = rng.below(12) - 6;
            if kind == Kind::Custom {
                index = (index + 6) % custom_buckets;
            }
            positive.entry(index).or_insert(0);
        }
        if rng.below(4) == 0 {
            positive.retain(|_, count| *count != 0);
        }
        let reset = rng.below(30) == 0;
        let mut histogram = Histogram {
            schema,
            zero_threshold: threshold,
            zero_count: zero.unsigned_abs(),
            sum,
            ..Histogram::default()
        };
        (histogram.positive_spans, histogram.positive_buckets) = spans_of(&positive);
        if rng.below(5) == 0 {
            histogram.positive_spans.push(Span { offset: 1, length: 0 });
        }
        let mut count: i64 = positive.values().sum();
        if kind == Kind::Custom {
            histogram.schema = CUSTOM_BUCKETS_SCHEMA;
            (histogram.zero_threshold, histogram.zero_count) = (0.0, 0);
            histogram.custom_values = bounds.to_vec();
        } else {
            (histogram.negative_spans, histogram.negative_buckets) = spans_of(&negative);
            count += negative.values().sum::<i64>();
        }
        histogram.count = count.unsigned_abs() + histogram.zero_count;
        if event == 3 {
            histogram = Histogram { sum: f64::from_bits(STALE_NAN_BITS), ..Histogram::default() };
        }
        histogram.reset_hint = match kind {
            Kind::Gauge => ResetHint::Gauge,
            _ if reset => ResetHint::Reset,
            _ => ResetHint::Unknown,
        };
        samples.push((ts, histogram));
    }
    samples
}

fn spans_of(buckets: &BTreeMap<i64, i64>) -> (Vec<Span>, Vec<i64>) {
    let (mut spans, mut deltas) = (Vec::<Span>::new(), Vec::new());
    let (mut next, mut previous) = (0, 0);
    for (&index, &count) in buckets {
        match spans.last_mut() {
            Some(span) if index == next => span.length += 1,
            _ => spans.push(Span { offset: i32::try_from(index - next).unwrap(), length: 1 }),
        }
        next = index + 1;
        deltas.push(count - previous);
        previous = count;
    }
    (spans, deltas)
}
