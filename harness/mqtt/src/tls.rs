//! TLS: certificates, keys and settings.

mod files;
mod make;

pub use files::{ClientAuth, TlsError, TlsIdentity, check_validity, client_config, read_certificates, server_config};
pub use make::{Certificates, MadeFile, make_certificates};
