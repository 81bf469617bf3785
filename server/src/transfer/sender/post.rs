//! One request, until it is answered for good.

use std::time::Duration;

use super::{
    batch::{Request, Rows},
    wait::{Backoff, Stop},
};
use crate::client::Caller;

/// Longest time for one try: a receiver may wait for its disk, or for its peers.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Most bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Headers in which receivers say what they stored.
const WRITTEN: [&str; 3] = [
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

/// Who receives.
#[derive(Debug)]
pub(in crate::transfer) struct Target {
    pub(in crate::transfer) url: String,
    pub(in crate::transfer) caller: Caller,
    /// Headers beside those of the protocol.
    pub(in crate::transfer) headers: Vec<(String, String)>,
    pub(in crate::transfer) on_refusal: OnRefusal,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transfer) enum OnRefusal {
    /// The rows that the receiver's headers do not count are refused, and the others stored: Kymo is like this.
    Count,
    /// Nobody knows what is stored.
    Fail,
}

/// Why sending ended.
#[derive(Debug, thiserror::Error)]
pub(in crate::transfer) enum SendError {
    /// The receiver will not take it.
    #[error("{url} answers {status}: {text}")]
    Refused { url: String, status: u16, text: String },
    /// It did not take it for minutes.
    #[error("{url} took nothing for minutes; its last answer: {text}")]
    GaveUp { url: String, text: String },
    /// Another connection has failed.
    #[error("sending to {url} ended")]
    Stopped { url: String },
    #[error("sending ended by a bug")]
    Bug,
}

/// What became of a request.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) stored: u64,
    pub(super) refused: u64,
    pub(super) reasons: Vec<String>,
}

/// One answer.
enum Answer {
    Done(Outcome),
    Again { asked: Option<Duration>, text: String },
    Failed(SendError),
}

/// Sends `request` until the receiver takes or refuses it.
pub(super) fn post(target: &Target, request: &Request, stop: &Stop) -> Result<Outcome, SendError> {
    let mut backoff = Backoff::new();
    loop {
        let (asked, text) = match try_once(target, request) {
            Answer::Done(outcome) => return Ok(outcome),
            Answer::Failed(error) => return Err(error),
            Answer::Again { asked, text } => (asked, text),
        };
        let url = || target.url.clone();
        let Some(wait) = backoff.next(asked) else { return Err(SendError::GaveUp { url: url(), text }) };
        if !stop.wait(wait) {
            return Err(SendError::Stopped { url: url() });
        }
    }
}

fn try_once(target: &Target, request: &Request) -> Answer {
    let mut call = target.caller.post(&target.url).config().timeout_global(Some(TIMEOUT)).build();
    let protocol = [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "0.1.0"),
    ];
    let own = target.headers.iter().map(|(name, value)| (&name[..], &value[..]));
    for (name, value) in protocol.into_iter().chain(own) {
        call = call.header(name, value);
    }
    let mut response = match call.send(&request.body[..]) {
        Ok(response) => response,
        Err(error) => return Answer::Again { asked: None, text: error.to_string() },
    };
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let written = WRITTEN.map(header);
    let asked = header("retry-after").map(Duration::from_secs);
    let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().unwrap_or_default();
    let text = text.trim();
    match status {
        200..=299 => Answer::Done(outcome(request.rows, written, text)),
        400 if target.on_refusal == OnRefusal::Count && written[0].is_some() => {
            Answer::Done(outcome(request.rows, written, text))
        }
        429 | 500.. => Answer::Again { asked, text: format!("{status} {text}") },
        _ => {
            let text = text.to_owned();
            Answer::Failed(SendError::Refused { url: target.url.clone(), status, text })
        }
    }
}

/// What the headers say of `rows`. Who sends none has stored everything. Exemplars are not counted: one that is stored
/// already is none that was refused.
fn outcome(rows: Rows, written: [Option<u64>; 3], text: &str) -> Outcome {
    let sent = [rows.samples, rows.histograms];
    let stored: u64 =
        sent.iter().zip(written).map(|(sent, written)| written.unwrap_or(*sent).min(*sent)).sum();
    let reasons = text.lines().map(str::to_owned).collect();
    Outcome { stored, refused: rows.samples + rows.histograms - stored, reasons }
}
