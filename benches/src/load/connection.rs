//! One connection: its requests are made in a thread of their own, ahead of time, and sent one by one.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;

use super::{ack_log::AckLog, outcome::Outcome, pace::Pace};
use crate::{
    dataset::{Protocol, Setup, fleet::Fleet, plan::ConnectionPlan},
    error::{Error, Result},
    http::{Client, HEADERS_V1, HEADERS_V2, WriteAnswer},
};

/// Requests that wait to be sent, per connection.
const REQUESTS_AHEAD: usize = 16;
const BACKOFF_MIN: Duration = Duration::from_millis(30);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What a connection works with.
pub(super) struct Connection<'a> {
    pub(super) number: usize,
    pub(super) url: &'a str,
    pub(super) plan: &'a ConnectionPlan,
    pub(super) fleet: &'a Fleet,
    pub(super) setup: &'a Setup,
    pub(super) pace: &'a Pace,
    pub(super) ack_log: Option<&'a AckLog>,
    pub(super) progress: &'a ProgressBar,
    pub(super) retry_for_ms: i64,
}

/// A request that is ready to be sent.
struct Request {
    number: u64,
    scrape: u64,
    samples: u64,
    body: Vec<u8>,
}

impl Connection<'_> {
    /// Sends all requests of the connection.
    pub(super) fn run(&self) -> Outcome {
        let mut outcome = Outcome::default();
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel(REQUESTS_AHEAD);
            scope.spawn(move || self.make_requests(&sender));
            if let Err(error) = self.send_requests(&receiver, &mut outcome) {
                outcome.gave_up.push(format!("connection {} gave up: {error}", self.number));
            }
            // Who makes requests notices by this that nobody takes them.
            drop(receiver);
        });
        self.pace.leave(self.number);
        outcome
    }

    fn make_requests(&self, sender: &SyncSender<Request>) {
        let mut message = Vec::new();
        let mut compressor = snap::raw::Encoder::new();
        let mut number = 0;
        for scrape in 0..self.setup.scrapes {
            for batch in &self.plan.batches {
                let samples = batch.write(self.fleet, scrape, &mut message) as u64;
                // Snappy fails only beyond 4 GiB.
                let body = compressor.compress_vec(&message).unwrap_or_default();
                let request = Request { number, scrape, samples, body };
                if samples > 0 && sender.send(request).is_err() {
                    return;
                }
                number += 1;
            }
        }
    }

    fn send_requests(&self, receiver: &Receiver<Request>, outcome: &mut Outcome) -> Result<()> {
        let client = Client::new(self.url);
        let mut samples_sent = 0;
        for request in receiver {
            self.pace.wait(self.number, request.scrape, samples_sent);
            samples_sent += request.samples;
            if self.send(&client, &request, outcome)? {
                outcome.samples += request.samples;
                outcome.requests += 1;
                outcome.bytes_sent += request.body.len() as u64;
                self.progress.inc(request.samples);
                if let Some(ack_log) = self.ack_log {
                    let ts = self.setup.start_ms + request.scrape.cast_signed() * self.setup.interval_ms;
                    ack_log.add(self.number, request.number, outcome.samples, ts)?;
                }
            }
        }
        Ok(())
    }

    /// Sends a request until it is acknowledged (true) or refused for good (false).
    fn send(&self, client: &Client, request: &Request, outcome: &mut Outcome) -> Result<bool> {
        let headers = match self.setup.protocol {
            Protocol::V1 => &HEADERS_V1,
            Protocol::V2 => &HEADERS_V2,
        };
        let first_try = Instant::now();
        let mut backoff = BACKOFF_MIN;
        loop {
            let sent = Instant::now();
            let answer = client.write(&request.body, headers);
            let status = answer.as_ref().map_or(0, |answer| answer.status);
            match answer {
                Ok(WriteAnswer { status: 200..300, written, .. }) => {
                    outcome.latencies_ms.push(sent.elapsed().as_secs_f64() * 1e3);
                    return Ok(self.is_written(written, request, status, outcome));
                }
                Ok(answer) if answer.status != 429 && answer.status < 500 => {
                    outcome.refuse(answer.status, answer.text);
                    return Ok(false);
                }
                failed if first_try.elapsed() >= self.retry_for() => {
                    let WriteAnswer { status, text, .. } = failed?;
                    return Err(Error::Status { url: self.url.to_owned(), status, body: text });
                }
                _ => {}
            }
            *outcome.retried.entry(status).or_default() += 1;
            thread::sleep(backoff);
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// Whether a request that was answered with success counts as acknowledged. A store that does not know
    /// remote write 2.0 reads such a request as one of 1.0 that holds nothing, and is content; that is why
    /// 2.0 has it say how many samples it has written.
    fn is_written(
        &self,
        written: Option<u64>,
        request: &Request,
        status: u16,
        outcome: &mut Outcome,
    ) -> bool {
        let all = self.setup.protocol == Protocol::V1 || written == Some(request.samples);
        if !all {
            let written = written.map_or("an unknown number".to_owned(), |written| written.to_string());
            outcome.refuse(status, format!("{written} of {} samples were written", request.samples));
        }
        all
    }

    fn retry_for(&self) -> Duration {
        Duration::from_millis(self.retry_for_ms.cast_unsigned())
    }
}
