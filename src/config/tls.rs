//! The certificate and its key, read and put together.
//!
//! `resolve` reads them to find out in time that they cannot be used, `app` to
//! serve with them. Nothing here listens.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::settings::Tls;

/// One of the two files cannot be used.
#[derive(Debug)]
pub struct TlsError {
    /// The setting that names it, below `tls`.
    pub key: &'static str,
    path: PathBuf,
    source: Box<dyn Error + Send + Sync>,
}

impl TlsError {
    fn new(
        key: &'static str,
        path: &Path,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { key, path: path.to_owned(), source: source.into() }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use `{}` for TLS: {}", self.path.display(), self.source)
    }
}

impl Error for TlsError {}

/// TLS 1.2 and 1.3 with the certificate of the settings.
///
/// # Errors
/// What is wrong with each file, or that they do not belong together.
pub fn server_config(files: &Tls) -> Result<ServerConfig, Vec<TlsError>> {
    let (chain, key) = match (chain(&files.certificate), key(&files.key)) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err(chain.err().into_iter().chain(key.err()).collect()),
    };
    let failed =
        |error: rustls::Error| vec![TlsError::new("certificate", &files.certificate, error)];
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(failed)
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source: Box<dyn Error + Send + Sync>| TlsError::new("certificate", path, source);
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(error.into()))?;
    if chain.is_empty() { Err(failed("it holds no PEM certificate".into())) } else { Ok(chain) }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| TlsError::new("key", path, error))
}
