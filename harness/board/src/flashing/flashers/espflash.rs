//! Flashing through the espflash library, the same for real and virtual boards.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use espflash::connection::{Connection, ResetAfterOperation, ResetBeforeOperation};
use espflash::flasher::{Flasher, SecurityInfo};
use espflash::image_format::Segment;
use espflash::target::{Chip, ProgressCallbacks};
use hil_config::table::Table;
use hil_power::Diagnosis;
use hil_timeline::FlashPhase;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use serialport::UsbPortInfo;
use tokio::sync::oneshot;

use crate::error::BenchError;
use crate::flashing::header::Header;
use crate::flashing::job::{Flashed, Job, PortInUse};
use crate::flashing::kind::{FlasherType, Flashing};
use crate::flashing::{Region, missing};

/// A part of `hil`: nothing is installed for it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Espflash;

impl FlasherType for Espflash {
    const WORD: &'static str = hil_config::Flasher::DEFAULT;

    fn read(_: &mut Table<'_, '_>) -> Option<Self> {
        Some(Self)
    }

    fn writes(chip: hil_config::Chip) -> bool {
        chip != hil_config::Chip::Esp8266
    }

    fn flash(self, job: Job, port_in_use: PortInUse) -> Flashing {
        Box::pin(flash(job, port_in_use))
    }

    fn check(&self) -> Option<Diagnosis> {
        None
    }
}

/// Flashes on a thread of its own: espflash blocks. Dropping the future makes the thread stop at its next progress
/// call-back; only the next flash of the same board waits for it.
async fn flash(job: Job, port_in_use: PortInUse) -> Result<Flashed, BenchError> {
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
        // A cancelled flash unwinds out of espflash; nothing waits for its result.
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
        self.check_security(&mut flasher)?;
        self.check_size(&mut flasher)?;
        let mut progress = Progress { job: &self, cancelled, todo: VecDeque::new(), blocks: 1, written: 0, skipped: 0 };
        let missing = missing(&self.regions, |region| {
            progress.check();
            holds(&mut flasher, region)
        });
        let missing = missing.map_err(|error| self.explain(error))?;
        progress.skipped = self.size() - missing.iter().map(|region| region.data.len()).sum::<usize>();
        progress.tell(0);
        progress.todo = missing.iter().copied().collect();
        let segments: Vec<_> =
            missing.iter().map(|region| Segment { addr: region.address, data: Cow::Borrowed(&region.data) }).collect();
        if !segments.is_empty() {
            // One call for all regions: with several, the stub would be left in between.
            let written = flasher.write_bins_to_flash(&segments, &mut progress);
            written.map_err(|error| self.explain(error))?;
        }
        Ok(Flashed { written: progress.written, skipped: progress.skipped, took: start.elapsed() })
    }

    /// Refuses what reaches beyond the flash that the chip has, and what would find less of it than it is made for: the
    /// start-up code of ESP-IDF ends there.
    fn check_size(&self, flasher: &mut Flasher) -> Result<(), BenchError> {
        // The size of a flash that does not report it is not checked.
        let Ok(Some(size)) = flasher.flash_detect() else { return Ok(()) };
        let flash = u64::from(size.size());
        let bootloader = self.regions.iter().find(|region| region.address == self.chip.bootloader_offset());
        let made_for = bootloader.and_then(|region| Header::read(&region.data)).and_then(|header| header.flash_size);
        match self.regions.iter().map(Region::end).chain(made_for).max() {
            Some(needed) if needed > flash => {
                Err(BenchError::FlashTooSmall { board: self.board.clone(), needed, flash })
            }
            _ => Ok(()),
        }
    }

    fn connect(&self) -> Result<Flasher, BenchError> {
        /// Speed of the ROM's loader.
        const ROM_BAUD: u32 = 115_200;
        let open = serialport::new(self.port.to_string_lossy(), ROM_BAUD).timeout(Duration::from_secs(3));
        let failed =
            |error: serialport::Error| BenchError::Port { board: self.board.clone(), reason: error.to_string() };
        let mut port = serialport::TTYPort::open(&open).map_err(failed)?;
        // Exclusive mode stays in force while any process has the device open, and the reset lines may keep it open:
        // the console could then not be opened again without root.
        port.set_exclusive(false).map_err(failed)?;
        // The bench resets the chip itself, before and after: espflash leaves the lines alone. Product id 0 keeps it
        // from taking the port for a USB-Serial/JTAG one.
        let usb = UsbPortInfo { vid: 0, pid: 0, serial_number: None, manufacturer: None, product: None };
        let (after, before) = (ResetAfterOperation::NoResetNoStub, ResetBeforeOperation::NoReset);
        let connection = Connection::new(port, usb, after, before, ROM_BAUD);
        // Regions that the flash already holds are not passed to it.
        let (stub, verify, skip) = (true, true, false);
        let chip = chip_of(self.chip).ok_or_else(|| BenchError::Flash {
            board: self.board.clone(),
            reason: format!("espflash does not support the {}", self.chip.word()),
        })?;
        Flasher::connect(connection, stub, verify, skip, Some(chip), Some(self.baud))
            .map_err(|error| self.explain(error))
    }

    /// Refuses what would not boot or could not be undone. Chips that can't tell (ESP32) are taken to allow
    /// it.
    fn check_security(&self, flasher: &mut Flasher) -> Result<(), BenchError> {
        let forbidden = |reason: &str| BenchError::Forbidden { board: self.board.clone(), reason: reason.to_owned() };
        if flasher.secure_download_mode() {
            return Err(forbidden("the chip is in secure download mode"));
        }
        match flasher.security_info() {
            Ok(info) if is_encrypted(&info) => {
                Err(forbidden("flash encryption is on, and plain images would not boot"))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn explain(&self, error: espflash::Error) -> BenchError {
        let (board, port) = (self.board.clone(), self.port.clone());
        match error {
            espflash::Error::ChipMismatch(expected, found) => BenchError::WrongChip { board, port, expected, found },
            espflash::Error::VerifyFailed => BenchError::VerifyFailed { board },
            espflash::Error::Connection(_) if !port.exists() => BenchError::PortVanished { board },
            espflash::Error::Connection(_) => BenchError::NoAnswer { board, port },
            other => BenchError::Flash { board, reason: with_causes(&other) },
        }
    }

    fn size(&self) -> usize {
        self.regions.iter().map(|region| region.data.len()).sum()
    }
}

/// Flash encryption is on while an odd number of bits of the counter is set (ESP-IDF, "Flash Encryption").
fn is_encrypted(info: &SecurityInfo) -> bool {
    info.flash_crypt_cnt.count_ones() % 2 == 1
}

/// What espflash calls a chip.
pub(crate) fn chip_of(chip: hil_config::Chip) -> Option<Chip> {
    Some(match chip {
        hil_config::Chip::Esp8266 => return None,
        hil_config::Chip::Esp32 => Chip::Esp32,
        hil_config::Chip::Esp32c2 => Chip::Esp32c2,
        hil_config::Chip::Esp32c3 => Chip::Esp32c3,
        hil_config::Chip::Esp32c5 => Chip::Esp32c5,
        hil_config::Chip::Esp32c6 => Chip::Esp32c6,
        hil_config::Chip::Esp32h2 => Chip::Esp32h2,
        hil_config::Chip::Esp32p4 => Chip::Esp32p4,
        hil_config::Chip::Esp32s2 => Chip::Esp32s2,
        hil_config::Chip::Esp32s3 => Chip::Esp32s3,
    })
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

/// Whether the flash holds a region, by its MD5.
fn holds(flasher: &mut Flasher, region: &Region) -> Result<bool, espflash::Error> {
    let length = u32::try_from(region.data.len()).unwrap_or(u32::MAX);
    let wanted: [u8; 16] = Md5::digest(&region.data).into();
    Ok(flasher.checksum_md5(region.address, length)? == u128::from_be_bytes(wanted))
}

/// Turns espflash's call-backs into events. Regions come in order.
struct Progress<'a> {
    job: &'a Job,
    cancelled: Arc<AtomicBool>,
    /// What is still to be written.
    todo: VecDeque<&'a Region>,
    blocks: usize,
    written: usize,
    skipped: usize,
}

impl Progress<'_> {
    fn region(&self) -> (u32, usize) {
        self.todo.front().map_or((0, 0), |region| (region.address, region.data.len()))
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

    fn finish(&mut self, _skipped: bool) {
        self.written += self.region().1;
        self.todo.pop_front();
        self.tell(0);
    }
}
