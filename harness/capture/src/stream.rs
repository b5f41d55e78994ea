//! One TCP connection in a capture.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hil_timeline::Stamp;
use parking_lot::Mutex;

use crate::tcp::{Flow, Side};
use crate::writer::{Capture, Writer};

/// A connection: it appears in the capture with its first bytes.
#[derive(Debug)]
pub struct Stream {
    capture: Capture,
    interface: u32,
    track: Mutex<Track>,
    comment: String,
    began: Stamp,
}

#[derive(Debug)]
struct Track {
    flow: Flow,
    opened: bool,
}

impl Stream {
    pub(crate) fn new(capture: Capture, interface: u32, ends: [SocketAddr; 2], comment: String, began: Stamp) -> Self {
        let track = Mutex::new(Track { flow: Flow::new(ends[0], ends[1]), opened: false });
        Self { capture, interface, track, comment, began }
    }

    /// Bytes that the client or the server sends; secrets are replaced by `*`.
    pub fn bytes(&self, at: Stamp, by_client: bool, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let mut writer = self.capture.lock();
        if let Some(mask) = &writer.mask {
            mask.bytes(&mut bytes);
        }
        self.write(at, &mut writer, |flow| flow.data(sender(by_client), &bytes));
    }

    /// One side has sent FIN; the other may still send.
    pub fn fin(&self, at: Stamp, by_client: bool) {
        let mut writer = self.capture.lock();
        self.write(at, &mut writer, |flow| flow.finish(sender(by_client)));
    }

    /// The connection is closed, with FIN or with RST.
    pub fn end(&self, at: Stamp, by_client: bool, hard: bool) {
        let mut writer = self.capture.lock();
        self.write(at, &mut writer, |flow| match hard {
            true => vec![flow.reset(sender(by_client))],
            false => [flow.finish(sender(by_client)), flow.finish(sender(!by_client))].concat(),
        });
    }

    fn write(&self, at: Stamp, writer: &mut Writer, act: impl FnOnce(&mut Flow) -> Vec<Vec<u8>>) {
        let mut track = self.track.lock();
        if !std::mem::replace(&mut track.opened, true) {
            // The server's side may begin a moment later.
            let began = self.began.min(at);
            for (n, packet) in track.flow.open().into_iter().enumerate() {
                writer.packet(self.interface, began, &packet, (n == 0).then_some(self.comment.as_str()));
            }
        }
        for packet in act(&mut track.flow) {
            writer.packet(self.interface, at, &packet, None);
        }
    }
}

fn sender(is_client: bool) -> Side {
    if is_client { Side::Client } else { Side::Server }
}

/// The address of this machine that stands for a server which a client of that address reaches.
pub(crate) fn here(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}
