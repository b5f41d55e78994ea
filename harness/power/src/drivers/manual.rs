//! Rails that a person switches.

use std::path::Path;
use std::sync::Arc;

use hil_config::spec::TableSpec;
use hil_config::table::Table;
use hil_config::{OFF_TIME, RailContext, RailUses};
use serde::{Deserialize, Serialize};

use crate::driver::{PowerDriver, PowerError, Switching};
use crate::kind::{Diagnosis, Opened, Opening, PowerKind};

/// A person switches the rail.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ByHand;

impl PowerKind for ByHand {
    const WORD: &'static str = "manual";
    const KEYS: &'static TableSpec = &TableSpec { keys: &[OFF_TIME] };
    const BY_HAND: bool = true;

    fn read(_: &mut Table<'_, '_>, _: &RailContext<'_>) -> Option<Self> {
        Some(Self)
    }

    fn label(&self) -> String {
        String::new()
    }

    fn uses(&self) -> RailUses {
        RailUses::default()
    }

    /// The person is where the terminal is: [`Manual`] asks there.
    fn open(_: Vec<Opening<Self>>, _: &Path) -> Result<Vec<Opened>, PowerError> {
        Ok(Vec::new())
    }

    fn check(&self) -> Diagnosis {
        Diagnosis::Good("you are asked at the terminal".to_owned())
    }
}

/// Asks the person at the terminal to do something; true once it is done, false if no one is there.
pub type AskPerson = Arc<dyn Fn(String) -> bool + Send + Sync>;

/// A person with a plug in hand.
pub struct Manual {
    board: String,
    ask: Option<AskPerson>,
}

impl Manual {
    /// Switches the supply of a board; `ask` is none if there is no terminal.
    #[must_use]
    pub fn new(board: &str, ask: Option<AskPerson>) -> Self {
        Self { board: board.to_owned(), ask }
    }
}

impl PowerDriver for Manual {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move {
            let no_one = || {
                PowerError::new(
                    "manual",
                    "no one is at the terminal to ask",
                    "run it in a terminal, or use another driver",
                )
            };
            let ask = self.ask.clone().ok_or_else(no_one)?;
            let question =
                format!("switch the power of `{}` {}, then press Enter", self.board, if on { "on" } else { "off" });
            // Blocks for as long as the person takes; the step's deadline bounds it.
            let done = tokio::task::spawn_blocking(move || ask(question)).await.unwrap_or(false);
            if done { Ok(()) } else { Err(no_one()) }
        })
    }

    /// Asks no one at the end of a run: the person may have left.
    fn make_safe(&self) -> Switching<'_> {
        Box::pin(async { Ok(()) })
    }

    fn rail(&self) -> &str {
        "manual"
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use parking_lot::Mutex;

    #[tokio::test]
    async fn a_person_is_asked_and_a_missing_terminal_is_an_error() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let questions = Arc::clone(&asked);
        let ask: AskPerson = Arc::new(move |question| {
            questions.lock().push(question);
            true
        });
        let person = Manual::new("lamp", Some(ask));
        person.switch(true).await.expect("done");
        person.switch(false).await.expect("done");
        person.make_safe().await.expect("no question at the end");
        let questions = asked.lock().join("\n");
        assert_eq!(
            questions,
            "switch the power of `lamp` on, then press Enter\nswitch the power of `lamp` off, then press Enter"
        );
        let error = Manual::new("lamp", None).switch(true).await.expect_err("no terminal");
        assert_eq!(error.to_string(), "rail `manual`: no one is at the terminal to ask");
    }
}
