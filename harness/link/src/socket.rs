//! Operations of TCP itself.

use std::time::Duration;

use tokio::net::TcpStream;

/// Ends a connection with RST instead of FIN: a linger time of zero discards what is queued.
pub fn reset(stream: TcpStream) {
    // A socket that refuses the option is closed already.
    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}
