//! File descriptors: a process may have no more of them than its limit, and where none is left the bench is at fault.
//!
//! The system says so to the one that asks for one; what is outside this program, or inside a library, only sees that nothing
//! comes. So each connection through a tap also looks whether enough are left for all that it needs.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Resource, getrlimit};

/// How often the system had no descriptor for this process since it began.
static REFUSED: AtomicU64 = AtomicU64::new(0);
/// How often fewer were left than a connection needs.
static SCARCE: AtomicU64 = AtomicU64::new(0);

/// No file descriptor was free, or hardly any.
///
/// # Example
/// ```
/// use hil_mqtt::Shortage;
/// let refused = std::io::Error::from_raw_os_error(24); // EMFILE
/// let text = Shortage::of(&refused).expect("one").to_string();
/// assert!(text.starts_with("hil ran out of file descriptors (limit "), "{text}");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// This process has as many as it may have (EMFILE), or all processes of the system have (ENFILE).
    Refused,
    /// Fewer are left than a connection through the tap needs.
    Scarce,
}

impl Shortage {
    /// What to do about it.
    pub const HINT: &str = "raise it: `ulimit -n 1024`";

    /// Whether this error is one; it counts.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        let is_one =
            [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
        is_one.then(|| {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            Self::Refused
        })
    }

    /// Looks whether so many are left as a connection needs: a socket and a hold on it for each side, and the broker's.
    pub(crate) fn look() -> Option<Self> {
        let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC);
        // Two pipes have four ends; the fifth is what the caller has just got.
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
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        Self { refused: REFUSED.load(Ordering::Relaxed), scarce: SCARCE.load(Ordering::Relaxed) }
    }

    /// Whether anything was refused since then for want of a descriptor.
    #[must_use]
    pub fn refused(&self) -> Option<Shortage> {
        (REFUSED.load(Ordering::Relaxed) > self.refused).then_some(Shortage::Refused)
    }

    /// Whether something may have gone wrong since then for want of a descriptor, somewhere that does not say so.
    #[must_use]
    pub fn suspected(&self) -> Option<Shortage> {
        let scarce = || (SCARCE.load(Ordering::Relaxed) > self.scarce).then_some(Shortage::Scarce);
        self.refused().or_else(scarce).or_else(Shortage::look)
    }
}
