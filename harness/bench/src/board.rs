//! One board at work: its life from flash to boot, its power, its pins.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hil_config::{Firmware, Image, NvsValue, Pin};
use hil_timeline::{Cursor, Finding, FlashPhase, PinCause, Recorder, RunEvent, What};
use tokio::time::Instant;

use crate::bench::unknown_image;
use crate::console::{Capture, SharedDetector};
use crate::detector::Detector;
use crate::drivers::{Drivers, PortFinder};
use crate::error::BenchError;
use crate::flashing::{self, Flashed, Job, PortInUse, Region};
use crate::ladder::Rung;
use crate::pins::Pins;
use crate::power::PowerDriver;
use crate::reset::{ResetDriver, ResetInto};
use crate::scope::Scope;
use crate::virtual_board::builtin_image;

/// Where a board reaches its tap: what `{tap.host}` and `{tap.port}` become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapAddress {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// How a boot ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Booted {
    /// The app runs.
    Running,
    /// The chip boots, but its app never gets to run or never gets ready: the firmware's fault.
    Refused {
        /// What the console said about it.
        reason: String,
    },
}

/// A board that somebody owns. Made by [`crate::Bench::lock`].
pub struct Board {
    config: hil_config::Board,
    scope: Scope,
    port: Box<dyn PortFinder>,
    power: Box<dyn PowerDriver>,
    reset: Box<dyn ResetDriver>,
    pins: Pins,
    detector: SharedDetector,
    console: Option<Capture>,
    port_in_use: PortInUse,
    powered: bool,
    stuck: Option<BenchError>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").field("name", &self.name()).field("powered", &self.powered).finish_non_exhaustive()
    }
}

impl Board {
    /// How long a boot may take: ROM, bootloader, and an app that initialises its radio.
    const BOOT_DEADLINE: Duration = Duration::from_secs(10);

    pub(crate) fn open(config: hil_config::Board, scope: Scope) -> Result<Self, BenchError> {
        let Drivers { port, power, reset, pins } = Drivers::open(&config, &scope)?;
        Ok(Self {
            pins: Pins::new(config.pins.clone(), pins),
            config,
            scope,
            port,
            power,
            reset,
            detector: Arc::new(Mutex::new(Detector::default())),
            console: None,
            port_in_use: PortInUse::default(),
            powered: false,
            stuck: None,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.config.name.as_str()
    }

    /// Its description in the bench file.
    #[must_use]
    pub fn config(&self) -> &hil_config::Board {
        &self.config
    }

    /// Path of its serial port, while it is there.
    #[must_use]
    pub fn port(&self) -> Option<std::path::PathBuf> {
        self.port.find()
    }

    /// Whether its rails are on.
    #[must_use]
    pub fn is_powered(&self) -> bool {
        self.powered
    }

    /// Its events belong to this recorder's scenario from now on; the levels of its pins are the first.
    pub fn enter(&self, recorder: Recorder) {
        self.scope.enter(recorder);
        self.pins.record_levels(&self.scope);
    }

    /// Its events belong to no scenario any more.
    pub fn leave(&self) {
        let timeline = self.scope.recorder().timeline().clone();
        self.scope.enter(timeline.recorder(None));
    }

    /// Whether its console is being captured.
    #[must_use]
    pub fn is_capturing(&self) -> bool {
        self.console.as_ref().is_some_and(Capture::is_running)
    }

    /// The pin of that name.
    #[must_use]
    pub fn pin(&self, name: &str) -> Option<&Pin> {
        self.pins.get(name)
    }

    /// Drives a pin that the bench may drive.
    pub async fn drive_pin(&self, name: &str, on: bool) {
        if let Some(pin) = self.pins.get(name) {
            self.pins.drive(pin, on).await;
            self.scope.record(|board| What::Pin { board, pin: name.to_owned(), on, cause: PinCause::Driven });
        }
    }

    /// Lets go of every pin that the bench drives.
    pub async fn release_pins(&self) {
        self.pins.release().await;
    }

    /// Puts a firmware on the board, resets it and waits until its app runs, climbing the ladder where the bench
    /// fails.
    ///
    /// # Errors
    /// When the ladder gives up; the failure then sticks.
    pub async fn run_firmware(&mut self, firmware: &Firmware, tap: &TapAddress) -> Result<Booted, BenchError> {
        let regions = self.prepare(firmware, tap)?;
        for rung in Rung::LADDER {
            match self.attempt(rung, firmware, &regions).await {
                Ok(booted) => return Ok(booted),
                Err(error) => self.judge(rung, error)?,
            }
        }
        Err(self.give_up())
    }

    /// Writes a firmware and leaves the board freshly reset, without waiting for its app.
    ///
    /// # Errors
    /// When the ladder gives up; the failure then sticks.
    pub async fn flash(&mut self, firmware: &Firmware, tap: &TapAddress) -> Result<Flashed, BenchError> {
        let regions = self.prepare(firmware, tap)?;
        for rung in Rung::LADDER {
            self.climb(rung).await?;
            match self.write(firmware.name.as_str(), &regions, rung).await {
                Ok(flashed) => {
                    self.reset().await?;
                    return Ok(flashed);
                }
                Err(error) => self.judge(rung, error)?,
            }
        }
        Err(self.give_up())
    }

    /// Notes a failed rung; a final or a last failure sticks and ends the climb.
    fn judge(&mut self, rung: Rung, error: BenchError) -> Result<(), BenchError> {
        self.scope.note(format!("{}: {error}", rung.describe()));
        let last = rung == Rung::PowerCycle;
        if error.is_final() || last {
            if !matches!(error, BenchError::Stuck { .. }) {
                self.stuck = Some(error.clone());
            }
            return Err(error);
        }
        Ok(())
    }

    fn give_up(&self) -> BenchError {
        BenchError::Silent { board: self.name().to_owned() }
    }

    async fn attempt(&mut self, rung: Rung, firmware: &Firmware, regions: &[Region]) -> Result<Booted, BenchError> {
        self.climb(rung).await?;
        self.write(firmware.name.as_str(), regions, rung).await?;
        let from = self.reset().await?;
        self.wait_for_boot(firmware, from).await
    }

    async fn climb(&mut self, rung: Rung) -> Result<(), BenchError> {
        if let Some(cause) = &self.stuck {
            return Err(BenchError::Stuck { board: self.name().to_owned(), cause: Box::new(cause.clone()) });
        }
        match rung {
            // The flash resets the chip into its loader anyway.
            Rung::Try | Rung::Reset => self.power_on().await,
            Rung::PowerCycle => {
                self.power_off().await?;
                tokio::time::sleep(self.config.off_time).await;
                self.power_on().await
            }
        }
    }

    /// Switches all rails on; the console is open before, where there is a port.
    ///
    /// # Errors
    /// When the driver fails or the port can't be opened.
    pub async fn power_on(&mut self) -> Result<(), BenchError> {
        if self.powered {
            return Ok(());
        }
        if self.port().is_some() {
            self.open_console()?;
        }
        self.expect_boot();
        // Recorded first: what it causes comes after it.
        self.record_power(true);
        // Before it is so: whoever is stopped in between must know that there is something to switch off.
        self.powered = true;
        self.power.switch(true).await?;
        if !self.is_capturing() {
            self.open_console()?;
        }
        Ok(())
    }

    /// Switches all rails off.
    ///
    /// # Errors
    /// When the driver fails.
    pub async fn power_off(&mut self) -> Result<(), BenchError> {
        if self.powered {
            self.power.switch(false).await?;
            self.powered = false;
            self.record_power(false);
        }
        Ok(())
    }

    fn record_power(&self, on: bool) {
        let rail = self.power.rail().to_owned();
        self.scope.record(|board| What::Power { board, rail, on });
    }

    /// Resets the chip into its app. Gives back the place in the timeline from which its boot is seen.
    ///
    /// # Errors
    /// When the driver fails or the port can't be opened.
    pub async fn reset(&mut self) -> Result<Cursor, BenchError> {
        if !self.is_capturing() {
            self.open_console()?;
        }
        self.expect_boot();
        self.reset.hold().await?;
        // Recorded while the chip is held: its former life lies before, its next one after.
        let how = self.reset.describe().to_owned();
        let event = self.scope.record(|board| What::Reset { board, how });
        self.reset.release(ResetInto::App).await?;
        Ok(Cursor::after(&event))
    }

    /// Holds the chip in reset until it is reset or flashed again.
    pub async fn hold(&mut self) {
        // A driver that fails here leaves the board running, and the next scenario resets it before it looks.
        let _ = self.reset.hold().await;
    }

    /// Resets the chip into its ROM loader and leaves it there.
    ///
    /// # Errors
    /// When the driver fails.
    pub async fn enter_loader(&mut self) -> Result<(), BenchError> {
        self.reset.hold().await?;
        self.scope.record(|board| What::Reset { board, how: "into its loader".to_owned() });
        self.reset.release(ResetInto::Loader).await
    }

    /// Leaves the port to others: nothing is captured until the board is reset or powered on again.
    pub async fn close_console(&mut self) {
        if let Some(console) = self.console.take() {
            console.stop().await;
        }
    }

    fn expect_boot(&self) {
        self.detector.lock().unwrap_or_else(PoisonError::into_inner).expect_boot();
    }

    fn open_console(&mut self) -> Result<(), BenchError> {
        if self.is_capturing() {
            return Ok(());
        }
        let port = self.port().ok_or_else(|| BenchError::PortVanished { board: self.name().to_owned() })?;
        let detector = Arc::clone(&self.detector);
        self.console = Some(Capture::start(&port, self.config.console_baud, self.scope.clone(), detector)?);
        Ok(())
    }

    /// Hands the port to the flasher and takes it back.
    async fn write(&mut self, firmware: &str, regions: &[Region], rung: Rung) -> Result<Flashed, BenchError> {
        self.close_console().await;
        self.enter_loader().await?;
        let port = self.port().ok_or_else(|| BenchError::PortVanished { board: self.name().to_owned() })?;
        let (scope, name) = (self.scope.clone(), firmware.to_owned());
        let progress = move |flash| {
            scope.record(|board| What::Flash { board, firmware: name.clone(), flash });
        };
        progress(FlashPhase::Connecting { attempt: rung as u32 + 1 });
        let job = Job {
            board: self.name().to_owned(),
            port,
            chip: self.config.chip,
            baud: self.config.flash_baud,
            regions: regions.to_vec(),
            progress: Box::new(progress.clone()),
        };
        let result = flashing::flash(job, Arc::clone(&self.port_in_use)).await;
        progress(match &result {
            Ok(done) => FlashPhase::Finished {
                written: done.written,
                skipped: done.skipped,
                took_ms: u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX),
            },
            Err(error) => FlashPhase::Failed { reason: error.to_string() },
        });
        result
    }

    /// Waits for the app after a reset.
    ///
    /// # Errors
    /// When nothing is heard at all or the port vanishes: the bench's fault.
    pub async fn wait_for_boot(&self, firmware: &Firmware, from: Cursor) -> Result<Booted, BenchError> {
        let timeline = self.scope.recorder().timeline().clone();
        let deadline = Instant::now() + Self::BOOT_DEADLINE;
        let mut seen = Seen::default();
        let waited = timeline.wait_for(from, deadline, |event| self.boot_step(firmware, event, &mut seen)).await;
        match waited {
            Ok(result) => result,
            Err(_) if !seen.anything => Err(BenchError::Silent { board: self.name().to_owned() }),
            Err(_) => Ok(Booted::Refused { reason: seen.why_not_ready(firmware) }),
        }
    }

    fn boot_step(&self, firmware: &Firmware, event: &RunEvent, seen: &mut Seen) -> Option<Result<Booted, BenchError>> {
        if event.what.board() != Some(self.name()) {
            return None;
        }
        match &event.what {
            What::ConsoleLost { .. } => Some(Err(BenchError::PortVanished { board: self.name().to_owned() })),
            What::Console { line, .. } => {
                seen.anything = true;
                seen.note(line);
                let ready = firmware.ready.as_ref().is_some_and(|ready| ready.is_match(line));
                ready.then_some(Ok(Booted::Running))
            }
            What::Found { finding: Finding::AppStarted, .. } if firmware.ready.is_none() => Some(Ok(Booted::Running)),
            What::Found { finding: Finding::BootLoop, detail, .. } => {
                let because = seen.last_error.as_ref().map(|line| format!(", after `{line}`")).unwrap_or_default();
                Some(Ok(Booted::Refused { reason: format!("it boot-loops ({detail}){because}") }))
            }
            _ => None,
        }
    }

    /// Reads the firmware's files and puts the settings in their place.
    fn prepare(&self, firmware: &Firmware, tap: &TapAddress) -> Result<Vec<Region>, BenchError> {
        let failed = |reason: String, hint: Option<String>| BenchError::Firmware {
            firmware: firmware.name.to_string(),
            reason,
            hint,
        };
        let parts = match &firmware.image {
            Image::Builtin(name) => {
                let data = builtin_image(name).map_err(|known| unknown_image(firmware, name, known))?;
                vec![Region { address: 0, data }]
            }
            Image::Parts(files) => files
                .iter()
                .map(|(address, path)| match std::fs::read(path) {
                    Ok(data) if data.starts_with(b"\x7fELF") => {
                        let hint = "make a binary of it: `espflash save-image --merge`".to_owned();
                        Err(failed(format!("`{}` is an ELF file", path.display()), Some(hint)))
                    }
                    Ok(data) => Ok(Region { address: *address, data }),
                    Err(error) => {
                        let hint = "paths in a bench file count from its folder".to_owned();
                        Err(failed(format!("can't read `{}`: {error}", path.display()), Some(hint)))
                    }
                })
                .collect::<Result<_, _>>()?,
        };
        let fill = |text: &str| text.replace("{tap.host}", &tap.host).replace("{tap.port}", &tap.port.to_string());
        let settings = firmware.nvs.iter().map(|(key, value)| {
            let value = match value {
                NvsValue::Text(text) => NvsValue::Text(fill(text)),
                NvsValue::Integer(number) => NvsValue::Integer(*number),
            };
            (key.clone(), value)
        });
        flashing::plan(parts, &settings.collect()).map_err(|error| failed(error.to_string(), None))
    }
}

/// What was heard while waiting for a boot.
#[derive(Debug, Default)]
struct Seen {
    anything: bool,
    last_line: String,
    last_error: Option<String>,
}

impl Seen {
    fn note(&mut self, line: &str) {
        line.clone_into(&mut self.last_line);
        let tells_why = line.starts_with("E (") || line.contains("invalid header") || line.contains("Guru Meditation");
        // The first complaint tells more than those that follow from it.
        if tells_why && self.last_error.is_none() {
            self.last_error = Some(line.to_owned());
        }
    }

    fn why_not_ready(&self, firmware: &Firmware) -> String {
        let awaited = match &firmware.ready {
            Some(ready) => format!("the console did not show /{ready}/"),
            None => "the bootloader did not start the app".to_owned(),
        };
        let line = self.last_error.as_ref().unwrap_or(&self.last_line);
        format!("{awaited} within {} s of the reset; it said `{line}`", Board::BOOT_DEADLINE.as_secs())
    }
}
