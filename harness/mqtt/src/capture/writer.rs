//! Writes a capture while the run goes on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hil_timeline::{Direction, Mask, Packet, Stamp};
use parking_lot::{Mutex, MutexGuard};

use super::pcapng;
use super::tcp::{Flow, Side};
use crate::decoder::{Credentials, credentials_of};

/// Why a capture can't be written.
#[derive(Debug, thiserror::Error)]
#[error("can't write the capture `{}`: {source}", path.display())]
pub struct CaptureError {
    /// The file.
    pub path: PathBuf,
    source: std::io::Error,
}

/// A capture file that is being written. Cheap to clone.
///
/// Each board has two interfaces: its traffic with the tap, and the tap's traffic with the broker. Both carry plain
/// MQTT to port 1883, whatever the real transport; TCP headers are generated. Passwords and secrets are replaced by
/// `*` unless they are to be shown.
#[derive(Debug, Clone)]
pub struct Capture(Arc<Mutex<Writer>>);

#[derive(Debug)]
struct Writer {
    file: File,
    path: PathBuf,
    unix_us: u64,
    mask: Option<Mask>,
    /// The number of a board's first interface; the second one follows it.
    interfaces: BTreeMap<String, u32>,
    flows: u64,
    /// How many more bytes the file may take.
    room: u64,
    is_cut: bool,
    failed: Option<std::io::Error>,
}

/// The two sides of the tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapSide {
    /// Between board and tap.
    Board,
    /// Between tap and broker.
    Broker,
}

/// The registered port of MQTT; opaque TLS uses 8883.
const MQTT: u16 = 1883;
const MQTT_TLS: u16 = 8883;

/// The generated ports of clients.
const FIRST_PORT: u64 = 1024;
const PORTS: u64 = 65_536 - FIRST_PORT - 8000;

impl Capture {
    /// Creates a file of at most `limit` bytes that holds complete packets only. `unix_us` is the start of the run in
    /// microseconds since 1970; without a mask nothing is hidden.
    ///
    /// # Errors
    /// When the file exists or can't be written.
    pub fn create(path: &Path, unix_us: u64, mask: Option<Mask>, limit: u64) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError { path: path.to_owned(), source };
        let mut file = File::create_new(path).map_err(failed)?;
        let application = concat!("hil ", env!("CARGO_PKG_VERSION"));
        let header = pcapng::section_header(application);
        file.write_all(&header).map_err(failed)?;
        let (interfaces, path) = (BTreeMap::new(), path.to_owned());
        let (flows, is_cut, failed) = (0, false, None);
        let room = limit.saturating_sub(header.len() as u64);
        let writer = Writer { file, path, unix_us, mask, interfaces, flows, room, is_cut, failed };
        Ok(Self(Arc::new(Mutex::new(writer))))
    }

    /// Adds a connection of a board.
    #[must_use]
    pub fn connection(&self, board: &str, connection: u32, near: SocketAddr, at: Stamp) -> Wire {
        let mut writer = self.lock();
        let interface = writer.interface(board);
        let client = near.ip();
        let server = match client {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        };
        let comment = format!("board {board}, connection {connection}, from {near}");
        let client = SocketAddr::new(client, writer.next_port());
        let near = Flow::new(client, SocketAddr::new(server, MQTT));
        let broker = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), MQTT);
        let far = Flow::new(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), writer.next_port()), broker);
        drop(writer);
        Wire {
            capture: self.clone(),
            interface,
            flows: Mutex::new([Track::new(near), Track::new(far)]),
            comment,
            began: at,
        }
    }

    /// The first write that failed, if any; later ones are not attempted.
    #[must_use]
    pub fn failure(&self) -> Option<CaptureError> {
        let mut writer = self.lock();
        let path = writer.path.clone();
        writer.failed.take().map(|source| CaptureError { path, source })
    }

    /// Whether it has reached its limit: later traffic is missing.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.lock().is_cut
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.0.lock()
    }
}

impl Writer {
    fn interface(&mut self, board: &str) -> u32 {
        if let Some(known) = self.interfaces.get(board) {
            return *known;
        }
        let first = u32::try_from(self.interfaces.len() * 2).unwrap_or(u32::MAX);
        self.interfaces.insert(board.to_owned(), first);
        self.write(&pcapng::interface(board, &format!("board {board} and its tap")));
        self.write(&pcapng::interface(&format!("{board}-broker"), &format!("the tap of board {board} and the broker")));
        first
    }

    /// A client port that no recent connection has used.
    fn next_port(&mut self) -> u16 {
        let port = FIRST_PORT + self.flows % PORTS;
        self.flows += 1;
        // Skips ports with a well-known meaning.
        u16::try_from(if port >= u64::from(MQTT) { port + 8000 } else { port }).unwrap_or(u16::MAX)
    }

    fn write(&mut self, block: &[u8]) {
        if self.failed.is_some() || self.is_cut {
            return;
        }
        match self.room.checked_sub(block.len() as u64) {
            Some(room) => {
                self.room = room;
                self.failed = self.file.write_all(block).err();
            }
            // After the first block that does not fit nothing is written: a reader would take the gap for lost packets.
            None => self.is_cut = true,
        }
    }
}

/// One side of a connection: it appears in the capture with its first bytes.
#[derive(Debug)]
struct Track {
    flow: Flow,
    opened: bool,
}

impl Track {
    fn new(flow: Flow) -> Self {
        Self { flow, opened: false }
    }
}

/// A connection in a capture.
#[derive(Debug)]
pub struct Wire {
    capture: Capture,
    interface: u32,
    flows: Mutex<[Track; 2]>,
    comment: String,
    began: Stamp,
}

impl Wire {
    /// A complete packet, or bytes that could not be decoded.
    pub fn bytes(
        &self,
        at: Stamp,
        side: TapSide,
        direction: Direction,
        raw: &[u8],
        packet: Option<&Packet>,
        protocol: u8,
    ) {
        let mut raw = raw.to_vec();
        let mut writer = self.capture.lock();
        if let Some(mask) = &writer.mask {
            hide(&mut raw, packet, protocol, mask);
        }
        let mut flows = self.flows.lock();
        let flow = &mut flows[side as usize];
        self.open(flow, side, at, &mut writer);
        for packet in flow.flow.data(sender(direction == Direction::FromBoard), &raw) {
            self.write(&mut writer, side, at, &packet, None);
        }
    }

    /// One side has sent FIN; the other may still send.
    pub fn fin(&self, at: Stamp, by_board: bool) {
        self.on_both(at, |flow| flow.finish(sender(by_board)));
    }

    /// The connection is closed, with FIN or with RST.
    pub fn end(&self, at: Stamp, by_board: bool, hard: bool) {
        self.on_both(at, |flow| match hard {
            true => vec![flow.reset(sender(by_board))],
            false => [flow.finish(sender(by_board)), flow.finish(sender(!by_board))].concat(),
        });
    }

    fn on_both(&self, at: Stamp, act: impl Fn(&mut Flow) -> Vec<Vec<u8>>) {
        let mut writer = self.capture.lock();
        let mut flows = self.flows.lock();
        for side in [TapSide::Board, TapSide::Broker] {
            let flow = &mut flows[side as usize];
            self.open(flow, side, at, &mut writer);
            for packet in act(&mut flow.flow) {
                self.write(&mut writer, side, at, &packet, None);
            }
        }
    }

    fn open(&self, leg: &mut Track, which: TapSide, at: Stamp, writer: &mut Writer) {
        if std::mem::replace(&mut leg.opened, true) {
            return;
        }
        // The broker's side begins when the tap has reached the broker, a moment later.
        let began = self.began.min(at);
        for (n, packet) in leg.flow.open().into_iter().enumerate() {
            self.write(writer, which, began, &packet, (n == 0).then_some(self.comment.as_str()));
        }
    }

    fn write(&self, writer: &mut Writer, side: TapSide, at: Stamp, packet: &[u8], comment: Option<&str>) {
        let block = pcapng::packet(self.interface + side as u32, writer.unix_us + at.0, packet, comment);
        writer.write(&block);
    }
}

fn sender(is_board: bool) -> Side {
    if is_board { Side::Client } else { Side::Server }
}

/// Passwords, authentication data and other secrets are replaced by `*`; the length stays the same.
fn hide(raw: &mut [u8], packet: Option<&Packet>, protocol: u8, mask: &Mask) {
    const WITH_CREDENTIALS: [u8; 3] = [1, 2, 15];
    let may_have = raw.len() > 2 && WITH_CREDENTIALS.contains(&(raw[0] >> 4));
    if let Some(packet) = packet.filter(|_| may_have) {
        let hidden = credentials_of(raw, protocol).is_some_and(|credentials| hide_credentials(raw, &credentials));
        let properties = match packet {
            Packet::Connect { properties, .. }
            | Packet::Connack { properties, .. }
            | Packet::Auth { properties, .. } => properties.as_slice(),
            _ => &[],
        };
        let has_some = matches!(packet, Packet::Undecodable { .. } | Packet::Connect { has_password: true, .. })
            || properties.iter().any(|property| property.name == "authentication data");
        // Their position is unknown, so the whole packet is hidden.
        if has_some && !hidden {
            raw[2..].fill(b'*');
        }
    }
    mask.bytes(raw);
}

/// Returns whether all of them were found.
fn hide_credentials(raw: &mut [u8], credentials: &Credentials) -> bool {
    let length = raw.len();
    let password = match &credentials.password {
        // The password is the last field (MQTT 3.1.1 §3.1.3); invalid trailing bytes may follow it.
        Some(password) if raw.ends_with(password) => {
            raw[length - password.len()..].fill(b'*');
            true
        }
        password => password.is_none(),
    };
    credentials.data.iter().all(|data| hide_property(raw, data)) && password
}

/// A property with binary data: its identifier, its length, and the bytes (MQTT 5 §2.2.2).
fn hide_property(raw: &mut [u8], data: &[u8]) -> bool {
    const AUTHENTICATION_DATA: u8 = 0x16;
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes();
    let whole = [&[AUTHENTICATION_DATA], &length[..], data].concat();
    let places: Vec<_> = (0..raw.len()).filter(|at| raw[*at..].starts_with(&whole)).collect();
    places.iter().for_each(|at| raw[at + 3..at + whole.len()].fill(b'*'));
    !places.is_empty()
}

impl Wire {
    /// From now on this connection is TLS that is not decrypted.
    #[must_use]
    pub fn opaque(self) -> Self {
        {
            let mut flows = self.flows.lock();
            flows.iter_mut().for_each(|leg| leg.flow.set_server_port(MQTT_TLS));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The authentication data property.
    fn data(text: &[u8]) -> Vec<u8> {
        [&[0x16, 0, u8::try_from(text.len()).expect("short")], text].concat()
    }

    fn hidden(raw: &[u8], direction: Direction) -> String {
        let packets = crate::decoder::Decoder::default().push(direction, raw);
        let mut raw = raw.to_vec();
        hide(&mut raw, packets.first().and_then(|decoded| decoded.packet.as_ref()), 5, &Mask::default());
        String::from_utf8_lossy(&raw).into_owned()
    }

    #[test]
    fn authentication_data_is_hidden_in_every_packet_that_has_it() {
        let method = b"\x15\0\x05SCRAM";
        let properties = [method.as_slice(), &data(b"c3cr3t")].concat();
        let size = u8::try_from(properties.len()).expect("short");
        let auth = [&[0xf0, size + 2, 0x18, size], properties.as_slice()].concat();
        let connack = [&[0x20, size + 3, 0, 0, size], properties.as_slice()].concat();
        let begin = [b"\0\x04MQTT\x05\xc2\0\x3c", &[size][..], &properties].concat();
        let body = [begin.as_slice(), b"\0\x02id\0\x04user\0\x06c3cr3t"].concat();
        let connect = [&[0x10, u8::try_from(body.len()).expect("short")], body.as_slice()].concat();
        use Direction::{FromBoard, ToBoard};
        for (packet, direction) in [(auth, FromBoard), (connack, ToBoard), (connect, FromBoard)] {
            let shown = hidden(&packet, direction);
            assert!(shown.contains("SCRAM") && shown.contains("******"), "{shown:?}");
            assert!(!shown.contains("c3cr3t"), "{shown:?}");
        }
    }

    #[test]
    fn a_capture_at_its_limit_ends_with_a_complete_block() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("c.pcapng");
        let near = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 5000);
        let publish = |capture: &Capture, times: usize| {
            let wire = capture.connection("lamp", 1, near, Stamp(0));
            let packet = [b"\x30\x0d\0\x01t".as_slice(), b"0123456789"].concat();
            for n in 0..times {
                wire.bytes(Stamp(n as u64), TapSide::Board, Direction::FromBoard, &packet, None, 4);
            }
        };
        let whole = Capture::create(&path, 0, None, u64::MAX).expect("a file");
        publish(&whole, 10);
        let bytes = std::fs::read(&path).expect("capture");
        assert!(!whole.is_cut());
        for limit in [bytes.len() as u64 - 1, bytes.len() as u64 / 2] {
            std::fs::remove_file(&path).expect("there");
            let cut = Capture::create(&path, 0, None, limit).expect("a file");
            publish(&cut, 10);
            let kept = std::fs::read(&path).expect("capture");
            assert!(cut.is_cut() && cut.failure().is_none());
            assert!(kept.len() as u64 <= limit && bytes.starts_with(&kept), "{} of {limit}", kept.len());
            assert!(blocks(&kept), "a block is cut");
        }
    }

    /// Whether a file consists of complete blocks: type, length, body, length (pcapng, section 3.1).
    fn blocks(mut bytes: &[u8]) -> bool {
        while let Some(length) = bytes.get(4..8) {
            let length = u32::from_le_bytes(length.try_into().expect("four")) as usize;
            if length < 12 || bytes.len() < length || bytes[length - 4..length] != bytes[4..8] {
                return false;
            }
            bytes = &bytes[length..];
        }
        bytes.is_empty()
    }
}
