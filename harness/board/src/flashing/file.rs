//! Flashing an emulator: its flash is a file, and it does not run meanwhile.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use hil_timeline::FlashPhase;

use super::job::{Flashed, Job};
use super::plan::{Region, missing};
use crate::error::BenchError;

/// Writes the regions that the file at the job's `port` does not hold; the rest of it stays.
pub(crate) fn flash_file(job: &Job) -> Result<Flashed, BenchError> {
    let start = Instant::now();
    let failed = |error: io::Error| BenchError::Flash { board: job.board.clone(), reason: error.to_string() };
    let file = open(&job.port).map_err(failed)?;
    let flash = file.metadata().map_err(failed)?.len();
    if let Some(needed) = job.regions.iter().map(Region::end).max().filter(|end| *end > flash) {
        return Err(BenchError::FlashTooSmall { board: job.board.clone(), needed, flash });
    }
    let size: usize = job.regions.iter().map(|region| region.data.len()).sum();
    let missing = missing(&job.regions, |region| holds(&file, region)).map_err(failed)?;
    let skipped = size - missing.iter().map(|region| region.data.len()).sum::<usize>();
    let mut written = 0;
    for region in missing {
        (job.progress)(FlashPhase::Region { address: region.address, size: region.data.len() });
        file.write_all_at(&region.data, region.address.into()).map_err(failed)?;
        written += region.data.len();
        (job.progress)(FlashPhase::Progress { done: written + skipped, total: size });
    }
    Ok(Flashed { written, skipped, took: start.elapsed() })
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

fn holds(file: &File, region: &Region) -> io::Result<bool> {
    let mut held = vec![0; region.data.len()];
    file.read_exact_at(&mut held, region.address.into())?;
    Ok(held == region.data)
}
