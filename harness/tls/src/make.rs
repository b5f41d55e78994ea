//! Makes the certificates of a test bench: a CA, a server certificate and client certificates.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::ExtendedKeyUsagePurpose;

use crate::authority::{Authority, Validity};
use crate::write::write_new;

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
    make_with_authority(folder, wanted).map(|(made, _)| made)
}

/// The same, with the CA, which can sign more.
///
/// # Errors
/// When a file exists or can't be written.
pub fn make_with_authority(folder: &Path, wanted: &Certificates) -> io::Result<(Vec<MadeFile>, Authority)> {
    fs::create_dir_all(folder)?;
    let mut made = Vec::new();
    let mut write = |name: String, text: &str, what: &'static str| {
        let path = folder.join(name);
        write_new(&path, text, what.ends_with("key"))?;
        made.push(MadeFile { path, what });
        io::Result::Ok(())
    };
    let validity = wanted.valid.map_or(Validity::Past, Validity::For);
    let ca = Authority::new("hil test CA", validity)?;
    write("ca.pem".to_owned(), &ca.pem(), "what boards and brokers trust")?;
    write("ca.key".to_owned(), &ca.key_pem(), "the CA's private key")?;
    let (cert, key) = ca.sign(&wanted.hosts, "hil test broker", ExtendedKeyUsagePurpose::ServerAuth, validity)?;
    write("server.pem".to_owned(), &cert, "the broker's and the tap's certificate")?;
    write("server.key".to_owned(), &key, "its private key")?;
    for name in &wanted.clients {
        let (cert, key) = ca.sign(&[], name, ExtendedKeyUsagePurpose::ClientAuth, validity)?;
        write(format!("{name}.pem"), &cert, "a client's certificate")?;
        write(format!("{name}.key"), &key, "its private key")?;
    }
    Ok((made, ca))
}
