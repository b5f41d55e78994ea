//! The chip: power, EN, strapping, and what it executes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hil_config::Misbehaviour;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::app::{self, App, Console, Platform};
use crate::boot::{self, Bootable, ResetCause};
use crate::flash::Flash;
use crate::loader::{Action, ChipIdentity, Loader, Security};
use crate::options::{Options, PortPath, on_air};
use crate::pins::Pins;
use crate::radio::Radio;
use crate::uart::{BOOT_BAUD, Uart};

/// GPIO that chooses between app (high) and download (low) when the chip leaves reset (datasheet, "Strapping Pins").
pub(crate) const BOOT_PIN: u8 = 9;

/// Inputs of the chip from outside.
#[derive(Debug)]
pub(crate) enum BoardInput {
    Rail(bool),
    Enable(bool),
    Drive {
        gpio: u8,
        high: bool,
    },
    Plugged(bool),
    /// The access point is there, or away.
    AccessPoint(bool),
}

/// An input and the channel that reports that it took effect.
pub(crate) type Request = (BoardInput, oneshot::Sender<()>);

enum Activity {
    /// No power, or held in reset.
    Dead,
    /// The ROM waits for a host.
    Download(Box<Loader>),
    /// Boot and app.
    Running(App),
}

pub(crate) struct Chip {
    options: Options,
    flash: Flash,
    uart: Uart,
    port: watch::Sender<PortPath>,
    elves: watch::Receiver<Vec<Arc<[u8]>>>,
    pins: Arc<Pins>,
    /// Pins that are driven from outside, and where changes go.
    driven: Rc<RefCell<BTreeMap<u8, bool>>>,
    changes: Option<mpsc::UnboundedSender<(u8, bool)>>,
    air: watch::Sender<Vec<hil_esp_core::chip::AccessPoint>>,
    retained: Rc<RefCell<hil_esp_core::chip::Retained>>,
    radio: Radio,
    rail: Rc<Cell<bool>>,
    enabled: bool,
    boot_pin_high: bool,
    activity: Activity,
    console: mpsc::Sender<Vec<u8>>,
    /// Typed bytes go to the running app.
    typed: Option<mpsc::UnboundedSender<Vec<u8>>>,
}

impl Drop for Chip {
    fn drop(&mut self) {
        // A processor that stands still would never end.
        self.flash.supply().stop();
    }
}

enum Happened {
    Asked(Option<Request>),
    Heard(Vec<u8>),
    Printed(Option<Vec<u8>>),
    AppEnded(ResetCause),
}

/// How long ROM and bootloader take: less than a real chip's 300 ms, but long enough to be seen.
const BOOT_TIME: Duration = Duration::from_millis(20);

impl Chip {
    pub(crate) fn new(
        options: Options,
        flash: Flash,
        port: watch::Sender<PortPath>,
        elves: watch::Receiver<Vec<Arc<[u8]>>>,
    ) -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (console, printed) = mpsc::channel(16);
        let uart = Uart::new(options.has(Misbehaviour::RealWireSpeed), options.has(Misbehaviour::Mute));
        let pins = Arc::new(Pins::new(options.on_pin.clone()));
        let air = watch::Sender::new(vec![on_air(&options.network)]);
        let chip = Self {
            options,
            flash,
            uart,
            port,
            elves,
            pins,
            driven: Rc::default(),
            changes: None,
            air,
            retained: Rc::default(),
            radio: Radio::default(),
            rail: Rc::default(),
            enabled: true,
            boot_pin_high: true,
            activity: Activity::Dead,
            console,
            typed: None,
        };
        (chip, printed)
    }

    /// Runs until the board is dropped.
    pub(crate) async fn run(
        mut self,
        mut requests: mpsc::UnboundedReceiver<Request>,
        mut printed: mpsc::Receiver<Vec<u8>>,
    ) {
        loop {
            let happened = tokio::select! {
                biased;
                request = requests.recv() => Happened::Asked(request),
                bytes = printed.recv() => Happened::Printed(bytes),
                bytes = self.uart.read() => Happened::Heard(bytes),
                cause = running(&mut self.activity) => Happened::AppEnded(cause),
            };
            match happened {
                Happened::Asked(None) => return,
                Happened::Asked(Some((command, done))) => {
                    self.handle(command, &mut printed).await;
                    let _ = done.send(());
                }
                Happened::Heard(bytes) => self.hear(&bytes, &mut printed).await,
                Happened::Printed(bytes) => self.uart.write(&bytes.unwrap_or_default()).await,
                Happened::AppEnded(cause) => {
                    self.print_rest(&mut printed).await;
                    self.reset(cause, &mut printed).await;
                }
            }
        }
    }

    async fn handle(&mut self, command: BoardInput, printed: &mut mpsc::Receiver<Vec<u8>>) {
        match command {
            BoardInput::Rail(true) if !self.rail.get() => {
                self.rail.set(true);
                // Without a port the board runs on, as with its cable unplugged; the host reports that there is no
                // port.
                let _ = self.plug();
                if self.enabled {
                    self.reset(ResetCause::PowerOn, printed).await;
                }
            }
            BoardInput::Rail(false) if !self.options.has(Misbehaviour::NeverPowersOff) => {
                self.rail.set(false);
                self.die(printed);
            }
            BoardInput::Enable(false) => {
                self.enabled = false;
                self.die(printed);
            }
            BoardInput::Enable(true) if !self.enabled => {
                self.enabled = true;
                if self.rail.get() {
                    self.reset(ResetCause::PowerOn, printed).await;
                }
            }
            BoardInput::Plugged(true) => {
                // As with a cable: on failure the host reports that there is no port.
                let _ = self.plug();
            }
            BoardInput::Plugged(false) => self.unplug(),
            BoardInput::Drive { gpio: BOOT_PIN, high } => self.boot_pin_high = high,
            BoardInput::Drive { gpio, high } => {
                self.driven.borrow_mut().insert(gpio, high);
                // An app that does not read its inputs ignores it.
                let _ = self.changes.as_ref().map(|changes| changes.send((gpio, high)));
            }
            BoardInput::AccessPoint(true) => drop(self.air.send_replace(vec![on_air(&self.options.network)])),
            BoardInput::AccessPoint(false) => drop(self.air.send_replace(Vec::new())),
            BoardInput::Rail(_) | BoardInput::Enable(true) => {}
        }
    }

    /// Execution stops at once, and output that is not printed yet is lost.
    fn die(&mut self, printed: &mut mpsc::Receiver<Vec<u8>>) {
        self.flash.supply().stop();
        self.activity = Activity::Dead;
        self.flash.supply().restore();
        while printed.try_recv().is_ok() {}
        self.radio.lose_all();
        self.pins.float();
        self.uart.set_baud(BOOT_BAUD);
    }

    async fn reset(&mut self, cause: ResetCause, printed: &mut mpsc::Receiver<Vec<u8>>) {
        self.die(printed);
        if cause == ResetCause::PowerOn {
            self.retained.take();
        }
        self.radio.is_back();
        let download = !self.boot_pin_high;
        for line in boot::rom_banner(cause, download) {
            self.print(&line).await;
        }
        self.activity = if download { self.download() } else { Activity::Running(self.boot(cause)) };
    }

    fn download(&self) -> Activity {
        self.flash.supply().set_by_host(true);
        let wrong = self.options.has(Misbehaviour::WrongChip);
        let identity = if wrong { ChipIdentity::Esp32c6 } else { ChipIdentity::Esp32c3 };
        let security = Security {
            download_mode: self.options.has(Misbehaviour::SecureDownload),
            flash_encrypted: self.options.has(Misbehaviour::FlashEncrypted),
        };
        Activity::Download(Box::new(Loader::new(self.flash.clone(), identity, security, self.options.mac)))
    }

    /// Boot and app as one future: a power cut drops it.
    fn boot(&mut self, cause: ResetCause) -> App {
        self.flash.supply().set_by_host(false);
        let boot = boot::boot(&self.flash);
        let console = Console::new(self.console.clone());
        let vanishes = self.options.has(Misbehaviour::PortVanishes) && boot.end.is_ok();
        let next: App = match boot.end {
            Err((cause, after)) => Box::pin(async move {
                tokio::time::sleep(after).await;
                cause
            }),
            Ok(bootable) => self.start(bootable, cause, console.clone()),
        };
        if vanishes {
            self.unplug();
        }
        // The bootloader writes OTA data: the supply may have fallen meanwhile.
        let ended_early = self.flash.supply().has_fallen();
        Box::pin(async move {
            if ended_early {
                return std::future::pending().await;
            }
            for line in boot.lines {
                console.line(line).await;
            }
            tokio::time::sleep(BOOT_TIME).await;
            next.await
        })
    }

    fn start(&mut self, bootable: Bootable, cause: ResetCause, console: Console) -> App {
        let Bootable { app, nvs, store, files } = bootable;
        let (typed, to_app) = mpsc::unbounded_channel();
        let (changes, changed) = mpsc::unbounded_channel();
        (self.typed, self.changes) = (Some(typed), Some(changes));
        let platform = Platform {
            store,
            console,
            flash: self.flash.clone(),
            files,
            pastes: !self.options.has(Misbehaviour::NoRawPaste),
            pins: Arc::clone(&self.pins),
            radio: self.radio.clone(),
            names: self.options.names.clone(),
            nvs: Rc::new(nvs),
            mac: self.options.mac,
            cause,
            typed: Rc::new(Mutex::new(to_app)),
            driven: Rc::clone(&self.driven),
            changes: Rc::new(Mutex::new(changed)),
            air: self.air.subscribe(),
            elves: self.elves.borrow().clone(),
            supply: Rc::clone(&self.rail),
            retained: Rc::clone(&self.retained),
            trouble: self.options.on_trouble.clone(),
        };
        if self.options.has(Misbehaviour::BootLoop) {
            return Box::pin(app::boot_loop(platform));
        }
        if self.options.has(Misbehaviour::BrownOut) {
            return Box::pin(app::brown_out(platform));
        }
        app::start(app, platform)
    }

    async fn hear(&mut self, bytes: &[u8], printed: &mut mpsc::Receiver<Vec<u8>>) {
        let pause = self.uart.wire_time(bytes.len());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        if self.uart.is_mute() {
            return;
        }
        // A chip without power receives nothing.
        let loader = match &mut self.activity {
            Activity::Download(loader) => loader,
            Activity::Running(_) => {
                if let Some(typed) = &self.typed {
                    // An app that does not read its console ignores it.
                    let _ = typed.send(bytes.to_vec());
                }
                return;
            }
            Activity::Dead => return,
        };
        for action in loader.receive(bytes) {
            match action {
                Action::Send(bytes) => self.uart.answer(&bytes).await,
                Action::Baud(baud) => self.uart.set_baud(baud),
                Action::Reset => return self.reset(ResetCause::SoftwareCpu, printed).await,
                Action::RunApp => {
                    self.die(printed);
                    self.activity = Activity::Running(self.boot(ResetCause::SoftwareCpu));
                    return;
                }
            }
        }
    }

    async fn print(&mut self, line: &str) {
        self.uart.write(format!("{line}\r\n").as_bytes()).await;
    }

    async fn print_rest(&mut self, printed: &mut mpsc::Receiver<Vec<u8>>) {
        while let Ok(bytes) = printed.try_recv() {
            self.uart.write(&bytes).await;
        }
    }

    fn unplug(&mut self) {
        self.uart.unplug();
        self.port.send_replace(None);
    }

    /// Makes the port appear, unless it exists.
    pub(crate) fn plug(&mut self) -> std::io::Result<()> {
        self.uart.plug()?;
        self.port.send_replace(self.uart.path());
        Ok(())
    }
}

async fn running(activity: &mut Activity) -> ResetCause {
    match activity {
        Activity::Running(app) => app.await,
        Activity::Dead | Activity::Download(_) => std::future::pending().await,
    }
}
