//! Faults of a board's network and datagrams: the table is in `link.rs`.

use std::num::NonZeroU64;
use std::time::Duration;

use hil_link::PathDirection;
use hil_mqtt::Fault;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

use crate::network::{A_WHILE, Network, SOON};

/// A client of SNTP (RFC 4330 §4).
struct Client {
    socket: UdpSocket,
    questions: u8,
}

impl Client {
    async fn new(network: &Network) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        socket.connect(network.clock.address()).await.expect("an address");
        Self { socket, questions: 0 }
    }

    /// Sends a question; each has another transmit timestamp.
    async fn ask(&mut self) {
        self.questions += 1;
        let mut question = [0; 48];
        question[0] = 4 << 3 | 3;
        question[47] = self.questions;
        self.socket.send(&question).await.expect("sent");
    }

    /// Receives an answer, which repeats the transmit timestamp of its question: the last one.
    async fn answered(&self) {
        let mut answer = [0; 64];
        let length = timeout(SOON, self.socket.recv(&mut answer)).await.expect("an answer").expect("received");
        assert_eq!((length, answer[0] & 7, answer[31]), (48, 4, self.questions));
    }

    async fn is_silent(&self) -> bool {
        timeout(A_WHILE, self.socket.recv(&mut [0; 64])).await.is_err()
    }
}

#[tokio::test]
async fn a_silence_loses_questions_and_answers() {
    // The server sees a question whose answer is lost.
    for (directions, seen) in
        [(PathDirection::BOTH.to_vec(), 0), (vec![PathDirection::Upstream], 0), (vec![PathDirection::Downstream], 1)]
    {
        let network = Network::new().await;
        let mut client = Client::new(&network).await;
        network.apply(Fault::Silence(directions.clone())).await;
        client.ask().await;
        assert!(client.is_silent().await, "{directions:?}");
        assert_eq!(network.times_asked(), seen, "{directions:?}");
        network.apply(Fault::Recover).await;
        client.ask().await;
        client.answered().await;
        assert_eq!(network.times_asked(), seen + 1, "{directions:?}");
    }
}

#[tokio::test]
async fn a_delay_acts_in_both_directions() {
    let network = Network::new().await;
    let mut client = Client::new(&network).await;
    let by = Duration::from_millis(150);
    network.apply(Fault::Delay { by, jitter: Duration::ZERO }).await;
    let begin = Instant::now();
    client.ask().await;
    client.answered().await;
    assert!(begin.elapsed() >= 2 * by, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn what_is_for_connections_does_not_touch_datagrams() {
    let network = Network::new().await;
    let mut client = Client::new(&network).await;
    // At this rate, an answer would take 48 s: longer than is waited for it.
    let bandwidth = Fault::Bandwidth(NonZeroU64::new(1).expect("more than 0"));
    for fault in [bandwidth, Fault::Close, Fault::Reset, Fault::Refuse] {
        network.apply(fault).await;
        client.ask().await;
        client.answered().await;
    }
}
