//! The session of a keeper: its process and the programs that switch its rails.
//!
//! A keeper starts each rail's program in its own session. A process that takes over from it ends the whole session first:
//! a program that is still at work would switch the rail on after it was made safe.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, getsid, pidfd_open, pidfd_send_signal};

/// The session of this process.
pub(super) fn own() -> Option<i32> {
    getsid(None).ok().map(|id| id.as_raw_nonzero().get())
}

/// Kills every process of a user in a session, and waits until they have ended. False where some are left after five
/// seconds: the kernel waits for their hardware.
///
/// Blocks the thread.
pub(super) fn end(session: i32, user: u32) -> bool {
    const PATIENCE: Duration = Duration::from_secs(5);
    let until = Instant::now() + PATIENCE;
    loop {
        // A program may start another one while it is being killed.
        let killed = members(session, user);
        if killed.is_empty() {
            return true;
        }
        for process in &killed {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
        if !killed.iter().all(|process| has_ended(process, until)) {
            return false;
        }
    }
}

/// The processes of a user in a session, without this one.
fn members(session: i32, user: u32) -> Vec<OwnedFd> {
    // The process that began a keeper's session has ended long ago: where it is there, the number is another session's.
    if state_of(session).is_some_and(|state| state.runs) {
        return Vec::new();
    }
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id| member(id, session, user)).collect()
}

/// A descriptor of a process, if it belongs to a session. Looked at once more behind it: by then the number can't be given to
/// another process without the descriptor's noticing.
fn member(id: i32, session: i32, user: u32) -> Option<OwnedFd> {
    let belongs = || {
        let owner = std::fs::metadata(format!("/proc/{id}")).ok()?.uid();
        let state = state_of(id).filter(|state| state.runs && state.session == session && owner == user)?;
        Some(state.session)
    };
    belongs()?;
    let id = Pid::from_raw(id).filter(|id| *id != getpid())?;
    let process = pidfd_open(id, PidfdFlags::empty()).ok()?;
    belongs()?;
    Some(process)
}

struct State {
    /// It has not ended: a zombie has.
    runs: bool,
    session: i32,
}

/// `/proc/PID/stat`: `PID (NAME) STATE PARENT GROUP SESSION …`; a name may hold anything (proc_pid_stat(5)).
fn state_of(id: i32) -> Option<State> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let runs = !matches!(fields.next()?, "Z" | "X");
    Some(State { runs, session: fields.nth(2)?.parse().ok()? })
}

fn has_ended(process: &OwnedFd, until: Instant) -> bool {
    let left = until.saturating_duration_since(Instant::now());
    let patience = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&patience)).is_ok_and(|ready| ready == 1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn user() -> u32 {
        rustix::process::getuid().as_raw()
    }

    /// A session whose first process has ended, as a keeper's; gives back its number and a line that closes with it.
    #[expect(unsafe_code, reason = "only the child itself can begin a session")]
    fn session() -> (i32, std::process::ChildStdout) {
        let mut first = Command::new("sh");
        first.args(["-c", "(sleep 60 & sleep 60) & echo $$"]).stdin(Stdio::null()).stdout(Stdio::piped());
        // SAFETY: one system call between fork and exec.
        unsafe { first.pre_exec(|| Ok(rustix::process::setsid().map(drop)?)) };
        let mut first = first.spawn().expect("sh");
        let id = i32::try_from(first.id()).expect("id");
        let stdout = first.stdout.take().expect("piped");
        first.wait().expect("ends");
        (id, stdout)
    }

    #[test]
    fn all_processes_of_a_session_are_killed() {
        let (id, mut stdout) = session();
        assert!(!members(id, user()).is_empty(), "it has processes");
        assert!(members(id, user() + 1).is_empty(), "they are not another user's");
        assert!(end(id, user()));
        assert!(members(id, user()).is_empty());
        let mut said = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut said).expect("closed by the last of them");
    }

    #[test]
    fn a_session_whose_leader_lives_is_left_alone() {
        let mut leader = Command::new("sleep");
        leader.arg("60").process_group(0);
        let mut leader = leader.spawn().expect("sleep");
        let own = own().expect("session");
        assert!(state_of(own).is_none_or(|state| !state.runs) || members(own, user()).is_empty());
        leader.kill().expect("kill");
        leader.wait().expect("ends");
    }
}
