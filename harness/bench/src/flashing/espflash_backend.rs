//! Flashing through the espflash library, the same for real and virtual boards.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use espflash::connection::{Connection, ResetAfterOperation, ResetBeforeOperation};
use espflash::flasher::Flasher;
use espflash::image_format::Segment;
use espflash::target::{Chip, ProgressCallbacks};
use hil_timeline::FlashPhase;
use serialport::UsbPortInfo;
use tokio::sync::oneshot;

use super::plan::Region;
use crate::error::BenchError;

/// Everything a flash needs; the chip already waits in its loader.
pub(crate) struct Job {
    pub(crate) board: String,
    pub(crate) port: PathBuf,
    pub(crate) chip: hil_config::Chip,
    pub(crate) baud: u32,
    pub(crate) regions: Vec<Region>,
    pub(crate) progress: Box<dyn Fn(FlashPhase) + Send>,
}

/// What a flash did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flashed {
    /// Bytes written; 0 where the flash already held all of it.
    pub written: usize,
    /// Bytes that the flash already held.
    pub skipped: usize,
    /// How long it took.
    pub took: Duration,
}

/// Held by the thread that flashes a board, for as long as it has the port open.
pub(crate) type PortInUse = Arc<tokio::sync::Mutex<()>>;

/// Flashes on a thread of its own: espflash blocks. Dropping the future makes the thread stop at its next progress
/// call-back; nothing waits for it but the next flash of the same board.
pub(crate) async fn flash(job: Job, port_in_use: PortInUse) -> Result<Flashed, BenchError> {
    /// espflash's longest wait for a chip that fell silent is that of a whole-chip erase; ours are shorter.
    const LEFTOVER: Duration = Duration::from_secs(15);
    let in_use = tokio::time::timeout(LEFTOVER, port_in_use.lock_owned()).await;
    let in_use = in_use.map_err(|_| BenchError::Port {
        board: job.board.clone(),
        reason: "an earlier flash that was cancelled still holds it".to_owned(),
    })?;
    let cancelled = CancelOnDrop(Arc::default());
    let (report, result) = oneshot::channel();
    let board = job.board.clone();
    let failed = |reason: String| BenchError::Flash { board: board.clone(), reason };
    let flag = Arc::clone(&cancelled.0);
    let body = move || {
        // A cancelled flash unwinds out of espflash; there is nobody left to tell.
        if let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| job.run(flag))) {
            let _ = report.send(outcome);
        }
        drop(in_use);
    };
    std::thread::Builder::new().name("flash".to_owned()).spawn(body).map_err(|error| failed(error.to_string()))?;
    result.await.unwrap_or_else(|_| Err(failed("the flasher gave up without a reason".to_owned())))
}

struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Job {
    fn run(self, cancelled: Arc<AtomicBool>) -> Result<Flashed, BenchError> {
        let start = Instant::now();
        let mut flasher = self.connect()?;
        let segments: Vec<_> = self
            .regions
            .iter()
            .map(|region| Segment { addr: region.address, data: Cow::Borrowed(&region.data) })
            .collect();
        let mut progress = Progress { job: &self, cancelled, region: 0, blocks: 1, written: 0, skipped: 0 };
        // One call for all regions: with several, the stub would be left in between.
        let written = flasher.write_bins_to_flash(&segments, &mut progress);
        written.map_err(|error| self.explain(error))?;
        Ok(Flashed { written: progress.written, skipped: progress.skipped, took: start.elapsed() })
    }

    fn connect(&self) -> Result<Flasher, BenchError> {
        /// Speed of the ROM's loader.
        const ROM_BAUD: u32 = 115_200;
        let open = serialport::new(self.port.to_string_lossy(), ROM_BAUD).timeout(Duration::from_secs(3));
        let port = serialport::TTYPort::open(&open)
            .map_err(|error| BenchError::Port { board: self.board.clone(), reason: error.to_string() })?;
        // The bench resets the chip itself, before and after: espflash leaves the lines alone. Product id 0 keeps it
        // from taking the port for a USB-Serial/JTAG one.
        let usb = UsbPortInfo { vid: 0, pid: 0, serial_number: None, manufacturer: None, product: None };
        let (after, before) = (ResetAfterOperation::NoResetNoStub, ResetBeforeOperation::NoReset);
        let connection = Connection::new(port, usb, after, before, ROM_BAUD);
        let (stub, verify, skip) = (true, true, true);
        let chip = match self.chip {
            hil_config::Chip::Esp32c3 => Chip::Esp32c3,
        };
        Flasher::connect(connection, stub, verify, skip, Some(chip), Some(self.baud))
            .map_err(|error| self.explain(error))
    }

    fn explain(&self, error: espflash::Error) -> BenchError {
        let (board, port) = (self.board.clone(), self.port.clone());
        match error {
            espflash::Error::ChipMismatch(expected, found) => BenchError::WrongChip { board, port, expected, found },
            espflash::Error::Flashing(_) | espflash::Error::VerifyFailed if is_verify(&error) => {
                BenchError::VerifyFailed { board }
            }
            espflash::Error::Connection(_) if !Path::new(&port).exists() => BenchError::PortVanished { board },
            espflash::Error::Connection(_) => BenchError::NoAnswer { board, port },
            other => BenchError::Flash { board, reason: with_causes(&other) },
        }
    }

    fn size(&self) -> usize {
        self.regions.iter().map(|region| region.data.len()).sum()
    }
}

fn is_verify(error: &espflash::Error) -> bool {
    matches!(error, espflash::Error::VerifyFailed) || with_causes(error).contains("erification failed")
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Turns espflash's call-backs into events. Regions come in order; a skipped one is only told as finished.
struct Progress<'a> {
    job: &'a Job,
    cancelled: Arc<AtomicBool>,
    region: usize,
    blocks: usize,
    written: usize,
    skipped: usize,
}

impl Progress<'_> {
    fn region(&self) -> (u32, usize) {
        self.job.regions.get(self.region).map_or((0, 0), |region| (region.address, region.data.len()))
    }

    fn check(&self) {
        if self.cancelled.load(Ordering::Relaxed) {
            // espflash has no other way out; no panic hook runs, nothing is printed.
            resume_unwind(Box::new("flash cancelled"));
        }
    }

    fn tell(&self, in_region: usize) {
        let done = self.written + self.skipped + in_region;
        (self.job.progress)(FlashPhase::Progress { done, total: self.job.size() });
    }
}

impl ProgressCallbacks for Progress<'_> {
    fn init(&mut self, _address: u32, blocks: usize) {
        self.check();
        self.blocks = blocks.max(1);
        let (address, size) = self.region();
        (self.job.progress)(FlashPhase::Region { address, size });
    }

    fn update(&mut self, block: usize) {
        self.check();
        self.tell(self.region().1 * block / self.blocks);
    }

    fn verifying(&mut self) {
        self.check();
    }

    fn finish(&mut self, skipped: bool) {
        let size = self.region().1;
        *(if skipped { &mut self.skipped } else { &mut self.written }) += size;
        self.region += 1;
        self.tell(0);
    }
}
