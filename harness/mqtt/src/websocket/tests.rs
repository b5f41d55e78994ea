//! Frames that another library makes and reads, and invalid frames.

use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_tungstenite::tungstenite::protocol::{Role as Theirs, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::buffered::Buffered;
use super::bytes::{Role, WebSocketBytes};
use super::{accept, connect};

/// This side and the other library's side.
async fn sides(role: Role) -> (WebSocketBytes<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (here, there) = duplex(1000);
    let theirs = if role == Role::Server { Theirs::Client } else { Theirs::Server };
    let unlimited = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let there = WebSocketStream::from_raw_socket(there, theirs, Some(unlimited)).await;
    (WebSocketBytes::new(Buffered::before_header(here).after_header(), role), there)
}

/// Bytes that show where they belong.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

#[tokio::test]
async fn messages_of_every_length_of_header_pass_both_ways() {
    for role in [Role::Server, Role::Client] {
        for length in [1, 125, 126, 127, 65_535, 65_536, 200_000] {
            let (mut here, mut there) = sides(role).await;
            let sent = pattern(length);
            let (sending, wanted) = (sent.clone(), sent.clone());
            let other = tokio::spawn(async move {
                there.send(Message::binary(sending)).await.expect("sent");
                let mut back = Vec::new();
                while back.len() < wanted.len() {
                    back.extend(there.next().await.expect("goes on").expect("frames").into_data());
                }
                assert!(back == wanted, "{length} bytes back");
            });
            let mut arrived = vec![0; length];
            here.read_exact(&mut arrived).await.expect("arrives");
            assert!(arrived == sent, "{length} bytes");
            here.write_all(&arrived).await.expect("sent");
            here.flush().await.expect("sent");
            other.await.expect("both ways");
        }
    }
}

#[tokio::test]
async fn pings_are_answered_while_nothing_is_written() {
    let (mut here, mut there) = sides(Role::Server).await;
    there.send(Message::Ping("are you there?".into())).await.expect("sent");
    there.send(Message::binary(b"x".to_vec())).await.expect("sent");
    assert_eq!(here.read_u8().await.expect("arrives"), b'x');
    assert_eq!(there.next().await.expect("an answer").expect("frame"), Message::Pong("are you there?".into()));
}

#[tokio::test]
async fn close_is_answered_after_the_last_bytes() {
    let (mut here, mut there) = sides(Role::Server).await;
    there.close(None).await.expect("sent");
    assert_eq!(here.read(&mut [0]).await.expect("closed"), 0);
    here.write_all(b"last words").await.expect("sent");
    here.shutdown().await.expect("sent");
    assert_eq!(there.next().await.expect("arrives").expect("frame"), Message::binary(b"last words".to_vec()));
    let Some(Ok(Message::Close(Some(close)))) = there.next().await else { panic!("no Close") };
    assert_eq!(close.code, CloseCode::Normal);
    assert!(here.write_all(b"more").await.is_err());
}

#[tokio::test]
async fn handshakes_leave_what_comes_behind_them() {
    let (here, there) = duplex(1000);
    let client = tokio::spawn(async move { client_async("ws://broker/mqtt", there).await.expect("answered").0 });
    let mut here = accept(here).await.expect("asked");
    let mut client = client.await.expect("connected");
    client.send(Message::binary(b"hi".to_vec())).await.expect("sent");
    assert_eq!(here.read_u16().await.expect("arrives"), u16::from_be_bytes(*b"hi"));
    // A server whose first frame is in one packet with its answer.
    let (here, mut there) = duplex(1000);
    let client = tokio::spawn(async move { connect(here, "broker", "/mqtt").await.expect("answered") });
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(there.read_u8().await.expect("a request"));
    }
    let asked = String::from_utf8(asked).expect("text");
    let key = asked.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n\u{2}\u{1}x"
    );
    // An unmasked text frame's first byte is no UTF-8.
    let mut answer = answer.into_bytes();
    let at = answer.len() - 3;
    answer[at] = 0x82;
    there.write_all(&answer).await.expect("sent");
    assert_eq!(client.await.expect("connected").read_u8().await.expect("arrives"), b'x');
}

#[tokio::test]
async fn frames_that_none_may_send_are_errors() {
    let refused: [(&[u8], &str); 8] = [
        (&[0xc2, 0x80, 0, 0, 0, 0], "a WebSocket frame has a reserved bit set"),
        (&[0x83, 0x80, 0, 0, 0, 0], "a WebSocket frame has an unknown opcode"),
        (&[0x82, 0x01], "a WebSocket client does not mask its frames, or a server does"),
        (&[0x80, 0x80, 0, 0, 0, 0], "the frames of a WebSocket message are out of order"),
        (&[0x02, 0x80, 0, 0, 0, 0, 0x82, 0x80, 0, 0, 0, 0], "the frames of a WebSocket message are out of order"),
        (&[0x09, 0x80, 0, 0, 0, 0], "a WebSocket control frame is too long or in parts"),
        (&[0x89, 0xfe, 0, 126, 0, 0, 0, 0], "a WebSocket control frame is too long or in parts"),
        (&[0x88, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], "a WebSocket control frame is too long or in parts"),
    ];
    for (bytes, why) in refused {
        let (here, mut there) = duplex(1000);
        there.write_all(bytes).await.expect("sent");
        let mut here = WebSocketBytes::new(Buffered::before_header(here).after_header(), Role::Server);
        let error = here.read(&mut [0]).await.expect_err(why);
        assert_eq!(error.to_string(), why);
    }
}
