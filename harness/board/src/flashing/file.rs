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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flashing::Role;

    fn flash(file: &Path, regions: Vec<Region>) -> Result<Flashed, BenchError> {
        let (board, port, chip) = ("lamp".to_owned(), file.to_owned(), hil_config::Chip::Esp32c3);
        flash_file(&Job { board, port, chip, baud: 0, regions, progress: Box::new(|_| {}) })
    }

    fn region(address: u32, data: &[u8], role: Role) -> Region {
        Region { address, data: data.to_vec(), role }
    }

    #[test]
    fn what_the_firmware_has_stored_stays_until_another_firmware_comes() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("flash.bin");
        std::fs::write(&file, [0xff; 64]).expect("write");
        let firmware = |app: &[u8]| vec![region(0, app, Role::Program), region(16, &[0xff; 8], Role::Blank)];
        assert_eq!(flash(&file, firmware(b"app1")).map(|done| (done.written, done.skipped)).ok(), Some((12, 0)));
        let mut held = std::fs::read(&file).expect("read");
        held[16] = 7;
        std::fs::write(&file, &held).expect("write");
        assert_eq!(flash(&file, firmware(b"app1")).map(|done| done.written).ok(), Some(0));
        assert_eq!(std::fs::read(&file).expect("read"), held, "nothing was written");
        flash(&file, firmware(b"app2")).expect("flashed");
        let held = std::fs::read(&file).expect("read");
        assert_eq!((&held[..4], held[16], held.len()), (&b"app2"[..], 0xff, 64));
    }
}
