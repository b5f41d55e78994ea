//! Boards and their hosts.

use std::fmt;

/// Number of a board in a scheduler, in the order of [`crate::Scheduler::add_place`], from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(pub usize);

/// A board that scenarios can run on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The host that it is connected to; empty for this machine.
    pub host: String,
    /// Its name on that host's bench.
    pub board: String,
}

impl Place {
    /// A board of a host; an empty host is this machine.
    pub fn new(host: impl Into<String>, board: impl Into<String>) -> Self {
        Self { host: host.into(), board: board.into() }
    }
}

impl fmt::Display for Place {
    /// `lamp-2`, or `lamp-2@pi-a` on another host.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.board)?;
        if self.host.is_empty() { Ok(()) } else { write!(f, "@{}", self.host) }
    }
}

/// What a host can do at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name; empty for this machine.
    pub name: String,
    /// How many jobs that need no board run there at the same time, at least 1.
    pub without_boards: usize,
    /// All of its jobs share something, such as a broker: only one runs at a time.
    pub one_at_a_time: bool,
}

impl Host {
    /// A host on which jobs share nothing but boards, with room for two jobs that need no board.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), without_boards: 2, one_at_a_time: false }
    }
}
