//! Records what passes on one connection.

use hil_capture::Stream;
use hil_link::{Ended, Ending, PathDirection, Watch};
use hil_timeline::{Exchange, Recorder, Service, What, percent};
use parking_lot::Mutex;

use super::offer::Files;
use super::wire::{Exchanges, Read, RequestHead, ResponseHead};

/// One connection of a board.
pub(super) struct ConnectionRecorder {
    pub(super) board: String,
    pub(super) connection: u32,
    pub(super) recorder: Recorder,
    files: Files,
    /// The connection in the capture.
    stream: Option<Stream>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    exchanges: Exchanges,
    /// The file that is being sent.
    sending: Option<Sending>,
}

struct Sending {
    path: String,
    sent: u64,
    of: u64,
    recorded: Option<u64>,
}

impl ConnectionRecorder {
    pub(super) fn new(board: &str, connection: u32, recorder: Recorder, files: Files, stream: Option<Stream>) -> Self {
        Self { board: board.to_owned(), connection, recorder, files, stream, state: Mutex::default() }
    }

    /// The connection is over.
    pub(super) fn finish(&self, ended: Ended) {
        let by_board = matches!(ended, Ended::Closed(PathDirection::Upstream) | Ended::Broken(PathDirection::Upstream));
        let hard = matches!(ended, Ended::Broken(_) | Ended::Ordered(Ending::Reset));
        if let Some(stream) = &self.stream {
            stream.end(self.recorder.now(), by_board, hard);
        }
    }

    pub(super) fn record(&self, exchange: Exchange) {
        let (board, connection) = (self.board.clone(), Some(self.connection));
        self.recorder.record(What::Service { board, service: Service::Http, connection, exchange });
    }

    /// What follows the head of a response is a file if it was offered and the status says so.
    fn sending(&self, head: &ResponseHead) -> Option<Sending> {
        let path = head.path.split('?').next().unwrap_or_default();
        let (offer, _) = self.files.at(path).filter(|_| matches!(head.status, 200 | 206))?;
        let first = head.content_range.as_deref().and_then(first_byte).unwrap_or(0);
        Some(Sending { path: head.path.clone(), sent: first, of: offer.size(), recorded: None })
    }

    fn seen(&self, state: &mut State, read: Read) {
        match read {
            Read::Request(RequestHead { method, path, range }) => {
                self.record(Exchange::Request { method, path, range });
            }
            Read::Response(head) => {
                state.sending = self.sending(&head);
                let ResponseHead { path, status, length, content_range } = head;
                self.record(Exchange::Response { path, status, length, content_range });
            }
            Read::Body(length) => {
                let Some(sending) = &mut state.sending else { return };
                sending.sent = (sending.sent + length).min(sending.of);
                let now = percent(sending.sent, sending.of);
                if sending.recorded.replace(now) != Some(now) {
                    let Sending { path, sent, of, .. } = sending;
                    self.record(Exchange::Sent { path: path.clone(), sent: *sent, of: *of });
                }
            }
        }
    }
}

/// The first byte of `bytes 1000-1999/5000`.
fn first_byte(content_range: &str) -> Option<u64> {
    content_range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

impl Watch for ConnectionRecorder {
    fn forwarding(&self, direction: PathDirection, bytes: &[u8], _: u8) {
        if let Some(stream) = &self.stream {
            stream.bytes(self.recorder.now(), direction == PathDirection::Upstream, bytes);
        }
        let mut state = self.state.lock();
        let read = match direction {
            PathDirection::Upstream => state.exchanges.sent(bytes),
            PathDirection::Downstream => state.exchanges.received(bytes),
        };
        read.into_iter().for_each(|read| self.seen(&mut state, read));
    }

    fn ending(&self, ended: Ended) {
        self.record(Exchange::Closed { how: describe(ended).to_owned() });
    }
}

fn describe(ended: Ended) -> &'static str {
    match ended {
        Ended::Closed(PathDirection::Upstream) => "closed by the board",
        Ended::Closed(PathDirection::Downstream) => "closed by the server",
        Ended::Broken(PathDirection::Upstream) => "reset by the board",
        Ended::Broken(PathDirection::Downstream) => "reset by the server",
        Ended::Ordered(Ending::Close | Ending::Abandon) => "closed by the bench",
        Ended::Ordered(Ending::Reset) => "reset by the bench",
    }
}
