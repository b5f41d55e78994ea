//! Rails that any program switches.

use std::path::Path;
use std::time::Duration;

use hil_config::spec::{Key, Kind, TableSpec};
use hil_config::table::Table;
use hil_config::{OFF_TIME, RailContext, RailUses, SAFE_STATE};
use serde::{Deserialize, Serialize};

use crate::driver::{Measuring, PowerDriver, PowerError, Switching};
use crate::kind::{Diagnosis, Opened, Opening, PowerKind};
use crate::retry::{Failed, retry};
use crate::subprocess::{SubprocessError, run, shortened};

/// The programs, with their arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RailCommands {
    on: Vec<String>,
    off: Vec<String>,
    state: Option<Vec<String>>,
    /// Of each run of a program.
    timeout: Duration,
}

impl PowerKind for RailCommands {
    const WORD: &'static str = "command";
    const KEYS: &'static TableSpec = &TableSpec {
        keys: &[
            Key::required(
                "on",
                Kind::List(&Kind::Text),
                "Program and arguments that switch it on; exit code 0 means done.",
            ),
            Key::required("off", Kind::List(&Kind::Text), "Program and arguments that switch it off."),
            Key::optional(
                "state",
                Kind::List(&Kind::Text),
                "",
                "Program and arguments that print `on` or `off`, by a measurement of the supply; makes a cut proven.",
            ),
            Key::optional("timeout", Kind::Duration, "`\"10s\"`", "How long each may take; then it is killed."),
            OFF_TIME,
            SAFE_STATE,
        ],
    };

    fn read(table: &mut Table<'_, '_>, _: &RailContext<'_>) -> Option<Self> {
        const TIMEOUT: Duration = Duration::from_secs(10);
        let on = table.required("on", "example: `on = [\"relay\", \"1\", \"on\"]`").and_then(|v| v.command_line());
        let off = table.required("off", "example: `off = [\"relay\", \"1\", \"off\"]`").and_then(|v| v.command_line());
        let state = table.value("state").and_then(|v| v.command_line());
        let timeout = table.value("timeout").and_then(|v| v.duration_above_zero()).unwrap_or(TIMEOUT);
        Some(Self { on: on?, off: off?, state, timeout })
    }

    fn label(&self) -> String {
        self.on.first().cloned().unwrap_or_default()
    }

    fn uses(&self) -> RailUses {
        let programs = format!("commands `{}` and `{}`", self.on.join(" "), self.off.join(" "));
        RailUses { programs: Some(programs), ..RailUses::default() }
    }

    /// Two attempts to switch, three to ask for the state, and the pauses between them.
    fn patience(&self) -> Duration {
        const LEAST: Duration = Duration::from_secs(20);
        (self.timeout * 5 + Duration::from_secs(5)).max(LEAST)
    }

    fn open(rails: Vec<Opening<Self>>, _: &Path) -> Result<Vec<Opened>, PowerError> {
        Opening::each(rails, |settings, name| Ok(Programs { name, settings }))
    }

    fn check(&self) -> Diagnosis {
        match Diagnosis::of_program(self.on.first().map(String::as_str).unwrap_or_default()) {
            Diagnosis::Good(how) => Diagnosis::Good(format!("{how}; `hil doctor --power` tries it")),
            bad @ Diagnosis::Bad { .. } => bad,
        }
    }
}

/// Programs that switch a rail and report its state.
#[derive(Debug)]
struct Programs {
    name: String,
    settings: RailCommands,
}

impl Programs {
    /// A program that fails is run again: its relay may have been busy. `on` and `off` name a state, so
    /// that either may be run again.
    async fn run(&self, words: &[String]) -> Result<String, PowerError> {
        /// One that hangs or can't be started does so again.
        const ATTEMPTS: u32 = 2;
        const PAUSE: Duration = Duration::from_millis(300);
        let ran = retry(ATTEMPTS, PAUSE, || async { Ok(run(words, self.settings.timeout).await?) }).await;
        ran.map_err(|failed| self.explain(&failed))
    }

    /// What the program `state` prints.
    async fn ask_state(&self, state: &[String]) -> Result<bool, PowerError> {
        const ATTEMPTS: u32 = 3;
        const PAUSE: Duration = Duration::from_millis(300);
        let asked = retry(ATTEMPTS, PAUSE, || async {
            match run(state, self.settings.timeout).await?.trim() {
                "on" => Ok(true),
                "off" => Ok(false),
                other => {
                    let said = shortened(other);
                    Err(Failed::Passing(format!("`{}` printed {said:?}, not `on` or `off`", state[0])))
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

impl PowerDriver for Programs {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move { self.run(if on { &self.settings.on } else { &self.settings.off }).await.map(drop) })
    }

    fn measure(&self) -> Measuring<'_> {
        Box::pin(async move {
            match &self.settings.state {
                Some(state) => self.ask_state(state).await.map(Some),
                None => Ok(None),
            }
        })
    }

    fn rail(&self) -> &str {
        &self.name
    }
}
