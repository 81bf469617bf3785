//! Which store a URL is.

use std::{sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ObjectStore, RetryConfig, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, path::Path,
};
use url::Url;

use super::{
    super::{ObjectError, PlaceOptions, places::no_such},
    error::Explainer,
};
use crate::env::ObjectErrorKind;

/// How often a request is tried again, and for how long: long enough for a store that asks to slow down, and no longer than
/// somebody waits for a query.
const RETRIES_MAX: usize = 8;
const RETRY_TIME: Duration = Duration::from_secs(30);
/// The first wait between two attempts, and the longest. They double, and are drawn at random below that.
const RETRY_WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The bucket of `url`, and the prefix in it without `/` at its ends.
///
/// # Errors
/// [`ObjectErrorKind::Unsupported`] when there cannot be such a bucket.
pub(super) fn bucket(
    url: &str,
    options: &PlaceOptions,
) -> Result<(Arc<dyn ObjectStore>, String), ObjectError> {
    let (parsed, prefix) = parse(url)?;
    install_tls();
    let opened = match parsed.scheme() {
        "s3" | "s3a" => s3(url, options),
        "gs" => google(url, options),
        _ => azure(url, options),
    };
    let explainer = Explainer::new(url, options.secrets());
    let refused = |error: object_store::Error| {
        explainer.problem(ObjectErrorKind::Unsupported, "open", "", &error.to_string())
    };
    Ok((opened.map_err(refused)?, prefix))
}

fn parse(url: &str) -> Result<(Url, String), ObjectError> {
    let parsed = Url::parse(url).map_err(|error| no_such(url, &format!("is no URL: {error}")))?;
    // `abfs://container@account/path` is Azure's own; all else would be a secret.
    let has_user = !parsed.username().is_empty() && !parsed.scheme().starts_with("abfs");
    if has_user || parsed.password().is_some() {
        return Err(no_such(url, "is to have no user or password: they are options or in the environment"));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        let bare = url.split(['?', '#']).next().unwrap_or_default();
        return Err(no_such(bare, "is to end after the prefix: options are set apart"));
    }
    if parsed.host_str().unwrap_or_default().is_empty() {
        return Err(no_such(url, "names no bucket"));
    }
    let path = Path::from_url_path(parsed.path());
    let path = path.map_err(|error| no_such(url, &format!("has a bad prefix: {error}")))?;
    Ok((parsed, path.as_ref().to_owned()))
}

fn s3(url: &str, options: &PlaceOptions) -> object_store::Result<Arc<dyn ObjectStore>> {
    let mut builder = AmazonS3Builder::from_env().with_url(url).with_retry(retry());
    for (name, value) in options.reveal() {
        builder = builder.with_config(name.parse()?, value);
    }
    Ok(Arc::new(builder.build()?))
}

fn google(url: &str, options: &PlaceOptions) -> object_store::Result<Arc<dyn ObjectStore>> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_url(url).with_retry(retry());
    for (name, value) in options.reveal() {
        builder = builder.with_config(name.parse()?, value);
    }
    Ok(Arc::new(builder.build()?))
}

fn azure(url: &str, options: &PlaceOptions) -> object_store::Result<Arc<dyn ObjectStore>> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_url(url).with_retry(retry());
    for (name, value) in options.reveal() {
        builder = builder.with_config(name.parse()?, value);
    }
    Ok(Arc::new(builder.build()?))
}

fn retry() -> RetryConfig {
    let (init_backoff, max_backoff) = RETRY_WAIT;
    RetryConfig {
        backoff: BackoffConfig { init_backoff, max_backoff, base: 2.0 },
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_TIME,
    }
}

/// Gives the process the cryptography that its own server uses, unless somebody else has given it some.
fn install_tls() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_buckets_and_prefixes() {
        let prefix = |url| parse(url).map(|(_, prefix)| prefix).unwrap();
        assert_eq!(prefix("s3://bucket"), "");
        assert_eq!(prefix("s3://bucket/a/b/"), "a/b");
        assert_eq!(prefix("abfs://container@account.dfs.core.windows.net/a"), "a");
        let options = PlaceOptions::new([("account_name", "account"), ("account_key", "aHVzaA==")]);
        for url in ["az://container/a", "azure://container/a", "abfs://container/a"] {
            assert_eq!(bucket(url, &options).unwrap().1, "a", "{url}");
        }
    }

    #[test]
    fn options_that_are_none_are_refused_by_name() {
        let options = PlaceOptions::new([("secret_access_kex", "hush")]);
        for url in ["s3://bucket/a", "gs://bucket/a", "az://container/a"] {
            let error = bucket(url, &options).map(drop).unwrap_err().to_string();
            assert!(error.contains("secret_access_kex") && !error.contains("hush"), "{error}");
        }
    }
}
