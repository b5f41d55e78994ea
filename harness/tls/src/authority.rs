//! A CA that signs certificates as they should be, and some that no board may accept.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, io};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::TlsIdentity;
use crate::weak;
use crate::write::write_new;

/// Why a board must refuse the certificate of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateFlaw {
    /// It was valid in January 2020.
    Expired,
    /// It is valid from tomorrow on.
    NotYetValid,
    /// It is for another host: `wrong.invalid`.
    OtherName,
    /// Another CA has signed it.
    UnknownCa,
    /// No CA has signed it.
    SelfSigned,
    /// The certificate between it and the CA is not sent with it.
    ChainIncomplete,
    /// The CA has signed it with SHA-1.
    WeakSignature,
}

impl CertificateFlaw {
    /// All of them, each with the words for it in a step: `the certificate of the broker …`.
    pub const WORDS: &[(&'static str, Self)] = &[
        ("has expired", Self::Expired),
        ("is not yet valid", Self::NotYetValid),
        ("is for another name", Self::OtherName),
        ("is of an unknown CA", Self::UnknownCa),
        ("is self-signed", Self::SelfSigned),
        ("lacks its chain", Self::ChainIncomplete),
        ("has a weak signature", Self::WeakSignature),
    ];

    fn file(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::OtherName => "other-name",
            Self::UnknownCa => "unknown-ca",
            Self::SelfSigned => "self-signed",
            Self::ChainIncomplete => "chain-incomplete",
            Self::WeakSignature => "weak-signature",
        }
    }
}

impl fmt::Display for CertificateFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::WORDS.iter().find(|(_, flaw)| flaw == self).map_or("", |(words, _)| words))
    }
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validity {
    /// From an hour ago, for so long: a board's clock may be slow.
    For(Duration),
    /// In January 2020.
    Past,
    /// From tomorrow, for thirty days.
    Future,
}

/// Longer than any run.
const USUAL: Validity = Validity::For(Duration::from_secs(30 * 24 * 3600));

/// A CA with its key.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    /// A new CA.
    pub(crate) fn new(name: &str, validity: Validity) -> io::Result<Self> {
        let ca = CertifiedIssuer::self_signed(ca_params(name, validity), key()?);
        ca.map(Self).map_err(failed)
    }

    /// Its certificate, in PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Its key, in PEM.
    pub(crate) fn key_pem(&self) -> String {
        self.0.key().serialize_pem()
    }

    /// A certificate and its key, in PEM.
    pub(crate) fn sign(
        &self,
        hosts: &[String],
        name: &str,
        usage: ExtendedKeyUsagePurpose,
        validity: Validity,
    ) -> io::Result<(String, String)> {
        let key = key()?;
        let certificate = params(hosts, name, usage, validity)?.signed_by(&key, &self.0).map_err(failed)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// A certificate for a server at these hosts, in two new files of a folder.
    ///
    /// # Errors
    /// When the files exist or can't be written.
    pub fn good(&self, folder: &Path, hosts: &[String]) -> io::Result<TlsIdentity> {
        let (cert, key) = self.sign(hosts, "hil test broker", ExtendedKeyUsagePurpose::ServerAuth, USUAL)?;
        write_identity(folder, "server", &cert, &key)
    }

    /// A certificate for a server at these hosts that has a flaw, in two new files of a folder.
    ///
    /// # Errors
    /// When the files exist or can't be written.
    pub fn flawed(&self, folder: &Path, hosts: &[String], flaw: CertificateFlaw) -> io::Result<TlsIdentity> {
        let server = |ca: &Self, hosts: &[String], validity| {
            ca.sign(hosts, "hil test broker", ExtendedKeyUsagePurpose::ServerAuth, validity)
        };
        let (cert, key) = match flaw {
            CertificateFlaw::Expired => server(self, hosts, Validity::Past)?,
            CertificateFlaw::NotYetValid => server(self, hosts, Validity::Future)?,
            CertificateFlaw::OtherName => server(self, &["wrong.invalid".to_owned()], USUAL)?,
            CertificateFlaw::UnknownCa => server(&Self::new("another test CA", USUAL)?, hosts, USUAL)?,
            CertificateFlaw::SelfSigned => {
                let key = key()?;
                let params = params(hosts, "hil test broker", ExtendedKeyUsagePurpose::ServerAuth, USUAL)?;
                (params.self_signed(&key).map_err(failed)?.pem(), key.serialize_pem())
            }
            CertificateFlaw::ChainIncomplete => server(&self.intermediate(USUAL)?, hosts, USUAL)?,
            CertificateFlaw::WeakSignature => {
                let key = key()?;
                let params = params(hosts, "hil test broker", ExtendedKeyUsagePurpose::ServerAuth, USUAL)?;
                let sound = params.signed_by(&key, &self.0).map_err(failed)?;
                (weak::sign_with_sha1(sound.der(), self.0.key())?, key.serialize_pem())
            }
        };
        write_identity(folder, flaw.file(), &cert, &key)
    }

    fn intermediate(&self, validity: Validity) -> io::Result<Self> {
        let ca = CertifiedIssuer::signed_by(ca_params("hil test intermediate", validity), key()?, &self.0);
        ca.map(Self).map_err(failed)
    }
}

fn write_identity(folder: &Path, name: &str, cert: &str, key: &str) -> io::Result<TlsIdentity> {
    let at = |ending: &str| folder.join(format!("{name}.{ending}"));
    let identity = TlsIdentity { cert: at("pem"), key: at("key") };
    write_new(&identity.cert, cert, false)?;
    write_new(&identity.key, key, true)?;
    Ok(identity)
}

fn key() -> io::Result<KeyPair> {
    KeyPair::generate().map_err(failed)
}

fn failed(error: rcgen::Error) -> io::Error {
    io::Error::other(error)
}

fn ca_params(name: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, validity);
    params
}

fn params(
    hosts: &[String],
    name: &str,
    usage: ExtendedKeyUsagePurpose,
    validity: Validity,
) -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(hosts.to_vec()).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, validity);
    Ok(params)
}

fn set_validity(params: &mut CertificateParams, validity: Validity) {
    const HOUR: Duration = Duration::from_secs(3600);
    let epoch = date_time_ymd(1970, 1, 1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (params.not_before, params.not_after) = match validity {
        Validity::For(span) => (epoch + now.saturating_sub(HOUR), epoch + now + span),
        Validity::Past => (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1)),
        Validity::Future => (epoch + now + 24 * HOUR, epoch + now + 31 * 24 * HOUR),
    };
}
