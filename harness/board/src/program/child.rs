//! A running program.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, set_parent_process_death_signal, waitid,
};
use tokio::sync::watch;

/// A change in the life of a program.
pub(crate) enum Life {
    /// It is started.
    Runs,
    /// It has ended, and what it left running in its group with it.
    Ended {
        /// How.
        status: ExitStatus,
        /// Because we killed it.
        by_us: bool,
    },
}

/// A program with all that it starts, as long as that stays in its group. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct Child {
    group: Pid,
    running: Arc<AtomicBool>,
    /// We have killed it: its last output does not matter.
    ended_by_us: Arc<AtomicBool>,
    over: watch::Receiver<bool>,
}

/// How a program ended, for people.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("with code {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "somehow".to_owned(),
    }
}

impl Child {
    /// How long the kernel may take to end a killed process.
    const DIES: Duration = Duration::from_secs(5);

    /// Starts a program in a session of its own with that terminal, whose end ends it; `report` is called when it runs,
    /// and when it has exited. Its streams are the caller's.
    #[expect(unsafe_code, reason = "only the child itself can begin a session and ask to be ended with its parent")]
    pub(crate) fn start(
        mut command: Command,
        terminal: OwnedFd,
        report: impl Fn(Life) + Send + 'static,
    ) -> io::Result<Self> {
        let parent = rustix::process::getpid();
        // SAFETY: between fork and exec it makes a few system calls, allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(move || {
                // Its terminal is the board's console: when `hil` is gone, it hangs up on all of the group.
                rustix::process::setsid()?;
                rustix::process::ioctl_tiocsctty(&terminal)?;
                set_parent_process_death_signal(Some(Signal::KILL))?;
                // If the parent exited before that, no signal comes.
                if rustix::process::getppid() != Some(parent) {
                    return Err(io::Error::from(io::ErrorKind::BrokenPipe));
                }
                Ok(())
            });
        }
        let (started, is_started) = std::sync::mpsc::sync_channel(1);
        let (over, is_over) = watch::channel(false);
        let (running, ended_by_us) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let (runs, by_us) = (Arc::clone(&running), Arc::clone(&ended_by_us));
        // The kernel takes the thread that starts a child for its parent: this one lives as long as the child.
        let body = move || match command.spawn() {
            Err(error) => drop(started.send(Err(error))),
            Ok(mut process) => {
                // Its side of the terminal is the child's alone.
                drop(command);
                report(Life::Runs);
                let group = Pid::from_child(&process);
                let _ = started.send(Ok(group));
                // Not reaped before the rest of its group is gone: until then its process id is not reused.
                let _ = waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
                runs.store(false, Ordering::SeqCst);
                let _ = kill_process_group(group, Signal::KILL);
                if let Ok(status) = process.wait() {
                    report(Life::Ended { status, by_us: by_us.load(Ordering::SeqCst) });
                }
                over.send_replace(true);
            }
        };
        std::thread::Builder::new().name("program".to_owned()).spawn(body)?;
        let group = is_started.recv().map_err(io::Error::other)??;
        Ok(Self { group, running, ended_by_us, over: is_over })
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if self.is_running() {
            // What it has started is meant as well.
            let _ = kill_process_group(self.group, signal);
        }
    }

    /// Kills it, and waits until it has exited and that is reported.
    pub(crate) async fn kill(mut self) {
        self.ended_by_us.store(true, Ordering::SeqCst);
        self.signal(Signal::KILL);
        let _ = tokio::time::timeout(Self::DIES, self.over.wait_for(|over| *over)).await;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
