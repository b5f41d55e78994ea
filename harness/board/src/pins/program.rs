//! Pins behind programs: one that watches, two that drive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hil_config::{Pin, PinLine};
use hil_timeline::{PinCause, What};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines, Take};
use tokio::process::ChildStdout;
use tokio::task::JoinHandle;

use super::{Driving, PinDoubt, PinDriver};
use crate::error::BenchError;
use crate::scope::Scope;
use hil_power::subprocess::{Complaints, Group, run, start};

/// How long a program may take to drive a pin, or to say the level at its start.
const PATIENCE: Duration = Duration::from_secs(5);

/// So much is read of a program in all, which is millions of changes: one that prints something else must not fill the
/// memory.
const MOST: u64 = 64 * 1024 * 1024;

/// Pins that programs sense and drive.
pub(crate) struct ProgramPins {
    board: String,
    sensed: BTreeMap<String, Sensed>,
}

struct Sensed {
    /// Or why the level is no longer known: the program has ended.
    on: Arc<Mutex<Result<bool, PinDoubt>>>,
    task: JoinHandle<()>,
    /// Killed at once when this is dropped, whenever the task is.
    _group: Group,
}

impl Drop for Sensed {
    fn drop(&mut self) {
        // The program ends with it.
        self.task.abort();
    }
}

impl ProgramPins {
    /// Starts the programs that watch, and waits until each has said the level.
    pub(crate) async fn open(board: &str, pins: &BTreeMap<String, Pin>, scope: &Scope) -> Result<Self, BenchError> {
        let mut sensed = BTreeMap::new();
        for (name, pin) in pins {
            if let PinLine::Watched(words) = &pin.line {
                let watched = watch(name, words, scope).await;
                sensed.insert(name.clone(), watched.map_err(|reason| failed(board, name, reason))?);
            }
        }
        Ok(Self { board: board.to_owned(), sensed })
    }
}

/// Drives what programs drive to "off".
pub(super) async fn drive_off(board: &str, pins: &BTreeMap<String, Pin>) -> Result<(), BenchError> {
    for (name, pin) in pins {
        if let PinLine::Driven { off, .. } = &pin.line {
            run(off, PATIENCE).await.map_err(|error| failed(board, name, error.to_string()))?;
        }
    }
    Ok(())
}

fn failed(board: &str, pin: &str, reason: String) -> BenchError {
    let hint = "run it by hand: a `watch` program prints `on` or `off` on a line of its own; `on` and `off` programs end with 0";
    BenchError::Pin { board: board.to_owned(), pin: pin.to_owned(), reason, hint: hint.to_owned() }
}

async fn watch(name: &str, words: &[String], scope: &Scope) -> Result<Sensed, String> {
    let mut child = start(words).map_err(|error| error.to_string())?;
    let program = &words[0];
    let group = Group::of(&child);
    let output = child.stdout.take().ok_or("it has no output")?;
    let mut complaints = Complaints::of(&mut child);
    let mut lines = BufReader::new(output.take(MOST)).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let first = first.map_err(|_| format!("`{program}` printed nothing within {} s", PATIENCE.as_secs()))?;
    let first = match first.map_err(|error| error.to_string())? {
        Some(first) => first,
        None => return Err(format!("`{program}` ended without a level{}", complaints.last().await)),
    };
    let level = level(&first).ok_or_else(|| unknown(program, &first))?;
    let on = Arc::new(Mutex::new(Ok(level)));
    let follower =
        Follower { name: name.to_owned(), program: program.clone(), scope: scope.clone(), on: Arc::clone(&on) };
    let task = tokio::spawn(async move {
        // It ends with the task.
        let _program = child;
        follower.follow(lines, complaints).await;
    });
    Ok(Sensed { on, task, _group: group })
}

fn level(line: &str) -> Option<bool> {
    match line.trim() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn unknown(program: &str, line: &str) -> String {
    let shown: String = line.chars().take(100).collect();
    format!("`{program}` printed `{}`, not `on` or `off`", hil_timeline::escaped(&shown))
}

/// Records each change that a program reports.
struct Follower {
    name: String,
    program: String,
    scope: Scope,
    on: Arc<Mutex<Result<bool, PinDoubt>>>,
}

impl Follower {
    async fn follow(self, mut lines: Lines<BufReader<Take<ChildStdout>>>, mut complaints: Complaints) {
        let end = loop {
            match lines.next_line().await {
                Ok(Some(line)) => match level(&line) {
                    Some(on) => self.note(on),
                    None => break unknown(&self.program, &line),
                },
                Ok(None) => break format!("`{}` ended{}", self.program, complaints.last().await),
                Err(error) => break error.to_string(),
            }
        };
        let doubt = PinDoubt::NotSensed { reason: end };
        let mut known = self.on.lock();
        *known = Err(doubt.clone());
        self.scope.record(|board| What::PinGap { board, pin: self.name.clone(), lost: 1 });
        self.scope.note(format!("the pin `{}` {doubt}", self.name));
    }

    fn note(&self, on: bool) {
        let mut known = self.on.lock();
        if *known != Ok(on) {
            *known = Ok(on);
            record(&self.scope, &self.name, on);
        }
    }
}

fn record(scope: &Scope, name: &str, on: bool) {
    scope.record(|board| What::Pin { board, pin: name.to_owned(), on, cause: PinCause::Sensed, edge: None });
}

impl PinDriver for ProgramPins {
    fn drive<'a>(&'a self, name: &'a str, pin: &'a Pin, on: bool) -> Driving<'a> {
        Box::pin(async move {
            let PinLine::Driven { on: to_on, off: to_off } = &pin.line else { return Ok(()) };
            let words = if on { to_on } else { to_off };
            run(words, PATIENCE).await.map(drop).map_err(|error| failed(&self.board, name, error.to_string()))
        })
    }

    fn is_on(&self, name: &str) -> Option<bool> {
        self.sensed.get(name)?.on.lock().as_ref().ok().copied()
    }

    fn doubt(&self, name: &str) -> Option<PinDoubt> {
        self.sensed.get(name)?.on.lock().as_ref().err().cloned()
    }

    fn record_levels(&self, scope: &Scope) {
        for (name, sensed) in &self.sensed {
            // Locked until it is recorded, so that a change meanwhile comes after it.
            let on = sensed.on.lock();
            on.iter().for_each(|on| record(scope, name, *on));
        }
    }
}
