//! Certificates, and when they are read again.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use parking_lot::Mutex;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject as _},
        },
    },
};
use tracing::{error, info};

use crate::config::TlsConfig;

/// How often a new connection looks whether the files have changed, nanoseconds.
const CHECK_NANOS: u64 = 5_000_000_000;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsConfigError {
    #[error("read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is no PEM file with {what}: {source}")]
    Pem { path: PathBuf, what: &'static str, source: pem::Error },
    #[error("the certificate of {cert_file} and the key of {key_file} cannot be used: {source}")]
    Unusable { cert_file: PathBuf, key_file: PathBuf, source: tokio_rustls::rustls::Error },
}

/// Certificate and key, as they are now.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsConfig,
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    stamp: Stamp,
    checked_nanos: u64,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

/// What tells that files have changed: when they were written and how long they are.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Tls {
    /// TLS with the certificate and the key of these files.
    ///
    /// # Errors
    /// When a file cannot be read or used, or they do not belong together.
    pub(crate) fn new(files: &TlsConfig, now_nanos: u64) -> Result<Self, TlsConfigError> {
        let (acceptor, stamp) = read(files)?;
        let current = Mutex::new(Current { acceptor, stamp, checked_nanos: now_nanos });
        Ok(Self { files: files.clone(), current })
    }

    /// Reads the files again. What was read before holds when they cannot be used.
    ///
    /// # Errors
    /// As [`Tls::new`].
    pub(crate) fn reload(&self) -> Result<(), TlsConfigError> {
        let (acceptor, stamp) = read(&self.files)?;
        let mut current = self.current.lock();
        (current.acceptor, current.stamp) = (acceptor, stamp);
        Ok(())
    }

    /// What a new connection is accepted with. Now and then it looks whether the files have changed, as they do when a
    /// certificate is renewed.
    pub(super) fn acceptor(&self, now_nanos: u64) -> TlsAcceptor {
        let mut current = self.current.lock();
        if now_nanos.saturating_sub(current.checked_nanos) >= CHECK_NANOS {
            current.checked_nanos = now_nanos;
            let stamp = stamp(&self.files);
            if stamp != current.stamp {
                // Remembered also when they cannot be used, so that each change is reported once.
                current.stamp = stamp;
                match read(&self.files) {
                    Ok((acceptor, _)) => {
                        info!(cert_file = %self.files.cert_file.display(), "certificate read again");
                        current.acceptor = acceptor;
                    }
                    Err(error) => {
                        error!(%error, "the certificate has changed and cannot be used; the old one holds")
                    }
                }
            }
        }
        current.acceptor.clone()
    }
}

fn read(files: &TlsConfig) -> Result<(TlsAcceptor, Stamp), TlsConfigError> {
    let TlsConfig { cert_file, key_file } = files;
    // Before the files: a change in between is seen the next time.
    let stamp = stamp(files);
    let wrong = |path: &Path, what| {
        let path = path.to_owned();
        move |source| TlsConfigError::Pem { path, what, source }
    };
    let certificates: Result<Vec<CertificateDer<'static>>, pem::Error> =
        CertificateDer::pem_slice_iter(&read_file(cert_file)?).collect();
    let certificates = certificates
        .and_then(|found| if found.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(found) })
        .map_err(wrong(cert_file, "certificates"))?;
    let key =
        PrivateKeyDer::from_pem_slice(&read_file(key_file)?).map_err(wrong(key_file, "a private key"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key));
    let mut config = config.map_err(|source| TlsConfigError::Unusable {
        cert_file: cert_file.clone(),
        key_file: key_file.clone(),
        source,
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), stamp))
}

#[expect(clippy::disallowed_methods, reason = "an operator's file, no data")]
fn read_file(path: &Path) -> Result<Vec<u8>, TlsConfigError> {
    std::fs::read(path).map_err(|source| TlsConfigError::Read { path: path.to_owned(), source })
}

#[expect(clippy::disallowed_methods, reason = "an operator's files, no data")]
fn stamp(files: &TlsConfig) -> Stamp {
    [&files.cert_file, &files.key_file].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}
