//! Series that no exporter is likely to show: resets, gaps, stale markers, NaN and infinities, broken histograms.

use std::collections::BTreeMap;

use kymo_engine::{Rng, STALE_NAN_BITS};
use kymo_formats::histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, HistogramValue, ResetHint, Span};

use super::data::{BASE_MS, Cell, Series};

const INSTANCES: [&str; 3] = ["a:9100", "b:9100", "c:9100"];
const SCRAPES: i64 = 100;
const SCRAPE_MS: i64 = 15_000;

/// Where samples lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edges {
    /// Never on the edge of a window.
    Avoided,
    /// Some series have all their samples on whole seconds, where windows end.
    Met,
}

/// Makes series from a seed.
struct Maker {
    rng: Rng,
    edges: Edges,
    series: Vec<Series>,
}

/// Float series that every Prometheus can take.
pub(crate) fn floats(seed: u64, edges: Edges) -> Vec<Series> {
    let mut maker = Maker { rng: Rng::new(seed), edges, series: Vec::new() };
    for instance in INSTANCES {
        for shard in ["0", "1", "2"] {
            let labels = [("job", "made"), ("instance", instance), ("shard", shard)];
            maker.series("made_requests_total", &labels, 15, Maker::counter);
            maker.series("made_temperature_celsius", &labels, 15, Maker::gauge);
            maker.series("made_sparse", &labels, 90, Maker::gauge);
        }
        let labels = [("job", "made"), ("instance", instance)];
        maker.series("made_odd", &labels, 15, Maker::odd);
        maker.series("made_small", &labels, 15, Maker::small_integer);
        maker.series("made_build_info", &[labels[0], labels[1], ("version", &instance[..1])], 15, |_, _| 1.0);
        maker.series("target_info", &[labels[0], labels[1], ("region", &instance[..1])], 15, |_, _| 1.0);
        for broken in ["", "yes"] {
            maker.classic_histogram(instance, broken);
        }
    }
    maker.series
}

/// Native histograms, which remote write carries since 2.40 and whose rules changed until 3.14.
pub(crate) fn histograms(seed: u64) -> Vec<Series> {
    let mut maker = Maker { rng: Rng::new(seed ^ 1), edges: Edges::Met, series: Vec::new() };
    for instance in INSTANCES {
        let labels = [("job", "made"), ("instance", instance)];
        let schema = i32::try_from(maker.rng.below(5)).unwrap() - 1;
        maker.histogram("made_latency_seconds", &labels, |rng, age| exponential(rng, age, schema));
        maker.histogram("made_size_bytes", &labels, custom);
        maker.histogram("made_depth", &labels, |rng, age| {
            let histogram = exponential(rng, age / 20, 2);
            FloatHistogram { reset_hint: ResetHint::Gauge, ..histogram }
        });
        maker.mixed(&labels);
    }
    maker.series
}

impl Maker {
    /// Times of samples `step_s` apart, with gaps.
    fn times(&mut self, step_s: i64) -> Vec<i64> {
        let on_edge = self.edges == Edges::Met && self.rng.below(3) == 0;
        let phase = if on_edge { 0 } else { 1 + self.below(14) * 1000 + self.below(124) };
        let step = step_s * 1000;
        let mut gap = 0;
        let mut times = Vec::new();
        for i in 0..SCRAPES * SCRAPE_MS / step {
            if gap > 0 {
                gap -= 1;
            } else if self.rng.below(30) == 0 {
                gap = self.below(if step_s > 60 { 2 } else { 30 });
            } else {
                times.push(BASE_MS + phase + i * step);
            }
        }
        times
    }

    fn below(&mut self, bound: i64) -> i64 {
        i64::try_from(self.rng.below(bound.cast_unsigned())).unwrap()
    }

    fn series(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        step_s: i64,
        mut next: impl FnMut(&mut Self, f64) -> f64,
    ) {
        let mut value = 0.0;
        let mut samples = Vec::new();
        for ts in self.times(step_s) {
            value = next(self, value);
            let shown = if self.rng.below(60) == 0 { f64::from_bits(STALE_NAN_BITS) } else { value };
            samples.push((ts, Cell::Float(shown)));
        }
        self.series.push(Series::new(name, labels, samples));
    }

    fn counter(&mut self, value: f64) -> f64 {
        if self.rng.below(25) == 0 {
            self.rng.below(5) as f64
        } else {
            value + self.rng.below(1000) as f64 / 8.0
        }
    }

    fn gauge(&mut self, _value: f64) -> f64 {
        (self.rng.below(4000) as f64 - 2000.0) / 64.0
    }

    fn small_integer(&mut self, value: f64) -> f64 {
        if self.rng.below(3) == 0 { self.rng.below(4) as f64 } else { value }
    }

    fn odd(&mut self, _value: f64) -> f64 {
        const ODD: [f64; 10] =
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, 1e-300, 1e300, 2.5, -7.0];
        ODD[usize::try_from(self.rng.below(10)).unwrap()]
    }

    /// `broken` ones lack buckets, count down, or have a bound that is no number.
    fn classic_histogram(&mut self, instance: &str, broken: &str) {
        let bounds: &[&str] = if broken.is_empty() {
            &["0.1", "0.5", "1", "2.5", "10", "+Inf"]
        } else {
            &["-1", "0.5", "x", "1", "7"]
        };
        let times = self.times(15);
        let mut counts = vec![0.0; bounds.len()];
        let mut samples = vec![Vec::new(); bounds.len()];
        let (mut sums, mut totals) = (Vec::new(), Vec::new());
        for ts in times {
            if self.rng.below(30) == 0 {
                counts.fill(0.0);
            }
            let mut cumulative = 0.0;
            for i in 0..bounds.len() {
                counts[i] += self.rng.below(20) as f64;
                cumulative += counts[i];
                let dent = if broken.is_empty() { 0.0 } else { self.rng.below(30) as f64 };
                samples[i].push((ts, Cell::Float(cumulative - dent)));
            }
            sums.push((ts, Cell::Float(cumulative * 0.75)));
            totals.push((ts, Cell::Float(cumulative)));
        }
        let mut labels = vec![("job", "made"), ("instance", instance)];
        if !broken.is_empty() {
            labels.push(("broken", broken));
        }
        for (bound, samples) in bounds.iter().zip(samples) {
            let labels: Vec<_> = labels.iter().copied().chain([("le", *bound)]).collect();
            self.series.push(Series::new("made_duration_seconds_bucket", &labels, samples));
        }
        self.series.push(Series::new("made_duration_seconds_sum", &labels, sums));
        self.series.push(Series::new("made_duration_seconds_count", &labels, totals));
    }

    fn histogram(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        mut value: impl FnMut(&mut Rng, u64) -> FloatHistogram,
    ) {
        let mut age = 0;
        let mut samples = Vec::new();
        for ts in self.times(15) {
            age = if self.rng.below(25) == 0 { 1 } else { age + 1 + self.rng.below(9) };
            let cell = if self.rng.below(60) == 0 {
                Cell::Float(f64::from_bits(STALE_NAN_BITS))
            } else {
                Cell::Histogram(HistogramValue::Float(value(&mut self.rng, age)))
            };
            samples.push((ts, cell));
        }
        self.series.push(Series::new(name, labels, samples));
    }

    /// Floats and histograms of both kinds by turns.
    fn mixed(&mut self, labels: &[(&str, &str)]) {
        let mut samples = Vec::new();
        let mut turn = 0;
        for (age, ts) in (1..).zip(self.times(15)) {
            if self.rng.below(12) == 0 {
                turn = self.rng.below(3);
            }
            samples.push((
                ts,
                match turn {
                    0 => Cell::Float(age as f64),
                    1 => Cell::Histogram(HistogramValue::Float(exponential(&mut self.rng, age, 1))),
                    _ => Cell::Histogram(HistogramValue::Float(custom(&mut self.rng, age))),
                },
            ));
        }
        self.series.push(Series::new("made_mixed", labels, samples));
    }
}

/// A counter's histogram: `age` drives its counts.
fn exponential(rng: &mut Rng, age: u64, schema: i32) -> FloatHistogram {
    let buckets =
        |rng: &mut Rng| -> Vec<f64> { (0..5).map(|i| (age * (i % 3 + 1) + rng.below(2)) as f64).collect() };
    let spans = |offset| vec![Span { offset, length: 3 }, Span { offset: 2, length: 2 }];
    let (positive_buckets, negative_buckets) =
        (buckets(rng), if schema > 1 { buckets(rng) } else { Vec::new() });
    let zero_count = age as f64;
    let count = zero_count + positive_buckets.iter().chain(&negative_buckets).sum::<f64>();
    FloatHistogram {
        schema,
        zero_threshold: 1.0 / 64.0,
        zero_count,
        count,
        sum: count * 0.5,
        positive_spans: spans(-1),
        negative_spans: if negative_buckets.is_empty() { Vec::new() } else { spans(0) },
        positive_buckets,
        negative_buckets,
        ..FloatHistogram::default()
    }
}

fn custom(rng: &mut Rng, age: u64) -> FloatHistogram {
    let positive_buckets: Vec<f64> = (1..=4).map(|i| (age * i + rng.below(2)) as f64).collect();
    let count = positive_buckets.iter().sum();
    FloatHistogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        count,
        sum: count * 3.0,
        positive_spans: vec![Span { offset: 0, length: 4 }],
        positive_buckets,
        custom_values: vec![1.0, 5.0, 25.0],
        ..FloatHistogram::default()
    }
}

/// Values of each label of each metric.
pub(crate) fn vocabulary(series: &[Series]) -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let mut metrics = BTreeMap::<String, BTreeMap<String, Vec<String>>>::new();
    for series in series {
        let metric = metrics.entry(series.name().to_owned()).or_default();
        for (name, value) in series.labels.iter().filter(|(name, _)| *name != "__name__") {
            let values = metric.entry(name.clone()).or_default();
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
    }
    metrics
}
