//! File descriptors: a process has a limited number of them, and running out of them is an error of the bench.
//!
//! Only the code that asks for a descriptor gets the error; other programs and libraries only see that nothing arrives.
//! So each connection of a board also checks whether enough descriptors are left for everything it needs.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Resource, getrlimit};

/// How often this process got no descriptor.
static REFUSED: AtomicU64 = AtomicU64::new(0);
/// How often fewer descriptors were left than a connection needs.
static SCARCE: AtomicU64 = AtomicU64::new(0);

/// No file descriptor, or hardly any, is left.
///
/// # Example
/// ```
/// use hil_link::Shortage;
/// let refused = std::io::Error::from_raw_os_error(24); // EMFILE
/// let text = Shortage::of(&refused).expect("one").to_string();
/// assert!(text.starts_with("hil ran out of file descriptors (limit "), "{text}");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// This process (EMFILE) or the system (ENFILE) has reached its limit.
    Refused,
    /// Fewer are left than one connection of a board needs.
    Scarce,
}

impl Shortage {
    /// How to fix it.
    pub const HINT: &str = "raise it: `ulimit -n 1024`";

    /// Returns the shortage that this error reports, and counts it.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        let is_one =
            [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
        is_one.then(|| {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            Self::Refused
        })
    }

    /// Checks whether enough are left for a connection: a socket and a duplicate of it for each side, and the broker's.
    #[must_use = "counted in any case"]
    pub fn look() -> Option<Self> {
        let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC);
        // Two pipes use four; the fifth is the one that the caller has just opened.
        let left = pipe().and_then(|first| pipe().map(|second| (first, second)));
        left.err().filter(|errno| matches!(*errno, Errno::MFILE | Errno::NFILE)).map(|_| {
            SCARCE.fetch_add(1, Ordering::Relaxed);
            Self::Scarce
        })
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = getrlimit(Resource::Nofile).current.map_or("none".to_owned(), |limit| limit.to_string());
        match self {
            Self::Refused => write!(f, "hil ran out of file descriptors (limit {limit})"),
            Self::Scarce => write!(f, "hil has hardly any file descriptor left (limit {limit})"),
        }
    }
}

/// Remembers how many shortages there have been.
#[derive(Debug, Clone, Copy)]
pub struct ShortageWatch {
    refused: u64,
    scarce: u64,
}

impl ShortageWatch {
    /// Starts counting now.
    #[must_use]
    pub fn begin() -> Self {
        Self { refused: REFUSED.load(Ordering::Relaxed), scarce: SCARCE.load(Ordering::Relaxed) }
    }

    /// Whether anything failed since then because no descriptor was free.
    #[must_use]
    pub fn refused(&self) -> Option<Shortage> {
        (REFUSED.load(Ordering::Relaxed) > self.refused).then_some(Shortage::Refused)
    }

    /// Whether anything may have failed since then, perhaps silently, because no descriptor was free.
    #[must_use]
    pub fn suspected(&self) -> Option<Shortage> {
        let scarce = || (SCARCE.load(Ordering::Relaxed) > self.scarce).then_some(Shortage::Scarce);
        self.refused().or_else(scarce).or_else(Shortage::look)
    }
}
