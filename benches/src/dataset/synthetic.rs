//! Pages of services that do not exist: counters with resets, gauges and classic histograms, in any number.
//!
//! The recording has few large families; queries over ten thousand counters of one name need these.

use std::fmt::Write as _;

use super::{
    hash,
    recording::{Exporter, Recording},
};

const CODES: [&str; 5] = ["200", "301", "404", "500", "503"];
const BOUNDS: [&str; 10] = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf"];
const QUEUES: usize = 10;
/// A service restarts, and its counters begin at zero, about once in so many pages.
const PAGES_PER_RESTART: u64 = 400;

/// How large the services are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Services {
    /// Number of services, each a `job` of its own.
    pub(crate) jobs: usize,
    /// Handlers of each, with five counters.
    pub(crate) handlers: usize,
    /// Pages of each.
    pub(crate) pages: usize,
    /// Distinguishes pages that are alike otherwise.
    pub(crate) seed: u64,
}

impl Services {
    /// The pages of all services.
    pub(crate) fn recording(&self) -> Recording {
        Recording { exporters: (0..self.jobs).map(|job| self.exporter(job)).collect() }
    }

    fn exporter(&self, job: usize) -> Exporter {
        let mut exporter = Exporter::new(&format!("job-{job}"));
        let mut state = State::new(self.handlers);
        for page in 0..self.pages {
            let draw = |what: u64, of: usize| hash(self.seed, &[job as u64, page as u64, what, of as u64]);
            if draw(0, 0) % PAGES_PER_RESTART == 0 {
                state = State::new(self.handlers);
            }
            state.advance(draw);
            exporter.add_page(state.page().as_bytes());
        }
        exporter.finish();
        exporter
    }
}

/// The numbers that a service shows.
struct State {
    requests: Vec<u64>,
    buckets: [u64; BOUNDS.len()],
    latency_milliseconds: u64,
    queues: [u64; QUEUES],
}

impl State {
    fn new(handlers: usize) -> Self {
        Self {
            requests: vec![0; handlers * CODES.len()],
            buckets: [0; BOUNDS.len()],
            latency_milliseconds: 0,
            queues: [50; QUEUES],
        }
    }

    fn advance(&mut self, draw: impl Fn(u64, usize) -> u64) {
        for (i, requests) in self.requests.iter_mut().enumerate() {
            // Few of the handlers are busy, and most requests succeed.
            let busy = 1 + 400 / (1 + (i / CODES.len()) as u64) / (1 + 10 * (i % CODES.len()) as u64);
            *requests += draw(1, i) % (2 * busy);
        }
        let mut cumulative = 0;
        for (i, bucket) in self.buckets.iter_mut().enumerate() {
            cumulative += draw(2, i) % 20;
            *bucket += cumulative;
        }
        self.latency_milliseconds += cumulative * 80;
        for (i, queue) in self.queues.iter_mut().enumerate() {
            *queue = (*queue + draw(3, i) % 9).saturating_sub(4);
        }
    }

    fn page(&self) -> String {
        let mut page = String::from("# TYPE requests_total counter\n");
        let mut line = |text: std::fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            let _: std::fmt::Result = writeln!(page, "{text}");
        };
        for (i, requests) in self.requests.iter().enumerate() {
            let (handler, code) = (i / CODES.len(), CODES[i % CODES.len()]);
            line(format_args!("requests_total{{handler=\"/api/{handler}\",code=\"{code}\"}} {requests}"));
        }
        line(format_args!("# TYPE latency_seconds histogram"));
        for (bound, bucket) in BOUNDS.iter().zip(self.buckets) {
            line(format_args!("latency_seconds_bucket{{le=\"{bound}\"}} {bucket}"));
        }
        line(format_args!("latency_seconds_sum {}", self.latency_milliseconds as f64 / 1e3));
        line(format_args!("latency_seconds_count {}", self.buckets[BOUNDS.len() - 1]));
        line(format_args!("# TYPE queue_length gauge"));
        for (i, queue) in self.queues.iter().enumerate() {
            line(format_args!("queue_length{{queue=\"q{i}\"}} {queue}"));
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICES: Services = Services { jobs: 2, handlers: 3, pages: 900, seed: 1 };

    #[test]
    fn each_service_shows_its_series_on_every_page() {
        let recording = SERVICES.recording();
        assert_eq!(recording.exporters.len(), 2);
        for exporter in &recording.exporters {
            assert_eq!(exporter.series.len(), 3 * CODES.len() + BOUNDS.len() + 2 + QUEUES);
            let complete = |values: &[Option<f64>]| values.len() == 900 && values.iter().all(Option::is_some);
            assert!(exporter.series.iter().all(|series| complete(&series.values)));
        }
    }

    #[test]
    fn counters_grow_and_are_reset() {
        let recording = SERVICES.recording();
        let counter = &recording.exporters[0].series[0];
        assert!(counter.cumulative);
        let values: Vec<f64> = counter.values.iter().copied().flatten().collect();
        let falls = values.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!((1..10).contains(&falls), "{falls} resets");
    }
}
