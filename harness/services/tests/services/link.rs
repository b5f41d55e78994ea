//! Faults of a board's network act on all of its services: one suite.
//!
//! | fault | connections: MQTT, HTTP, both also over TLS | datagrams: SNTP and DNS |
//! | --- | --- | --- |
//! | silence | holds what is sent, also in the middle of a handshake | loses them |
//! | delay | in both directions, not of the handshake of TLS | in both directions |
//! | bandwidth | is not exceeded, except by the handshake of TLS | none: a few bytes, and no queue to fill |
//! | close | FIN | none: there is no connection |
//! | reset | RST | none: there is no connection |
//! | refusal | RST to new connections | none: there is no connection |
//! | power cut | is silent | none: what has no connection leaves nothing behind |
//!
//! Connections are tested here, SNTP in `datagrams.rs`, and DNS where it is answered: `virtual-board/src/names.rs`.

use std::num::NonZeroU64;
use std::time::Duration;

use hil_link::PathDirection;
use hil_mqtt::Fault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::network::{A_WHILE, Client, Network, Protocol, SOON};

async fn on_each(test: impl AsyncFn(Network, Protocol)) {
    for protocol in Protocol::ALL {
        test(Network::new().await, protocol).await;
    }
}

/// A client that asks in a silence gets its answer once the silence ends.
async fn is_held(network: &Network, protocol: Protocol, client: &mut Client) {
    client.ask().await;
    assert!(client.is_silent().await, "{protocol:?}");
    network.apply(Fault::Recover).await;
    client.answered().await;
}

#[tokio::test]
async fn a_silence_holds_what_is_sent_until_it_ends() {
    for directions in [PathDirection::BOTH.to_vec(), vec![PathDirection::Downstream]] {
        on_each(async |network, protocol| {
            let mut client = network.connect(protocol).await;
            network.apply(Fault::Silence(directions.clone())).await;
            is_held(&network, protocol, &mut client).await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_silence_also_holds_new_connections() {
    on_each(async |network, protocol| {
        network.apply(Fault::Silence(PathDirection::BOTH.to_vec())).await;
        let stream = TcpStream::connect(network.address(protocol)).await.expect("the system accepts it");
        let mut beginning = std::pin::pin!(network.begin(protocol, stream));
        assert!(timeout(A_WHILE, &mut beginning).await.is_err(), "{protocol:?}");
        network.apply(Fault::Recover).await;
        timeout(SOON, beginning).await.expect("answered");
    })
    .await;
}

/// The board has been accepted, and sends its first byte in the silence.
#[tokio::test]
async fn a_silence_holds_the_handshake_of_a_connection_that_is_open() {
    for directions in [PathDirection::BOTH.to_vec(), vec![PathDirection::Downstream], vec![PathDirection::Upstream]] {
        for protocol in Protocol::ALL.into_iter().filter(|protocol| protocol.is_over_tls()) {
            let network = Network::new().await;
            let stream = TcpStream::connect(network.address(protocol)).await.expect("connects");
            network.opened(protocol).await;
            network.apply(Fault::Silence(directions.clone())).await;
            let mut securing = std::pin::pin!(network.secure(protocol, stream));
            assert!(timeout(A_WHILE, &mut securing).await.is_err(), "{protocol:?} {directions:?}");
            network.apply(Fault::Recover).await;
            let mut client = timeout(SOON, securing).await.expect("secured");
            client.ask().await;
            client.answered().await;
        }
    }
}

/// The board speaks, and only it is not heard.
#[tokio::test]
async fn a_silence_towards_the_board_holds_nothing_else_of_a_handshake() {
    for protocol in Protocol::ALL.into_iter().filter(|protocol| protocol.is_over_tls()) {
        let network = Network::new().await;
        let stream = TcpStream::connect(network.address(protocol)).await.expect("connects");
        let mut client = network.secure(protocol, stream).await;
        // The server may still have to send its tickets: TLS 1.3 sends them after the handshake (RFC 8446 §4.6.1).
        network.apply(Fault::Silence(vec![PathDirection::Downstream])).await;
        client.ask().await;
        network.asked(protocol).await;
        network.apply(Fault::Recover).await;
        client.answered().await;
    }
}

#[tokio::test]
async fn a_connection_is_closed_with_fin_in_its_handshake() {
    for protocol in Protocol::ALL.into_iter().filter(|protocol| protocol.is_over_tls()) {
        let network = Network::new().await;
        let mut stream = TcpStream::connect(network.address(protocol)).await.expect("connects");
        network.opened(protocol).await;
        network.apply(Fault::Silence(PathDirection::BOTH.to_vec())).await;
        stream.write_all(&[0x16, 3, 1, 0, 200, 1]).await.expect("written");
        tokio::time::sleep(A_WHILE).await;
        network.apply(Fault::Close).await;
        let end = timeout(SOON, stream.read(&mut [0])).await.expect("in time");
        assert_eq!(end.unwrap_or_else(|error| panic!("{protocol:?}: {error}")), 0);
    }
}

#[tokio::test]
async fn a_delay_acts_in_both_directions() {
    on_each(async |network, protocol| {
        let mut client = network.connect(protocol).await;
        let by = Duration::from_millis(150);
        network.apply(Fault::Delay { by, jitter: Duration::ZERO }).await;
        let begin = Instant::now();
        client.ask().await;
        client.answered().await;
        assert!(begin.elapsed() >= 2 * by, "{protocol:?}: {:?}", begin.elapsed());
    })
    .await;
}

#[tokio::test]
async fn a_bandwidth_is_not_exceeded() {
    on_each(async |network, protocol| {
        let mut client = network.connect(protocol).await;
        network.apply(Fault::Bandwidth(NonZeroU64::new(100).expect("more than 0"))).await;
        let begin = Instant::now();
        let requests = if protocol.is_mqtt() { 26 } else { 2 };
        for _ in 0..requests {
            client.ask().await;
        }
        for _ in 0..requests {
            client.answered().await;
        }
        // More than 50 bytes at 100 B/s, the first portion at once.
        assert!(begin.elapsed() >= Duration::from_millis(400), "{protocol:?}: {:?}", begin.elapsed());
    })
    .await;
}

#[tokio::test]
async fn a_connection_is_closed_with_fin() {
    on_each(async |network, protocol| {
        let mut client = network.connect(protocol).await;
        network.apply(Fault::Close).await;
        client.end().await.unwrap_or_else(|error| panic!("{protocol:?}: {error}"));
        assert_eq!(network.ended(protocol).await, "closed by the bench");
        network.connect(protocol).await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_is_reset_with_rst() {
    on_each(async |network, protocol| {
        let mut client = network.connect(protocol).await;
        network.apply(Fault::Reset).await;
        assert_eq!(client.end().await.expect_err("RST").kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(network.ended(protocol).await, "reset by the bench");
        network.connect(protocol).await;
    })
    .await;
}

#[tokio::test]
async fn new_connections_are_refused_and_open_ones_stay() {
    on_each(async |network, protocol| {
        let mut client = network.connect(protocol).await;
        network.apply(Fault::Refuse).await;
        let refused = TcpStream::connect(network.address(protocol)).await.expect_err("refused");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{protocol:?}");
        client.ask().await;
        client.answered().await;
        network.apply(Fault::Accept).await;
        network.connect(protocol).await;
    })
    .await;
}

/// A power cut of a program's board is a silence: the program is killed, and its FIN must not be seen.
#[tokio::test]
async fn the_end_of_an_abandoned_connection_is_not_seen() {
    on_each(async |network, protocol| {
        let client = network.connect(protocol).await;
        network.tap.abandon();
        drop(client);
        assert_eq!(network.ended_within(protocol, A_WHILE).await, None, "{protocol:?}");
        network.tap.control().end(hil_link::Ending::Reset);
        assert_eq!(network.ended(protocol).await, "reset by the bench", "{protocol:?}");
    })
    .await;
}

#[tokio::test]
async fn a_route_that_closes_resets_all() {
    on_each(async |network, protocol| {
        let mut client = network.connect(protocol).await;
        network.http.port.close_route();
        network.tap.close_route();
        assert_eq!(client.end().await.expect_err("RST").kind(), std::io::ErrorKind::ConnectionReset);
    })
    .await;
}
