//! A program as port, power, reset and pins of a board.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use hil_config::{Board, Pin, Process};
use hil_timeline::{Finding, What};
use parking_lot::{Mutex, MutexGuard};
use rustix::process::Signal;

use super::child::{Child, Life, describe};
use super::terminal::Terminal;
use crate::console_port::ConsolePort;
use crate::error::BenchError;
use crate::pins::{Driving, PinDriver};
use crate::ports::{PortFinder, PortProblem, PortWatch};
use crate::reset::{ResetDriver, ResetInto, Resetting};
use crate::scope::Scope;
use crate::tap_address::TapAddress;
use hil_power::{PowerDriver, PowerError, Switching};

/// The drivers of a program; clones are the same program.
#[derive(Clone)]
pub struct ProgramDevice(Arc<Inner>);

struct Inner {
    board: String,
    scope: Scope,
    terminal: Arc<Terminal>,
    state: Mutex<State>,
}

struct State {
    program: Option<Program>,
    /// It has power, and is not held in reset.
    powered: bool,
    held: bool,
    child: Option<Child>,
    /// SIGKILL is sent: it no longer runs, even if its child still reports so.
    killed: bool,
}

impl State {
    /// Held until its first reset, as after every scenario: power alone starts no program that was not loaded.
    fn new() -> Self {
        Self { program: None, powered: false, held: true, child: None, killed: false }
    }
}

/// A program with its placeholders filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Program {
    command: Vec<String>,
    env: Vec<(String, String)>,
    path: Option<OsString>,
    dir: Option<PathBuf>,
}

impl ProgramDevice {
    /// Prepares the program's terminal; it starts with the power.
    ///
    /// # Errors
    /// If the system gives no terminal.
    pub fn open(config: &Board, scope: &Scope) -> Result<Self, BenchError> {
        let board = config.name.to_string();
        let failed = |error: io::Error| BenchError::NotStarted { board: board.clone(), reason: error.to_string() };
        let terminal = Arc::new(Terminal::open().map_err(failed)?);
        Ok(Self(Arc::new(Inner { board, scope: scope.clone(), terminal, state: Mutex::new(State::new()) })))
    }

    /// What is started from now on.
    pub(crate) fn load(&self, process: &Process, tap: &TapAddress) {
        let fill = |text: &String| tap.fill(text);
        let mut state = self.lock();
        // It begins with the reset that follows, and not with the power before it.
        state.held |= state.child.is_none();
        state.program = Some(Program {
            command: process.command.iter().map(fill).collect(),
            env: process.env.iter().map(|(name, value)| (name.clone(), fill(value))).collect(),
            path: search_path(process),
            dir: process.dir.clone(),
        });
    }

    /// Sends a signal to the program; false if it does not run.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        let mut state = self.lock();
        let running = state.child.as_ref().filter(|child| child.is_running());
        let is_sent = running.map(|child| child.signal(signal)).is_some();
        state.killed |= is_sent && signal == Signal::KILL;
        is_sent
    }

    /// Why a text can't be typed at it, where it can't.
    pub(crate) fn takes(&self, text: &[u8]) -> Result<(), String> {
        {
            let state = self.lock();
            if state.killed || !state.child.as_ref().is_some_and(Child::is_running) {
                return Err("its program is not running".to_owned());
            }
        }
        match self.0.terminal.longest_line() {
            Some(most) if text.split(|byte| *byte == b'\r').any(|line| line.len() > most) => Err(format!(
                "its program uses the terminal in line mode, in which a line has at most {most} bytes (termios(3))"
            )),
            _ => Ok(()),
        }
    }

    /// Makes it run or not, as power and reset say.
    async fn settle(&self) -> Result<(), String> {
        let stopped = {
            let mut state = self.lock();
            if state.powered && !state.held { None } else { state.child.take() }
        };
        if let Some(child) = stopped {
            child.kill().await;
            // Output of one run must not reach the next.
            self.0.terminal.renew();
        }
        let mut state = self.lock();
        if state.powered
            && !state.held
            && state.child.is_none()
            && let Some(program) = &state.program
        {
            let child = self.start(program)?;
            (state.child, state.killed) = (Some(child), false);
        }
        Ok(())
    }

    fn start(&self, program: &Program) -> Result<Child, String> {
        let name = program.command.first().cloned().unwrap_or_default();
        let mut command = Command::new(found(&name, program.path.as_ref()));
        command.args(program.command.iter().skip(1)).env("TERM", "dumb").envs(program.env.iter().map(|(n, v)| (n, v)));
        if let Some(path) = &program.path {
            command.env("PATH", path);
        }
        if let Some(dir) = &program.dir {
            command.current_dir(dir);
        }
        let terminal = || self.0.terminal.slave().map_err(|error| error.to_string());
        command.stdin(terminal()?).stdout(terminal()?).stderr(terminal()?);
        let record = |finding, detail: String| {
            self.0.scope.record(|board| What::Found { board, finding, detail });
        };
        // Before it can say anything.
        record(Finding::Boot, format!("`{name}` is started"));
        let scope = self.0.scope.clone();
        let (terminal_of, program) = (Arc::clone(&self.0.terminal), name.clone());
        let report = move |life| {
            let (finding, detail) = match life {
                Life::Runs => (Finding::AppStarted, format!("`{program}` runs")),
                // A power cut or a reset is recorded as such.
                Life::Ended { by_us: true, .. } => return,
                Life::Ended { status, .. } => {
                    // Its last output is recorded first.
                    terminal_of.wait_until_read();
                    (Finding::Ended, describe(status))
                }
            };
            scope.record(|board| What::Found { board, finding, detail });
        };
        Child::start(command, terminal()?, report).map_err(|error| format!("`{name}` can't be started: {error}"))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }
}

/// What the system calls a signal.
pub(crate) fn signal_name(signal: Signal) -> String {
    match signal {
        Signal::TERM => "SIGTERM".to_owned(),
        Signal::KILL => "SIGKILL".to_owned(),
        Signal::INT => "SIGINT".to_owned(),
        Signal::HUP => "SIGHUP".to_owned(),
        other => format!("signal {}", other.as_raw()),
    }
}

/// `PATH` with the program's own folders before it.
fn search_path(process: &Process) -> Option<OsString> {
    if process.path.is_empty() {
        return None;
    }
    let own = process.path.iter().filter_map(|folder| std::path::absolute(folder).ok());
    let usual = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(own.chain(std::env::split_paths(&usual))).ok()
}

/// The first program of that name on the path; what is named by its path stays.
fn found(name: &str, path: Option<&OsString>) -> PathBuf {
    let folders = path.filter(|_| !name.contains('/')).map(std::env::split_paths);
    let found =
        folders.and_then(|mut folders| folders.find_map(|folder| Some(folder.join(name)).filter(|p| may_run(p))));
    found.unwrap_or_else(|| PathBuf::from(name))
}

fn may_run(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// The program of a firmware, where this machine has none of that name that may be run.
#[must_use]
pub fn missing_program(process: &Process) -> Option<&str> {
    let name = process.command.first()?;
    let there = if name.contains('/') {
        may_run(&process.dir.clone().unwrap_or_default().join(name))
    } else {
        let usual = || process.env.get("PATH").map(OsString::from).or_else(|| std::env::var_os("PATH"));
        let folders = search_path(process).or_else(usual).unwrap_or_default();
        std::env::split_paths(&folders).any(|folder| may_run(&folder.join(name)))
    };
    (!there).then_some(name)
}

/// The command that tells whether what a firmware needs is on this machine, started as its program would be.
pub(crate) fn check_command(needs: &[String], process: Option<&Process>) -> Option<Command> {
    let name = needs.first()?;
    let path = process.and_then(search_path);
    let mut command = Command::new(found(name, path.as_ref()));
    command.args(&needs[1..]);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    if let Some(process) = process {
        command.envs(&process.env);
        if let Some(dir) = &process.dir {
            command.current_dir(dir);
        }
    }
    Some(command)
}

impl PortFinder for ProgramDevice {
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

impl PowerDriver for ProgramDevice {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move {
            self.lock().powered = on;
            self.settle().await.map_err(|reason| PowerError::new("program", reason, None))
        })
    }

    fn rail(&self) -> &str {
        "program"
    }
}

impl ResetDriver for ProgramDevice {
    fn hold(&self) -> Resetting<'_> {
        Box::pin(async move {
            self.lock().held = true;
            // Nothing is started here.
            let _ = self.settle().await;
            Ok(())
        })
    }

    fn release(&self, _: ResetInto) -> Resetting<'_> {
        Box::pin(async move {
            self.lock().held = false;
            let hint = "`command` names the program; folders in `path` are searched before `PATH`".to_owned();
            let failed = |reason| BenchError::Program { board: self.0.board.clone(), reason, hint: Some(hint) };
            self.settle().await.map_err(failed)
        })
    }

    fn describe(&self) -> &str {
        "killed and restarted"
    }
}

impl PinDriver for ProgramDevice {
    fn drive<'a>(&'a self, _: &'a str, _: &'a Pin, _: bool) -> Driving<'a> {
        Box::pin(async { Ok(()) })
    }

    fn is_on(&self, _: &str) -> Option<bool> {
        None
    }

    fn record_levels(&self, _: &Scope) {}
}
