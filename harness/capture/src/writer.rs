//! Writes a capture while the run goes on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hil_timeline::{Mask, Stamp};
use parking_lot::{Mutex, MutexGuard};

use crate::ip::here;
use crate::{datagram, pcapng};

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
/// Passwords and secrets are replaced by `*` unless they are to be shown.
#[derive(Debug, Clone)]
pub struct Capture(Arc<Mutex<Writer>>);

/// Whose traffic it is, as Wireshark shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name: `lamp`, `lamp-http`.
    pub name: String,
    /// What passes there.
    pub description: String,
}

#[derive(Debug)]
pub(crate) struct Writer {
    file: File,
    path: PathBuf,
    unix_us: u64,
    pub(crate) mask: Option<Mask>,
    /// Their numbers, by name.
    interfaces: BTreeMap<String, u32>,
    flows: u64,
    /// How many more bytes the file may take.
    room: u64,
    is_cut: bool,
    failed: Option<std::io::Error>,
}

/// The generated ports of clients.
const FIRST_PORT: u64 = 1024;
const PORTS: u64 = 65_536 - FIRST_PORT - 8000;
/// From here on, ports are skipped: some of them have a well-known meaning, the first one that of MQTT.
const KNOWN: u64 = 1883;

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

    /// A datagram between a client and a server of this machine, whose port is `server_port` in the capture.
    pub fn datagram(
        &self,
        interface: &Interface,
        client: SocketAddr,
        server_port: u16,
        at: Stamp,
        by_client: bool,
        bytes: &[u8],
    ) {
        let server = SocketAddr::new(here(client.ip()), server_port);
        let (from, to) = if by_client { (client, server) } else { (server, client) };
        let mut writer = self.lock();
        let number = writer.interface(interface);
        let packet = datagram::packet(from, to, bytes);
        writer.packet(number, at, &packet, None);
    }

    /// What is hidden; none if nothing is.
    #[must_use]
    pub fn mask(&self) -> Option<Mask> {
        self.lock().mask.clone()
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

    pub(crate) fn lock(&self) -> MutexGuard<'_, Writer> {
        self.0.lock()
    }
}

impl Writer {
    /// The number of an interface; a new one is added.
    pub(crate) fn interface(&mut self, interface: &Interface) -> u32 {
        if let Some(known) = self.interfaces.get(&interface.name) {
            return *known;
        }
        let number = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        self.interfaces.insert(interface.name.clone(), number);
        self.write(&pcapng::interface(&interface.name, &interface.description));
        number
    }

    /// A client port that no recent connection has used.
    pub(crate) fn next_port(&mut self) -> u16 {
        let port = FIRST_PORT + self.flows % PORTS;
        self.flows += 1;
        u16::try_from(if port >= KNOWN { port + 8000 } else { port }).unwrap_or(u16::MAX)
    }

    pub(crate) fn packet(&mut self, interface: u32, at: Stamp, packet: &[u8], comment: Option<&str>) {
        let block = pcapng::packet(interface, self.unix_us + at.0, packet, comment);
        self.write(&block);
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_capture_at_its_limit_ends_with_a_complete_block() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("c.pcapng");
        let interface = Interface { name: "lamp".to_owned(), description: "board lamp and its tap".to_owned() };
        let publish = |capture: &Capture, times: u64| {
            let client = Ipv4Addr::LOCALHOST.into();
            let stream = capture.stream(&interface, client, 1883, "connection 1".to_owned(), Stamp(0));
            (0..times).for_each(|n| stream.bytes(Stamp(n), true, b"\x30\x0d\0\x01t0123456789"));
            capture.datagram(&interface, SocketAddr::new(client, 4000), 123, Stamp(times), true, b"time?");
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
