//! A signature that no board may trust any more: ECDSA with SHA-1.
//!
//! Libraries that make certificates refuse to make it, so a certificate that one of them has made is signed again.

use std::error::Error;
use std::io;

use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::DecodePrivateKey as _;
use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::KeyPair;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use yasna::models::ObjectIdentifier;

/// `ecdsa-with-SHA256` (RFC 5758 §3.2).
const ECDSA_WITH_SHA256: &[u64] = &[1, 2, 840, 10045, 4, 3, 2];
/// `ecdsa-with-SHA1` (RFC 3279 §2.2.3).
const ECDSA_WITH_SHA1: &[u64] = &[1, 2, 840, 10045, 4, 1];

/// A certificate in DER that the CA has signed with SHA-256, signed again by the CA's key with SHA-1; in PEM.
///
/// # Errors
/// When the certificate is not signed with SHA-256, or the key is not one of P-256.
pub(crate) fn sign_with_sha1(certificate: &[u8], ca_key: &KeyPair) -> io::Result<String> {
    let sha1 = algorithm(ECDSA_WITH_SHA1);
    let to_be_signed = with_algorithm(certificate, &sha1)?;
    let key = SigningKey::from_pkcs8_der(&ca_key.serialize_der()).map_err(io::Error::other)?;
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &to_be_signed);
    let signature: Signature = key.sign_prehash(digest.as_ref()).map_err(io::Error::other)?;
    let signature = signature.to_der();
    let bits = signature.as_bytes();
    let signature = yasna::construct_der(|writer| writer.write_bitvec_bytes(bits, bits.len() * 8));
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let whole = Pem::new("CERTIFICATE", sequence(&[to_be_signed, sha1, signature]));
    Ok(pem::encode_config(&whole, config))
}

/// What is signed of a certificate (RFC 5280 §4.1), with another algorithm.
fn with_algorithm(certificate: &[u8], algorithm_now: &[u8]) -> io::Result<Vec<u8>> {
    let whole = elements(certificate)?;
    let to_be_signed = whole.first().ok_or_else(|| io::Error::other("the certificate is empty"))?;
    let mut fields = elements(to_be_signed)?;
    let sha256 = algorithm(ECDSA_WITH_SHA256);
    let named = fields.iter_mut().find(|field| **field == sha256);
    let named = named.ok_or_else(|| io::Error::other("the certificate is not signed with ECDSA and SHA-256"))?;
    *named = algorithm_now.to_vec();
    Ok(sequence(&fields))
}

/// An `AlgorithmIdentifier` without parameters, as ECDSA has it.
fn algorithm(id: &[u64]) -> Vec<u8> {
    let id = yasna::construct_der(|writer| writer.write_oid(&ObjectIdentifier::from_slice(id)));
    sequence(&[id])
}

/// The elements of a sequence, each with its tag and length.
fn elements(der: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let read = yasna::parse_der(der, |reader| reader.collect_sequence_of(|element| element.read_der()));
    read.map_err(|error| io::Error::other(Box::<dyn Error + Send + Sync>::from(error)))
}

fn sequence(elements: &[Vec<u8>]) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| elements.iter().for_each(|element| writer.next().write_der(element)));
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use x509_parser::oid_registry::OID_SIG_ECDSA_WITH_SHA256;
    use x509_parser::prelude::{FromDer as _, X509Certificate};

    use super::*;
    use crate::{CertificateFlaw, Certificates, make_with_authority};

    /// Whether the signature fits is for clients to say: `harness/services/tests/services/certificates.rs`.
    #[test]
    fn only_the_signature_and_its_algorithm_differ_from_a_sound_certificate() {
        let folder = tempfile::tempdir().expect("folder");
        let hosts = vec!["127.0.0.1".to_owned()];
        let made = Certificates { hosts: hosts.clone(), clients: Vec::new(), valid: Some(Duration::from_secs(3600)) };
        let (_, ca) = make_with_authority(folder.path(), &made).expect("certificates");
        let flawed = ca.flawed(folder.path(), &hosts, CertificateFlaw::WeakSignature).expect("a certificate");
        let der = |path| pem::parse(std::fs::read(path).expect("a file")).expect("PEM").into_contents();
        let weak = der(flawed.cert);
        let (rest, read) = X509Certificate::from_der(&weak).expect("a certificate");
        assert_eq!(rest, []);
        for algorithm in [&read.signature_algorithm, &read.tbs_certificate.signature] {
            assert_eq!(
                (algorithm.algorithm.to_id_string(), &algorithm.parameters),
                ("1.2.840.10045.4.1".to_owned(), &None)
            );
        }
        let back = with_algorithm(&weak, &algorithm(ECDSA_WITH_SHA1)).expect_err("already weak");
        assert_eq!(back.to_string(), "the certificate is not signed with ECDSA and SHA-256");
        let sound = der(folder.path().join("server.pem"));
        let (_, sound) = X509Certificate::from_der(&sound).expect("a certificate");
        assert_eq!(sound.signature_algorithm.algorithm, OID_SIG_ECDSA_WITH_SHA256);
        assert_eq!(read.extensions(), sound.extensions());
        assert_eq!((read.issuer(), read.subject()), (sound.issuer(), sound.subject()));
    }
}
