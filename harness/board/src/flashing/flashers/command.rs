//! Flashing through any program.

use std::time::{Duration, Instant};

use hil_config::spec::{Key, Kind, TableSpec};
use hil_config::table::Table;
use hil_power::Diagnosis;
use hil_power::subprocess::run;
use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::flashing::kind::{FlasherType, Flashing};
use crate::flashing::{Flashed, Job, PortInUse};

/// A program and its arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FlashCommand(Vec<String>);

impl FlasherType for FlashCommand {
    const WORD: &'static str = "command";
    const KEYS: &'static TableSpec = &TableSpec {
        keys: &[Key::required(
            Self::WORD,
            Kind::List(&Kind::Text),
            "Program and arguments; `{port}`, `{image}` (one merged `.bin` to be written at 0), `{chip}` and `{baud}` are filled in.",
        )],
    };

    fn read(table: &mut Table<'_, '_>) -> Option<Self> {
        let hint = "example: `command = [\"flash-tool\", \"{port}\", \"{image}\"]`";
        table.required(Self::WORD, hint).and_then(|v| v.command_line()).map(Self)
    }

    fn flash(self, job: Job, _: PortInUse) -> Flashing {
        Box::pin(async move { flash(&self.0, job).await })
    }

    fn check(&self) -> Option<Diagnosis> {
        self.0.first().map(|program| Diagnosis::of_program(program))
    }
}

/// How long the program may take.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Runs the program on one merged image. Dropping the future kills it.
async fn flash(words: &[String], job: Job) -> Result<Flashed, BenchError> {
    let start = Instant::now();
    let failed = |reason: String| BenchError::Flash { board: job.board.clone(), reason };
    let image = merged(&job);
    let folder = hil_scratch::Scratch::new("image").map_err(|error| failed(error.to_string()))?;
    let file = folder.path().join("image.bin");
    std::fs::write(&file, &image).map_err(|error| failed(error.to_string()))?;
    let fill = |word: &String| {
        word.replace("{port}", &job.port.to_string_lossy())
            .replace("{image}", &file.to_string_lossy())
            .replace("{chip}", job.chip.word())
            .replace("{baud}", &job.baud.to_string())
    };
    let words: Vec<_> = words.iter().map(fill).collect();
    run(&words, LONGEST).await.map_err(|error| failed(error.to_string()))?;
    Ok(Flashed { written: image.len(), skipped: 0, took: start.elapsed() })
}

/// All regions in one image that begins at 0; between them flash is erased.
fn merged(job: &Job) -> Vec<u8> {
    let mut image = Vec::new();
    for region in &job.regions {
        let start = usize::try_from(region.address).unwrap_or(usize::MAX);
        if image.len() < start {
            image.resize(start, 0xff);
        }
        image.truncate(start);
        image.extend_from_slice(&region.data);
    }
    image
}
