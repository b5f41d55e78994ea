//! One board at work: its life from flash to boot, its power, its pins.

mod boot;
mod evidence;
mod known_flash;
mod software;
mod supply;
#[cfg(test)]
mod tests;
mod virtual_only;

use std::sync::Arc;
use std::time::Duration;

use hil_config::Pin;
use hil_timeline::{Cursor, Effect, PinCause, Recorder, Runs, What};
use hil_verdict::Detector;
use parking_lot::Mutex;
use tokio::time::Instant;

pub use self::boot::Booted;
use self::known_flash::KnownFlash;
use self::supply::Supply;
use crate::claims::claimed;
use crate::console::{Capture, SharedDetector, Source};
use crate::emulator::EmulatorDevice;
use crate::error::BenchError;
use crate::flashing::PortInUse;
use crate::ladder::Rung;
use crate::micropython::RawRepl;
use crate::pins::{PinDoubt, PinDriver, Pins};
use crate::port_errors::{check_users, explain_open};
use crate::ports::{OpenPort, PortFinder, PortUser};
use crate::program::ProgramDevice;
use crate::reset::{ResetDriver, ResetInto};
use crate::scope::Scope;
use crate::symbols::SharedSymbols;
use crate::virtual_board::VirtualDevice;
use hil_power::PowerDriver;
use hil_power::keeper::{Holder, Keeper};

/// All that acts on one board.
pub struct Drivers {
    /// Finds its port.
    pub port: Arc<dyn PortFinder>,
    /// None if the bench can't switch its supply.
    pub power: Option<Arc<dyn PowerDriver>>,
    /// Resets it.
    pub reset: Box<dyn ResetDriver>,
    /// Its pins.
    pub pins: Box<dyn PinDriver>,
    /// Present if the device is a program.
    pub program: Option<ProgramDevice>,
    /// Present if the board is virtual: it executes what is flashed.
    pub executes: Option<VirtualDevice>,
    /// Present if an emulator plays the device.
    pub emulator: Option<EmulatorDevice>,
}

/// A board and its drivers, for exclusive use.
pub struct Board {
    config: hil_config::Board,
    scope: Scope,
    port: Arc<dyn PortFinder>,
    power: Option<Arc<dyn PowerDriver>>,
    reset: Box<dyn ResetDriver>,
    program: Option<ProgramDevice>,
    executes: Option<VirtualDevice>,
    emulator: Option<EmulatorDevice>,
    pins: Pins,
    detector: SharedDetector,
    symbols: SharedSymbols,
    console: Option<Capture>,
    port_in_use: PortInUse,
    supply: Supply,
    /// The chip is held in reset, or may be: it is released at the end of its use.
    held: bool,
    stuck: Option<BenchError>,
    /// The failed rungs since the last success.
    troubles: Vec<String>,
    known_flash: Option<KnownFlash>,
    /// What runs its firmware.
    runs: Option<Runs>,
    /// The last attempt for which a board that was given up was tried again.
    forgiven: u32,
    device: Option<DeviceClaim>,
}

/// The locks of a real board's device. Its USB place is known only while it is attached: a device that appears with the
/// power is locked when it appears.
pub struct DeviceClaim {
    /// Holds the locks.
    pub keeper: Arc<Keeper>,
    /// The keys that are locked.
    pub held: Vec<String>,
    /// What the board is used for.
    pub what: String,
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
        f.debug_struct("Board").field("name", &self.name()).field("supply", &self.supply).finish_non_exhaustive()
    }
}

impl Board {
    /// A board with open drivers; it has no power yet.
    #[must_use]
    pub fn new(config: hil_config::Board, scope: Scope, drivers: Drivers, device: Option<DeviceClaim>) -> Self {
        let Drivers { port, power, reset, pins, program, executes, emulator } = drivers;
        Self {
            device,
            supply: Supply::at_first(&config),
            pins: Pins::new(config.pins.clone(), pins),
            config,
            scope,
            port,
            power,
            reset,
            program,
            executes,
            emulator,
            detector: Arc::new(Mutex::new(Detector::default())),
            symbols: SharedSymbols::default(),
            console: None,
            port_in_use: PortInUse::default(),
            held: false,
            stuck: None,
            troubles: Vec::new(),
            known_flash: None,
            runs: None,
            forgiven: 0,
        }
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

    /// Path of its serial port, while it is attached.
    #[must_use]
    pub fn port(&self) -> Option<std::path::PathBuf> {
        self.port.find().ok()
    }

    /// Whether its rails are known to be on.
    #[must_use]
    pub fn is_powered(&self) -> bool {
        self.supply == Supply::On
    }

    /// What went wrong since the last success, one line for each failed rung of the recovery ladder. It is for the
    /// message of a deadline that passes before the ladder has failed.
    #[must_use]
    pub fn troubles(&self) -> &[String] {
        &self.troubles
    }

    /// Notes that a rung failed.
    fn note_trouble(&mut self, rung: Rung, error: &BenchError) {
        let note = format!("{}: {error}", rung.describe());
        self.scope.note(note.clone());
        self.troubles.push(note);
    }

    /// Other programs that have its serial port open right now: each takes bytes that are meant for `hil`.
    #[must_use]
    pub fn port_users(&self) -> Vec<PortUser> {
        self.port.users()
    }

    /// If another program has the port open, that is the failure to report, not its consequence.
    fn blame_port_users(&self, error: BenchError) -> BenchError {
        if error.is_silence()
            && let Err(busy) = check_users(self.name(), &*self.port)
        {
            return busy;
        }
        error
    }

    /// A firmware that seems not ready proves nothing if another program reads its output.
    fn doubt_boot(&self, booted: Booted) -> Result<Booted, BenchError> {
        match booted {
            Booted::Refused { .. } => check_users(self.name(), &*self.port).map(|()| booted),
            Booted::Running => Ok(booted),
        }
    }

    /// Its events belong to this recorder's scenario from now on; the levels of its pins are the first.
    pub fn enter(&self, recorder: Recorder) {
        self.scope.enter(recorder);
        self.pins.record_levels(&self.scope);
    }

    /// Its events no longer belong to a scenario.
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
    /// If the line can't be set.
    pub async fn drive_pin(&self, name: &str, on: bool) -> Result<Effect, BenchError> {
        // Changes of a sensed pin until now must be recorded before this.
        self.pins.catch_up();
        let begin = self.here();
        self.pins.drive(name, on).await?;
        let what = |board| What::Pin { board, pin: name.to_owned(), on, cause: PinCause::Driven, edge: None };
        Ok(Effect::since(begin, &self.scope.record(what)))
    }

    /// Records every change of a sensed pin that has happened until now: it may be about to be read.
    pub fn catch_up_pins(&self) {
        self.pins.catch_up();
    }

    /// Why nothing can be concluded from a sensed pin that does not change; none while its changes are reported.
    #[must_use]
    pub fn pin_doubt(&self, pin: &str) -> Option<PinDoubt> {
        self.pins.doubt(pin)
    }

    /// Releases every pin that the bench drives.
    pub async fn release_pins(&self) {
        if let Err(error) = self.pins.release().await {
            self.scope.note(error.to_string());
        }
    }

    /// Writes bytes to its console, and returns when the port has taken all of them. Its answer may come before that.
    ///
    /// # Errors
    /// If the console is not captured, or the port is missing, is lost or accepts nothing. Bytes that were not written by then
    /// are dropped.
    pub async fn write_console(&self, bytes: &[u8]) -> Result<Effect, BenchError> {
        /// A board that accepts nothing for this long is stuck.
        const PATIENCE: Duration = Duration::from_secs(5);
        let failed = |reason: String| BenchError::NotTyped { board: self.name().to_owned(), reason };
        let console = self.console.as_ref().ok_or_else(|| failed("it is not captured".to_owned()))?;
        // Text for a program that is not running would reach its next start.
        if let Some(program) = &self.program {
            program.takes(bytes).map_err(failed)?;
        }
        let begin = self.here();
        // A long text takes its time on a slow line: 960 bytes a second at 9600 baud.
        let patience = PATIENCE + Duration::from_secs(bytes.len() as u64 / 960);
        let typed = tokio::time::timeout(patience, console.write(bytes.to_vec())).await;
        let typed = typed.map_err(|_| failed(format!("the port did not accept it within {} s", patience.as_secs())))?;
        let typed = typed.ok_or_else(|| failed("its serial port is not there".to_owned()))?;
        Ok(Effect::since(begin, &typed))
    }

    /// The end of the timeline as it is now.
    fn here(&self) -> Cursor {
        self.scope.recorder().timeline().end()
    }

    /// Resets the chip into its app.
    ///
    /// # Errors
    /// If the driver fails or the port can't be opened.
    pub async fn reset(&mut self) -> Result<Effect, BenchError> {
        self.open_console()?;
        let how = self.reset.describe().to_owned();
        self.reset_into(how, ResetInto::App).await
    }

    /// Holds the chip in reset and releases it. Output before the reset has an earlier place in the timeline than the
    /// record made here; deadlines count from the release.
    async fn reset_into(&mut self, how: String, into: ResetInto) -> Result<Effect, BenchError> {
        // Set first: if this fails or is cancelled, the chip may stay held.
        self.held = true;
        self.tell_keeper(true).await;
        self.reset.hold().await?;
        if into == ResetInto::App {
            self.expect_boot();
        }
        let held = self.scope.record(|board| What::Reset { board, how });
        self.reset.release(into).await?;
        self.held = false;
        self.tell_keeper(false).await;
        let released = self.scope.record(|board| What::ResetReleased { board });
        Ok(Effect::since(Cursor::after(&held), &released))
    }

    /// Holds the chip in reset until it is reset, flashed, or released at the end.
    pub async fn hold(&mut self) {
        self.held = true;
        self.tell_keeper(true).await;
        // If the driver fails, the board keeps running; the next scenario resets it first.
        let _ = self.reset.hold().await;
    }

    /// Tells the keeper whether the chip is held by a program: it then lets it run if this process is killed.
    async fn tell_keeper(&self, held: bool) {
        if let (Some(device), Some(program)) = (&self.device, self.reset.release_program()) {
            // A keeper that has exited ends the run in its own way.
            let _ = device.keeper.releases(self.name(), held.then(|| program.to_vec())).await;
        }
    }

    /// Lets a chip that is held run again, at the end of its use. Its output is not captured.
    async fn release_reset(&mut self) {
        if !self.held {
            return;
        }
        self.close_console().await;
        let ended = self.reset.end_hold().await;
        // Only now: if this future is dropped before, the chip is still held, and must be released later.
        self.held = false;
        if ended.is_ok() {
            self.tell_keeper(false).await;
        }
        match ended {
            Ok(()) => drop(self.scope.record(|board| What::ResetReleased { board })),
            // A port that disappeared with the power holds nothing.
            Err(BenchError::NoPort { .. } | BenchError::PortVanished { .. }) => {}
            Err(error) => self.scope.note(format!("it may be held in reset: {error}")),
        }
    }

    /// Resets the chip into its ROM loader and leaves it there.
    ///
    /// # Errors
    /// If the driver fails.
    pub async fn enter_loader(&mut self) -> Result<(), BenchError> {
        // A caller that wants the loader may write anything.
        self.known_flash = None;
        self.enter_loader_at(Rung::Try).await
    }

    async fn enter_loader_at(&mut self, rung: Rung) -> Result<(), BenchError> {
        let into = ResetInto::Loader { attempt: rung.attempt() };
        self.reset_into("into its loader".to_owned(), into).await.map(drop)
    }

    /// Sends a signal to the program that is this board.
    ///
    /// # Errors
    /// If it is not a program, or is not running.
    pub fn signal_program(&self, signal: rustix::process::Signal) -> Result<Effect, BenchError> {
        let failed = |reason: &str, hint: Option<&str>| BenchError::Program {
            board: self.name().to_owned(),
            reason: reason.to_owned(),
            hint: hint.map(str::to_owned),
        };
        let no_program = || failed("it is not a program", Some("only boards of the kind `process` are"));
        let program = self.program.as_ref().ok_or_else(no_program)?;
        let begin = self.here();
        if !program.signal(signal) {
            return Err(failed("its program is not running", None));
        }
        let signal = crate::program::signal_name(signal);
        Ok(Effect::since(begin, &self.scope.record(|board| What::Signalled { board, signal })))
    }

    /// Frees the port for others: nothing is captured until the board is reset or powered on again.
    pub async fn close_console(&mut self) {
        if let Some(console) = self.console.take() {
            console.stop().await;
        }
    }

    /// Takes its port from the capture: nothing is captured until [`Board::watch_console`].
    ///
    /// # Errors
    /// If it can't be opened.
    pub async fn take_port(&mut self) -> Result<OpenPort, BenchError> {
        self.known_flash = None;
        self.close_console().await;
        let path = self.wait_for_port().await?;
        check_users(self.name(), &*self.port)?;
        let port = self.port.open(self.config.console_baud);
        port.map(OpenPort::new).map_err(|error| explain_open(self.name(), &path, &error))
    }

    /// As [`Board::take_port`], with MicroPython's friendly REPL at it: whatever runs is interrupted, as often as
    /// needed.
    ///
    /// # Errors
    /// If the port can't be opened or no REPL answers.
    pub async fn take_repl(&mut self) -> Result<OpenPort, BenchError> {
        let port = self.take_port().await?;
        let limit = hil_config::ready_within(Some(&self.config), None);
        match RawRepl::enter(port, limit).await {
            Ok(repl) => Ok(repl.leave().await),
            Err(error) => Err(BenchError::NoRepl { board: self.name().to_owned(), reason: error.to_string() }),
        }
    }

    /// Captures its console again.
    ///
    /// # Errors
    /// If its port can't be opened.
    pub fn watch_console(&mut self) -> Result<(), BenchError> {
        self.open_console()
    }

    fn expect_boot(&self) {
        self.detector.lock().expect_boot();
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
                symbols: self.symbols.clone(),
            })?);
        }
        Ok(())
    }

    /// The port, once it is there: a port that is powered with the board takes a moment.
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
}
