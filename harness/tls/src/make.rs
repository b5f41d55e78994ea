//! Makes the certificates of a test bench: a CA, a server certificate and client certificates.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// What to make.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// Host names and addresses of the server that boards connect to.
    pub hosts: Vec<String>,
    /// A client certificate for each of these names; the name is its common name.
    pub clients: Vec<String>,
    /// How long they are valid, from now; zero makes certificates that have expired.
    pub valid: Option<Duration>,
}

/// A file that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeFile {
    /// Its path.
    pub path: PathBuf,
    /// Its purpose.
    pub what: &'static str,
}

/// Makes the files in a folder and never overwrites one. Keys are readable by their owner only.
///
/// # Errors
/// When a file exists or can't be written.
pub fn make_certificates(folder: &Path, wanted: &Certificates) -> io::Result<Vec<MadeFile>> {
    fs::create_dir_all(folder)?;
    let mut made = Vec::new();
    let mut write = |name: String, text: &str, what: &'static str| {
        let path = folder.join(name);
        let secret = what.ends_with("key");
        let mode = if secret { 0o600 } else { 0o644 };
        let named = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).map_err(named)?;
        file.write_all(text.as_bytes())?;
        made.push(MadeFile { path, what });
        io::Result::Ok(())
    };
    let ca = CertifiedIssuer::self_signed(ca_params(wanted.valid), KeyPair::generate().map_err(failed)?);
    let ca = ca.map_err(failed)?;
    write("ca.pem".to_owned(), &ca.pem(), "what boards and brokers trust")?;
    write("ca.key".to_owned(), &ca.key().serialize_pem(), "the CA's private key")?;
    let server = params(&wanted.hosts, "hil test broker", ExtendedKeyUsagePurpose::ServerAuth, wanted.valid)?;
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = server.signed_by(&key, &ca).map_err(failed)?;
    write("server.pem".to_owned(), &certificate.pem(), "the broker's and the tap's certificate")?;
    write("server.key".to_owned(), &key.serialize_pem(), "its private key")?;
    for name in &wanted.clients {
        let client = params(&[], name, ExtendedKeyUsagePurpose::ClientAuth, wanted.valid)?;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = client.signed_by(&key, &ca).map_err(failed)?;
        write(format!("{name}.pem"), &certificate.pem(), "a client's certificate")?;
        write(format!("{name}.key"), &key.serialize_pem(), "its private key")?;
    }
    Ok(made)
}

fn failed(error: rcgen::Error) -> io::Error {
    io::Error::other(error)
}

fn ca_params(valid: Option<Duration>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "hil test CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, valid);
    params
}

fn params(
    hosts: &[String],
    name: &str,
    usage: ExtendedKeyUsagePurpose,
    valid: Option<Duration>,
) -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(hosts.to_vec()).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, valid);
    Ok(params)
}

/// Valid from an hour ago: a board's clock may be slow.
fn set_validity(params: &mut CertificateParams, valid: Option<Duration>) {
    const SLACK: Duration = Duration::from_secs(3600);
    match valid {
        Some(valid) => {
            let epoch = date_time_ymd(1970, 1, 1);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            params.not_before = epoch + now.saturating_sub(SLACK);
            params.not_after = epoch + now + valid;
        }
        None => {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        }
    }
}
