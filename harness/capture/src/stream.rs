//! One TCP connection in a capture.

use std::net::{IpAddr, SocketAddr};

use hil_timeline::Stamp;
use parking_lot::Mutex;

use crate::ip::here;
use crate::tcp::{Flow, Side};
use crate::writer::{Capture, Interface, Writer};

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

impl Capture {
    /// Adds a connection to a server of this machine. In the capture its port is `server_port`, and the client's is a
    /// generated one.
    #[must_use]
    pub fn stream(
        &self,
        interface: &Interface,
        client: IpAddr,
        server_port: u16,
        comment: String,
        began: Stamp,
    ) -> Stream {
        let mut writer = self.lock();
        let number = writer.interface(interface);
        let ends = [SocketAddr::new(client, writer.next_port()), SocketAddr::new(here(client), server_port)];
        drop(writer);
        Stream::new(self.clone(), number, ends, comment, began)
    }
}

impl Stream {
    fn new(capture: Capture, interface: u32, ends: [SocketAddr; 2], comment: String, began: Stamp) -> Self {
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
