//! Flashing through any program.

use std::time::{Duration, Instant};

use super::{Flashed, Job};
use crate::error::BenchError;
use hil_power::subprocess::run;

/// How long the program may take.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Runs the program on one merged image. Dropping the future kills it.
pub(super) async fn flash(words: &[String], job: Job) -> Result<Flashed, BenchError> {
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
