//! Requests to the store under test.

use std::time::Duration;

use serde_json::Value;

use crate::error::{Error, Result};

/// Answers beyond this are taken for a mistake of the query.
const ANSWER_BYTES_MAX: u64 = 4 << 30;
/// A compaction of a day of ten million series is answered when it is done.
const TIMEOUT: Duration = Duration::from_secs(3600);
/// How much of a refusal is shown.
const REFUSAL_CHARS_MAX: usize = 300;

/// How many samples of a request a store says it has written; remote write 2.0 demands this of it.
const SAMPLES_WRITTEN: &str = "X-Prometheus-Remote-Write-Samples-Written";

/// Headers of a request of remote write 1.0.
pub(crate) const HEADERS_V1: [(&str, &str); 4] = [
    ("Content-Encoding", "snappy"),
    ("Content-Type", "application/x-protobuf"),
    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
    ("User-Agent", "kymo-bench"),
];
/// Headers of a request of remote write 2.0.
pub(crate) const HEADERS_V2: [(&str, &str); 4] = [
    ("Content-Encoding", "snappy"),
    ("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
    ("X-Prometheus-Remote-Write-Version", "2.0.0"),
    ("User-Agent", "kymo-bench"),
];

/// The answer to a write request.
#[derive(Debug)]
pub(crate) struct WriteAnswer {
    /// The status code.
    pub(crate) status: u16,
    /// How many samples the store says it has written.
    pub(crate) written: Option<u64>,
    /// The start of the text, which says why a request was refused.
    pub(crate) text: String,
}

/// One kept-alive connection to a store.
#[derive(Debug)]
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
}

impl Client {
    /// A client of the store at `url`. A path that ends in the write endpoint is cut off.
    pub(crate) fn new(url: &str) -> Self {
        let base = url.trim_end_matches('/').trim_end_matches("/api/v1/write").to_owned();
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Self { agent: config.into(), base }
    }

    /// Sends a write request.
    pub(crate) fn write(&self, body: &[u8], headers: &[(&str, &str)]) -> Result<WriteAnswer> {
        let url = format!("{}/api/v1/write", self.base);
        let mut request = self.agent.post(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.send(body).map_err(transport(&url))?;
        let written = response.headers().get(SAMPLES_WRITTEN);
        let written =
            written.and_then(|written| written.to_str().ok()).and_then(|written| written.parse().ok());
        let status = response.status().as_u16();
        // The answer is read in any case: a connection with unread bytes is not used again.
        let text = response.body_mut().read_to_string().unwrap_or_default();
        Ok(WriteAnswer { status, written, text: text.chars().take(REFUSAL_CHARS_MAX).collect() })
    }

    /// Gets `path` and gives the status and the answer.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, String)> {
        let url = format!("{}{path}", self.base);
        let response = self.agent.get(&url).call().map_err(transport(&url))?;
        answer(&url, response)
    }

    /// Posts nothing to `path` and gives the status and the answer.
    pub(crate) fn post(&self, path: &str) -> Result<(u16, String)> {
        let url = format!("{}{path}", self.base);
        let response = self.agent.post(&url).send_empty().map_err(transport(&url))?;
        answer(&url, response)
    }

    /// Asks the query API at `path`, and gives the answer as it is.
    pub(crate) fn ask(&self, path: &str, form: &[(&str, &str)]) -> Result<String> {
        let url = format!("{}{path}", self.base);
        let response = self.agent.post(&url).send_form(form.iter().copied()).map_err(transport(&url))?;
        let (status, body) = answer(&url, response)?;
        if status != 200 {
            return Err(Error::Status { url, status, body: body.chars().take(REFUSAL_CHARS_MAX).collect() });
        }
        Ok(body)
    }

    /// Asks the query API at `path`, and gives `data.result`.
    pub(crate) fn query(&self, path: &str, form: &[(&str, &str)]) -> Result<Vec<Value>> {
        let body = self.ask(path, form)?;
        let url = format!("{}{path}", self.base);
        let answer: Option<Value> = serde_json::from_str(&body).ok();
        match answer.map(|mut answer| answer["data"]["result"].take()) {
            Some(Value::Array(result)) => Ok(result),
            _ => Err(Error::Answer { url, expected: "a query result" }),
        }
    }
}

fn answer(url: &str, mut response: ureq::http::Response<ureq::Body>) -> Result<(u16, String)> {
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    Ok((status, body.map_err(transport(url))?))
}

fn transport(url: &str) -> impl FnOnce(ureq::Error) -> Error {
    let url = url.to_owned();
    |source| Error::Transport { url, source: Box::new(source) }
}
