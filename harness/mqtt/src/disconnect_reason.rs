//! Lets every DISCONNECT reason that keeps the will work with the embedded broker, whose library supports only one.
//!
//! Every DISCONNECT except one with reason 0x00 keeps the will (MQTT 5 §3.14.4). `mqtt5` 0.49 supports 0x04 only, and
//! drops the will of a connection whose reason it does not know. On the way to the library, a reason that keeps the
//! will is replaced by 0x04. The tap records and captures what the board sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Replaces the reasons and nothing else; holds no byte back.
#[derive(Debug)]
pub(crate) struct DisconnectReasonRewriter<S> {
    stream: S,
    position: PacketPosition,
}

/// Normal disconnection: the will is discarded.
const NORMAL: u8 = 0x00;
/// Disconnect with will message.
const WITH_WILL: u8 = 0x04;

const CONNECT: u8 = 1;
const DISCONNECT: u8 = 14;
/// Where a CONNECT has its protocol level: after the name `MQTT` and its length.
const LEVEL_AT: usize = 6;
const V5: u8 = 5;

/// A position in a stream of packets.
#[derive(Debug, Clone, Copy, Default)]
struct PacketPosition {
    /// The protocol level of the latest CONNECT.
    level: u8,
    kind: u8,
    section: Section,
}

#[derive(Debug, Clone, Copy, Default)]
enum Section {
    #[default]
    Kind,
    Length {
        value: usize,
        shift: u32,
    },
    Body {
        done: usize,
        length: usize,
    },
    /// The framing is lost.
    Lost,
}

impl PacketPosition {
    /// Reads these bytes up to a reason that would lose the will; returns how many were read.
    fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            at += match self.section {
                Section::Kind => {
                    self.kind = byte >> 4;
                    self.section = Section::Length { value: 0, shift: 0 };
                    1
                }
                Section::Length { value, shift } => {
                    self.length(byte, value, shift);
                    1
                }
                Section::Body { done: 0, .. } if self.loses_will(byte) => return at,
                Section::Body { done, length } => {
                    let passed = self.body(&bytes[at..], done, length);
                    self.pass(passed);
                    passed
                }
                Section::Lost => return bytes.len(),
            };
        }
        at
    }

    /// A byte of the remaining length (MQTT 5 §1.5.5).
    fn length(&mut self, byte: u8, value: usize, shift: u32) {
        let value = value | usize::from(byte & 0x7f) << shift;
        self.section = match value {
            _ if byte & 0x80 != 0 && shift == 21 => Section::Lost,
            _ if byte & 0x80 != 0 => Section::Length { value, shift: shift + 7 },
            0 => Section::Kind,
            length => Section::Body { done: 0, length },
        };
    }

    fn loses_will(&self, reason: u8) -> bool {
        self.kind == DISCONNECT && self.level == V5 && reason != NORMAL && reason != WITH_WILL
    }

    /// How many of these bytes belong to the packet.
    fn body(&mut self, bytes: &[u8], done: usize, length: usize) -> usize {
        let here = (length - done).min(bytes.len());
        if self.kind == CONNECT
            && let Some(level) = LEVEL_AT.checked_sub(done).and_then(|at| bytes[..here].get(at))
        {
            self.level = *level;
        }
        here
    }

    /// Bytes of the packet that pass unread.
    fn pass(&mut self, bytes: usize) {
        if let Section::Body { done, length } = self.section {
            let done = done + bytes;
            self.section = if done < length { Section::Body { done, length } } else { Section::Kind };
        }
    }
}

impl<S> DisconnectReasonRewriter<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, position: PacketPosition::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for DisconnectReasonRewriter<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for DisconnectReasonRewriter<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // Follow a copy: the stream may accept fewer bytes.
        let unchanged = self.position.clone().follow(bytes);
        if unchanged == 0 && !bytes.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &[WITH_WILL]))?;
            self.position.pass(written);
            return Poll::Ready(Ok(written));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..unchanged]))?;
        self.position.follow(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const CONNECT_4: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01l";
    const CONNECT_5: &[u8] = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01l";

    /// What arrives of these chunks, read a few bytes at a time.
    async fn arrives(chunks: &[&[u8]]) -> Vec<u8> {
        let (near, mut far) = tokio::io::duplex(3);
        let chunks: Vec<Vec<u8>> = chunks.iter().map(|chunk| chunk.to_vec()).collect();
        tokio::spawn(async move {
            let mut near = DisconnectReasonRewriter::new(near);
            for chunk in chunks {
                near.write_all(&chunk).await.expect("written");
            }
        });
        let mut arrived = Vec::new();
        far.read_to_end(&mut arrived).await.expect("read");
        arrived
    }

    #[tokio::test]
    async fn a_reason_that_keeps_the_will_becomes_the_one_that_the_library_supports() {
        for code in 0..=0xff {
            let becomes = if code == NORMAL { NORMAL } else { WITH_WILL };
            assert_eq!(arrives(&[CONNECT_5, &[0xe0, 1, code]]).await, [CONNECT_5, &[0xe0, 1, becomes]].concat());
            let long = |code| [0xe0, 7, code, 5, 0x11, 0, 0, 0, 0x81];
            assert_eq!(arrives(&[CONNECT_5, &long(code)]).await, [CONNECT_5, &long(becomes)].concat());
        }
        assert_eq!(arrives(&[CONNECT_5, b"\xe0\x00"]).await, [CONNECT_5, b"\xe0\x00"].concat());
    }

    #[tokio::test]
    async fn the_result_does_not_depend_on_the_chunks() {
        // A long packet in between, whose bytes look like a DISCONNECT.
        let long = [&b"\x30\x85\x01\x00\x01t"[..], &[0xe0, 1, 0x81].repeat(43), &[0; 1]].concat();
        assert_eq!(long.len(), 3 + 0x85);
        let sent = [CONNECT_5, &long, b"\xc0\x00\xe0\x02\x81\x00"].concat();
        let wanted = [CONNECT_5, &long, b"\xc0\x00\xe0\x02\x04\x00"].concat();
        for cut in 0..=sent.len() {
            assert_eq!(arrives(&[&sent[..cut], &sent[cut..]]).await, wanted, "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn everything_else_passes_unchanged() {
        let not_five = [CONNECT_4, b"\xe0\x01\x81"].concat();
        assert_eq!(arrives(&[&not_five]).await, not_five);
        let garbage: Vec<u8> = [CONNECT_5, b"\x30\xff\xff\xff\xff\xff\xe0\x01\x81"].concat();
        assert_eq!(arrives(&[&garbage]).await, garbage);
    }
}
