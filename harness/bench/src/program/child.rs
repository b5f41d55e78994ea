//! A running program.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, set_parent_process_death_signal};
use tokio::sync::watch;

/// A program with all that it starts, as long as that stays in its group. Dropping it kills them.
#[derive(Debug)]
pub(super) struct Child {
    group: Pid,
    ended: watch::Receiver<bool>,
}

/// How a program ended, for people.
pub(super) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("with code {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "somehow".to_owned(),
    }
}

impl Child {
    /// How long the kernel may take to end what is killed.
    const DIES: Duration = Duration::from_secs(5);

    /// Starts a program in a terminal; `over` is told when it has ended.
    #[expect(unsafe_code, reason = "only the child itself can begin a session and ask to be ended with its parent")]
    pub(super) fn start(
        mut command: Command,
        terminal: OwnedFd,
        over: impl FnOnce(ExitStatus) + Send + 'static,
    ) -> io::Result<Self> {
        command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(Stdio::from(terminal));
        // SAFETY: between fork and exec it makes a few system calls, allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(|| {
                // Its terminal is the board's console: when `hil` is gone, it hangs up on all of the group.
                rustix::process::setsid()?;
                rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
                set_parent_process_death_signal(Some(Signal::KILL))?;
                Ok(())
            });
        }
        let (started, is_started) = std::sync::mpsc::sync_channel(1);
        let (ended, has_ended) = watch::channel(false);
        // The kernel takes the thread that starts a child for its parent: this one lives as long as the child.
        let body = move || match command.spawn() {
            Err(error) => drop(started.send(Err(error))),
            Ok(mut process) => {
                // Its side of the terminal is the child's alone.
                drop(command);
                let _ = started.send(Ok(process.id()));
                if let Ok(status) = process.wait() {
                    over(status);
                }
                ended.send_replace(true);
            }
        };
        std::thread::Builder::new().name("program".to_owned()).spawn(body)?;
        let id = is_started.recv().map_err(io::Error::other)??;
        let group = Pid::from_raw(id.cast_signed()).ok_or_else(|| io::Error::other("it has no process id"))?;
        Ok(Self { group, ended: has_ended })
    }

    pub(super) fn is_running(&self) -> bool {
        !*self.ended.borrow()
    }

    pub(super) fn signal(&self, signal: Signal) {
        // What is left of the group is meant as well.
        let _ = kill_process_group(self.group, signal);
    }

    /// Ends it at once, and waits until it has ended.
    pub(super) async fn kill(mut self) {
        self.signal(Signal::KILL);
        let _ = tokio::time::timeout(Self::DIES, self.ended.wait_for(|ended| *ended)).await;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
