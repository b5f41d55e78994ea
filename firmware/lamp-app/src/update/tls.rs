//! TLS 1.3 with the server of a file.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, with_timeout};
use embedded_tls::{
    Aes128GcmSha256, CryptoProvider, CryptoRng, CryptoRngCore, TlsConfig, TlsConnection, TlsContext, TlsError,
    TlsVerifier,
};
use p256::ecdsa::DerSignature;
use rustls_pki_types::CertificateDer;

use super::certificate::{Proof, Verifier, authority};
use super::fault::Fault;
use super::stream::Secured;

/// The largest record (RFC 8446 §5.2) with its header.
const RECORD: usize = 5 + (1 << 14) + 256;
/// Most of it is calculation, 2 s on a virtual board.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// A request fits into it.
const REQUEST: usize = 2048;

/// Fills bytes with random ones that can't be guessed.
pub type Random = fn(&mut [u8]);

/// Whose certificates are good.
pub(super) struct Trust {
    authority: CertificateDer<'static>,
}

impl Trust {
    pub(super) fn new(pem: Option<&str>) -> Result<Self, Fault> {
        let pem = pem.ok_or_else(|| Fault::Refused("its certificate can't be checked: no `tls.ca`".into()))?;
        Ok(Self { authority: authority(pem).map_err(Fault::Refused)? })
    }
}

/// Records of a connection while they are sent and received.
pub(super) struct Records {
    read: Vec<u8>,
    write: Vec<u8>,
}

impl Records {
    pub(super) fn new() -> Self {
        Self { read: vec![0; RECORD], write: vec![0; REQUEST] }
    }
}

/// Who the server has to be.
pub(super) struct Peer<'a> {
    /// Its name or address.
    pub(super) host: &'a str,
    /// Seconds since 1970.
    pub(super) now: u64,
    /// Whether its certificate is checked.
    pub(super) is_checked: bool,
}

/// Opens TLS over a connection.
pub(super) async fn open<'a, 's>(
    socket: &'a mut TcpSocket<'s>,
    records: &'a mut Records,
    trust: &Trust,
    random: Random,
    peer: Peer<'_>,
) -> Result<Secured<'a, 's>, Fault> {
    let Peer { host, now, is_checked } = peer;
    let mut proof = Proof::default();
    let verifier = is_checked.then(|| Verifier::new(&trust.authority, host, now, &mut proof));
    let config = TlsConfig::new();
    // An address is no server name (RFC 6066 §3).
    let config = if host.parse::<core::net::IpAddr>().is_ok() { config } else { config.with_server_name(host) };
    let mut connection = TlsConnection::new(socket, &mut records.read, &mut records.write);
    let provider = Provider { random: Source(random), verifier };
    let opened = with_timeout(HANDSHAKE, connection.open(TlsContext::new(&config, provider))).await;
    let why = match (opened, proof.refused) {
        (Ok(Ok(())), None) if proof.is_given || !is_checked => return Ok(connection),
        // The time too: whether it is the certificate or the clock that is wrong can't be known here.
        (_, Some(why)) => format!("{why} (time {now})"),
        (Ok(Ok(())), None) => "it does not prove who it is".into(),
        (Ok(Err(error)), None) => format!("TLS failed, {}", word(error)),
        (Err(_), None) => format!("the handshake took longer than {} s", HANDSHAKE.as_secs()),
    };
    Err(Fault::Lost(format!("{host}: {why}")))
}

fn word(error: TlsError) -> String {
    match error {
        TlsError::HandshakeAborted(_, alert) => format!("the server ended it: {alert:?}"),
        TlsError::Io(_) | TlsError::IoError | TlsError::ConnectionClosed => "the connection was closed".into(),
        error => format!("{error:?}: it must speak TLS 1.3 with P-256 and AES-128-GCM"),
    }
}

struct Provider<'a> {
    random: Source,
    verifier: Option<Verifier<'a>>,
}

impl CryptoProvider for Provider<'_> {
    type CipherSuite = Aes128GcmSha256;
    type Signature = DerSignature;

    fn rng(&mut self) -> impl CryptoRngCore {
        &mut self.random
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Aes128GcmSha256>, TlsError> {
        self.verifier.as_mut().ok_or(TlsError::Unimplemented)
    }
}

/// A source of random bytes, as the library wants it.
struct Source(Random);

impl CryptoRng for Source {}

impl rand_core::RngCore for Source {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        (self.0)(&mut bytes);
        u32::from_ne_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        (self.0)(&mut bytes);
        u64::from_ne_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        (self.0)(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        (self.0)(bytes);
        Ok(())
    }
}
