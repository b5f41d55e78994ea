//! TLS: certificates, keys and settings. The tap and the services of a stage show certificates of the same make.

mod files;
mod make;

pub use files::{ClientAuth, TlsError, TlsIdentity, check_validity, client_config, read_certificates, server_config};
/// The settings of a TLS server.
pub use tokio_rustls::rustls::ServerConfig;

pub use make::{Certificates, MadeFile, make_certificates};
