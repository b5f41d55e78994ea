//! Between the main loop, which has the connection to the broker, and what takes updates beside it.

use alloc::string::String;
use alloc::vec::Vec;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::signal::Signal;

/// For the main loop.
#[derive(Debug)]
pub(crate) enum News {
    /// To print and to publish.
    Said(String),
    /// The chip is to be restarted.
    Restart,
}

/// What was announced, and whether the broker had kept it.
#[derive(Debug)]
pub(crate) struct Announced {
    pub(crate) text: Vec<u8>,
    pub(crate) kept: bool,
}

/// Where both leave what concerns the other.
pub(crate) struct Desk {
    /// A broker has accepted the connection.
    pub(crate) online: Signal<NoopRawMutex, ()>,
    /// The newest announcement.
    pub(crate) announced: Signal<NoopRawMutex, Announced>,
    pub(crate) news: Channel<NoopRawMutex, News, 4>,
}

impl Desk {
    pub(crate) const fn new() -> Self {
        Self { online: Signal::new(), announced: Signal::new(), news: Channel::new() }
    }
}
