//! Parameters of a request, from the URL and from a form body.

use std::{io::Read as _, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, Method, header},
};

use super::{
    body::{self, BodyError},
    error::{ApiError, ErrorType},
    time,
};
use crate::app::App;

/// Most bytes of a form, before and after decompression: Go's own bound.
const FORM_BYTES_MAX: usize = 10 << 20;

/// Earliest and latest time where a range is open: upstream's own bounds, in milliseconds.
pub(crate) const TIME_MIN: i64 = -9_223_309_901_257_974_000;
/// See [`TIME_MIN`].
pub(crate) const TIME_MAX: i64 = 9_223_309_901_257_974_999;

/// The parameters of one request in the order in which Go sees them: body first, then URL.
#[derive(Debug, Default)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// First value of `name`; empty when there is none, which upstream does not tell apart.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// All values of `name`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A time that must be given.
    pub(crate) fn time(&self, name: &str) -> Result<i64, ApiError> {
        time::parse_time(self.get(name)).map_err(|reason| ApiError::parameter(name, reason))
    }

    /// A time that may be left out.
    pub(crate) fn time_or(&self, name: &str, default: i64) -> Result<i64, ApiError> {
        match self.get(name) {
            "" => Ok(default),
            text => time::parse_time(text).map_err(|reason| {
                ApiError::parameter(name, format_args!("invalid time value for '{name}': {reason}"))
            }),
        }
    }

    /// `start` and `end`, open where they are left out.
    pub(crate) fn range(&self) -> Result<TimeRange, ApiError> {
        Ok(TimeRange { start: self.time_or("start", TIME_MIN)?, end: self.time_or("end", TIME_MAX)? })
    }

    /// `limit`: the most items wanted, or `None` for all.
    pub(crate) fn limit(&self) -> Result<Option<usize>, ApiError> {
        let text = self.get("limit");
        if text.is_empty() {
            return Ok(None);
        }
        let limit = atoi(text).map_err(|reason| ApiError::parameter("limit", reason))?;
        match usize::try_from(limit) {
            Ok(0) => Ok(None),
            Ok(limit) => Ok(Some(limit)),
            Err(_) => Err(ApiError::parameter("limit", "limit must be non-negative")),
        }
    }

    fn extend(&mut self, encoded: &[u8]) {
        self.pairs.extend(form_urlencoded::parse(encoded).into_owned());
    }
}

/// Milliseconds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeRange {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl FromRequest<Arc<App>> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let mut params = Self::default();
        let has_form = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
        if has_form && is_form(&parts.headers) {
            let patience = app.config().server.request_timeout();
            params.extend(&read_form(&parts.headers, body, patience).await?);
        }
        params.extend(parts.uri.query().unwrap_or("").as_bytes());
        Ok(params)
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

async fn read_form(headers: &HeaderMap, body: Body, patience: Duration) -> Result<Vec<u8>, ApiError> {
    let form_error = |reason: &str| ApiError::bad_data(format!("error parsing form values: {reason}"));
    let bytes = body::read(body, FORM_BYTES_MAX, patience).await.map_err(|error| match error {
        BodyError::TooSlow => ApiError::new(ErrorType::TooSlow, error.to_string()),
        // In Go's words.
        BodyError::TooLarge { .. } => form_error("http: request body too large"),
        BodyError::Broken(_) => form_error(&error.to_string()),
    })?;
    match headers.get(header::CONTENT_ENCODING).map_or(&b""[..], |value| value.as_bytes()) {
        b"" | b"identity" => Ok(bytes.into()),
        b"gzip" => {
            let mut form = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(&bytes[..]).take(FORM_BYTES_MAX as u64 + 1);
            decoder.read_to_end(&mut form).map_err(|error| form_error(&error.to_string()))?;
            if form.len() > FORM_BYTES_MAX {
                return Err(form_error("http: request body too large"));
            }
            Ok(form)
        }
        other => {
            Err(form_error(&format!("content encoding {:?} is not accepted", String::from_utf8_lossy(other))))
        }
    }
}

/// A decimal integer, with the text of Go's `strconv.Atoi` when it is none.
pub(crate) fn atoi(text: &str) -> Result<i64, String> {
    use std::num::IntErrorKind;
    text.parse::<i64>().map_err(|error| {
        let reason = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.Atoi: parsing {text:?}: {reason}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        let mut params = Params::default();
        params.extend(query.as_bytes());
        params
    }

    fn text<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn values_are_decoded_and_kept_in_order() {
        let params = params("match[]=a%7Bb%3D%22c+d%22%7D&match%5B%5D=up");
        assert_eq!(params.all("match[]").collect::<Vec<_>>(), [r#"a{b="c d"}"#, "up"]);
        assert_eq!(params.get("query"), "");
    }

    #[test]
    fn errors_name_the_parameter_as_upstream_does() {
        assert_eq!(
            text(params("").time("start")),
            r#"invalid parameter "start": cannot parse "" to a valid timestamp"#
        );
        assert_eq!(
            text(params("time=x").time_or("time", 0)),
            r#"invalid parameter "time": invalid time value for 'time': cannot parse "x" to a valid timestamp"#
        );
        assert_eq!(
            text(params("limit=-1").limit()),
            r#"invalid parameter "limit": limit must be non-negative"#
        );
        assert_eq!(
            text(params("limit=x").limit()),
            r#"invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax"#
        );
        assert_eq!(
            text(params("limit=99999999999999999999").limit()),
            r#"invalid parameter "limit": strconv.Atoi: parsing "99999999999999999999": value out of range"#
        );
    }

    #[test]
    fn an_open_range_is_as_wide_as_upstreams() {
        let range = params("").range().unwrap();
        assert_eq!(range, TimeRange { start: TIME_MIN, end: TIME_MAX });
        assert_eq!(params("limit=0").limit().unwrap(), None);
        assert_eq!(params("limit=7").limit().unwrap(), Some(7));
    }
}
