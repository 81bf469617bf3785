//! Remote write 1.0 and 2.0.
//!
//! The head of a request is judged before its body is read. Valid rows of a request are stored, whatever the
//! others are: an answer of 400 means that some were not, and must not be sent again.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use kymo_engine::Engine;
use tracing::debug;

use super::{
    body::{self, BodyError},
    error::PlainError,
    gate::Refused,
    middleware::Ready,
};
use crate::{
    app::App,
    ingest::{self, Report, Stored, TypeAndUnit, Version},
};

const MEDIA_TYPE: &str = "application/x-protobuf";
const MESSAGE_V1: &str = "prometheus.WriteRequest";
const MESSAGE_V2: &str = "io.prometheus.write.v2.Request";

/// `/api/v1/write`
pub(crate) async fn write(State(app): State<Arc<App>>, Ready(engine): Ready, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (written, error) = match receive(&app, engine, &parts.headers, body).await {
        Ok((stored, report)) if report.is_empty() => (stored, None),
        Ok((stored, report)) => {
            debug!(%report, "rows refused");
            (stored, Some(PlainError::bad_request(report.to_string())))
        }
        Err(error) => (Stored::default(), Some(error)),
    };
    let mut response = match error {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(error) => error.into_response(),
    };
    let counts = [
        ("x-prometheus-remote-write-samples-written", written.samples),
        ("x-prometheus-remote-write-histograms-written", written.histograms),
        ("x-prometheus-remote-write-exemplars-written", written.exemplars),
    ];
    for (name, count) in counts {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(count));
    }
    response
}

async fn receive(
    app: &Arc<App>,
    engine: Arc<Engine>,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Stored, Report), PlainError> {
    let version = version(headers)?;
    let compressed = is_compressed(headers)?;
    let share_kib = memory_kib(body_bytes_max(headers)?);
    let patience = app.config().remote_write.timeout();
    let type_and_unit = app.config().query.type_and_unit();
    let admission = app.writes.enter(share_kib, patience).await.map_err(|refused| {
        PlainError::unavailable(match refused {
            Refused::QueueFull => "too many write requests are waiting",
            Refused::TimedOut => "write request waited too long",
        })
    })?;
    let body = body::read(body, ingest::BODY_BYTES_MAX, patience).await?;
    let app = Arc::clone(app);
    let work = move || {
        let _admission = admission;
        let (stored, report) = apply(&engine, version, type_and_unit, compressed, &body)?;
        app.telemetry.written(body.len(), &stored);
        Ok((stored, report))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(PlainError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the request failed by a bug in the server",
        )),
    }
}

/// Decodes and stores; returns when what was stored is durable.
fn apply(
    engine: &Engine,
    version: Version,
    type_and_unit: TypeAndUnit,
    compressed: bool,
    body: &[u8],
) -> Result<(Stored, Report), PlainError> {
    let store = |message: &[u8]| ingest::store(engine, version, type_and_unit, message);
    let stored = if compressed { ingest::snappy(body, store)? } else { store(body) };
    Ok(stored?)
}

/// The version that the content type names; without one, 1.0.
fn version(headers: &HeaderMap) -> Result<Version, PlainError> {
    let unsupported = |message: String| PlainError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Version::V1) };
    let content_type = String::from_utf8_lossy(value.as_bytes());
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or("");
    if !media_type.eq_ignore_ascii_case(MEDIA_TYPE) {
        return Err(unsupported(format!(
            "expected {MEDIA_TYPE} as the first (media) part, got {content_type} content-type"
        )));
    }
    for parameter in parts.filter(|parameter| !parameter.is_empty()) {
        let Some((name, value)) = parameter.split_once('=') else {
            return Err(unsupported(format!(
                "expected parameters to be key-values, got {parameter} in {content_type} content-type"
            )));
        };
        if name.eq_ignore_ascii_case("proto") {
            return match value.trim_matches('"') {
                MESSAGE_V1 => Ok(Version::V1),
                MESSAGE_V2 => Ok(Version::V2),
                other => Err(unsupported(format!(
                    "unknown remote write protobuf message {other}; this server accepts {MESSAGE_V1} and {MESSAGE_V2}"
                ))),
            };
        }
    }
    Ok(Version::V1)
}

/// Whether the body is compressed: with snappy, or not at all.
fn is_compressed(headers: &HeaderMap) -> Result<bool, PlainError> {
    match headers.get(header::CONTENT_ENCODING).map_or(&b""[..], HeaderValue::as_bytes) {
        b"" => Ok(false),
        b"snappy" => Ok(true),
        other => Err(PlainError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "{} encoding (compression) is not accepted by this server; only snappy is acceptable",
                String::from_utf8_lossy(other)
            ),
        )),
    }
}

/// The length of the body, or the most that it may be when the head does not say.
fn body_bytes_max(headers: &HeaderMap) -> Result<usize, PlainError> {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let Some(length) = length else { return Ok(ingest::BODY_BYTES_MAX) };
    let within = usize::try_from(length).ok().filter(|length| *length <= ingest::BODY_BYTES_MAX);
    within.ok_or_else(|| BodyError::TooLarge { bytes_max: ingest::BODY_BYTES_MAX }.into())
}

/// The most memory that a body of this length can take together with what it decompresses to.
fn memory_kib(body_bytes: usize) -> u32 {
    u32::try_from((body_bytes + ingest::message_bytes_max(body_bytes)) / 1024 + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn negotiated(content_type: &'static str) -> Result<Version, StatusCode> {
        version(&headers(&[("content-type", content_type)])).map_err(|error| error.status)
    }

    #[test]
    fn the_version_is_in_the_content_type() {
        const UNSUPPORTED: Result<Version, StatusCode> = Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let cases = [
            ("application/x-protobuf", Ok(Version::V1)),
            ("application/x-protobuf;proto=prometheus.WriteRequest", Ok(Version::V1)),
            ("application/x-protobuf;proto=io.prometheus.write.v2.Request", Ok(Version::V2)),
            ("application/x-protobuf; proto=io.prometheus.write.v2.Request", Ok(Version::V2)),
            ("application/x-protobuf;charset=utf-8", Ok(Version::V1)),
            ("application/x-protobuf;proto=io.prometheus.write.v3.Request", UNSUPPORTED),
            ("application/x-protobuf;proto", UNSUPPORTED),
            ("application/json", UNSUPPORTED),
            ("", UNSUPPORTED),
        ];
        for (content_type, expected) in cases {
            assert_eq!(negotiated(content_type), expected, "{content_type:?}");
        }
        assert_eq!(version(&HeaderMap::new()).unwrap(), Version::V1);
    }

    #[test]
    fn only_snappy_and_nothing_are_encodings() {
        let encoding =
            |value| is_compressed(&headers(&[("content-encoding", value)])).map_err(|error| error.status);
        assert_eq!(encoding("snappy"), Ok(true));
        assert_eq!(encoding(""), Ok(false));
        assert!(!is_compressed(&HeaderMap::new()).unwrap());
        for other in ["gzip", "zstd", "Snappy2"] {
            assert_eq!(encoding(other), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_by_the_head() {
        let refused = body_bytes_max(&headers(&[("content-length", "99999999999")])).unwrap_err();
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(body_bytes_max(&headers(&[("content-length", "100")])).unwrap(), 100);
        assert_eq!(body_bytes_max(&HeaderMap::new()).unwrap(), ingest::BODY_BYTES_MAX);
    }
}
