//! Certificates with flaws: clients of others refuse them, and for that flaw.

use hil_timeline::Exchange;
use hil_tls::{CertificateFlaw, is_about_certificate};

use crate::support::{Bench, FILE, curl};

/// Loads a file, or prints why it can't, at a level of security (OpenSSL's `SSL_CTX_set_security_level`). Debian has level
/// 2; level 0 permits everything.
const PYTHON: &str = "
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
context.set_ciphers('DEFAULT@SECLEVEL=' + sys.argv[3])
try:
    sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], context=context).read())
except OSError as error:
    print(error)
";

async fn python(bench: &Bench, level: &str) -> Vec<u8> {
    let mut python = tokio::process::Command::new("python3");
    let got = python.args(["-c", PYTHON, &bench.url("https"), &bench.ca, level]).output().await.expect("Python runs");
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    got.stdout
}

/// How the client of the next connection ended the handshake.
async fn alert(bench: &Bench) -> String {
    bench.wait(|exchange| matches!(exchange, Exchange::Refused { .. })).await;
    let alerts = bench.exchanges().into_iter().filter_map(|exchange| match exchange {
        Exchange::Refused { alert, .. } => alert,
        _ => None,
    });
    alerts.reduce(|_, last| last).expect("an alert")
}

#[tokio::test]
async fn curl_and_python_refuse_each_flaw_and_name_it() {
    for (flaw, words) in [
        (CertificateFlaw::Expired, "certificate has expired"),
        (CertificateFlaw::NotYetValid, "certificate is not yet valid"),
        (CertificateFlaw::OtherName, "IP address mismatch"),
        (CertificateFlaw::UnknownCa, "unable to get local issuer certificate"),
        (CertificateFlaw::SelfSigned, "self-signed certificate"),
        (CertificateFlaw::ChainIncomplete, "unable to get local issuer certificate"),
        (CertificateFlaw::WeakSignature, "CA signature digest algorithm too weak"),
    ] {
        let bench = Bench::flawed(flaw);
        // 60: the certificate is not accepted.
        let got = curl(&["-s", "--cacert", &bench.ca, &bench.url("https")]).await;
        assert_eq!((got.status.code(), got.stdout.len()), (Some(60), 0), "{flaw}: {got:?}");
        // curl compares the name after the handshake.
        if flaw != CertificateFlaw::OtherName {
            assert!(is_about_certificate(&alert(&bench).await), "{flaw}: {:?}", bench.exchanges());
        }
        let bench = Bench::flawed(flaw);
        let said = String::from_utf8_lossy(&python(&bench, "2").await).into_owned();
        assert!(said.contains("CERTIFICATE_VERIFY_FAILED") && said.contains(words), "{flaw}: {said}");
        assert!(is_about_certificate(&alert(&bench).await), "{flaw}: {:?}", bench.exchanges());
    }
}

/// All else of it is sound: the signature fits, and the name, the dates and the CA are right.
#[tokio::test]
async fn a_client_that_still_trusts_sha_1_accepts_a_weak_signature() {
    let bench = Bench::flawed(CertificateFlaw::WeakSignature);
    assert!(python(&bench, "0").await == *FILE, "{:?}", bench.exchanges());
    let trusting = ["-s", "--ciphers", "DEFAULT@SECLEVEL=0", "--cacert", &bench.ca, &bench.url("https")];
    assert!(curl(&trusting).await.stdout == *FILE, "{:?}", bench.exchanges());
}
