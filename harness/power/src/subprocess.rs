//! Programs that the bench runs: to switch a rail, to flash, to reset, to watch a pin.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, getppid, kill_process_group, set_parent_process_death_signal};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinHandle;

/// Bytes of a program's output that are kept: a state is one word, an error a line. The rest is read and dropped.
const MAX_CAPTURED: usize = 16 * 1024;

/// How long the output of a program is read after the program has ended: what it left running may hold it open.
const AFTER_END: Duration = Duration::from_millis(200);

/// Why a program did not do what it was run for.
#[derive(Debug, Error)]
pub enum SubprocessError {
    /// There is nothing to run.
    #[error("no program is given")]
    NoProgram,
    /// It can't be started.
    #[error("`{program}` can't be run: {source}")]
    NotRun {
        /// The program.
        program: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// It did not end in time.
    #[error("`{program}` took longer than {} s and was killed", limit.as_secs_f64())]
    TooSlow {
        /// The program.
        program: String,
        /// How long it had.
        limit: Duration,
    },
    /// It ended with an error.
    #[error("`{program}` ended with {status}{complaint}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last line of its standard error.
        complaint: Complaint,
    },
}

/// The last line that a program wrote to its standard error: formatted as the end of a sentence, empty if there is
/// none.
#[derive(Debug, Default)]
pub struct Complaint(String);

impl Complaint {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        Self(text.trim().lines().next_back().map(|line| format!(": {}", shortened(line))).unwrap_or_default())
    }
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs a program to its end, and kills it when its time is over or the future is dropped. Returns the first
/// [`MAX_CAPTURED`] bytes of its output.
pub async fn run(words: &[String], limit: Duration) -> Result<String, SubprocessError> {
    let mut child = start(words)?;
    let program = words.first().cloned().unwrap_or_default();
    let group = Group::of(&child);
    let (mut output, mut errors) =
        (CapturedOutput::first(child.stdout.take()), CapturedOutput::last(child.stderr.take()));
    let ended = async {
        let mut outputs = std::pin::pin!(async { tokio::join!(output.read(), errors.read()) });
        let (status, is_read) = tokio::select! {
            status = child.wait() => (status, false),
            _ = &mut outputs => (child.wait().await, true),
        };
        drop(group);
        if !is_read {
            let _ = tokio::time::timeout(AFTER_END, outputs).await;
        }
        status
    };
    let Ok(status) = tokio::time::timeout(limit, ended).await else {
        return Err(SubprocessError::TooSlow { program, limit });
    };
    match status {
        Err(source) => Err(SubprocessError::NotRun { program, source }),
        Ok(status) if status.success() => Ok(String::from_utf8_lossy(&output.bytes).into_owned()),
        Ok(status) => Err(SubprocessError::Failed { program, status, complaint: Complaint::of(&errors.bytes) }),
    }
}

/// Starts a program in its own process group; it is killed when the thread that starts it exits.
#[expect(unsafe_code, reason = "only the child itself can ask to be ended with its parent")]
pub fn start(words: &[String]) -> Result<tokio::process::Child, SubprocessError> {
    let (program, arguments) = words.split_first().ok_or(SubprocessError::NoProgram)?;
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // A script's children must not outlive it: they would switch after the next request.
    command.process_group(0);
    let parent = getpid();
    // SAFETY: between fork and exec it makes two system calls, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // If the parent has exited before, no signal comes.
            if getppid() == Some(parent) { Ok(()) } else { Err(std::io::ErrorKind::BrokenPipe.into()) }
        });
    }
    command.spawn().map_err(|source| SubprocessError::NotRun { program: program.clone(), source })
}

/// An output, and the part of it that is kept.
struct CapturedOutput<O> {
    output: Option<O>,
    bytes: Vec<u8>,
    is_last: bool,
}

impl<O: AsyncRead + Unpin> CapturedOutput<O> {
    fn first(output: Option<O>) -> Self {
        Self { output, bytes: Vec::new(), is_last: false }
    }

    fn last(output: Option<O>) -> Self {
        Self { output, bytes: Vec::new(), is_last: true }
    }

    /// Reads it to its end.
    async fn read(&mut self) {
        let Some(output) = &mut self.output else { return };
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut chunk).await {
            self.bytes.extend_from_slice(&chunk[..length]);
            if self.is_last {
                self.bytes.drain(..self.bytes.len().saturating_sub(MAX_CAPTURED));
            }
            self.bytes.truncate(MAX_CAPTURED);
        }
    }
}

/// The standard error of a program that runs: read all the time, so that the program does not block.
pub struct Complaints(JoinHandle<Complaint>);

impl Complaints {
    /// Those of a program that [`start`] started.
    pub fn of(program: &mut tokio::process::Child) -> Self {
        let mut kept = CapturedOutput::last(program.stderr.take());
        Self(tokio::spawn(async move {
            kept.read().await;
            Complaint::of(&kept.bytes)
        }))
    }

    /// The last line, once the program has ended.
    pub async fn last(&mut self) -> Complaint {
        tokio::time::timeout(AFTER_END, &mut self.0).await.ok().and_then(Result::ok).unwrap_or_default()
    }
}

impl Drop for Complaints {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The beginning of a text that may be long.
pub fn shortened(text: &str) -> String {
    const SHOWN: usize = 200;
    let shown: String = text.chars().take(SHOWN).collect();
    if shown.len() == text.len() { shown } else { format!("{shown}… ({} bytes)", text.len()) }
}

/// A process group that is killed when this is dropped: nothing of it outlives its program, as a rule.
pub struct Group(Option<Pid>);

impl Group {
    /// The group that a program was started in.
    pub fn of(program: &tokio::process::Child) -> Self {
        Self(program.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Usually all of its processes have exited.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
