//! Rails that any program switches.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, getppid, kill_process_group, set_parent_process_death_signal};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::retry::{Failed, retry};
use super::{Measuring, PowerDriver, PowerError, Switching};

/// Programs that switch a rail and tell its state.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) name: String,
    pub(super) on: Vec<String>,
    pub(super) off: Vec<String>,
    pub(super) state: Option<Vec<String>>,
    pub(super) timeout: Duration,
}

impl Command {
    /// A program that fails is run once more: the relay behind it may have been busy. `on` and `off` name a state, so
    /// that either may be run again.
    async fn run(&self, words: &[String]) -> Result<String, PowerError> {
        /// One that hangs or can't be started does so again.
        const ATTEMPTS: u32 = 2;
        const PAUSE: Duration = Duration::from_millis(300);
        let ran = retry(ATTEMPTS, PAUSE, || run_once(words, self.timeout)).await;
        ran.map_err(|failed| self.explain(&failed))
    }

    /// What the program `state` prints.
    async fn ask_state(&self, state: &[String]) -> Result<bool, PowerError> {
        const ATTEMPTS: u32 = 3;
        const PAUSE: Duration = Duration::from_millis(300);
        let asked = retry(ATTEMPTS, PAUSE, || async {
            match run_once(state, self.timeout).await?.trim() {
                "on" => Ok(true),
                "off" => Ok(false),
                other => {
                    let said = shortened(other);
                    Err(Failed::Passing(format!("`{}` said {said:?}, not `on` or `off`", state[0])))
                }
            }
        });
        asked.await.map_err(|failed| self.explain(&failed))
    }

    fn explain(&self, failed: &Failed) -> PowerError {
        let error = PowerError::new(&self.name, failed.reason(), None);
        if matches!(failed, Failed::Passing(_)) { error.passing() } else { error }
    }
}

/// Runs a program to its end, and kills it when its time is over or the future is dropped. Gives back the first
/// [`KEPT`] bytes of its output.
pub(crate) async fn run(words: &[String], timeout: Duration) -> Result<String, String> {
    run_once(words, timeout).await.map_err(|failed| failed.reason().to_owned())
}

/// Bytes of a program's output that are kept: a state is one word, an error a line. The rest is read and dropped.
const KEPT: usize = 16 * 1024;

async fn run_once(words: &[String], timeout: Duration) -> Result<String, Failed> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failed::Lasting("no program is given".to_owned()));
    };
    let failed = |error: std::io::Error| Failed::Lasting(format!("`{program}` can't be run: {error}"));
    let mut child = start(program, arguments).map_err(failed)?;
    let group = Group::of(&child);
    let (mut said, mut complained) = (Kept::first(child.stdout.take()), Kept::last(child.stderr.take()));
    let ended = async {
        let mut outputs = std::pin::pin!(async { tokio::join!(said.read(), complained.read()) });
        let (status, is_read) = tokio::select! {
            status = child.wait() => (status, false),
            _ = &mut outputs => (child.wait().await, true),
        };
        drop(group);
        if !is_read {
            // What it left running may hold its output open, even in a session of its own: that is not waited for.
            let _ = tokio::time::timeout(LAST_WORDS, outputs).await;
        }
        status
    };
    let took_too_long =
        |_| Failed::Lasting(format!("`{program}` took longer than {} s and was killed", timeout.as_secs_f64()));
    let status = tokio::time::timeout(timeout, ended).await.map_err(took_too_long)?.map_err(failed)?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&said.bytes).into_owned());
    }
    let complained = String::from_utf8_lossy(&complained.bytes);
    let complained = complained.trim().lines().next_back().map(|line| format!(": {}", shortened(line)));
    Err(Failed::Passing(format!("`{program}` ended with {status}{}", complained.unwrap_or_default())))
}

/// Starts a program that ends with the thread that starts it, in a group of its own.
#[expect(unsafe_code, reason = "only the child itself can ask to be ended with its parent")]
pub(crate) fn start(program: &str, arguments: &[String]) -> std::io::Result<tokio::process::Child> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // A script's children must not outlive it: they would switch later than the next one who switches.
    command.process_group(0);
    let parent = getpid();
    // SAFETY: between fork and exec it makes two system calls, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // A parent that was gone before it asked will never tell.
            if getppid() == Some(parent) { Ok(()) } else { Err(std::io::ErrorKind::BrokenPipe.into()) }
        });
    }
    command.spawn()
}

/// How long what a program has written is read once it has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// An output, and so much of it as is kept.
struct Kept<O> {
    output: Option<O>,
    bytes: Vec<u8>,
    is_last: bool,
}

impl<O: AsyncRead + Unpin> Kept<O> {
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
                self.bytes.drain(..self.bytes.len().saturating_sub(KEPT));
            }
            self.bytes.truncate(KEPT);
        }
    }
}

/// The beginning of a text that may be long.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 200;
    let shown: String = text.chars().take(SHOWN).collect();
    if shown.len() == text.len() { shown } else { format!("{shown}… ({} bytes)", text.len()) }
}

/// A process group that is killed when this is dropped: at its program's end nothing of it is left, as a rule.
pub(crate) struct Group(Option<Pid>);

impl Group {
    /// The group that a program was started in.
    pub(crate) fn of(program: &tokio::process::Child) -> Self {
        Self(program.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // There is none any more, most of the time.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl PowerDriver for Command {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move { self.run(if on { &self.on } else { &self.off }).await.map(drop) })
    }

    fn measure(&self) -> Measuring<'_> {
        Box::pin(async move {
            match &self.state {
                Some(state) => self.ask_state(state).await.map(Some),
                None => Ok(None),
            }
        })
    }

    fn rail(&self) -> &str {
        &self.name
    }
}
