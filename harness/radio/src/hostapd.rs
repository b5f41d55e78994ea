//! The hostapd process.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, getpid, getppid, kill_process, set_parent_process_death_signal};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::watch;

use crate::error::RadioError;

/// How long it may take to take the network off the air and exit; measured: 50 ms.
const STOP: Duration = Duration::from_secs(5);
/// Lines of its output that are kept as the reason why it does not work.
const KEPT: usize = 4;

/// hostapd, which ends with this process.
#[derive(Debug)]
pub struct Process {
    pid: Option<Pid>,
    /// How it ended, once it has.
    ended: watch::Receiver<Option<String>>,
    log: Log,
}

/// The first lines of its output that say something.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, line: &str) {
        // What it says on its way out, whatever the reason.
        let is_idle = ["Configuration file", "hostapd_free_hapd_data", "nl80211: deinit", "rfkill:"]
            .iter()
            .any(|it| line.starts_with(it))
            || ["CTRL-EVENT-TERMINATING", "AP-DISABLED", "interface state", "Using interface"]
                .iter()
                .any(|it| line.contains(it));
        let mut lines = self.0.lock();
        if !is_idle && !line.is_empty() && lines.len() < KEPT {
            lines.push(line.to_owned());
        }
    }

    fn text(&self) -> String {
        let lines = self.0.lock();
        if lines.is_empty() { "it says nothing".to_owned() } else { lines.join("; ") }
    }
}

/// Where the program is: the one that the bench file names, else one that is found.
pub(crate) fn program(config: &hil_config::AccessPoint) -> Result<PathBuf, RadioError> {
    let found = || hil_config::find_program("hostapd", hil_config::HIL_HOSTAPD, &["/usr/sbin", "/usr/local/sbin"]);
    config.hostapd.clone().map_or_else(found, Ok).map_err(RadioError::NoProgram)
}

/// Whether the file has rights that its caller does not have: then the kernel forgets that it is to end with its parent
/// (prctl(2), PR_SET_PDEATHSIG).
pub(crate) fn has_own_rights(program: &Path) -> bool {
    const SET_IDS: u32 = 0o6000;
    let sets_ids = std::fs::metadata(program).is_ok_and(|file| file.permissions().mode() & SET_IDS != 0);
    let mut capabilities = [0_u8; 64];
    sets_ids || rustix::fs::getxattr(program, "security.capability", &mut capabilities).is_ok_and(|length| length > 0)
}

impl Process {
    /// Starts it on a configuration file; it keeps another file open until it ends.
    #[expect(unsafe_code, reason = "only the child itself can ask to be ended with its parent")]
    pub(crate) fn start(program: &Path, config: &Path, kept: File) -> Result<Self, RadioError> {
        if has_own_rights(program) {
            return Err(RadioError::OwnRights(program.to_owned()));
        }
        let mut command = Command::new(program);
        command.arg(config).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A process group of its own: Ctrl-C at a terminal is for `hil` to handle.
        command.process_group(0);
        let parent = getpid();
        // SAFETY: between fork and exec it makes four system calls, allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(move || {
                // When `hil` is gone, nothing reads its output: writing to it must not end it before the network is off the
                // air. A signal that is ignored stays so in the program.
                libc::signal(libc::SIGPIPE, libc::SIG_IGN);
                // Not SIGKILL: only hostapd itself takes its network off the air.
                set_parent_process_death_signal(Some(Signal::TERM))?;
                fcntl_setfd(&kept, FdFlags::empty())?;
                // If the parent has exited before, no signal comes.
                if getppid() == Some(parent) { Ok(()) } else { Err(std::io::ErrorKind::BrokenPipe.into()) }
            });
        }
        let failed = |source| RadioError::NotRun { program: program.to_owned(), source };
        let mut child = command.spawn().map_err(failed)?;
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let log = Log::default();
        let reading = [
            child.stdout.take().map(|output| tokio::spawn(read(output, log.clone()))),
            child.stderr.take().map(|output| tokio::spawn(read(output, log.clone()))),
        ];
        let (sender, ended) = watch::channel(None);
        tokio::spawn(async move {
            let status = child.wait().await;
            for output in reading.into_iter().flatten() {
                // Its outputs end with it.
                let _ = output.await;
            }
            sender.send_replace(Some(status.map_or_else(|error| error.to_string(), |status| status.to_string())));
        });
        Ok(Self { pid, ended, log })
    }

    /// How it ended, if it has.
    pub(crate) fn end(&self) -> Option<String> {
        self.ended.borrow().as_ref().map(|how| format!("{how}; {}", self.log.text()))
    }

    /// Waits until it ends; says what it said.
    pub(crate) async fn wait(&self) -> String {
        let mut ended = self.ended.clone();
        // The sender is dropped only after it has sent.
        let _ = ended.wait_for(Option::is_some).await;
        self.log.text()
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid.filter(|_| self.ended.borrow().is_none()) {
            // It may end at this moment; until it is waited for, its number is not used again.
            let _ = kill_process(pid, signal);
        }
    }

    /// Takes the network off the air; it has exited when this returns.
    pub async fn stop(&self) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(STOP, self.wait()).await.is_err() {
            self.signal(Signal::KILL);
            self.wait().await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

async fn read(output: impl AsyncRead + Unpin, log: Log) {
    let mut lines = BufReader::new(output).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        log.push(String::from_utf8_lossy(&line).trim_end());
    }
}
