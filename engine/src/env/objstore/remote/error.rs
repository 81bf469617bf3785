//! What errors of object storage mean, in words that can be shown.

use super::super::{ObjectError, ObjectErrorKind};

/// Longest text of an error: some stores answer with a page of HTML.
const TEXT_MAX: usize = 400;
/// What answers say when there is no bucket. S3 and Google's XML; Azure; Google's JSON.
const NO_BUCKET: [&str; 3] = ["NoSuchBucket", "ContainerNotFound", "specified bucket does not exist"];
/// What answers with status 400 say when it is about who asks.
const NOT_ACCEPTED: [&str; 6] = [
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidToken",
    "InvalidAccessKeyId",
    "RequestTimeTooSkewed",
    "AuthenticationFailed",
];
/// What errors say that came before any answer: of credentials that there are none, or a region that is another.
const NO_CREDENTIALS: [&str; 6] =
    ["redirect", "credential", "Credential", "latest/api/token", "computeMetadata", "metadata/identity"];

/// Turns the errors of one place into ours.
#[derive(Debug, Clone)]
pub(super) struct Explainer {
    place: String,
    /// Texts that must not be shown.
    secrets: Secrets,
}

#[derive(Clone)]
struct Secrets(Vec<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

impl Explainer {
    /// For the errors of `place`, none of which shows one of `secrets`.
    pub(super) fn new<'a>(place: &str, secrets: impl Iterator<Item = &'a str>) -> Self {
        // Texts of a letter or two are in every message, and no secrets.
        let secrets = secrets.filter(|secret| secret.len() > 3).map(str::to_owned).collect();
        Self { place: place.to_owned(), secrets: Secrets(secrets) }
    }

    /// The error of a request for `key`.
    pub(super) fn error(&self, action: &'static str, key: &str, error: &object_store::Error) -> ObjectError {
        let kind = kind_of(error);
        let advice = match kind {
            ObjectErrorKind::Denied if is_about_bucket(error) => {
                "there is no such bucket or container, it has to be made first: "
            }
            ObjectErrorKind::Denied => {
                "access is denied, check credentials, their permissions and the region: "
            }
            _ => "",
        };
        self.problem(kind, action, key, &format!("{advice}{error}"))
    }

    /// An error with this text, as far as it may be shown.
    pub(super) fn problem(
        &self,
        kind: ObjectErrorKind,
        action: &'static str,
        key: &str,
        text: &str,
    ) -> ObjectError {
        ObjectError::new(kind, action, key, format!("{}: {}", self.place, self.shown(text)))
    }

    /// The text on one line, without what is secret, and not longer than needed.
    fn shown(&self, text: &str) -> String {
        let mut text = text.split_whitespace().map(without_query).collect::<Vec<_>>().join(" ");
        for secret in &self.secrets.0 {
            text = text.replace(secret, "<secret>");
        }
        if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

/// A URL without what follows the path: Azure's signatures are there.
fn without_query(word: &str) -> &str {
    let is_url = word.contains("://");
    word.split_once('?').filter(|_| is_url).map_or(word, |(path, _)| path)
}

fn kind_of(error: &object_store::Error) -> ObjectErrorKind {
    use object_store::Error as E;
    match error {
        _ if is_about_bucket(error) => ObjectErrorKind::Denied,
        E::NotFound { .. } => ObjectErrorKind::NotFound,
        E::AlreadyExists { .. } | E::Precondition { .. } => ObjectErrorKind::AlreadyExists,
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => ObjectErrorKind::Denied,
        E::NotSupported { .. }
        | E::NotImplemented { .. }
        | E::InvalidPath { .. }
        | E::UnknownConfigurationKey { .. } => ObjectErrorKind::Unsupported,
        _ => kind_of_answer(error),
    }
}

/// What the answer of the store means, of which the client keeps the text alone.
fn kind_of_answer(error: &object_store::Error) -> ObjectErrorKind {
    let text = error.to_string();
    match status(&text) {
        Some(401 | 403) => ObjectErrorKind::Denied,
        Some(400) if NOT_ACCEPTED.iter().any(|code| text.contains(code)) => ObjectErrorKind::Denied,
        // Another region.
        Some(301 | 302 | 307 | 308) => ObjectErrorKind::Denied,
        Some(416) => ObjectErrorKind::Damaged,
        Some(405 | 501) => ObjectErrorKind::Unsupported,
        Some(507) => ObjectErrorKind::Full,
        Some(_) => ObjectErrorKind::Unavailable,
        // Whoever cannot be asked for credentials is not there: this is not a machine that has some.
        None if NO_CREDENTIALS.iter().any(|word| text.contains(word)) => ObjectErrorKind::Denied,
        None => ObjectErrorKind::Unavailable,
    }
}

/// The status of the answer, if there was one.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

fn is_about_bucket(error: &object_store::Error) -> bool {
    let text = error.to_string();
    status(&text) == Some(404) && NO_BUCKET.iter().any(|code| text.contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_signatures_are_not_shown() {
        let explainer = Explainer::new("az://a", ["hush-hush", "no"].into_iter());
        let text = "GET http://x/y?sig=abc&b=1 failed:\n   hush-hush is wrong, no?";
        let error = explainer.problem(ObjectErrorKind::Denied, "read", "k", text).to_string();
        assert_eq!(error, "cannot read object k: az://a: GET http://x/y failed: <secret> is wrong, no?");
        assert!(!format!("{explainer:?}").contains("hush"));
        let long = explainer.problem(ObjectErrorKind::Denied, "read", "k", &"é".repeat(1_000)).to_string();
        assert!(long.chars().count() < 450 && long.ends_with('…'), "{long}");
    }

    #[test]
    fn answers_say_what_to_do() {
        let kind = |text: &str| {
            kind_of(&object_store::Error::Generic { store: "S3", source: text.to_owned().into() })
        };
        let status = |status: &str| kind(&format!("Server returned non-2xx status code: {status}"));
        assert_eq!(status("503 Service Unavailable: <Code>SlowDown</Code>"), ObjectErrorKind::Unavailable);
        assert_eq!(status("501 Not Implemented: "), ObjectErrorKind::Unsupported);
        assert_eq!(status("416 Range Not Satisfiable: "), ObjectErrorKind::Damaged);
        assert_eq!(status("400 Bad Request: <Code>ExpiredToken</Code>"), ObjectErrorKind::Denied);
        assert_eq!(status("400 Bad Request: "), ObjectErrorKind::Unavailable);
        assert_eq!(status("404 Not Found: <Code>NoSuchBucket</Code>"), ObjectErrorKind::Denied);
        assert_eq!(kind("error sending request: connection refused"), ObjectErrorKind::Unavailable);
        assert_eq!(kind("PUT http://169.254.169.254/latest/api/token"), ObjectErrorKind::Denied);
    }
}
