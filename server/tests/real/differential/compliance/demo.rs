//! Series with the names, labels and habits of those of the demo service, 5 s apart, from 3 instances.

use kymo_engine::Rng;

use super::super::data::{BASE_MS, Cell, Series};

const INSTANCES: [&str; 3] =
    ["demo.promlabs.com:10000", "demo.promlabs.com:10001", "demo.promlabs.com:10002"];
const STEP_MS: i64 = 5_000;
/// 100 minutes: what ranges of an hour and offsets of ten minutes reach to, and a little more.
pub(super) const SCRAPES: i64 = 1_200;
/// Buckets of a histogram.
const BUCKETS: usize = 10;
const GIB: f64 = (1 << 30) as f64;

/// One instance's series so far.
struct Instance {
    rng: Rng,
    name: &'static str,
    /// Off the whole seconds at which windows end.
    phase_ms: i64,
    series: Vec<Series>,
}

pub(super) fn series(seed: u64) -> Vec<Series> {
    let mut found = Vec::new();
    for (i, name) in INSTANCES.into_iter().enumerate() {
        let phase_ms = 137 + 1300 * i64::try_from(i).unwrap();
        let mut instance = Instance { rng: Rng::new(seed ^ i as u64), name, phase_ms, series: Vec::new() };
        instance.gauges();
        instance.counters();
        instance.batch();
        instance.histogram();
        found.append(&mut instance.series);
    }
    found
}

impl Instance {
    /// Adds a series with the values that `next` makes, `None` where it has none.
    fn add(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        mut next: impl FnMut(&mut Rng, i64) -> Option<f64>,
    ) {
        let labels: Vec<_> =
            labels.iter().copied().chain([("job", "demo"), ("instance", self.name)]).collect();
        let ts = |i| BASE_MS + self.phase_ms + i * STEP_MS;
        let samples: Vec<_> =
            (0..SCRAPES).filter_map(|i| Some((ts(i), Cell::Float(next(&mut self.rng, i)?)))).collect();
        self.series.push(Series::new(name, &labels, samples));
    }

    fn gauges(&mut self) {
        for (kind, size) in [("used", 3.0), ("cached", 1.5), ("buffers", 0.5), ("free", 3.0)] {
            self.add("demo_memory_usage_bytes", &[("type", kind)], |rng, i| {
                Some((size * GIB + swing(i, 600.0) * GIB / 4.0 + noise(rng) * 1e6).round())
            });
        }
        self.add("demo_num_cpus", &[], |_, _| Some(4.0));
        self.add("demo_disk_total_bytes", &[], |_, _| Some(GIB * 256.0));
        self.add("demo_disk_usage_bytes", &[], |rng, i| {
            Some(GIB * 100.0 + i as f64 * 9e5 + noise(rng) * 1e5)
        });
        self.add("demo_is_holiday", &[], |_, i| Some(f64::from(i > 700)));
        self.add("demo_api_http_requests_in_progress", &[], |rng, _| Some((noise(rng) * 9.0).floor()));
        // There for a minute in three, in the middle of which it is called stale.
        self.add("demo_intermittent_metric", &[], |rng, i| match i % 36 {
            0..12 => Some(noise(rng)),
            12 => Some(f64::from_bits(kymo_engine::STALE_NAN_BITS)),
            _ => None,
        });
    }

    fn counters(&mut self) {
        for (mode, share) in [("idle", 3.1), ("system", 0.2), ("user", 0.7)] {
            let mut total = 0.0;
            self.add("demo_cpu_usage_seconds_total", &[("mode", mode)], |rng, i| {
                // A restart.
                total = if i == 900 { 0.0 } else { total + share * 5.0 + noise(rng) };
                Some(total)
            });
        }
        let mut items = 0.0;
        self.add("demo_items_shipped_total", &[], |rng, _| {
            items += (noise(rng) * 20.0).floor();
            Some(items)
        });
    }

    fn batch(&mut self) {
        let run = |i: i64| (BASE_MS / 1000 + i / 30 * 150) as f64;
        self.add("demo_batch_last_run_timestamp_seconds", &[], |_, i| Some(run(i) + 0.25));
        // Every fourth run fails.
        self.add("demo_batch_last_success_timestamp_seconds", &[], |_, i| {
            Some(run(if i / 30 % 4 == 3 { i - 30 } else { i }) + 0.25)
        });
        self.add("demo_batch_last_run_duration_seconds", &[], |_, i| Some(90.0 + (i / 30 % 7) as f64));
        self.add("demo_batch_last_run_processed_bytes", &[], |_, i| Some(1e5 + (i / 30 * 1234) as f64));
    }

    fn histogram(&mut self) {
        const BOUNDS: [&str; BUCKETS] =
            ["0.0001", "0.0005", "0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "+Inf"];
        let name = "demo_api_request_duration_seconds";
        for (method, path, status) in
            [("GET", "/api/bar", "200"), ("GET", "/api/foo", "200"), ("POST", "/api/bar", "500")]
        {
            let labels = [("method", method), ("path", path), ("status", status)];
            let seed = self.rng.next_u64();
            for (bucket, bound) in BOUNDS.iter().enumerate() {
                let with_bound = [labels[0], labels[1], labels[2], ("le", *bound)];
                self.add(&format!("{name}_bucket"), &with_bound, counts(seed, bucket, 1.0));
            }
            let last = BOUNDS.len() - 1;
            self.add(&format!("{name}_count"), &labels, counts(seed, last, 1.0));
            self.add(&format!("{name}_sum"), &labels, counts(seed, last, 0.03125));
        }
    }
}

/// A histogram's count up to a bucket: with the same seed all buckets see the same observations.
fn counts(seed: u64, bucket: usize, factor: f64) -> impl FnMut(&mut Rng, i64) -> Option<f64> {
    let (mut rng, mut count) = (Rng::new(seed), 0.0);
    move |_, _| {
        for i in 0..BUCKETS {
            let observed = rng.below(9) as f64;
            count += if i <= bucket { observed } else { 0.0 };
        }
        Some(count * factor)
    }
}

/// Between -1 and 1, once up and down in so many steps.
fn swing(i: i64, period: f64) -> f64 {
    (i as f64 / period * std::f64::consts::TAU).sin()
}

/// Between 0 and 1.
fn noise(rng: &mut Rng) -> f64 {
    rng.below(1 << 20) as f64 / f64::from(1 << 20)
}
