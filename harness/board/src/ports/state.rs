//! The state of a port, without opening it: opening moves DTR and RTS, which may reset a board.

use std::fmt;
use std::path::Path;

use rustix::fs::{Access, access};

use super::holders::{PortUser, users_of};

/// The state of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortState {
    /// It can be opened.
    Ready,
    /// This user may not open it.
    Denied,
    /// Another program has it open.
    Busy(Vec<PortUser>),
    /// It is not there.
    Absent,
}

impl fmt::Display for PortState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::Denied => f.write_str("permission denied"),
            Self::Absent => f.write_str("absent"),
            Self::Busy(users) => {
                let users: Vec<_> = users.iter().map(ToString::to_string).collect();
                write!(f, "busy: held by {}", users.join(" and "))
            }
        }
    }
}

/// The state of the port at a path.
#[must_use]
pub fn state_of(path: &Path) -> PortState {
    if !path.exists() {
        return PortState::Absent;
    }
    if access(path, Access::READ_OK | Access::WRITE_OK).is_err() {
        return PortState::Denied;
    }
    // The other end of a pseudo-terminal is a program, which has this end open as well.
    let is_pty = path.canonicalize().is_ok_and(|path| path.starts_with("/dev/pts"));
    let users = if is_pty { Vec::new() } else { users_of(path) };
    if users.is_empty() { PortState::Ready } else { PortState::Busy(users) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_busy_are_different_answers() {
        assert_eq!(state_of(Path::new("/dev/no-such-port")), PortState::Absent);
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("port");
        std::fs::write(&file, "").expect("write");
        assert_eq!(state_of(&file), PortState::Ready);
        // What this process has started is a part of it.
        let mut own = std::process::Command::new("sleep")
            .arg("60")
            .stdin(std::fs::File::open(&file).expect("open"))
            .spawn()
            .expect("sleep");
        let of_ours = state_of(&file);
        own.kill().expect("kill");
        own.wait().expect("ends");
        assert_eq!(of_ours, PortState::Ready);
        let holder = crate::ports::Reader::at(&file);
        let (state, pid) = (state_of(&file), holder.pid);
        holder.end();
        let PortState::Busy(users) = state else { panic!("{state}") };
        assert_eq!(users, [PortUser { pid, name: "cat".to_owned() }]);
    }
}
