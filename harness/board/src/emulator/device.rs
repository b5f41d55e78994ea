//! An emulator as port, power and reset of a board.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use hil_config::{Board, Emulator, EmulatorConsole, EmulatorReset, Firmware, Image, Pin, PinLine, mac_text};
use hil_timeline::{Finding, What};
use parking_lot::{Mutex, MutexGuard};

use super::check;
use super::efuse::{efuses, mac_of};
use super::files::Files;
use super::filling::{Filling, found};
use super::last_words::LastWords;
use super::qmp;
use super::socket::Socket;
use crate::console_port::ConsolePort;
use crate::error::BenchError;
use crate::ports::{PortFinder, PortProblem, PortWatch};
use crate::program::{Child, Life, Terminal, describe};
use crate::reset::{ResetDriver, ResetInto, Resetting};
use crate::scope::Scope;
use crate::tap_address::TapAddress;
use hil_power::{PowerDriver, PowerError, Switching};

/// The drivers of an emulator; clones are the same one.
#[derive(Clone)]
pub struct EmulatorDevice(Arc<Inner>);

struct Inner {
    config: Board,
    emulator: Emulator,
    scope: Scope,
    terminal: Arc<Terminal>,
    socket: Option<Arc<Socket>>,
    files: Files,
    /// What reports call it.
    label: String,
    state: Mutex<State>,
}

struct State {
    /// What is known once a firmware is loaded; without, nothing starts.
    loaded: Option<Loaded>,
    powered: bool,
    /// Until its first reset, as after every scenario: power alone starts no firmware that was not loaded.
    held: bool,
    child: Option<Child>,
}

#[derive(Clone)]
struct Loaded {
    image: Option<PathBuf>,
    tap: TapAddress,
}

impl EmulatorDevice {
    /// Makes its files and its console; it starts with the first reset.
    ///
    /// # Errors
    /// If its program is not there, or the system gives no terminal, no port or no room for its flash.
    pub async fn open(config: &Board, scope: &Scope) -> Result<Self, BenchError> {
        let board = config.name.to_string();
        let failed =
            |error: io::Error| BenchError::Program { board: board.clone(), reason: error.to_string(), hint: None };
        let Some(emulator) = config.emulator.clone() else {
            return Err(failed(io::Error::other("the bench file does not say what plays it")));
        };
        // Known before anything runs, and not in the middle of a scenario.
        if let Some((reason, hint)) = check::missing(config, &emulator) {
            return Err(BenchError::Program { board, reason, hint: Some(hint) });
        }
        let terminal = Arc::new(Terminal::raw().map_err(failed)?);
        let socket = if emulator.console == EmulatorConsole::Tcp {
            let side = terminal.slave_nonblocking().map_err(failed)?;
            Some(Arc::new(Socket::open(side).await.map_err(failed)?))
        } else {
            None
        };
        let mac = emulator.mac.unwrap_or_else(|| mac_of(&board));
        let files = Files::make(emulator.flash_size, &efuses(config.chip, mac)).map_err(failed)?;
        let label = label(&emulator).await;
        let (config, scope) = (config.clone(), scope.clone());
        let state = Mutex::new(State { loaded: None, powered: false, held: true, child: None });
        Ok(Self(Arc::new(Inner { config, emulator, scope, terminal, socket, files, label, state })))
    }

    /// The program and its version, as reports show it.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// Its pins, with the placeholders of their programs filled in.
    pub(super) fn pins(&self) -> BTreeMap<String, Pin> {
        let filling = self.filling(ResetInto::App, None);
        let fill = |words: &Vec<String>| words.iter().map(|word| filling.fill(word)).collect();
        let mut pins = self.0.config.pins.clone();
        for pin in pins.values_mut() {
            pin.line = match &pin.line {
                PinLine::Watched(words) => PinLine::Watched(fill(words)),
                PinLine::Driven { on, off } => PinLine::Driven { on: fill(on), off: fill(off) },
                other => other.clone(),
            };
        }
        pins
    }

    /// What is started from now on.
    pub(crate) fn load(&self, firmware: &Firmware, tap: &TapAddress) {
        let image = match &firmware.image {
            Image::File(path) => Some(path.clone()),
            Image::Parts(parts) => parts.last().map(|(_, path)| path.clone()),
            Image::Builtin(_) | Image::Installed => None,
        };
        let mut state = self.lock();
        // It begins with the reset that follows, and not with the power before it.
        state.held |= state.child.is_none();
        state.loaded = Some(Loaded { image, tap: tap.clone() });
    }

    /// The file that is its flash.
    pub(crate) fn flash_file(&self) -> &Path {
        &self.0.files.flash
    }

    /// Stops it until its next reset: its flash is about to be written.
    pub(crate) async fn stop(&self) {
        self.lock().held = true;
        self.kill().await;
    }

    /// Kills it with all that it has started.
    async fn kill(&self) {
        let child = self.lock().child.take();
        let Some(child) = child else { return };
        child.kill().await;
        if let Some(socket) = self.0.socket.clone() {
            let _ = tokio::task::spawn_blocking(move || socket.wait_until_carried()).await;
        }
        // Output of one run must not reach the next.
        self.0.terminal.renew();
    }

    pub(super) fn is_running(&self) -> bool {
        self.lock().child.as_ref().is_some_and(Child::is_running)
    }

    /// Starts it, if it has power, is not held, and has something to run.
    async fn start(&self, into: ResetInto) -> Result<(), BenchError> {
        self.kill().await;
        let mut state = self.lock();
        let Some(loaded) = state.loaded.clone().filter(|_| state.powered && !state.held) else { return Ok(()) };
        let name = self.0.emulator.command.first().cloned().unwrap_or_default();
        let failed = |error: io::Error| BenchError::Program {
            board: self.0.config.name.to_string(),
            reason: format!("`{name}` can't be started: {error}"),
            hint: Some(format!("`boards.{}.program` says where the emulator is", self.0.config.name)),
        };
        state.child = Some(self.spawn(&name, into, &loaded).map_err(failed)?);
        Ok(())
    }

    fn spawn(&self, name: &str, into: ResetInto, loaded: &Loaded) -> io::Result<Child> {
        let Inner { emulator, scope, terminal, socket, .. } = &*self.0;
        let filling = self.filling(into, Some(loaded));
        let mut command = Command::new(found(name, emulator.dir.as_ref()));
        command.args(emulator.command.iter().skip(1).map(|word| filling.fill(word)));
        command.env("TERM", "dumb").envs(emulator.env.iter().map(|(name, text)| (name, filling.fill(text))));
        if let Some(dir) = &emulator.dir {
            command.current_dir(dir);
        }
        let (last_words, errors) = LastWords::listen()?;
        match emulator.console {
            EmulatorConsole::Stdio => command.stdin(terminal.slave()?).stdout(terminal.slave()?),
            // What it says beside its console is about itself.
            EmulatorConsole::Pty | EmulatorConsole::Tcp => command.stdin(Stdio::null()).stdout(errors.try_clone()?),
        };
        command.stderr(errors);
        // The socket of the one before it would be connected to, or be in the way.
        let _ = std::fs::remove_file(self.0.files.qmp());
        // Before it can say anything. A new process has a chip without state, as after power-on or EN.
        let detail = format!("POWERON: `{name}` is started");
        scope.record(|board| What::Found { board, finding: Finding::Boot, detail });
        let (scope, terminal_of, socket) = (scope.clone(), Arc::clone(terminal), socket.clone());
        let report = move |life| {
            // A power cut or a reset is recorded as such.
            let Life::Ended { status, by_us: false } = life else { return };
            // Its last output is recorded first.
            if let Some(socket) = &socket {
                socket.wait_until_carried();
            }
            terminal_of.wait_until_read();
            let detail = std::iter::once(describe(status)).chain(last_words.take()).collect::<Vec<_>>().join("\n");
            scope.record(|board| What::Found { board, finding: Finding::EmulatorEnded, detail });
        };
        Child::start(command, terminal.slave()?, report)
    }

    fn filling(&self, into: ResetInto, loaded: Option<&Loaded>) -> Filling {
        let Inner { config, emulator, terminal, socket, files, .. } = &*self.0;
        let path = |path: &Path| path.display().to_string();
        let console = socket.as_ref().map_or_else(|| path(terminal.path()), |socket| socket.address.to_string());
        let strap = match into {
            ResetInto::App => emulator.strap.0.clone(),
            ResetInto::Loader { .. } => emulator.strap.1.clone().unwrap_or_default(),
        };
        let image = loaded.and_then(|loaded| loaded.image.as_ref());
        let absolute = |image: &PathBuf| std::path::absolute(image).unwrap_or_else(|_| image.clone());
        let mac = emulator.mac.unwrap_or_else(|| mac_of(config.name.as_str()));
        let own = vec![
            ("flash", path(&files.flash)),
            ("efuse", path(&files.efuse)),
            ("console", console),
            ("qmp", path(&files.qmp())),
            ("image", image.map(absolute).map(|image| path(&image)).unwrap_or_default()),
            ("mac", mac_text(mac)),
            ("chip", config.chip.word().to_owned()),
            ("flash-size", (emulator.flash_size >> 20).to_string()),
            ("strap", strap),
        ];
        let no_tap = || TapAddress { board: config.name.to_string(), ..TapAddress::default() };
        Filling { own, tap: loaded.map_or_else(no_tap, |loaded| loaded.tap.clone()) }
    }

    /// The programs that reset it.
    fn commands(&self) -> Result<Box<dyn ResetDriver>, BenchError> {
        let mut config = self.0.config.clone();
        if let EmulatorReset::Command(reset) = &self.0.emulator.reset {
            config.reset = reset.clone();
            let loaded = self.lock().loaded.clone();
            self.filling(ResetInto::App, loaded.as_ref()).fill_value(&mut config.reset.settings);
        }
        crate::reset::open(&config, &(Arc::new(self.clone()) as Arc<dyn PortFinder>), None)
    }

    async fn monitor(&self, commands: &[&str]) -> Result<(), BenchError> {
        let failed = |error: io::Error| BenchError::Reset {
            board: self.0.config.name.to_string(),
            reason: error.to_string(),
            hint: "its command needs `-qmp unix:{qmp},server=on,wait=off`".to_owned(),
        };
        qmp::run(&self.0.files.qmp(), commands).await.map_err(failed)
    }

    /// Without its strapping pins, a new process would start the app.
    fn no_loader(&self) -> BenchError {
        BenchError::Reset {
            board: self.0.config.name.to_string(),
            reason: "its emulator takes no strapping pins, so there is no way into its loader".to_owned(),
            hint: "its flash is a file: `hil` writes it without the loader".to_owned(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }
}

/// Its program's version; a program that does not tell it is named.
async fn label(emulator: &Emulator) -> String {
    let name = emulator.command.first().cloned().unwrap_or_default();
    check::version(emulator).await.unwrap_or_else(|_| format!("{name}, of unknown version"))
}

impl PortFinder for EmulatorDevice {
    fn find(&self) -> Result<PathBuf, PortProblem> {
        self.0.terminal.find()
    }

    fn watch(&self) -> io::Result<Box<dyn PortWatch>> {
        self.0.terminal.watch()
    }

    fn open(&self, baud: u32) -> io::Result<Box<dyn ConsolePort>> {
        self.0.terminal.open(baud)
    }
}

impl PowerDriver for EmulatorDevice {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move {
            self.lock().powered = on;
            if !on {
                self.kill().await;
                return Ok(());
            }
            self.start(ResetInto::App).await.map_err(|error| PowerError::new("emulator", error.to_string(), None))
        })
    }

    fn rail(&self) -> &str {
        "emulator"
    }
}

impl ResetDriver for EmulatorDevice {
    fn hold(&self) -> Resetting<'_> {
        Box::pin(async move {
            self.lock().held = true;
            match &self.0.emulator.reset {
                EmulatorReset::Qmp if self.is_running() => self.monitor(&["stop"]).await,
                EmulatorReset::Command(_) if self.is_running() => self.commands()?.hold().await,
                _ => {
                    self.kill().await;
                    Ok(())
                }
            }
        })
    }

    fn release(&self, into: ResetInto) -> Resetting<'_> {
        Box::pin(async move {
            self.lock().held = false;
            match &self.0.emulator.reset {
                // Its loader needs other strapping pins, which only a new process has.
                EmulatorReset::Qmp if self.is_running() && into == ResetInto::App => {
                    self.monitor(&["system_reset", "cont"]).await
                }
                EmulatorReset::Command(_) if self.is_running() => self.commands()?.release(into).await,
                _ if into != ResetInto::App && self.0.emulator.strap.1.is_none() => Err(self.no_loader()),
                _ => self.start(into).await,
            }
        })
    }

    fn describe(&self) -> &str {
        match self.0.emulator.reset {
            EmulatorReset::Process => "killed and restarted",
            EmulatorReset::Qmp => "by its monitor",
            EmulatorReset::Command(_) => "by a command",
        }
    }
}
