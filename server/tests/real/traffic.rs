//! Remote-write senders that remember what was acknowledged, and the check of what a server has.

use std::collections::BTreeMap;

use kymo_engine::{Rng, STALE_NAN_BITS};
use kymo_formats::wire::{
    remote_read::{MatchType, Matcher, Query, ReadRequest, ReadResponse},
    remote_write::{Sample, v1},
};

use crate::{
    kymo::{Answer, Kymo, agent, api, post},
    process::now,
};

/// Name of the metric that all senders write.
pub(crate) const METRIC: &str = "traffic";

/// Series that a sender has at first; it makes new ones as it goes.
const SERIES_FIRST: u64 = 40;
const ROWS_PER_SERIES_MAX: u64 = 10;
const STEP_MS_MAX: u64 = 30_000;
/// The first samples lie this far back: far enough that a test never reaches the present.
const BACK_MS: i64 = 5 * 24 * 3_600_000;

/// Values that must come back as the bits they are.
const SPECIAL: [u64; 8] = [
    STALE_NAN_BITS,
    0x7ff8_0000_0000_0001,
    0xfff8_dead_beef_0000,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x8000_0000_0000_0000,
    0x0000_0000_0000_0001,
    0x7fef_ffff_ffff_ffff,
];

/// Where a sample belongs: sender, series of the sender, time.
pub(crate) type Place = (u32, u32, i64);

/// Bits of values by place.
pub(crate) type Rows = BTreeMap<Place, u64>;

/// One connection with series of its own.
pub(crate) struct Sender {
    number: u32,
    rng: Rng,
    series_per_request: usize,
    /// Time of the newest sample, by series.
    newest: Vec<i64>,
    /// Times that were left out, to be sent late.
    left_out: Vec<Place>,
    acknowledged: Rows,
    /// The rows of a request without an answer: they may be stored or not, and are sent again.
    open: Rows,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) enum Sent {
    Acknowledged,
    /// Status 503.
    Refused(Answer),
    /// No answer.
    Broken,
}

impl Sender {
    /// Sender `number`, with so many series in each request.
    pub(crate) fn new(number: u32, seed: u64, series_per_request: usize) -> Self {
        Self {
            number,
            rng: Rng::new(seed),
            series_per_request,
            newest: vec![now() - BACK_MS; usize::try_from(SERIES_FIRST).unwrap()],
            left_out: Vec::new(),
            acknowledged: Rows::new(),
            open: Rows::new(),
        }
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Sends requests until the server refuses one or is gone.
    pub(crate) fn send_until_broken(&mut self, url: &str) -> Sent {
        let agent = agent();
        loop {
            match self.send(&agent, url) {
                Sent::Acknowledged => {}
                end => return end,
            }
        }
    }

    /// Sends one request: the open one again, if there is one.
    pub(crate) fn send(&mut self, agent: &ureq::Agent, url: &str) -> Sent {
        if self.open.is_empty() {
            self.open = self.next_rows();
        }
        let body = snap::raw::Encoder::new().compress_vec(&message(&self.open)).unwrap();
        let headers = [("content-type", "application/x-protobuf"), ("content-encoding", "snappy")];
        match post(agent, &format!("{url}/api/v1/write"), &headers, &body) {
            Ok(answer) if answer.status == 204 => {
                self.acknowledged.append(&mut self.open);
                Sent::Acknowledged
            }
            Ok(answer) if answer.status == 503 => Sent::Refused(answer),
            Ok(answer) => panic!("status {}: {}", answer.status, answer.text()),
            Err(_) => Sent::Broken,
        }
    }

    fn next_rows(&mut self) -> Rows {
        let mut rows = Rows::new();
        if self.rng.below(4) == 0 {
            self.newest.push(now() - BACK_MS);
        }
        for _ in 0..self.series_per_request {
            let series = usize::try_from(self.rng.below(self.newest.len() as u64)).unwrap();
            for _ in 0..=self.rng.below(ROWS_PER_SERIES_MAX) {
                self.newest[series] += 1 + i64::try_from(self.rng.below(STEP_MS_MAX)).unwrap();
                let place = (self.number, u32::try_from(series).unwrap(), self.newest[series]);
                if self.rng.below(16) == 0 {
                    self.left_out.push(place);
                } else {
                    rows.insert(place, self.value());
                }
            }
        }
        if self.rng.below(4) == 0 {
            for place in std::mem::take(&mut self.left_out) {
                rows.insert(place, self.value());
            }
        }
        rows
    }

    fn value(&mut self) -> u64 {
        match self.rng.below(16) {
            0 => SPECIAL[usize::try_from(self.rng.below(SPECIAL.len() as u64)).unwrap()],
            1..8 => self.rng.next_u64(),
            _ => (self.rng.below(1_000_000) as f64).to_bits(),
        }
    }
}

/// Checks that the server has every acknowledged row of `senders`, bit by bit, and none that was never sent.
pub(crate) fn verify(kymo: &Kymo, senders: &[Sender], context: &str) {
    let found = read(kymo);
    let acknowledged = || senders.iter().flat_map(|sender| &sender.acknowledged);
    let lost: Vec<_> = acknowledged().filter(|(place, bits)| found.get(place) != Some(bits)).collect();
    assert!(
        lost.is_empty(),
        "{context}: {} of {} acknowledged rows are lost or changed: {:?} found as {:x?}",
        lost.len(),
        acknowledged().count(),
        &lost[..lost.len().min(5)],
        lost.iter().take(5).map(|(place, _)| found.get(place)).collect::<Vec<_>>(),
    );
    let was_sent = |place: &Place, bits: &u64| {
        let sender = &senders[usize::try_from(place.0).unwrap()];
        [&sender.acknowledged, &sender.open].iter().any(|rows| rows.get(place) == Some(bits))
    };
    let invented: Vec<_> = found.iter().filter(|(place, bits)| !was_sent(place, bits)).take(5).collect();
    assert!(invented.is_empty(), "{context}: rows that were never sent: {invented:x?}");
    // PromQL must agree with the raw rows; it does not count stale markers.
    let live = found.values().filter(|bits| **bits != STALE_NAN_BITS).count();
    let expr = format!("sum(count_over_time({METRIC}[10d]))");
    let counted = api(&kymo.url, "/api/v1/query", &[("query", &expr)]);
    let counted = counted["result"][0]["value"][1].as_str().map_or(0, |count| count.parse().unwrap());
    assert_eq!(counted, live, "{context}: {expr}");
}

/// All rows of the metric, by remote read: the one way that does not print numbers.
fn read(kymo: &Kymo) -> Rows {
    let matcher = Matcher { match_type: MatchType::Equal, name: b"__name__", value: METRIC.as_bytes() };
    let query = Query { start_ms: 0, end_ms: now(), matchers: vec![matcher], hints: None };
    let request = ReadRequest { queries: vec![query], accepted_response_types: Vec::new() };
    let mut message = Vec::new();
    request.encode(&mut message);
    let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
    let answer = kymo.post("/api/v1/read", &[("content-encoding", "snappy")], &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let message = snap::raw::Decoder::new().decompress_vec(&answer.body).unwrap();
    let response = ReadResponse::parse(&message).unwrap();
    let mut rows = Rows::new();
    for series in &response.results[0] {
        let number = |name: &str| -> u32 {
            let (_, value) = series.labels().find(|(key, _)| *key == name.as_bytes()).unwrap();
            std::str::from_utf8(value).unwrap().parse().unwrap()
        };
        let (sender, series_number) = (number("sender"), number("series"));
        for sample in series.samples() {
            let twice = rows.insert((sender, series_number, sample.ts), sample.value.to_bits());
            assert_eq!(twice, None, "a sample is there twice");
        }
    }
    rows
}

fn message(rows: &Rows) -> Vec<u8> {
    let mut message = Vec::new();
    let mut encoder = v1::WriteRequestEncoder::new(&mut message);
    let rows: Vec<_> = rows.iter().collect();
    for run in rows.chunk_by(|(a, _), (b, _)| (a.0, a.1) == (b.0, b.1)) {
        let (sender, series, _) = run[0].0;
        encoder.series(|encoder| {
            encoder.label(b"__name__", METRIC.as_bytes());
            encoder.label(b"sender", sender.to_string().as_bytes());
            encoder.label(b"series", series.to_string().as_bytes());
            for (place, bits) in run {
                encoder.sample(&Sample { ts: place.2, value: f64::from_bits(**bits), start_ts: 0 });
            }
        });
    }
    message
}
