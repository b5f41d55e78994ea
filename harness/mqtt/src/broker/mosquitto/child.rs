//! The Mosquitto process.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group, set_parent_process_death_signal};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{ChildStderr, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::LogSink;

/// A running broker.
#[derive(Debug)]
pub(super) struct Child {
    pid: Option<Pid>,
    /// Dropped to request a stop.
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
}

/// Why it did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartFailure {
    /// The program can't be run.
    #[error("`{}`: {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system reports.
        source: std::io::Error,
    },
    /// Another program uses its port.
    #[error("Address already in use")]
    AddressInUse,
    /// It can't listen for WebSocket and does not log why; most often another program uses the port.
    #[error("{log}")]
    WebSocketListener {
        /// The last lines of its log.
        log: String,
    },
    /// It exited, or did not listen in time.
    #[error("{}", if log.is_empty() { "its log is empty" } else { log })]
    NotListening {
        /// The last lines of its log.
        log: String,
    },
}

impl StartFailure {
    /// Mosquitto reports why it can't listen in its log only.
    fn from_log(log: String) -> Self {
        if log.contains("Address already in use") {
            Self::AddressInUse
        } else if log.contains("Unable to create websockets listener") {
            Self::WebSocketListener { log }
        } else {
            Self::NotListening { log }
        }
    }
}

/// How long it may take to listen; measured: 3 ms.
const START: Duration = Duration::from_secs(10);
/// How long it may take to exit; measured: 1 s with a WebSocket listener.
const STOP: Duration = Duration::from_secs(5);
/// How many lines of the log are reported as the reason of its exit.
const LAST_LINES: usize = 3;

#[derive(Clone, Default)]
struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    fn push(&self, line: String) {
        let mut lines = self.0.lock();
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn text(&self) -> String {
        let lines = self.0.lock();
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
    }
}

impl Child {
    /// Starts it; it listens when this returns.
    #[expect(unsafe_code, reason = "only the child itself can ask to be ended with its parent")]
    pub(super) async fn start(
        program: &Path,
        config: &Path,
        log: LogSink,
        died: watch::Sender<Option<String>>,
    ) -> Result<Self, StartFailure> {
        let mut command = Command::new(program);
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A process group of its own: Ctrl-C at a terminal is for `hil` to handle, and children of the process are
        // killed with it.
        command.kill_on_drop(true).process_group(0);
        // SAFETY: between fork and exec it makes one system call, allocates nothing and takes no lock.
        unsafe {
            // A killed `hil` must not leave a broker running.
            command.pre_exec(|| set_parent_process_death_signal(Some(Signal::KILL)).map_err(Into::into));
        }
        let failed = |source| StartFailure::Spawn { program: program.to_owned(), source };
        let mut process = command.spawn().map_err(failed)?;
        let pid = process.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let stderr = process.stderr.take();
        let tail = Tail::default();
        let (ready, is_ready) = oneshot::channel();
        let reading = tokio::spawn(read_log(stderr, log, tail.clone(), ready));
        match tokio::time::timeout(START, is_ready).await {
            Ok(Ok(())) => {}
            _ => {
                let _ = process.kill().await;
                // The rest of its log can be read until its end of the pipe is closed.
                let _ = reading.await;
                return Err(StartFailure::from_log(tail.text()));
            }
        }
        let (stop, mut stop_requested) = oneshot::channel();
        let ended = tokio::spawn(async move {
            let status = process.wait().await;
            let _ = reading.await;
            if stop_requested.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                died.send_replace(Some(format!("{how}; the end of its log: {}", tail.text())));
            }
        });
        Ok(Self { pid, stop: Some(stop), ended })
    }

    /// Sends a signal; returns false if the process has exited.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        !self.ended.is_finished() && self.pid.is_some_and(|pid| kill_process_group(pid, signal).is_ok())
    }

    /// Stops it cleanly.
    pub(super) async fn stop(mut self) {
        self.stop = None;
        // It may be paused.
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        if tokio::time::timeout(STOP, &mut self.ended).await.is_err() {
            self.kill().await;
        }
    }

    /// Kills it.
    pub(super) async fn kill(mut self) {
        self.stop = None;
        self.signal(Signal::KILL);
        // SIGKILL can't be ignored, so this ends soon.
        let _ = (&mut self.ended).await;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop = None;
        self.signal(Signal::KILL);
    }
}

/// Until Mosquitto has read its configuration it writes the time before each line.
fn without_time(line: &str) -> &str {
    match line.split_once(": ") {
        Some((time, rest)) if time.len() == 10 && time.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => line,
    }
}

async fn read_log(stderr: Option<ChildStderr>, log: LogSink, tail: Tail, ready: oneshot::Sender<()>) {
    let Some(stderr) = stderr else { return };
    let mut ready = Some(ready);
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = without_time(String::from_utf8_lossy(&line).trim_end()).to_owned();
        if line.ends_with(" running")
            && let Some(ready) = ready.take()
        {
            // The caller may have timed out.
            let _ = ready.send(());
        }
        tail.push(line.clone());
        log(line);
    }
}
