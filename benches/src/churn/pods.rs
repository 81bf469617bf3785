//! Targets that live for a while: containers in a cluster that is rolled out again and again.

use std::ops::Range;

use kymo_formats::wire::remote_write::{Sample, v1};

use crate::dataset::hash;

/// Series of one pod: names of metrics, each with three codes.
const SERIES_PER_POD: u64 = 60;
const CODES: [&str; 3] = ["ok", "retried", "failed"];
/// Samples of one request.
const SERIES_PER_REQUEST: u64 = 2_000;
/// Pods run on so many machines.
const NODES: u64 = 200;

/// Pods one after the other: at any time as many live as are needed for all to have lived in the end.
#[derive(Debug)]
pub(crate) struct Pods {
    count: u64,
    /// Scrapes of one pod.
    life: usize,
    scrapes: usize,
    interval_ms: i64,
    start_ms: i64,
}

impl Pods {
    /// Pods with `series` series in all, from `start_ms` on.
    pub(crate) fn new(series: u64, duration_ms: i64, life_ms: i64, interval_ms: i64, start_ms: i64) -> Self {
        let scrapes = |ms: i64| usize::try_from(ms / interval_ms).unwrap_or(1).max(1);
        let count = series.div_ceil(SERIES_PER_POD);
        Self { count, life: scrapes(life_ms), scrapes: scrapes(duration_ms), interval_ms, start_ms }
    }

    /// Scrapes of the whole load.
    pub(crate) const fn scrapes(&self) -> usize {
        self.scrapes
    }

    /// The scrape at which a pod begins. The first ones begin before the load and live on into it.
    fn birth(&self, pod: u64) -> i64 {
        let span = (self.scrapes + self.life) as u64;
        (pod * span / self.count).cast_signed() - self.life as i64
    }

    /// The pods that live at a scrape.
    fn alive(&self, scrape: usize) -> Range<u64> {
        let scrape = scrape as i64;
        let born_by = |scrape: i64| partition_point(self.count, |pod| self.birth(pod) <= scrape);
        born_by(scrape - self.life as i64)..born_by(scrape)
    }

    /// The pods of each request of a scrape, of the part `number` of `parts` of all pods.
    pub(crate) fn requests(
        &self,
        scrape: usize,
        (number, parts): (usize, usize),
    ) -> impl Iterator<Item = Range<u64>> + use<> {
        let alive = self.alive(scrape);
        let at = |part: usize| alive.start + (alive.end - alive.start) * part as u64 / parts as u64;
        let (from, to) = (at(number), at(number + 1));
        let step = SERIES_PER_REQUEST / SERIES_PER_POD;
        (0..(to - from).div_ceil(step)).map(move |i| from + i * step..to.min(from + (i + 1) * step))
    }

    /// Appends the series of `pods` with their samples at a scrape; returns how many these are.
    pub(crate) fn write(&self, pods: Range<u64>, scrape: usize, message: &mut Vec<u8>) -> u64 {
        let mut request = v1::WriteRequestEncoder::new(message);
        let mut samples = 0;
        for pod in pods {
            let identity = Identity::of(pod);
            let ts = self.start_ms + scrape as i64 * self.interval_ms + (pod % 7).cast_signed() * 100;
            for series in 0..SERIES_PER_POD {
                let value = value(pod, series, scrape as u64);
                request.series(|encoder| {
                    for (name, text) in identity.labels(series) {
                        encoder.label(name.as_bytes(), text.as_bytes());
                    }
                    encoder.sample(&Sample { ts, start_ts: 0, value });
                });
                samples += 1;
            }
        }
        samples
    }
}

/// What tells a pod from others.
struct Identity {
    instance: String,
    node: String,
    pod: String,
}

impl Identity {
    fn of(pod: u64) -> Self {
        let unique = hash(1, &[pod]);
        Self {
            instance: format!("10.{}.{}.{}:8080", pod >> 16 & 255, pod >> 8 & 255, pod & 255),
            node: format!("node-{:03}", unique % NODES),
            pod: format!("checkout-{:010x}-{:05x}", unique >> 24, unique & 0xf_ffff),
        }
    }

    /// The ten labels of a series, ascending by name.
    fn labels(&self, series: u64) -> [(&'static str, std::borrow::Cow<'_, str>); 10] {
        let metric = series / CODES.len() as u64;
        let code = usize::try_from(series % CODES.len() as u64).map_or("", |code| CODES[code]);
        [
            ("__name__", format!("checkout_operation_{metric}_total").into()),
            ("cluster", "production-eu-west-1".into()),
            ("code", code.into()),
            ("container", "server".into()),
            ("env", "production".into()),
            ("instance", self.instance.as_str().into()),
            ("job", "checkout".into()),
            ("namespace", "shop".into()),
            ("node", self.node.as_str().into()),
            ("pod", self.pod.as_str().into()),
        ]
    }
}

/// A third of the series stay as they are, the others count by a few or by many.
fn value(pod: u64, series: u64, scrape: u64) -> f64 {
    let noise = (hash(2, &[pod, series, scrape]) % 16) as f64;
    match series % 3 {
        0 => (scrape * 40) as f64 + noise,
        1 => (scrape * 3_000) as f64 / 100.0 + noise / 4.0,
        _ => (hash(3, &[pod, series]) % 100) as f64,
    }
}

/// How many of `0..count` come first for which `holds`, as it does for a first part of them and no others.
fn partition_point(count: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut from, mut to) = (0, count);
    while from < to {
        let middle = from + (to - from) / 2;
        if holds(middle) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_pod_lives_its_time_and_each_scrape_has_all_that_live() {
        let pods = Pods::new(60 * 200, 40 * 15_000, 8 * 15_000, 15_000, 1_000_000);
        let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
        for scrape in 0..pods.scrapes() {
            let parts: Vec<u64> =
                (0..3).flat_map(|part| pods.requests(scrape, (part, 3))).flatten().collect();
            assert!(parts.iter().copied().eq(pods.alive(scrape)));
            parts.into_iter().for_each(|pod| *seen.entry(pod).or_default() += 1);
        }
        let whole = seen.values().filter(|scrapes| **scrapes == 8).count();
        assert!(seen.values().all(|scrapes| *scrapes <= 8) && whole > 130, "{whole} {seen:?}");
        let mut message = Vec::new();
        assert_eq!(pods.write(3..5, 7, &mut message), 120);
        let request = v1::WriteRequest::parse(&message).unwrap();
        assert!(request.series().all(|series| series.labels().count() == 10));
        assert_eq!(request.series().count(), 120);
    }
}
