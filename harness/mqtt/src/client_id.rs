//! Lets clients with any valid id use the embedded broker, whose library rejects some.
//!
//! A client id may be any UTF-8 of up to 65,535 bytes (MQTT 3.1.1 §3.1.3.1, MQTT 5 §3.1.3.1). `mqtt5` 0.49 names
//! files by it, and therefore rejects `/`, `\`, `.`, `..`, control characters and ids of more than 128 bytes; `cert:`
//! is a prefix of its own. On the way to the library such an id is replaced by a name made of its SHA-256. The tap
//! records and captures what the board sent.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The names that replace client ids at one broker; clones share them.
#[derive(Debug, Clone, Default)]
pub struct ClientIds(Arc<Mutex<KnownIds>>);

#[derive(Debug, Default)]
struct KnownIds {
    /// Name and id, the latest last.
    ids: VecDeque<(String, String)>,
    bytes: usize,
}

/// Total bytes of ids to remember; the oldest are forgotten.
const MAX_REMEMBERED: usize = 16 << 20;
/// Prefix of the replacing names; an id with this prefix is replaced, too.
const PREFIX: &str = "hil-client-";
/// The longest id that the library accepts, in bytes.
const MAX_SUPPORTED: usize = 128;

/// Whether the library accepts the id. It replaces an empty one itself; NUL is never allowed (§1.5.3).
fn is_supported(id: &str) -> bool {
    let is_name = id == "." || id == ".." || id.starts_with("cert:") || id.starts_with(PREFIX);
    let is_refused = |c: char| matches!(c, '/' | '\\') || c.is_ascii_control();
    id.contains('\0') || !(is_name || id.len() > MAX_SUPPORTED || id.contains(is_refused))
}

impl ClientIds {
    /// The name that replaces an id; none if the library accepts the id.
    fn name(&self, id: &str) -> Option<String> {
        if is_supported(id) {
            return None;
        }
        let name = format!("{PREFIX}{}", hex::encode(ring::digest::digest(&ring::digest::SHA256, id.as_bytes())));
        let mut known = self.lock();
        if !known.ids.iter().any(|(known, _)| *known == name) {
            known.bytes += id.len();
            known.ids.push_back((name.clone(), id.to_owned()));
            while known.bytes > MAX_REMEMBERED {
                let Some((_, forgotten)) = known.ids.pop_front() else { break };
                known.bytes -= forgotten.len();
            }
        }
        Some(name)
    }

    /// The id that a name replaces.
    pub(crate) fn id(&self, name: &str) -> String {
        let known = self.lock();
        let found = known.ids.iter().rfind(|(known, _)| known == name).map(|(_, id)| id);
        found.map_or(name, String::as_str).to_owned()
    }

    fn lock(&self) -> MutexGuard<'_, KnownIds> {
        self.0.lock()
    }
}

/// Replaces the id in the CONNECT that a connection begins with, and nothing else. Holds the beginning of the CONNECT
/// back up to the end of its id.
#[derive(Debug)]
pub(crate) struct ClientIdRewriter<S> {
    stream: S,
    ids: ClientIds,
    /// The beginning of the CONNECT; none once the id is complete.
    held: Option<Vec<u8>>,
    /// Bytes to write, and how many of them are written.
    out: Vec<u8>,
    written: usize,
}

/// A CONNECT with more bytes before the end of its id passes unchanged: the longest id, and as much for properties.
const MAX_HELD: usize = 128 << 10;

/// The result of looking for the id.
#[derive(Debug, PartialEq, Eq)]
enum ConnectStart {
    /// The id is not complete yet.
    Unfinished,
    /// The id is not replaced.
    AsItIs,
    Changed(Vec<u8>),
}

impl<S> ClientIdRewriter<S> {
    pub(crate) fn new(stream: S, ids: ClientIds) -> Self {
        Self { stream, ids, held: Some(Vec::new()), out: Vec::new(), written: 0 }
    }
}

impl<S: AsyncWrite + Unpin> ClientIdRewriter<S> {
    /// Writes the pending bytes.
    fn send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[self.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        (self.out, self.written) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }
}

/// The variable byte integer at the beginning of these bytes (MQTT 5 §1.5.5), and how many bytes it takes.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (n, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((value, n + 1));
        }
    }
    None
}

fn encode_length(mut value: usize, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Looks for the client id in a CONNECT (§3.1).
fn find_client_id(bytes: &[u8], ids: &ClientIds) -> ConnectStart {
    /// Protocol name, level, flags and keep alive.
    const FIXED: usize = 10;
    const NAME: &[u8] = b"\x00\x04MQTT";
    let unfinished = |most: usize| if bytes.len() < most { ConnectStart::Unfinished } else { ConnectStart::AsItIs };
    if bytes.first().is_some_and(|first| *first != 0x10) {
        return ConnectStart::AsItIs;
    }
    let Some((remaining, size)) = bytes.get(1..).and_then(length) else { return unfinished(5) };
    let header = 1 + size;
    let end = header + remaining;
    let body = &bytes[header..];
    if !NAME.starts_with(&body[..body.len().min(NAME.len())]) {
        return ConnectStart::AsItIs;
    }
    if body.len() < FIXED {
        return unfinished(end);
    }
    let mut at = header + FIXED;
    if body[NAME.len()] == 5 {
        let Some((properties, size)) = length(&bytes[at..]) else { return unfinished(end.min(at + 4)) };
        at += size + properties;
    }
    let Some(&[high, low]) = bytes.get(at..at + 2) else { return unfinished(end) };
    let id_end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
    if id_end > end {
        return ConnectStart::AsItIs;
    }
    let Some(id) = bytes.get(at + 2..id_end) else { return unfinished(end) };
    let Some(name) = std::str::from_utf8(id).ok().and_then(|id| ids.name(id)) else { return ConnectStart::AsItIs };
    let mut changed = vec![0x10];
    encode_length(remaining + name.len() - id.len(), &mut changed);
    changed.extend(&bytes[header..at]);
    changed.extend((name.len() as u16).to_be_bytes());
    changed.extend(name.as_bytes());
    changed.extend(&bytes[id_end..]);
    ConnectStart::Changed(changed)
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientIdRewriter<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientIdRewriter<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.send(cx))?;
        let Some(held) = &mut this.held else { return Pin::new(&mut this.stream).poll_write(cx, bytes) };
        let bytes = &bytes[..bytes.len().min(MAX_HELD + 1 - held.len())];
        held.extend(bytes);
        this.out = match find_client_id(held, &this.ids) {
            ConnectStart::Unfinished if held.len() <= MAX_HELD => return Poll::Ready(Ok(bytes.len())),
            ConnectStart::Unfinished | ConnectStart::AsItIs => this.held.take().unwrap_or_default(),
            ConnectStart::Changed(changed) => changed,
        };
        this.held = None;
        // The next write or flush writes the rest.
        if let Poll::Ready(sent) = this.send(cx) {
            sent?;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The broker judges a CONNECT that ends before its id.
        if let Some(held) = self.held.take() {
            self.out = held;
        }
        ready!(self.send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn connect(level: u8, id: &[u8], rest: &[u8]) -> Vec<u8> {
        let mut body = b"\x00\x04MQTT".to_vec();
        body.extend([level, 0xc2, 0, 60]);
        if level == 5 {
            body.extend([5, 0x11, 0, 0, 0, 10]);
        }
        body.extend(u16::try_from(id.len()).expect("short").to_be_bytes());
        body.extend(id);
        body.extend(rest);
        let mut packet = vec![0x10];
        encode_length(body.len(), &mut packet);
        packet.extend(body);
        packet
    }

    /// What arrives of these chunks, read a few bytes at a time.
    async fn arrives(chunks: &[&[u8]]) -> Vec<u8> {
        let (near, mut far) = tokio::io::duplex(7);
        let chunks: Vec<Vec<u8>> = chunks.iter().map(|chunk| chunk.to_vec()).collect();
        tokio::spawn(async move {
            let mut near = ClientIdRewriter::new(near, ClientIds::default());
            for chunk in chunks {
                near.write_all(&chunk).await.expect("written");
                near.flush().await.expect("written");
            }
            near.shutdown().await.expect("written");
        });
        let mut arrived = Vec::new();
        far.read_to_end(&mut arrived).await.expect("read");
        arrived
    }

    #[tokio::test]
    async fn only_ids_that_the_library_rejects_are_replaced() {
        let as_they_are = ["", "lamp", "a b", "lämp-ö", "...", "a..b", "a\0/", &"x".repeat(128)];
        for id in as_they_are {
            assert_eq!(ClientIds::default().name(id), None, "{id:?}");
        }
        let long = "x".repeat(65_535);
        let changed =
            ["/", "a/b", "\\", ".", "..", "../up", "a\tb", "cert:ab", "hil-client-00", &long, &"é".repeat(65)];
        let ids = ClientIds::default();
        let mut names: Vec<_> = changed.iter().map(|id| ids.name(id).expect("changed")).collect();
        for (id, name) in changed.iter().zip(&names) {
            assert!(name.len() <= MAX_SUPPORTED && mqtt5_protocol::is_path_safe_client_id(name), "{name}");
            assert_eq!(ids.id(name), *id);
        }
        assert_eq!(ids.id("lamp"), "lamp");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), changed.len());
    }

    #[tokio::test]
    async fn the_result_does_not_depend_on_the_chunks() {
        for level in [4, 5] {
            let rest = b"\x00\x01u\x00\x01p";
            let name = ClientIds::default().name("a/b").expect("changed");
            let sent = [&connect(level, b"a/b", rest)[..], b"\xc0\x00"].concat();
            let wanted = [&connect(level, name.as_bytes(), rest)[..], b"\xc0\x00"].concat();
            for cut in 0..=sent.len() {
                assert_eq!(arrives(&[&sent[..cut], &sent[cut..]]).await, wanted, "level {level}, cut at {cut}");
            }
            let long = vec![b'/'; 65_535];
            let name = ClientIds::default().name(&"/".repeat(65_535)).expect("changed");
            assert_eq!(arrives(&[&connect(level, &long, rest)]).await, connect(level, name.as_bytes(), rest));
        }
    }

    #[tokio::test]
    async fn everything_else_passes_unchanged() {
        let second = [connect(4, b"lamp", b""), connect(4, b"a/b", b"")].concat();
        let mut lying = connect(4, b"a/b", b"");
        lying[1] -= 1;
        let unfinished = &connect(5, b"a/b", b"")[..12];
        let huge =
            [&b"\x10\xff\xff\xff\x7f\x00\x04MQTT\x05\x02\x00\x3c\xff\xff\xff\x7e"[..], &vec![7; 200 << 10]].concat();
        let old = b"\x10\x11\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x03a/b";
        let cases: [&[u8]; 8] = [
            &second,
            &lying,
            unfinished,
            &huge,
            old,
            b"\xc0\x00",
            b"\x10\xff\xff\xff\xff\xff\x00",
            &connect(4, b"\xff/", b""),
        ];
        for sent in cases {
            assert!(arrives(&[sent]).await == sent, "{:02x?}", &sent[..sent.len().min(40)]);
        }
    }

    #[test]
    fn remembered_ids_are_bounded() {
        let ids = ClientIds::default();
        for n in 0..600 {
            ids.name(&format!("{n}/{}", "x".repeat(60_000)));
        }
        let known = ids.lock();
        assert!(known.bytes <= MAX_REMEMBERED && known.ids.len() < 300, "{} bytes of {}", known.bytes, known.ids.len());
        assert!(known.ids.back().is_some_and(|(_, id)| id.starts_with("599/")));
    }
}
