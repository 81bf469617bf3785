//! Calls of a running server's API, for commands that ask it.

use serde::{Deserialize, de::DeserializeOwned};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("ask {url}: {source}")]
    Request { url: String, source: Box<ureq::Error> },
    #[error("{url} does not answer like Kymo: {source}")]
    Answer { url: String, source: Box<dyn std::error::Error> },
    #[error("{message}")]
    Refused { message: String },
}

/// The envelope of an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope<T> {
    #[serde(default)]
    pub(crate) data: T,
    #[serde(default)]
    error: String,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    #[serde(default)]
    pub(crate) infos: Vec<String>,
}

/// Parameters of a call.
pub(crate) type Form = Vec<(&'static str, String)>;

/// Calls `/api/v1/` and `path` of the server at `url`.
pub(crate) fn call<T: DeserializeOwned + Default>(
    url: &str,
    path: &str,
    form: Form,
) -> Result<Envelope<T>, CallError> {
    let url = format!("{}/api/v1/{path}", url.trim_end_matches('/'));
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = agent
        .post(&url)
        .send_form(form)
        .map_err(|source| CallError::Request { url: url.clone(), source: Box::new(source) })?;
    let body = response
        .body_mut()
        .with_config()
        .limit(u64::MAX)
        .read_to_string()
        .map_err(|source| CallError::Answer { url: url.clone(), source: Box::new(source) })?;
    let envelope: Envelope<T> =
        serde_json::from_str(&body).map_err(|source| CallError::Answer { url, source: Box::new(source) })?;
    if envelope.error.is_empty() { Ok(envelope) } else { Err(CallError::Refused { message: envelope.error }) }
}
