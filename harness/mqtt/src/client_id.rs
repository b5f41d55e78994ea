//! Lets clients with any valid id use the embedded broker, whose library rejects some.
//!
//! A client id may be any UTF-8 of up to 65,535 bytes (MQTT 3.1.1 §3.1.3.1, MQTT 5 §3.1.3.1). `mqtt5` 0.49 names
//! files by it, and therefore rejects `/`, `\`, `.`, `..`, control characters and ids of more than 128 bytes; `cert:`
//! is a prefix of its own. On the way to the library such an id is replaced by a name made of its SHA-256. The tap
//! records and captures what the board sent.
//!
//! It also loses messages when a client takes over its id with a clean session, as one does whose power was cut: the handler
//! of the old connection takes them from the queue of both, and discards them when it learns that it has ended. What follows
//! the CONNECT therefore waits until the broker has ended the old connection.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// The names that replace client ids at one broker; clones share them.
#[derive(Debug, Clone, Default)]
pub struct ClientIds(Arc<Mutex<KnownIds>>);

#[derive(Debug, Default)]
struct KnownIds {
    /// Name and id, the latest last.
    ids: VecDeque<(String, String)>,
    bytes: usize,
    /// The newest connection of each id; its sender is gone when it has ended.
    open: HashMap<String, watch::Receiver<()>>,
}

/// Waits for the end of a connection.
type Predecessor = Pin<Box<dyn Future<Output = ()> + Send>>;

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

    /// A connection with this id begins: what shows that it lives, and the one that it takes over from.
    fn begin(&self, id: &str) -> (watch::Sender<()>, Option<Predecessor>) {
        /// The broker needs a few milliseconds; its end is not seen while the old connection is not read.
        const PATIENCE: Duration = Duration::from_millis(500);
        let (life, lives) = watch::channel(());
        let mut known = self.lock();
        known.open.retain(|_, lives| lives.has_changed().is_ok());
        let predecessor = known.open.insert(id.to_owned(), lives).map(|mut lives| {
            let ended = async move {
                let _ = tokio::time::timeout(PATIENCE, lives.changed()).await;
            };
            Box::pin(ended) as Predecessor
        });
        (life, predecessor)
    }

    fn lock(&self) -> MutexGuard<'_, KnownIds> {
        self.0.lock()
    }
}

/// Replaces the id in the CONNECT that a connection begins with, and nothing else. Holds the beginning of the CONNECT
/// back up to the end of its id, and what is written after it while the broker still has an older connection of that id.
pub(crate) struct ClientIdRewriter<S> {
    stream: S,
    ids: ClientIds,
    /// The beginning of the CONNECT; none once the id is complete.
    held: Option<Vec<u8>>,
    /// Bytes to write, and how many of them are written.
    out: Vec<u8>,
    written: usize,
    /// Dropped at the end of the connection.
    life: Option<watch::Sender<()>>,
    predecessor: Option<Predecessor>,
}

/// A CONNECT with more bytes before the end of its id passes unchanged: the longest id, and as much for properties.
const MAX_HELD: usize = 128 << 10;

/// The result of looking for the id.
#[derive(Debug, PartialEq, Eq)]
enum ConnectStart {
    /// The id is not complete yet.
    Unfinished,
    /// There is no id.
    None,
    /// The id, and the bytes with another one if it is replaced.
    Id(String, Option<Vec<u8>>),
}

impl<S> ClientIdRewriter<S> {
    pub(crate) fn new(stream: S, ids: ClientIds) -> Self {
        Self { stream, ids, held: Some(Vec::new()), out: Vec::new(), written: 0, life: None, predecessor: None }
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
    let unfinished = |most: usize| if bytes.len() < most { ConnectStart::Unfinished } else { ConnectStart::None };
    if bytes.first().is_some_and(|first| *first != 0x10) {
        return ConnectStart::None;
    }
    let Some((remaining, size)) = bytes.get(1..).and_then(length) else { return unfinished(5) };
    let header = 1 + size;
    let end = header + remaining;
    let body = &bytes[header..];
    if !NAME.starts_with(&body[..body.len().min(NAME.len())]) {
        return ConnectStart::None;
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
        return ConnectStart::None;
    }
    let Some(id) = bytes.get(at + 2..id_end) else { return unfinished(end) };
    let Ok(id) = std::str::from_utf8(id) else { return ConnectStart::None };
    let Some(name) = ids.name(id) else { return ConnectStart::Id(id.to_owned(), None) };
    let mut changed = vec![0x10];
    encode_length(remaining + name.len() - id.len(), &mut changed);
    changed.extend(&bytes[header..at]);
    changed.extend((name.len() as u16).to_be_bytes());
    changed.extend(name.as_bytes());
    changed.extend(&bytes[id_end..]);
    ConnectStart::Id(id.to_owned(), Some(changed))
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientIdRewriter<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining() > 0);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if read.is_err() || (room && buffer.filled().len() == before) {
            self.life = None;
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientIdRewriter<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.send(cx))?;
        let Some(held) = &mut this.held else {
            if let Some(predecessor) = &mut this.predecessor {
                ready!(predecessor.as_mut().poll(cx));
                this.predecessor = None;
            }
            return Pin::new(&mut this.stream).poll_write(cx, bytes);
        };
        let bytes = &bytes[..bytes.len().min(MAX_HELD + 1 - held.len())];
        held.extend(bytes);
        this.out = match find_client_id(held, &this.ids) {
            ConnectStart::Unfinished if held.len() <= MAX_HELD => return Poll::Ready(Ok(bytes.len())),
            ConnectStart::Unfinished | ConnectStart::None => this.held.take().unwrap_or_default(),
            ConnectStart::Id(id, changed) => {
                // The broker gives each client without an id another one.
                if !id.is_empty() {
                    let (life, predecessor) = this.ids.begin(&id);
                    (this.life, this.predecessor) = (Some(life), predecessor);
                }
                changed.unwrap_or_else(|| this.held.take().unwrap_or_default())
            }
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

    /// What arrived by now, of a connection that stays open.
    async fn so_far(far: &mut tokio::io::DuplexStream) -> Vec<u8> {
        let mut arrived = vec![0; 1024];
        let read = tokio::time::timeout(Duration::from_millis(50), far.read(&mut arrived)).await;
        arrived.truncate(read.map_or(0, |read| read.expect("read")));
        arrived
    }

    #[tokio::test(start_paused = true)]
    async fn what_follows_a_connect_waits_for_the_end_of_the_connection_with_the_same_id() {
        let ids = ClientIds::default();
        let open = || {
            let (near, far) = tokio::io::duplex(1024);
            (ClientIdRewriter::new(near, ids.clone()), far)
        };
        let ((mut old, mut old_far), (mut new, mut new_far), (mut other, mut other_far)) = (open(), open(), open());
        let (same, another) = (connect(4, b"same", b""), connect(4, b"another", b""));
        old.write_all(&same).await.expect("written");
        assert_eq!(so_far(&mut old_far).await, same);
        new.write_all(&same).await.expect("written");
        assert_eq!(so_far(&mut new_far).await, same);
        other.write_all(&another).await.expect("written");
        other.write_all(b"\xc0\x00").await.expect("at once");
        assert_eq!(so_far(&mut other_far).await, [&another[..], b"\xc0\x00"].concat());
        let (written, ()) = tokio::join!(new.write_all(b"\xc0\x00"), async {
            assert!(so_far(&mut new_far).await.is_empty());
            drop(old_far);
            assert_eq!(old.read(&mut [0]).await.expect("an end"), 0);
        });
        written.expect("written");
        assert_eq!(so_far(&mut new_far).await, b"\xc0\x00");
        // The old connection is not read: the new one does not wait for ever.
        let ((mut newest, mut newest_far), begin) = (open(), tokio::time::Instant::now());
        newest.write_all(&same).await.expect("written");
        newest.write_all(b"\xc0\x00").await.expect("written");
        assert_eq!(begin.elapsed().as_millis(), 500);
        assert_eq!(so_far(&mut newest_far).await, [&same[..], b"\xc0\x00"].concat());
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
