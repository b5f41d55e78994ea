//! Reset by any programs.

use std::time::Duration;

use hil_config::spec::{Key, Kind, TableSpec};
use hil_config::table::Table;
use hil_power::subprocess::{SubprocessError, run};
use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::reset::kind::{BoardParts, ResetStrategy};
use crate::reset::{ResetDriver, ResetInto, Resetting};

/// The programs, with their arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ResetCommands {
    hold: Vec<String>,
    run: Vec<String>,
    loader: Vec<String>,
}

impl ResetStrategy for ResetCommands {
    const WORD: &'static str = "command";
    const KEYS: &'static TableSpec = &TableSpec {
        keys: &[
            Key::required("hold", Kind::List(&Kind::Text), "Program and arguments that hold the chip in reset."),
            Key::required("run", Kind::List(&Kind::Text), "Program and arguments that let it start its app."),
            Key::required("loader", Kind::List(&Kind::Text), "Program and arguments that let it start its loader."),
        ],
    };

    fn read(table: &mut Table<'_, '_>) -> Option<Self> {
        let mut command = |key| {
            let hint = "example: `hold = [\"jig\", \"hold\"]`, with `run` and `loader`";
            table.required(key, hint).and_then(|v| v.command_line())
        };
        let (hold, run, loader) = (command("hold"), command("run"), command("loader"));
        Some(Self { hold: hold?, run: run?, loader: loader? })
    }

    fn open(self, board: &BoardParts<'_>) -> Result<Box<dyn ResetDriver>, BenchError> {
        Ok(Box::new(CommandReset { board: board.name.to_owned(), programs: self }))
    }
}

/// How long a program may take.
const TIMEOUT: Duration = Duration::from_secs(10);

struct CommandReset {
    board: String,
    programs: ResetCommands,
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
        Box::pin(self.run(&self.programs.hold))
    }

    fn release(&self, into: ResetInto) -> Resetting<'_> {
        let words = if into == ResetInto::App { &self.programs.run } else { &self.programs.loader };
        Box::pin(self.run(words))
    }

    fn release_program(&self) -> Option<&[String]> {
        Some(&self.programs.run)
    }

    fn describe(&self) -> &str {
        "by a command"
    }
}
