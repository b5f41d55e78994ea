//! One board at work: its life from flash to boot, its power, its pins.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hil_config::{BoardKind, Firmware, Pin, RailDriver, SafeState};
use hil_timeline::{Cursor, Finding, FlashPhase, PinCause, Recorder, RunEvent, What};
use tokio::time::Instant;

use crate::bench::claimed;
use crate::console::{Capture, SharedDetector, Source};
use crate::detector::Detector;
use crate::drivers::{Drivers, Shared};
use crate::error::BenchError;
use crate::flashing::{self, Flashed, Job, PortInUse, Region};
use crate::keeper::{Holder, Keeper};
use crate::ladder::Rung;
use crate::micropython::{RawRepl, ReplError, Script, prepare_scripts, upload};
use crate::pins::Pins;
use crate::ports::{OpenPort, PortFinder, explain_open};
use crate::power::PowerDriver;
use crate::program::ProgramDevice;
use crate::reset::{ResetDriver, ResetInto};
use crate::scope::Scope;
use crate::tap_address::TapAddress;

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
    port: Arc<dyn PortFinder>,
    power: Option<Arc<dyn PowerDriver>>,
    reset: Box<dyn ResetDriver>,
    program: Option<ProgramDevice>,
    pins: Pins,
    detector: SharedDetector,
    console: Option<Capture>,
    port_in_use: PortInUse,
    powered: bool,
    stuck: Option<BenchError>,
    device: Option<DeviceClaim>,
}

/// The locks of a real board's device. Its place is known only while it is there: one that comes with the power is
/// claimed when it has come.
struct DeviceClaim {
    keeper: Arc<Keeper>,
    held: Vec<String>,
    what: String,
}

impl DeviceClaim {
    async fn complete(&mut self, config: &hil_config::Board) -> Result<(), BenchError> {
        let mut claimed = claimed(config);
        claimed.keys.retain(|key| !self.held.contains(key));
        if claimed.keys.is_empty() {
            return Ok(());
        }
        let keys = claimed.keys.clone();
        self.keeper.lock(vec![claimed], false, Holder::this_process(&self.what)).await?;
        self.held.extend(keys);
        Ok(())
    }
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").field("name", &self.name()).field("powered", &self.powered).finish_non_exhaustive()
    }
}

impl Board {
    /// How long a boot may take: ROM, bootloader, and an app that initialises its radio.
    const BOOT_DEADLINE: Duration = Duration::from_secs(10);
    /// How long a port that vanishes during a boot may stay away.
    const REAPPEARS: Duration = Duration::from_secs(3);

    pub(crate) async fn open(config: hil_config::Board, scope: Scope, shared: &Shared) -> Result<Self, BenchError> {
        let Drivers { port, power, reset, pins, program } = Drivers::open(&config, &scope, shared).await?;
        let device = shared.keeper.as_ref().filter(|_| config.kind == BoardKind::Esp).map(|keeper| DeviceClaim {
            keeper: Arc::clone(keeper),
            held: claimed(&config).keys,
            what: shared.what.clone(),
        });
        Ok(Self {
            device,
            pins: Pins::new(config.pins.clone(), pins),
            config,
            scope,
            port,
            power,
            reset,
            program,
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
        self.port.find().ok()
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
        self.console.as_ref().is_some_and(Capture::is_open)
    }

    /// The pin of that name.
    #[must_use]
    pub fn pin(&self, name: &str) -> Option<&Pin> {
        self.pins.get(name)
    }

    /// Drives a pin that the bench may drive.
    ///
    /// # Errors
    /// When the line can't be set.
    pub async fn drive_pin(&self, name: &str, on: bool) -> Result<(), BenchError> {
        self.pins.drive(name, on).await?;
        self.scope.record(|board| What::Pin { board, pin: name.to_owned(), on, cause: PinCause::Driven });
        Ok(())
    }

    /// Lets go of every pin that the bench drives.
    pub async fn release_pins(&self) {
        if let Err(error) = self.pins.release().await {
            self.scope.note(error.to_string());
        }
    }

    /// Sends bytes to its console.
    pub fn write_console(&self, bytes: &[u8]) {
        if let Some(console) = &self.console {
            console.write(bytes.to_vec());
        }
    }

    /// Puts a firmware on the board, resets it and waits until its app runs, climbing the ladder where the bench
    /// fails.
    ///
    /// # Errors
    /// When the ladder gives up; the failure then sticks.
    pub async fn run_firmware(&mut self, firmware: &Firmware, tap: &TapAddress) -> Result<Booted, BenchError> {
        let software = self.prepare(firmware, tap)?;
        let mut rung = Rung::Try;
        loop {
            match self.attempt(rung, firmware, &software).await {
                Ok(booted) => return Ok(booted),
                Err(error) => rung = self.judge(rung, error)?,
            }
        }
    }

    /// Writes a firmware and leaves the board freshly reset, without waiting for its app.
    ///
    /// # Errors
    /// When the ladder gives up; the failure then sticks.
    pub async fn flash(&mut self, firmware: &Firmware, tap: &TapAddress) -> Result<Flashed, BenchError> {
        let software = self.prepare(firmware, tap)?;
        let mut rung = Rung::Try;
        loop {
            match self.write_and_reset(rung, firmware, &software).await {
                Ok((flashed, _)) => return Ok(flashed),
                Err(error) => rung = self.judge(rung, error)?,
            }
        }
    }

    /// Notes a failed rung and gives back the next; a final or a last failure sticks and ends the climb.
    fn judge(&mut self, rung: Rung, error: BenchError) -> Result<Rung, BenchError> {
        self.scope.note(format!("{}: {error}", rung.describe()));
        match rung.next(&error, self.power.is_some(), self.reset.varies()) {
            Some(next) if !error.is_final() => Ok(next),
            _ => {
                // A program that can't be started says nothing of the next one.
                if !matches!(error, BenchError::Stuck { .. } | BenchError::Program { .. }) {
                    self.stuck = Some(error.clone());
                }
                Err(error)
            }
        }
    }

    /// What is written to its flash, and the scripts that are uploaded after.
    fn prepare(&self, firmware: &Firmware, tap: &TapAddress) -> Result<Software, BenchError> {
        match (&self.program, &firmware.process) {
            (Some(program), Some(process)) => {
                program.load(process, tap);
                return Ok(Software { regions: Vec::new(), scripts: None });
            }
            (None, None) => {}
            (program, _) => {
                let what = if program.is_some() { "it is no program" } else { "it is a program" };
                return Err(BenchError::WrongKind {
                    board: self.name().to_owned(),
                    firmware: firmware.name.to_string(),
                    reason: format!("{what}, and the board is of the kind `{}`", self.config.kind.word()),
                });
            }
        }
        let regions = flashing::prepare(firmware, self.config.chip, tap)?;
        Ok(Software { regions, scripts: prepare_scripts(firmware, tap)? })
    }

    async fn attempt(&mut self, rung: Rung, firmware: &Firmware, software: &Software) -> Result<Booted, BenchError> {
        let (_, from) = self.write_and_reset(rung, firmware, software).await?;
        self.wait_for_boot(firmware, from).await
    }

    async fn write_and_reset(
        &mut self,
        rung: Rung,
        firmware: &Firmware,
        software: &Software,
    ) -> Result<(Flashed, Cursor), BenchError> {
        self.climb(rung).await?;
        let mut flashed = Flashed { written: 0, skipped: 0, took: Duration::ZERO };
        if !software.regions.is_empty() {
            flashed = self.write(firmware.name.as_str(), &software.regions, rung).await?;
        }
        if let Some(scripts) = &software.scripts {
            flashed = self.upload(firmware.name.as_str(), scripts, flashed, rung).await?;
        }
        // A reset leaves nothing of the life in which the files were written, as a soft one would.
        Ok((flashed, self.reset().await?))
    }

    /// Uploads scripts to the interpreter that the board has. What it says meanwhile is not captured.
    async fn upload(
        &mut self,
        firmware: &str,
        scripts: &[Script],
        flashed: Flashed,
        rung: Rung,
    ) -> Result<Flashed, BenchError> {
        self.close_console().await;
        self.reset.hold().await?;
        self.expect_boot();
        self.scope.record(|board| What::Reset { board, how: "for an upload".to_owned() });
        self.reset.release(ResetInto::App).await?;
        let port = self.wait_for_port().await?;
        let progress = self.progress(firmware);
        progress(FlashPhase::Connecting { attempt: rung.attempt() + 1 });
        let work = async {
            let mut repl = RawRepl::enter(&port, self.config.console_baud).await?;
            let uploaded = upload(&mut repl, scripts, &progress).await?;
            repl.leave().await;
            Ok::<_, ReplError>(uploaded)
        };
        match work.await {
            Ok(uploaded) => {
                let done = Flashed {
                    written: flashed.written + uploaded.written,
                    skipped: flashed.skipped + uploaded.skipped,
                    took: flashed.took + uploaded.took,
                };
                progress(finished(&done));
                Ok(done)
            }
            Err(error) => {
                progress(FlashPhase::Failed { reason: error.to_string() });
                let board = self.name().to_owned();
                Err(BenchError::Upload { board, reason: error.to_string() })
            }
        }
    }

    /// Records how a flash or an upload goes on.
    fn progress(&self, firmware: &str) -> impl Fn(FlashPhase) + Clone + Send + Sync + use<> {
        let (scope, name) = (self.scope.clone(), firmware.to_owned());
        move |flash| {
            scope.record(|board| What::Flash { board, firmware: name.clone(), flash });
        }
    }

    async fn climb(&mut self, rung: Rung) -> Result<(), BenchError> {
        if let Some(cause) = &self.stuck {
            return Err(BenchError::Stuck { board: self.name().to_owned(), cause: Box::new(cause.clone()) });
        }
        if rung == Rung::PowerCycle {
            self.power_off().await?;
            tokio::time::sleep(self.config.off_time).await;
        }
        // The flash resets the chip into its loader anyway.
        self.power_on().await
    }

    /// Switches all rails on; the console is open before, where there is a port. A board without rails has power.
    ///
    /// # Errors
    /// When the driver fails or the port can't be opened.
    pub async fn power_on(&mut self) -> Result<(), BenchError> {
        if self.powered {
            return Ok(());
        }
        self.open_console()?;
        if let Some(power) = self.power.clone() {
            self.expect_boot();
            // Recorded first: what it causes comes after it.
            self.record_power(true);
            // Before it is so: whoever is stopped in between must know that there is something to switch off.
            self.powered = true;
            power.switch(true).await.map_err(|error| BenchError::power(self.name(), error))?;
            tokio::time::sleep(self.config.boot_delay).await;
        }
        self.powered = true;
        self.wait_for_port().await?;
        match &mut self.device {
            Some(device) => device.complete(&self.config).await,
            None => Ok(()),
        }
    }

    /// Switches all rails off, and looks whether the supply is gone where something measures it.
    ///
    /// # Errors
    /// When the driver fails, there are no rails, or the supply is still there.
    pub async fn power_off(&mut self) -> Result<(), BenchError> {
        if !self.powered {
            return Ok(());
        }
        let power = self.power.clone().ok_or_else(|| BenchError::NoRails { board: self.name().to_owned() })?;
        let failed = |error| BenchError::power(self.config.name.as_str(), error);
        let begin = self.scope.recorder().timeline().end();
        power.switch(false).await.map_err(failed)?;
        let measured = power.measure().await.map_err(failed)?;
        self.powered = false;
        self.record_power(false);
        let evidence = match measured {
            Some(on) => Some((on, "its driver measures it".to_owned())),
            None => self.sense_supply(begin).await,
        };
        match evidence {
            Some((true, evidence)) => Err(BenchError::StillPowered { board: self.name().to_owned(), evidence }),
            Some((false, evidence)) => {
                self.scope.note(format!("the cut is proven: {evidence}"));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether there is supply after a cut, by the pin that tells so; none where there is no such pin.
    async fn sense_supply(&self, from: Cursor) -> Option<(bool, String)> {
        /// A supply falls as slowly as its capacitors let it.
        const FALLS: Duration = Duration::from_secs(3);
        /// And must then stay where it is.
        const STAYS: Duration = Duration::from_millis(200);
        let name = self.config.power_pin.clone()?;
        let gone = |event: &RunEvent| {
            matches!(&event.what, What::Pin { board, pin, on: false, .. } if board == self.name() && *pin == name)
                .then_some(())
        };
        let is_off = || self.pins.is_on(&name) == Some(false);
        let timeline = self.scope.recorder().timeline().clone();
        let mut fell = is_off() || timeline.wait_for(from, Instant::now() + FALLS, gone).await.is_ok();
        if fell {
            // A supply that dips and comes back is no cut.
            tokio::time::sleep(STAYS).await;
            fell = is_off();
        }
        Some((!fell, format!("its pin `{name}` is {}", if fell { "off" } else { "still on" })))
    }

    /// Switches its rails and nothing else: nobody listens to it, and its port may be absent.
    ///
    /// # Errors
    /// When the driver fails, there are no rails, or the supply is still there after a cut.
    pub async fn switch_rails(&mut self, on: bool) -> Result<(), BenchError> {
        if !on {
            // Whatever it is now, it shall be off.
            self.powered = true;
            return self.power_off().await;
        }
        let power = self.power.clone().ok_or_else(|| BenchError::NoRails { board: self.name().to_owned() })?;
        self.powered = true;
        self.record_power(true);
        power.switch(true).await.map_err(|error| BenchError::power(self.name(), error))
    }

    /// Whether it has supply, where something measures it.
    ///
    /// # Errors
    /// When measuring fails or there are no rails.
    pub async fn measure_power(&self) -> Result<Option<bool>, BenchError> {
        let power = self.power.clone().ok_or_else(|| BenchError::NoRails { board: self.name().to_owned() })?;
        power.measure().await.map_err(|error| BenchError::power(self.name(), error))
    }

    /// Lets go of its pins and leaves its rails as they shall be when nobody uses the board.
    pub async fn make_safe(&mut self) {
        self.release_pins().await;
        let Some(power) = self.power.clone() else { return };
        if !self.powered {
            return;
        }
        match power.make_safe().await {
            Ok(()) => {
                self.powered = false;
                if self.is_left_off() {
                    self.record_power(false);
                }
            }
            Err(error) => self.scope.note(format!("its rails could not be made safe: {error}")),
        }
    }

    /// Whether its rails are off when nobody uses it.
    fn is_left_off(&self) -> bool {
        let is_off = |rail: &hil_config::Rail| rail.safe_state == SafeState::Off && rail.driver != RailDriver::Manual;
        self.config.rails.iter().all(is_off)
    }

    fn record_power(&self, on: bool) {
        let rail = self.power.as_ref().map(|power| power.rail().to_owned()).unwrap_or_default();
        self.scope.record(|board| What::Power { board, rail, on });
    }

    /// Resets the chip into its app. Gives back the place in the timeline from which its boot is seen.
    ///
    /// # Errors
    /// When the driver fails or the port can't be opened.
    pub async fn reset(&mut self) -> Result<Cursor, BenchError> {
        self.open_console()?;
        self.reset.hold().await?;
        self.expect_boot();
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
        self.enter_loader_at(Rung::Try).await
    }

    async fn enter_loader_at(&mut self, rung: Rung) -> Result<(), BenchError> {
        self.reset.hold().await?;
        self.scope.record(|board| What::Reset { board, how: "into its loader".to_owned() });
        self.reset.release(ResetInto::Loader { attempt: rung.attempt() }).await
    }

    /// Sends a signal to the program that is this board.
    ///
    /// # Errors
    /// When it is no program, or does not run.
    pub fn signal_program(&self, signal: rustix::process::Signal) -> Result<(), BenchError> {
        let failed = |reason: &str, hint: Option<&str>| BenchError::Program {
            board: self.name().to_owned(),
            reason: reason.to_owned(),
            hint: hint.map(str::to_owned),
        };
        let no_program = || failed("it is no program", Some("only boards of the kind `process` are"));
        let program = self.program.as_ref().ok_or_else(no_program)?;
        if program.signal(signal) { Ok(()) } else { Err(failed("its program does not run", None)) }
    }

    /// Leaves the port to others: nothing is captured until the board is reset or powered on again.
    pub async fn close_console(&mut self) {
        if let Some(console) = self.console.take() {
            console.stop().await;
        }
    }

    /// Takes its port from the capture: nothing is captured until [`Board::watch_console`].
    ///
    /// # Errors
    /// When it can't be opened.
    pub async fn take_port(&mut self) -> Result<OpenPort, BenchError> {
        self.close_console().await;
        let path = self.wait_for_port().await?;
        let port = self.port.open(self.config.console_baud);
        port.map(OpenPort::new).map_err(|error| explain_open(self.name(), &path, &error))
    }

    /// Captures its console again.
    ///
    /// # Errors
    /// When its port can't be opened.
    pub fn watch_console(&mut self) -> Result<(), BenchError> {
        self.open_console()
    }

    fn expect_boot(&self) {
        self.detector.lock().unwrap_or_else(PoisonError::into_inner).expect_boot();
        if let Some(console) = &self.console {
            console.expect_boot();
        }
    }

    /// Captures from now on; a port that is not there yet is opened as soon as it appears.
    fn open_console(&mut self) -> Result<(), BenchError> {
        if self.console.is_none() {
            self.console = Some(Capture::start(Source {
                finder: Arc::clone(&self.port),
                baud: self.config.console_baud,
                boot_baud: self.config.boot_baud,
                scope: self.scope.clone(),
                detector: Arc::clone(&self.detector),
            })?);
        }
        Ok(())
    }

    /// The port, once it is there: one that hangs on the board's own supply takes its time.
    async fn wait_for_port(&self) -> Result<std::path::PathBuf, BenchError> {
        /// The kernel needs about a second to enumerate a device.
        const APPEARS: Duration = Duration::from_secs(5);
        let failed =
            |error: std::io::Error| BenchError::Port { board: self.name().to_owned(), reason: error.to_string() };
        let mut watch = self.port.watch().map_err(failed)?;
        let deadline = Instant::now() + APPEARS;
        loop {
            let problem = match self.port.find() {
                Ok(path) => return Ok(path),
                Err(problem) => problem,
            };
            if tokio::time::timeout_at(deadline, watch.changed()).await.is_err() {
                return Err(BenchError::no_port(self.name(), problem));
            }
        }
    }

    /// Hands the port to the flasher and takes it back.
    async fn write(&mut self, firmware: &str, regions: &[Region], rung: Rung) -> Result<Flashed, BenchError> {
        self.close_console().await;
        self.enter_loader_at(rung).await?;
        let port = self.wait_for_port().await?;
        let progress = self.progress(firmware);
        progress(FlashPhase::Connecting { attempt: rung.attempt() + 1 });
        let job = Job {
            board: self.name().to_owned(),
            port,
            chip: self.config.chip,
            baud: rung.baud(self.config.flash_baud),
            regions: regions.to_vec(),
            progress: Box::new(progress.clone()),
        };
        let result = flashing::flash(&self.config.flasher, job, Arc::clone(&self.port_in_use)).await;
        progress(match &result {
            Ok(done) => finished(done),
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
        let vanished = || BenchError::PortVanished { board: self.name().to_owned() };
        let mut seen = Seen::default();
        let mut from = from;
        let mut until = deadline;
        loop {
            let waited = timeline.wait_for(from, until, |event| self.boot_step(firmware, event, &mut seen)).await;
            match waited {
                Ok(Step::Booted(booted)) => return Ok(booted),
                // A native USB port goes and comes back with the chip.
                Ok(Step::Lost(at)) => (from, until) = (at, deadline.min(Instant::now() + Self::REAPPEARS)),
                Ok(Step::Back(at)) => (from, until) = (at, deadline),
                Err(_) if until < deadline || self.console.as_ref().is_some_and(|console| !console.is_open()) => {
                    return Err(vanished());
                }
                Err(_) if !seen.anything && self.program.is_none() => {
                    return Err(BenchError::Silent { board: self.name().to_owned() });
                }
                Err(_) => return Ok(Booted::Refused { reason: seen.why_not_ready(firmware) }),
            }
        }
    }

    fn boot_step(&self, firmware: &Firmware, event: &RunEvent, seen: &mut Seen) -> Option<Step> {
        if event.what.board() != Some(self.name()) {
            return None;
        }
        match &event.what {
            What::ConsoleLost { .. } => Some(Step::Lost(Cursor::after(event))),
            What::ConsoleOpened { .. } => Some(Step::Back(Cursor::after(event))),
            What::Console { line, .. } => {
                seen.anything = true;
                seen.note(line);
                let ready = firmware.ready.as_ref().is_some_and(|ready| ready.is_match(line));
                ready.then_some(Step::Booted(Booted::Running))
            }
            What::Found { finding: Finding::Ended, detail, .. } => {
                let said =
                    if seen.last_line.is_empty() { "nothing".to_owned() } else { format!("`{}`", seen.last_line) };
                Some(Step::Booted(Booted::Refused { reason: format!("it ended {detail}; it said {said}") }))
            }
            What::Found { finding: Finding::AppStarted, .. } if firmware.ready.is_none() => {
                Some(Step::Booted(Booted::Running))
            }
            What::Found { finding: Finding::BootLoop, detail, .. } => {
                let because = seen.last_error.as_ref().map(|line| format!(", after `{line}`")).unwrap_or_default();
                Some(Step::Booted(Booted::Refused { reason: format!("it boot-loops ({detail}){because}") }))
            }
            _ => None,
        }
    }
}

fn finished(done: &Flashed) -> FlashPhase {
    FlashPhase::Finished {
        written: done.written,
        skipped: done.skipped,
        took_ms: u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX),
    }
}

/// What a board shall run.
struct Software {
    regions: Vec<Region>,
    scripts: Option<Vec<Script>>,
}

/// What happened while waiting for a boot.
enum Step {
    Booted(Booted),
    /// The port vanished.
    Lost(Cursor),
    /// It is there again.
    Back(Cursor),
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
        let line = if line.is_empty() { "nothing" } else { line };
        format!("{awaited} within {} s of the reset; it said `{line}`", Board::BOOT_DEADLINE.as_secs())
    }
}
