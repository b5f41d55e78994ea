//! Reads certificates and keys and builds TLS settings from them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Why TLS can't be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("can't read the {what} `{}`: {reason}", path.display())]
    Unreadable {
        /// What it should contain.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A file holds something else.
    #[error("`{}` contains no {what}", path.display())]
    Empty {
        /// What it should contain.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A certificate is not valid today.
    #[error("the certificate `{}` {when}", path.display())]
    NotValidNow {
        /// The file.
        path: PathBuf,
        /// Since when, or until when.
        when: String,
    },
    /// Certificate and key don't match, or TLS rejects them.
    #[error("`{}` can't be used: {reason}", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

impl TlsError {
    /// A hint on how to fix it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => {
                "paths in a bench file are relative to its folder; `hil certs` makes a set".to_owned()
            }
            Self::Empty { what, .. } => format!("in PEM format, a {what} begins with `-----BEGIN`"),
            Self::NotValidNow { .. } => "`hil certs` makes new ones; is this machine's clock right?".to_owned(),
            Self::Unusable { .. } => "do certificate and key belong together?".to_owned(),
        }
    }
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    /// PEM file of the certificate, followed by its CA if clients need it.
    pub cert: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
}

/// Reads the certificates of a PEM file.
///
/// # Errors
/// When there is none.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    const WHAT: &str = "certificate";
    let text = read_pem(WHAT, path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = read.map_err(|_| TlsError::Empty { what: WHAT, path: path.to_owned() })?;
    if certificates.is_empty() {
        return Err(TlsError::Empty { what: WHAT, path: path.to_owned() });
    }
    Ok(certificates)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    const WHAT: &str = "private key";
    let text = read_pem(WHAT, path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::Empty { what: WHAT, path: path.to_owned() })
}

fn read_pem(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    hil_files::read(path, hil_files::Links::Follow, hil_files::LARGEST_TEXT).map_err(|error| {
        let (path, reason) = (path.to_owned(), error.to_string());
        TlsError::Unreadable { what, path, reason }
    })
}

/// Checks whether a certificate is valid today.
///
/// # Errors
/// When it is not valid, or the file contains none.
pub fn check_validity(path: &Path) -> Result<(), TlsError> {
    let certificates = read_certificates(path)?;
    let unusable = |reason: String| TlsError::Unusable { path: path.to_owned(), reason };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    for certificate in certificates {
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&certificate).map_err(|error| unusable(error.to_string()))?;
        let validity = parsed.validity();
        let when = if now > validity.not_after.timestamp() {
            format!("expired on {}", validity.not_after)
        } else if now < validity.not_before.timestamp() {
            format!("is not valid before {}", validity.not_before)
        } else {
            continue;
        };
        return Err(TlsError::NotValidNow { path: path.to_owned(), when });
    }
    Ok(())
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        let unusable = |error: tokio_rustls::rustls::Error| TlsError::Unusable {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        roots.add(certificate).map_err(unusable)?;
    }
    Ok(roots)
}

/// Whether clients must present a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Optional; a certificate that is presented must be trusted.
    Asked,
    /// Required.
    Required,
}

/// The settings of a TLS server: its certificate, and the CA that must have signed the certificates of clients.
///
/// # Errors
/// When a file can't be used.
pub fn server_config(
    identity: &TlsIdentity,
    clients: Option<(&Path, ClientAuth)>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let path = identity.cert.clone();
    let unusable = |reason: String| TlsError::Unusable { path: path.clone(), reason };
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some((ca, demand)) => {
            let provider = Arc::new(ring::default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider);
            let verifier = match demand {
                ClientAuth::Asked => verifier.allow_unauthenticated(),
                ClientAuth::Required => verifier,
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| unusable(error.to_string()))?)
        }
    };
    let config = builder.with_single_cert(read_certificates(&identity.cert)?, read_key(&identity.key)?);
    config.map(Arc::new).map_err(|error| unusable(error.to_string()))
}

/// The settings of a TLS client: the CA it trusts (by default those of this machine), and its certificate.
///
/// # Errors
/// When a file can't be used.
pub fn client_config(ca: Option<&Path>, identity: Option<&TlsIdentity>) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match ca {
        Some(ca) => roots(ca)?,
        None => {
            let mut roots = RootCertStore::empty();
            // Certificates of this machine that can't be read are skipped.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    let path = identity.map(|identity| identity.cert.clone()).or(ca.map(Path::to_owned)).unwrap_or_default();
    let unusable = |error: tokio_rustls::rustls::Error| TlsError::Unusable { path, reason: error.to_string() };
    let builder = match ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
    {
        Ok(builder) => builder.with_root_certificates(roots),
        Err(error) => return Err(unusable(error)),
    };
    match identity {
        None => Ok(Arc::new(builder.with_no_client_auth())),
        Some(identity) => {
            let config = builder.with_client_auth_cert(read_certificates(&identity.cert)?, read_key(&identity.key)?);
            config.map(Arc::new).map_err(unusable)
        }
    }
}
