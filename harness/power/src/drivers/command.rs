//! Rails that any program switches.

use std::time::Duration;

use crate::driver::{Measuring, PowerDriver, PowerError, Switching};
use crate::retry::{Failed, retry};
use crate::subprocess::{SubprocessError, run, shortened};

/// Programs that switch a rail and tell its state.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) on: Vec<String>,
    pub(crate) off: Vec<String>,
    pub(crate) state: Option<Vec<String>>,
    pub(crate) timeout: Duration,
}

impl Command {
    /// A program that fails is run once more: the relay behind it may have been busy. `on` and `off` name a state, so
    /// that either may be run again.
    async fn run(&self, words: &[String]) -> Result<String, PowerError> {
        /// One that hangs or can't be started does so again.
        const ATTEMPTS: u32 = 2;
        const PAUSE: Duration = Duration::from_millis(300);
        let ran = retry(ATTEMPTS, PAUSE, || async { Ok(run(words, self.timeout).await?) }).await;
        ran.map_err(|failed| self.explain(&failed))
    }

    /// What the program `state` prints.
    async fn ask_state(&self, state: &[String]) -> Result<bool, PowerError> {
        const ATTEMPTS: u32 = 3;
        const PAUSE: Duration = Duration::from_millis(300);
        let asked = retry(ATTEMPTS, PAUSE, || async {
            match run(state, self.timeout).await?.trim() {
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

impl From<SubprocessError> for Failed {
    fn from(error: SubprocessError) -> Self {
        let reason = error.to_string();
        if matches!(error, SubprocessError::Failed { .. }) { Self::Passing(reason) } else { Self::Lasting(reason) }
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
