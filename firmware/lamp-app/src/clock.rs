//! What time it is: SNTP (RFC 4330), asked for when it is needed.

use core::net::{SocketAddr, SocketAddrV4};

use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpAddress, Stack};
use embassy_time::{Duration, Instant, with_timeout};
use sntpc::{NtpContext, NtpTimestampGenerator, NtpUdpSocket};

use crate::net;
use crate::settings::TimeServer;

/// How long an answer may take, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;
/// January 2026, before this program was made: an earlier time is wrong. SNTP's seconds start again in 2036; they are taken
/// for those next to this time.
const EARLIEST: u64 = 1_767_225_600;

/// Asks for the time, in seconds since 1970.
pub(crate) async fn ask(stack: Stack<'_>, server: &TimeServer) -> Result<u64, &'static str> {
    let address = match with_timeout(PATIENCE, net::resolve(stack, &server.host)).await {
        Ok(Ok(IpAddress::Ipv4(address))) => SocketAddr::V4(SocketAddrV4::new(address, server.port)),
        _ => return Err("the name of the time server is not known"),
    };
    let (mut received, mut sent) = ([PacketMetadata::EMPTY; 1], [PacketMetadata::EMPTY; 1]);
    let (mut receive, mut send) = ([0; 128], [0; 128]);
    let mut socket = UdpSocket::new(stack, &mut received, &mut receive, &mut sent, &mut send);
    socket.bind(0).map_err(|_| "no port is free")?;
    let socket = Socket(socket);
    for _ in 0..ATTEMPTS {
        if let Ok(answer) = with_timeout(PATIENCE, attempt(address, &socket)).await {
            return match answer? {
                time if time < EARLIEST => Err("the time server says a time that is long over"),
                time => Ok(time),
            };
        }
    }
    Err("the time server does not answer")
}

/// Asks once. What is no answer to it, as a late answer to an earlier question, is passed over.
async fn attempt(address: SocketAddr, socket: &Socket<'_>) -> Result<u64, &'static str> {
    let context = NtpContext::new(Uptime::default());
    let asked =
        sntpc::sntp_send_request(address, socket, context).await.map_err(|_| "the network takes no question")?;
    loop {
        match sntpc::sntp_process_response(address, socket, context, asked).await {
            Ok(time) => return Ok(time.sec()),
            Err(sntpc::Error::UnsynchronizedClock) => return Err("the time server does not know the time"),
            Err(_) => {}
        }
    }
}

struct Socket<'a>(UdpSocket<'a>);

impl NtpUdpSocket for Socket<'_> {
    async fn send_to(&self, bytes: &[u8], address: SocketAddr) -> sntpc::Result<usize> {
        let SocketAddr::V4(address) = address else { return Err(sntpc::Error::Network) };
        self.0.send_to(bytes, address).await.map_err(|_| sntpc::Error::Network)?;
        Ok(bytes.len())
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> sntpc::Result<(usize, SocketAddr)> {
        let (length, from) = self.0.recv_from(buffer).await.map_err(|_| sntpc::Error::Network)?;
        let IpAddress::Ipv4(address) = from.endpoint.addr;
        Ok((length, SocketAddr::V4(SocketAddrV4::new(address, from.endpoint.port))))
    }
}

/// The time as far as a lamp without a clock knows it.
#[derive(Debug, Clone, Copy, Default)]
struct Uptime(u64);

impl NtpTimestampGenerator for Uptime {
    fn init(&mut self) {
        self.0 = Instant::now().as_micros();
    }

    fn timestamp_sec(&self) -> u64 {
        EARLIEST + self.0 / 1_000_000
    }

    fn timestamp_subsec_micros(&self) -> u32 {
        u32::try_from(self.0 % 1_000_000).unwrap_or(0)
    }
}
