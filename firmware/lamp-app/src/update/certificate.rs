//! Checks the certificate of a server: `webpki` decides, `p256` calculates.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use embedded_tls::{
    Aes128GcmSha256, CertificateEntryRef, CertificateRef, CertificateVerifyRef, SignatureScheme, TlsError, TlsVerifier,
};
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{DerSignature, VerifyingKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName, SignatureVerificationAlgorithm, UnixTime, alg_id,
};
use sha2_of_tls::{Digest as _, Sha256};
use webpki::{EndEntityCert, Error, KeyUsage};

/// What is signed at the end of a handshake begins with these (RFC 8446 §4.4.3).
const PADDING: [u8; 64] = [0x20; 64];
const CONTEXT: &[u8] = b"TLS 1.3, server CertificateVerify\0";

/// The certificate that signs those of servers: PEM text.
pub(super) fn authority(pem: &str) -> Result<CertificateDer<'static>, String> {
    let authority = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| "`tls.ca` is no PEM certificate")?;
    webpki::anchor_from_trusted_cert(&authority).map_err(|error| format!("`tls.ca` is no certificate: {error}"))?;
    Ok(authority)
}

/// What is known of a server after a handshake: the library does not require that it shows a certificate.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// It has the key of a certificate that is good.
    pub(super) is_given: bool,
    /// Why the certificate is refused.
    pub(super) refused: Option<&'static str>,
}

/// Judges one handshake.
pub(super) struct Verifier<'a> {
    authority: &'a CertificateDer<'a>,
    host: &'a str,
    /// Seconds since 1970.
    now: u64,
    proof: &'a mut Proof,
    /// The certificate, and the hash of the handshake until it.
    shown: Option<(Vec<u8>, Sha256)>,
}

/// Each costs a calculation during which nothing else runs.
const MOST_BETWEEN: usize = 3;

impl<'a> Verifier<'a> {
    pub(super) fn new(authority: &'a CertificateDer<'a>, host: &'a str, now: u64, proof: &'a mut Proof) -> Self {
        Self { authority, host, now, proof, shown: None }
    }

    /// Ends the handshake. The connection is reset without an alert: those of `embedded-tls` 0.19 come in a record of
    /// another type.
    fn refuse<T>(&mut self, why: Reason) -> Result<T, TlsError> {
        self.proof.refused = Some(why);
        Err(TlsError::InvalidCertificate)
    }
}

impl TlsVerifier<Aes128GcmSha256> for Verifier<'_> {
    fn set_hostname_verification(&mut self, _: &str) -> Result<(), TlsError> {
        Ok(())
    }

    fn verify_certificate(&mut self, transcript: &Sha256, chain: CertificateRef<'_>) -> Result<(), TlsError> {
        let entry = |entry: &CertificateEntryRef<'_>| match entry {
            CertificateEntryRef::X509(der) => Some(der.to_vec()),
            CertificateEntryRef::RawPublicKey(_) => None,
        };
        if chain.entries.len() > 1 + MOST_BETWEEN {
            return self.refuse("its chain of certificates is too long");
        }
        let chain: Option<Vec<_>> = chain.entries.iter().map(entry).collect();
        let Some((own, between)) = chain.as_deref().and_then(|chain| chain.split_first()) else {
            return self.refuse(NO_CERTIFICATE);
        };
        if let Err(why) = check(self.authority, own, between, self.host, self.now) {
            return self.refuse(why);
        }
        self.shown = Some((own.clone(), transcript.clone()));
        Ok(())
    }

    fn verify_signature(&mut self, signed: CertificateVerifyRef<'_>) -> Result<(), TlsError> {
        let Some((own, transcript)) = self.shown.take() else { return self.refuse(NO_CERTIFICATE) };
        if signed.signature_scheme != SignatureScheme::EcdsaSecp256r1Sha256 {
            return self.refuse(UNSUPPORTED);
        }
        let message = [&PADDING[..], CONTEXT, &transcript.finalize()].concat();
        let own = CertificateDer::from(own);
        let verified =
            EndEntityCert::try_from(&own).and_then(|own| own.verify_signature(&EcdsaP256, &message, signed.signature));
        if verified.is_err() {
            return self.refuse("it does not have the key of its certificate");
        }
        self.proof.is_given = true;
        Ok(())
    }
}

/// Why a certificate is refused.
type Reason = &'static str;

const NO_CERTIFICATE: Reason = "it shows no certificate";
const UNSUPPORTED: Reason = "its certificate is of a kind that is not supported";

/// Whether a chain leads to the CA, now, and is for this host.
fn check(authority: &CertificateDer<'_>, own: &[u8], between: &[Vec<u8>], host: &str, now: u64) -> Result<(), Reason> {
    let anchor = webpki::anchor_from_trusted_cert(authority).map_err(word)?;
    let own = CertificateDer::from(own);
    let own = EndEntityCert::try_from(&own).map_err(word)?;
    let between: Vec<_> = between.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    own.verify_for_usage(&[&EcdsaP256], &[anchor], &between, now, KeyUsage::server_auth(), None, None).map_err(word)?;
    let host = ServerName::try_from(host).map_err(|_| "its name is no host name")?;
    own.verify_is_valid_for_subject_name(&host).map_err(word)
}

fn word(error: Error) -> Reason {
    match error {
        Error::CertExpired { .. } => "its certificate has expired",
        Error::CertNotValidYet { .. } => "its certificate is not valid yet",
        Error::CertNotValidForName(_) => "its certificate is for another name",
        Error::UnknownIssuer => "its certificate is of an unknown CA",
        Error::InvalidSignatureForPublicKey => "its certificate is not signed by its CA",
        Error::UnsupportedSignatureAlgorithmContext(_) | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            UNSUPPORTED
        }
        _ => "its certificate is not acceptable",
    }
}

/// ECDSA with P-256 and SHA-256, the only signatures that this program can check.
#[derive(Debug)]
struct EcdsaP256;

impl SignatureVerificationAlgorithm for EcdsaP256 {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = DerSignature::from_bytes(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SigningKey as _,
    };

    use super::*;

    type Issuer = CertifiedIssuer<'static, KeyPair>;

    fn key() -> KeyPair {
        KeyPair::generate().expect("a key")
    }

    fn ca(name: &str, by: Option<&Issuer>) -> Issuer {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = match by {
            None => CertifiedIssuer::self_signed(params, key()),
            Some(by) => CertifiedIssuer::signed_by(params, key(), by),
        };
        ca.expect("a CA")
    }

    /// The certificate of a server, valid in the 2020s.
    fn server(by: &Issuer) -> Vec<u8> {
        server_with(&key(), by)
    }

    fn server_with(key: &KeyPair, by: &Issuer) -> Vec<u8> {
        let hosts = ["updates.example", "10.0.2.2"].map(String::from);
        let mut params = CertificateParams::new(hosts).expect("hosts");
        params.extended_key_usages = [ExtendedKeyUsagePurpose::ServerAuth].into();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        params.signed_by(key, by).expect("signed").der().to_vec()
    }

    const IN_TIME: u64 = 1_700_000_000;

    #[test]
    fn a_good_certificate_is_for_a_name_or_an_address() {
        let root = ca("root", None);
        let own = server(&root);
        for host in ["updates.example", "10.0.2.2"] {
            assert_eq!(check(root.der(), &own, &[], host, IN_TIME), Ok(()), "{host}");
        }
        let other = Err("its certificate is for another name");
        assert_eq!(check(root.der(), &own, &[], "other.example", IN_TIME), other);
        assert_eq!(check(root.der(), &own, &[], "10.0.2.3", IN_TIME), other);
    }

    #[test]
    fn the_time_decides() {
        let root = ca("root", None);
        let own = server(&root);
        let at = |time| check(root.der(), &own, &[], "10.0.2.2", time);
        assert_eq!(at(1_500_000_000), Err("its certificate is not valid yet"));
        assert_eq!(at(2_147_483_647), Err("its certificate has expired"));
        // What a lamp whose clock was never set would say.
        assert_eq!(at(0), Err("its certificate is not valid yet"));
    }

    #[test]
    fn the_chain_leads_to_the_ca() {
        let (root, other) = (ca("root", None), ca("other", None));
        let between = ca("between", Some(&root));
        let own = server(&between);
        let unknown = Err("its certificate is of an unknown CA");
        assert_eq!(check(root.der(), &own, &[between.der().to_vec()], "10.0.2.2", IN_TIME), Ok(()));
        assert_eq!(check(root.der(), &own, &[], "10.0.2.2", IN_TIME), unknown);
        assert_eq!(check(other.der(), &server(&root), &[], "10.0.2.2", IN_TIME), unknown);
        // Of a CA that has the same name, and another key.
        let same = ca("root", None);
        let not_signed = Err("its certificate is not signed by its CA");
        assert_eq!(check(same.der(), &server(&root), &[], "10.0.2.2", IN_TIME), not_signed);
    }

    /// The library calls for a signature only if the server sends one.
    #[test]
    fn a_certificate_alone_proves_nothing() {
        let (root, own) = (ca("root", None), key());
        let der = server_with(&own, &root);
        let transcript = Sha256::new().chain_update(b"a handshake");
        let message = [&PADDING[..], CONTEXT, &transcript.clone().finalize()].concat();
        let proof_of = |signed: Option<&[u8]>| {
            let mut proof = Proof::default();
            let mut verifier = Verifier::new(root.der(), "10.0.2.2", IN_TIME, &mut proof);
            let mut chain = CertificateRef::with_context(&[]);
            chain.add(CertificateEntryRef::X509(&der)).expect("room");
            verifier.verify_certificate(&transcript, chain).expect("a good certificate");
            if let Some(message) = signed {
                let signature = own.sign(message).expect("a signature");
                let signature_scheme = SignatureScheme::EcdsaSecp256r1Sha256;
                let _ = verifier.verify_signature(CertificateVerifyRef { signature_scheme, signature: &signature });
            }
            (proof.is_given, proof.refused)
        };
        assert_eq!(proof_of(None), (false, None));
        assert_eq!(proof_of(Some(&message)), (true, None));
        let other = Some("it does not have the key of its certificate");
        assert_eq!(proof_of(Some(b"another handshake")), (false, other));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let root = ca("root", None);
        assert_eq!(check(root.der(), b"x", &[], "10.0.2.2", IN_TIME), Err("its certificate is not acceptable"));
        assert!(authority(&root.pem()).is_ok());
        assert_eq!(authority("x").map(|_| ()), Err("`tls.ca` is no PEM certificate".into()));
    }
}
