//! Runs scripts in a real MicroPython interpreter: the unix port as a process, surrounded by the board.
//!
//! The interpreter's file system is the board's flash, its sockets go through the board's radio, its console is the
//! UART. `python/` contains what scripts find on the board in addition; its REPL is there as well, since the unix
//! port's own needs a terminal. mpremote and ampy test it.

mod gate;
mod interpreter;

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use self::gate::Gate;
use self::interpreter::{Interpreter, Start};
use super::Platform;
use crate::boot::ResetCause;

/// Ctrl-C.
const INTERRUPT: u8 = 3;
/// More is lost, as in any buffer that is not read.
const MOST_TYPED: usize = 64 * 1024;
/// How long an interruption may take to show.
const INTERRUPTION: Duration = Duration::from_millis(20);
/// How long an interpreter that has closed its console may take to exit.
const ENDS: Duration = Duration::from_secs(1);
/// How long a chip takes from a crash to its reset.
const CRASH: Duration = Duration::from_millis(100);

/// How one run of the interpreter ended.
enum End {
    /// A soft reset: the next run begins.
    Soft { raw: bool },
    /// The chip resets, after this long.
    Reset(ResetCause, Duration),
}

/// Runs until the scripts reset their chip.
pub(super) async fn run(platform: Platform) -> ResetCause {
    let console = platform.console.clone();
    let program = match hil_config::find_micropython() {
        Ok(program) => program,
        Err(name) => {
            console.info("hil", &format!("there is no `{name}` on this machine to run scripts with; idle")).await;
            return std::future::pending().await;
        }
    };
    let (cause, after) = match live(&platform, &program).await {
        Ok(reset) => reset,
        Err(error) => {
            console.info("hil", &format!("MicroPython can't be started: {error}; idle")).await;
            return std::future::pending().await;
        }
    };
    tokio::time::sleep(after).await;
    cause
}

async fn live(platform: &Platform, program: &Path) -> io::Result<(ResetCause, Duration)> {
    let mut supervisor = Supervisor {
        platform: platform.clone(),
        program: program.to_owned(),
        gate: Gate::open(platform.radio.clone())?,
        connections: FuturesUnordered::new(),
        watchdog: None,
    };
    let (mut soft, mut raw) = (false, false);
    loop {
        match supervisor.life(soft, raw).await? {
            End::Soft { raw: mode } => (soft, raw) = (true, mode),
            End::Reset(cause, after) => return Ok((cause, after)),
        }
    }
}

/// What survives a soft reset.
struct Supervisor {
    platform: Platform,
    program: PathBuf,
    gate: Gate,
    connections: FuturesUnordered<LocalBoxFuture<'static, ()>>,
    watchdog: Option<Instant>,
}

/// One interpreter and its exchange with the board.
struct Life {
    interpreter: Interpreter,
    /// Typed bytes that it has not taken yet.
    typed: Vec<u8>,
    /// A script runs: Ctrl-C interrupts it.
    runs: bool,
    /// When it was interrupted: a second Ctrl-C soon after would interrupt the handling of the first.
    interrupted: Option<Instant>,
    /// A soft reset was requested, with the raw REPL or without.
    soft: Option<bool>,
    /// The last byte that was printed.
    last: u8,
    /// Its requests are read.
    asks: bool,
}

enum Happened {
    Typed(Option<Vec<u8>>),
    Taken(io::Result<usize>),
    Printed(io::Result<usize>),
    Asked(io::Result<usize>),
    Connecting(io::Result<LocalBoxFuture<'static, ()>>),
    ConnectionOver,
    Watchdog,
}

impl Supervisor {
    async fn life(&mut self, soft: bool, raw: bool) -> io::Result<End> {
        let start = Start { program: &self.program, platform: &self.platform, gate: &self.gate, soft, raw };
        let interpreter = Interpreter::start(&start)?;
        let mut life =
            Life { interpreter, typed: Vec::new(), runs: false, interrupted: None, soft: None, last: 0, asks: true };
        let (mut buffer, mut question) = (vec![0; 4096], Vec::new());
        let typing = Rc::clone(&self.platform.typed);
        let mut typing = typing.lock().await;
        loop {
            let parts = &mut life.interpreter;
            let happened = tokio::select! {
                // In this order: Ctrl-C must work while a script floods its console, and output is handled before later
                // requests.
                biased;
                typed = typing.recv() => Happened::Typed(typed),
                () = super::sleep_until(self.watchdog) => Happened::Watchdog,
                taken = parts.input.write(&life.typed), if !life.typed.is_empty() => Happened::Taken(taken),
                printed = parts.output.read(&mut buffer) => Happened::Printed(printed),
                asked = parts.questions.read_until(b'\n', &mut question), if life.asks => Happened::Asked(asked),
                connecting = self.gate.accept() => {
                    Happened::Connecting(connecting.map(|connection| connection.boxed_local()))
                }
                Some(()) = self.connections.next() => Happened::ConnectionOver,
            };
            match happened {
                Happened::Typed(Some(bytes)) => life.hear(&bytes),
                // The board is about to be dropped.
                Happened::Typed(None) => return std::future::pending().await,
                Happened::Taken(taken) => {
                    let taken = taken.unwrap_or(life.typed.len());
                    life.typed.drain(..taken);
                }
                Happened::Printed(Ok(length)) if length > 0 => {
                    let bytes = life.cooked(&buffer[..length]);
                    self.platform.console.bytes(bytes).await;
                }
                Happened::Printed(_) => return Ok(self.over(life).await),
                Happened::Asked(Ok(length)) if length > 0 => {
                    let asked = std::mem::take(&mut question);
                    if let Some(end) = self.answer(&String::from_utf8_lossy(&asked), &mut life).await {
                        return Ok(end);
                    }
                }
                // It exits; its last output is read first.
                Happened::Asked(_) => life.asks = false,
                Happened::Connecting(connection) => self.connections.extend(connection.ok()),
                Happened::ConnectionOver => {}
                Happened::Watchdog => return Ok(End::Reset(ResetCause::TimerGroup0System, Duration::ZERO)),
            }
        }
    }

    /// Handles a request of the scripts. Some requests end the run.
    async fn answer(&mut self, question: &str, life: &mut Life) -> Option<End> {
        let mut words = question.split_whitespace();
        let number = words.next()?;
        let word = words.next()?;
        let argument = words.next().unwrap_or_default();
        let station = &self.gate.station;
        let mut answer = "ok";
        match word {
            "run" => life.runs = true,
            "idle" => life.runs = false,
            "soft" => life.soft = Some(argument == "raw"),
            "reset" => return Some(End::Reset(ResetCause::SoftwareCpu, Duration::ZERO)),
            "sleep" => return Some(End::Reset(ResetCause::DeepSleep, milliseconds(argument))),
            "watchdog" => self.watchdog = Some(Instant::now() + milliseconds(argument)),
            "pin" => self.platform.pins.drive(argument.parse().ok()?, words.next() == Some("1")),
            "level" => answer = if self.platform.pins.level(argument.parse().ok()?)? { "1" } else { "0" },
            "wifi" => match argument {
                "join" => station.join(),
                "leave" => station.leave(),
                _ => answer = station.state(),
            },
            _ => answer = "unknown",
        }
        // One that has exited needs no answer.
        let _ = life.interpreter.questions.write_all(format!("{number} {answer}\n").as_bytes()).await;
        None
    }

    /// The interpreter has closed its console: it has exited, or is about to.
    async fn over(&self, mut life: Life) -> End {
        let ended = tokio::time::timeout(ENDS, life.interpreter.process.wait()).await;
        let status = ended.unwrap_or_else(|_| Err(io::Error::other("it closed its console but did not exit")));
        if let Some(raw) = life.soft {
            return End::Soft { raw };
        }
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        self.platform.console.info("hil", &format!("the interpreter crashed: {how}")).await;
        End::Reset(ResetCause::SoftwareCpu, CRASH)
    }
}

impl Life {
    /// Ctrl-C interrupts a running script; all other input waits to be read, and so does Ctrl-C if nothing runs.
    fn hear(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == INTERRUPT && self.runs {
                let again = self.interrupted.is_some_and(|at| at.elapsed() < INTERRUPTION);
                if !again {
                    self.interrupted = Some(Instant::now());
                    self.interpreter.interrupt();
                }
            } else if self.typed.len() < MOST_TYPED {
                self.typed.push(*byte);
            }
        }
    }

    /// Converts line ends for the UART: CR LF.
    fn cooked(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut cooked = Vec::with_capacity(bytes.len() + 16);
        for byte in bytes {
            if *byte == b'\n' && self.last != b'\r' {
                cooked.push(b'\r');
            }
            cooked.push(*byte);
            self.last = *byte;
        }
        cooked
    }
}

fn milliseconds(text: &str) -> Duration {
    Duration::from_millis(text.parse().unwrap_or(0))
}
