//! Rails that any program switches.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

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
                other => Err(Failed::Passing(format!("`{}` said {other:?}, not `on` or `off`", state[0]))),
            }
        });
        asked.await.map_err(|failed| self.explain(&failed))
    }

    fn explain(&self, failed: &Failed) -> PowerError {
        let error = PowerError::new(&self.name, failed.reason(), None);
        if matches!(failed, Failed::Passing(_)) { error.passing() } else { error }
    }
}

/// Runs a program to its end, and kills it when its time is over or the future is dropped. Gives back its output.
pub(crate) async fn run(words: &[String], timeout: Duration) -> Result<String, String> {
    run_once(words, timeout).await.map_err(|failed| failed.reason().to_owned())
}

async fn run_once(words: &[String], timeout: Duration) -> Result<String, Failed> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failed::Lasting("no program is given".to_owned()));
    };
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // A script's children must not outlive it: they would switch later than whoever gave it up.
    command.process_group(0);
    let failed = |error: std::io::Error| Failed::Lasting(format!("`{program}` can't be run: {error}"));
    let child = command.spawn().map_err(failed)?;
    let _group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let output = tokio::time::timeout(timeout, child.wait_with_output()).await;
    let output = output
        .map_err(|_| {
            Failed::Lasting(format!("`{program}` took longer than {} s and was killed", timeout.as_secs_f64()))
        })?
        .map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().lines().next_back().map(|line| format!(": {line}")).unwrap_or_default();
    Err(Failed::Passing(format!("`{program}` ended with {}{said}", output.status)))
}

/// A process group that is killed when this is dropped: at its program's end nothing of it is left, as a rule.
struct Group(Option<Pid>);

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
