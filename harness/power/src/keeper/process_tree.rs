//! A keeper's process and all processes that it started.
//!
//! They carry a token in their environment. A process that takes over from a keeper kills them first: a program that
//! still runs would switch a rail on after it was made safe. A session or a group is not enough: a program may create
//! its own, and the kernel reuses their numbers.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// The variable that holds the token.
pub(super) const VARIABLE: &str = "HIL_KEEPER_TOKEN";

/// A token that no other keeper has.
pub(super) fn new_token() -> std::io::Result<String> {
    let mut bytes = [0_u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(hex::encode(bytes))
}

/// The token of this process, if it is a keeper.
pub(super) fn own_token() -> Option<String> {
    std::env::var(VARIABLE).ok()
}

/// What identifies a keeper and the processes that it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeeperIdentity {
    /// The process id of the keeper.
    pub(super) pid: i32,
    pub(super) token: String,
}

impl KeeperIdentity {
    /// This process, if it is a keeper.
    pub(super) fn own() -> Option<Self> {
        Some(Self { pid: getpid().as_raw_nonzero().get(), token: own_token()? })
    }
}

/// A keeper that is watched: its process is opened while it runs, so that it can be killed even if `/proc` does not
/// show it.
#[derive(Debug)]
pub(super) struct WatchedKeeper {
    process: Option<OwnedFd>,
    token: String,
}

impl WatchedKeeper {
    /// Opens the process; to be called as soon as the keeper has identified itself.
    pub(super) fn of(keeper: KeeperIdentity) -> Self {
        let process = Pid::from_raw(keeper.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        Self { process, token: keeper.token }
    }

    /// Kills the keeper, if it still runs, and the programs of its rails: each could switch a rail later.
    pub(super) async fn end(&self) {
        let process = self.process.as_ref().and_then(|process| process.try_clone().ok());
        let (token, user) = (self.token.clone(), rustix::process::getuid().as_raw());
        let ended = tokio::task::spawn_blocking(move || {
            if let Some(process) = process {
                let _ = pidfd_send_signal(&process, Signal::KILL);
                has_ended(&process, Instant::now() + PATIENCE);
            }
            end(&token, user)
        });
        let _ = ended.await;
    }
}

/// How long the kernel may take to end a killed process.
const PATIENCE: Duration = Duration::from_secs(5);

/// Kills every process of a user that carries a token, and waits until they have exited. False if some are left after
/// five seconds: the kernel waits for their hardware.
///
/// Blocks the thread.
pub(super) fn end(token: &str, user: u32) -> bool {
    let until = Instant::now() + PATIENCE;
    loop {
        // A program may start another while it is being killed.
        let killed = carriers(token, user);
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

/// The processes of a user that carry a token, except this one.
fn carriers(token: &str, user: u32) -> Vec<OwnedFd> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    ids.filter(|id| *id != getpid()).filter_map(|id| carrier(id, token, user)).collect()
}

/// A descriptor of a process, if it carries the token. Checked again after the descriptor is open: from then on the
/// process id can't be reused.
fn carrier(id: Pid, token: &str, user: u32) -> Option<OwnedFd> {
    let entry = format!("{VARIABLE}={token}");
    let carries = || {
        let folder = format!("/proc/{}", id.as_raw_nonzero());
        let is_users = std::fs::metadata(&folder).ok()?.uid() == user;
        // Empty if it has exited and is not reaped yet.
        let environment = std::fs::read(format!("{folder}/environ")).ok().filter(|_| is_users)?;
        environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes()).then_some(())
    };
    carries()?;
    let process = pidfd_open(id, PidfdFlags::empty()).ok()?;
    carries()?;
    Some(process)
}

fn has_ended(process: &OwnedFd, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let patience = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&patience)) {
            Err(Errno::INTR) => {}
            polled => return polled.is_ok_and(|ready| ready == 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn all_processes_with_a_token_are_killed_in_any_session() {
        let _alone = crate::STARTING_PROGRAMS.lock();
        let user = rustix::process::getuid().as_raw();
        let (token, other) = (new_token().expect("token"), new_token().expect("token"));
        let start = |token: &str| {
            let mut command = Command::new("sh");
            // One in a session of its own, whose parent has exited; one that the shell waits for.
            command.args(["-c", "(setsid sleep 60 &); sleep 60"]).env(VARIABLE, token).stdout(Stdio::piped());
            command.spawn().expect("sh")
        };
        let (mut ours, mut theirs) = (start(&token), start(&other));
        let mut output = ours.stdout.take().expect("piped");
        assert!(end(&token, user + 1), "another user has no such process");
        assert!(ours.try_wait().expect("state").is_none());
        // The shell may be about to start a process: both are killed.
        assert!(end(&token, user));
        assert!(!ours.wait().expect("ends").success());
        let mut text = String::new();
        output.read_to_string(&mut text).expect("closed by the last of them");
        assert!(carriers(&token, user).is_empty());
        assert!(theirs.try_wait().expect("state").is_none(), "processes of another keeper are left alone");
        assert!(end(&other, user));
        theirs.wait().expect("ends");
    }
}
