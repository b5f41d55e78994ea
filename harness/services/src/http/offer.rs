//! The files that a scenario offers, and how each of them is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest as _, Sha256};

/// How a response ends before its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Nothing more comes; the connection stays open.
    Stall,
    /// The connection is closed: FIN.
    Close,
    /// The connection is reset: RST.
    Reset,
}

/// How requests for a file are answered. The default is as they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// Answers with this status instead of the file: 400 to 599.
    pub status: Option<u16>,
    /// Redirects to another path, where the file is.
    pub redirect: bool,
    /// Ranges are served; else the whole file is sent in any case.
    pub ranges: bool,
    /// The body comes in chunks, without `Content-Length`.
    pub chunked: bool,
    /// How many bytes `Content-Length` is too large; negative if too small.
    pub length_off: i64,
    /// One bit in the middle of the file is another one. The hash that is announced stays right.
    pub altered: bool,
    /// After so many percent of the file (0 to 99) the response stops.
    pub stop: Option<(u8, Stop)>,
    /// Only so many GET requests are answered like this, later ones as they should be. One that is answered as it should be
    /// in any case does not count, nor does the redirection to a file for which more is asked.
    pub times: Option<u32>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            status: None,
            redirect: false,
            ranges: true,
            chunked: false,
            length_off: 0,
            altered: false,
            stop: None,
            times: None,
        }
    }
}

/// What can be asked for, as the steps name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    Status,
    Redirect,
    Ranges,
    Chunked,
    Length,
    Altered,
    Stop,
}

impl Behaviour {
    /// What it asks for.
    fn asked(&self) -> impl Iterator<Item = Act> {
        let all = [
            (self.status.is_some(), Act::Status),
            (self.redirect, Act::Redirect),
            (!self.ranges, Act::Ranges),
            (self.chunked, Act::Chunked),
            (self.length_off != 0, Act::Length),
            (self.altered, Act::Altered),
            (self.stop.is_some(), Act::Stop),
        ];
        all.into_iter().filter(|(asked, _)| *asked).map(|(_, act)| act)
    }

    /// Whether a redirection is all that it asks for.
    pub(super) fn only_redirects(&self) -> bool {
        self.asked().all(|act| act == Act::Redirect)
    }

    fn word(&self, act: Act) -> &'static str {
        match act {
            Act::Status => "status",
            Act::Redirect => "redirect",
            Act::Ranges => "ranges",
            Act::Chunked => "encoding",
            Act::Length => "length",
            Act::Altered => "content",
            Act::Stop => match self.stop {
                Some((_, Stop::Close)) => "closes at",
                Some((_, Stop::Reset)) => "resets at",
                Some((_, Stop::Stall)) | None => "stalls at",
            },
        }
    }
}

/// A file and how requests for it are answered.
#[derive(Debug, Clone)]
pub struct Offer {
    bytes: Bytes,
    sha256: String,
    behaviour: Behaviour,
    state: Arc<State>,
}

/// What all clones of an offer know together.
#[derive(Debug, Default)]
struct State {
    /// Held while a request is answered: of two at the same time, one is the first.
    turn: Mutex<()>,
    /// How many requests were not answered as they should be.
    counted: Mutex<u32>,
    /// What has happened.
    happened: Mutex<BTreeSet<Act>>,
}

impl Offer {
    /// Offers these bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>, behaviour: Behaviour) -> Self {
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { bytes: bytes.into(), sha256, behaviour, state: Arc::default() }
    }

    /// The SHA-256 of the file, in hex; of the file as it should be, even if it is altered on the way.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The entity tag (RFC 9110 §8.8.3), with its quotes.
    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", &self.sha256[..16])
    }

    /// Waits until no other request for it is being answered.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.state.turn.lock()
    }

    /// How the next request is answered.
    pub(super) fn next_behaviour(&self) -> Behaviour {
        let is_over = self.behaviour.times.is_some_and(|times| *self.state.counted.lock() >= times);
        if is_over { Behaviour::default() } else { self.behaviour.clone() }
    }

    /// A request is not answered as it should be.
    pub(super) fn count(&self) {
        *self.state.counted.lock() += 1;
    }

    /// Something that was asked for happens.
    pub(super) fn happens(&self, act: Act) {
        self.state.happened.lock().insert(act);
    }

    /// The first option, as steps name it, that was asked for and has not happened.
    #[must_use]
    pub fn never_happened(&self) -> Option<&'static str> {
        let happened = self.state.happened.lock();
        self.behaviour.asked().find(|act| !happened.contains(act)).map(|act| self.behaviour.word(act))
    }

    /// The place of the byte that is altered.
    pub(super) fn middle(&self) -> u64 {
        self.size() / 2
    }

    /// The bytes that are sent.
    pub(super) fn content(&self, behaviour: &Behaviour) -> Bytes {
        let middle = self.bytes.len() / 2;
        if !behaviour.altered || self.bytes.is_empty() {
            return self.bytes.clone();
        }
        let mut altered = self.bytes.to_vec();
        altered[middle] ^= 1;
        altered.into()
    }
}

/// The files of one scenario, by path; cheap to clone, all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Files(Arc<Mutex<BTreeMap<String, Offer>>>);

/// Where a redirect leads.
pub(super) const MOVED: &str = "/moved";

impl Files {
    /// Offers a file at a path that begins with a slash; an earlier one at the same path is replaced.
    pub fn offer(&self, path: &str, offer: Offer) {
        self.0.lock().insert(path.to_owned(), offer);
    }

    /// The file at a path, and whether it was asked for where a redirect leads.
    pub(super) fn at(&self, path: &str) -> Option<(Offer, bool)> {
        let files = self.0.lock();
        let moved = path.strip_prefix(MOVED).and_then(|path| files.get(path));
        let moved = moved.filter(|offer| offer.behaviour.redirect).cloned().map(|offer| (offer, true));
        files.get(path).cloned().map(|offer| (offer, false)).or(moved)
    }
}
