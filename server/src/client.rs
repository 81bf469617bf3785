//! Calls of a running server's API, for commands that ask it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, de::DeserializeOwned};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::cli::ServerAddress;

/// Where a password may be when it is in no file.
const PASSWORD_VARIABLE: &str = "KYMO_PASSWORD";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("read {path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} holds no certificate")]
    NoCertificate { path: PathBuf },
    #[error("the password of {user} is neither in --password-file nor in {PASSWORD_VARIABLE}")]
    NoPassword { user: String },
    #[error("ask {url}: {source}")]
    Request { url: String, source: Box<ureq::Error> },
    #[error("{url} answers {status}: {text}")]
    Status { url: String, status: u16, text: String },
    #[error("{url} does not answer like Kymo: {source}")]
    Answer { url: String, source: Box<dyn std::error::Error + Send + Sync> },
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

/// Calls `/api/v1/` and `path` of the server.
pub(crate) fn call<T: DeserializeOwned + Default>(
    server: &ServerAddress,
    path: &str,
    form: Form,
) -> Result<Envelope<T>, CallError> {
    let url = api_url(server, path);
    let response = Caller::new(server)?.post(&url).send_form(form);
    envelope(url, response)
}

/// As [`call`], for what is only answered when it is asked in the address.
pub(crate) fn get<T: DeserializeOwned + Default>(
    server: &ServerAddress,
    path: &str,
    form: Form,
) -> Result<Envelope<T>, CallError> {
    let url = api_url(server, path);
    let response = Caller::new(server)?.get(&url).query_pairs(form).call();
    envelope(url, response)
}

/// The address of `path` of the server's API.
pub(crate) fn api_url(server: &ServerAddress, path: &str) -> String {
    format!("{}/api/v1/{path}", server.url.trim_end_matches('/'))
}

fn envelope<T: DeserializeOwned + Default>(
    url: String,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Envelope<T>, CallError> {
    let mut response =
        response.map_err(|source| CallError::Request { url: url.clone(), source: Box::new(source) })?;
    let status = response.status().as_u16();
    let body = response
        .body_mut()
        .with_config()
        .limit(u64::MAX)
        .read_to_string()
        .map_err(|source| CallError::Answer { url: url.clone(), source: Box::new(source) })?;
    if matches!(status, 401 | 403) {
        return Err(CallError::Status { url, status, text: body.trim().to_owned() });
    }
    let envelope: Envelope<T> =
        serde_json::from_str(&body).map_err(|source| CallError::Answer { url, source: Box::new(source) })?;
    if envelope.error.is_empty() { Ok(envelope) } else { Err(CallError::Refused { message: envelope.error }) }
}

/// Who calls, with what is needed to get in.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    agent: ureq::Agent,
    authorization: Option<String>,
}

impl Caller {
    pub(crate) fn new(server: &ServerAddress) -> Result<Self, CallError> {
        Ok(Self { agent: agent(server)?, authorization: authorization(server)? })
    }

    pub(crate) fn post(&self, url: &str) -> ureq::RequestBuilder<ureq::typestate::WithBody> {
        self.authorize(self.agent.post(url))
    }

    fn get(&self, url: &str) -> ureq::RequestBuilder<ureq::typestate::WithoutBody> {
        self.authorize(self.agent.get(url))
    }

    fn authorize<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        }
    }
}

fn agent(server: &ServerAddress) -> Result<ureq::Agent, CallError> {
    let mut config = ureq::Agent::config_builder().http_status_as_error(false);
    if let Some(path) = &server.ca_file {
        let text = read(path)?;
        let certificates: Vec<Certificate<'static>> = parse_pem(text.as_bytes())
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            return Err(CallError::NoCertificate { path: path.clone() });
        }
        let roots = RootCerts::Specific(Arc::new(certificates));
        config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
    }
    Ok(config.build().into())
}

/// The header that says who asks.
fn authorization(server: &ServerAddress) -> Result<Option<String>, CallError> {
    if let Some(path) = &server.token_file {
        return Ok(Some(format!("Bearer {}", read(path)?.trim())));
    }
    let Some(user) = &server.user else { return Ok(None) };
    let password = match &server.password_file {
        Some(path) => read(path)?.trim_end_matches(['\r', '\n']).to_owned(),
        None => std::env::var(PASSWORD_VARIABLE).map_err(|_| CallError::NoPassword { user: user.clone() })?,
    };
    Ok(Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))))
}

#[expect(clippy::disallowed_methods, reason = "an operator's file, no data")]
fn read(path: &Path) -> Result<String, CallError> {
    std::fs::read_to_string(path).map_err(|source| CallError::File { path: path.to_owned(), source })
}
