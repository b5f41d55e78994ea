//! Reset by any programs.

use std::time::Duration;

use super::{ResetDriver, ResetInto, Resetting};
use crate::error::BenchError;
use hil_power::subprocess::{SubprocessError, run};

/// How long a program may take.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct CommandReset {
    pub(crate) board: String,
    pub(crate) hold: Vec<String>,
    pub(crate) run: Vec<String>,
    pub(crate) loader: Vec<String>,
}

impl CommandReset {
    async fn run(&self, words: &[String]) -> Result<(), BenchError> {
        let failed = |error: SubprocessError| BenchError::Reset {
            board: self.board.clone(),
            reason: error.to_string(),
            hint: "try the command by hand".to_owned(),
        };
        run(words, TIMEOUT).await.map(drop).map_err(failed)
    }
}

impl ResetDriver for CommandReset {
    fn hold(&self) -> Resetting<'_> {
        Box::pin(self.run(&self.hold))
    }

    fn release(&self, into: ResetInto) -> Resetting<'_> {
        let words = if into == ResetInto::App { &self.run } else { &self.loader };
        Box::pin(self.run(words))
    }

    fn describe(&self) -> &str {
        "by a command"
    }
}
