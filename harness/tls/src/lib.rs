//! TLS: certificates, keys and settings. The tap and the services of a stage show certificates of the same make.

mod authority;
mod files;
mod handshake;
mod make;
mod weak;
mod write;

pub use authority::{Authority, CertificateFlaw};
pub use files::{ClientAuth, TlsError, TlsIdentity, check_validity, client_config, read_certificates, server_config};
pub use handshake::{WITHOUT_ALERT, ended_by_client, is_about_certificate};
pub use make::{Certificates, MadeFile, make_certificates, make_with_authority};
/// The settings of a TLS server.
pub use tokio_rustls::rustls::ServerConfig;
