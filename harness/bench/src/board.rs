//! One board at work: its life from flash to boot, its power, its pins.

mod boot;
mod software;
mod supply;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hil_config::{BoardKind, Pin};
use hil_timeline::{Cursor, PinCause, Recorder, What};
use hil_verdict::Detector;
use tokio::time::Instant;

pub use self::boot::Booted;
use crate::bench::claimed;
use crate::console::{Capture, SharedDetector, Source};
use crate::drivers::{Drivers, Shared};
use crate::error::BenchError;
use crate::flashing::PortInUse;
use crate::keeper::{Holder, Keeper};
use crate::ladder::Rung;
use crate::micropython::RawRepl;
use crate::pins::Pins;
use crate::ports::{OpenPort, PortFinder, explain_open};
use crate::power::PowerDriver;
use crate::program::ProgramDevice;
use crate::reset::{ResetDriver, ResetInto};
use crate::scope::Scope;

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
    /// For which attempt what stuck was tried once more.
    forgiven: u32,
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
            forgiven: 0,
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
        self.scope.record(|board| What::Pin { board, pin: name.to_owned(), on, cause: PinCause::Driven, edge: None });
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

    /// As [`Board::take_port`], with MicroPython's friendly REPL at it: whatever runs is interrupted, as often as needed.
    ///
    /// # Errors
    /// When the port can't be opened or no REPL answers.
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
}
