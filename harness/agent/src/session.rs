//! The agent: serves one head, from its first message to the last.
//!
//! It holds nothing until the head says what to open. From then on, whatever ends the session ends it in order: running
//! scenarios are ended, rails are made safe, locks are released, and the reports of what was are written.

mod check;
mod input;
mod output;
mod running;
mod unpack;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use hil_config::{Bench, ImageOverride};
use hil_report::Counts;
use hil_scratch::Scratch;
use hil_timeline::{Epoch, Mask};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use self::input::{Input, Wanted};
use self::output::Outbox;
use self::unpack::Unpacking;
use crate::cache::Cache;
use crate::lifeline::{Heard, SILENCE};
use crate::project::hash;
use crate::protocol::{Hello, HelloBoard, PROTOCOL, Refusal, ToAgent, ToHead, Work};

/// What an agent needs of the program that it is a part of.
pub trait Surroundings: Send + Sync {
    /// Reads the bench of this host. Called again after the working folder has changed.
    ///
    /// # Errors
    /// When it can't be read.
    fn bench(&self) -> Result<Bench, Refusal>;

    /// Makes the folder of a run.
    ///
    /// # Errors
    /// When it can't be made.
    fn run_folder(&self) -> std::io::Result<PathBuf>;

    /// Hides secrets in the output of this program from now on.
    fn hide(&self, mask: &Mask);

    /// Shows a warning to the user of the head.
    fn warn(&self, text: &str);

    /// Gives back what a run had of a lab: its head is gone, and the boards are safe.
    fn give_back<'a>(&'a self, leases: &'a [String]) -> BoxFuture<'a, ()>;

    /// The exit code that a run with these verdicts records.
    fn exit_code(&self, counts: Counts, is_aborted: bool, is_unsafe: bool) -> u8;
}

/// How an agent is set up.
pub struct Agent {
    /// Version of `hil`.
    pub version: String,
    /// Name of this host.
    pub host: String,
    /// Files of earlier runs.
    pub cache: Cache,
    /// The program that it is a part of.
    pub surroundings: Arc<dyn Surroundings>,
    /// Turns true when this process is to end.
    pub abort: watch::Receiver<bool>,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// The head said that nothing else is to run.
    Finished,
    /// The agent could not do what the head asked for.
    Refused,
    /// The head, a signal or a broken connection ended it.
    Aborted,
}

/// Serves a head that writes to `from` and reads `to`. Changes the working folder of this process.
pub async fn serve(agent: Agent, from: Box<dyn Read + Send>, to: Box<dyn Write + Send>) -> SessionEnd {
    /// The head reads the last messages at once, or never.
    const PATIENCE: Duration = Duration::from_secs(2);
    let (out, kept) = Outbox::new();
    let (broken, is_broken) = watch::channel(false);
    let writing = tokio::spawn(output::write(kept, to, broken));
    let surroundings = Arc::clone(&agent.surroundings);
    let (epoch, heard, wanted) = (Epoch::start(), Heard::now(), Wanted::default());
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = match input::start(from, epoch, heard.clone(), wanted.clone(), out.clone()) {
        Err(error) => Err(Ending::Refused(Refusal { what: error.to_string(), hint: None })),
        Ok(inputs) => {
            let session =
                Session { agent, out: out.clone(), inputs, heard, wanted, is_broken, clock: Clock { epoch, began } };
            session.run().await
        }
    };
    let end = match end {
        Ok(()) => SessionEnd::Finished,
        Err(Ending::Over(why)) => {
            surroundings.warn(&format!("the session ended early: {}", hil_timeline::escaped(&why)));
            SessionEnd::Aborted
        }
        Err(Ending::Refused(refusal)) => {
            out.send(&ToHead::Refused(refusal));
            SessionEnd::Refused
        }
    };
    out.end();
    let _ = tokio::time::timeout(PATIENCE, writing).await;
    end
}

/// Why a session ends early.
#[derive(Debug)]
enum Ending {
    /// The agent can't do what the head asks for.
    Refused(Refusal),
    /// From outside: why.
    Over(String),
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The clock of a session, and the wall clock at its zero.
#[derive(Debug, Clone, Copy)]
struct Clock {
    epoch: Epoch,
    began: Duration,
}

struct Session {
    agent: Agent,
    out: Outbox,
    inputs: UnboundedReceiver<Input>,
    heard: Heard,
    wanted: Wanted,
    is_broken: watch::Receiver<bool>,
    clock: Clock,
}

impl Session {
    async fn run(mut self) -> Result<(), Ending> {
        let surroundings = Arc::clone(&self.agent.surroundings);
        let bench = surroundings.bench()?;
        surroundings.hide(&Mask::new(bench.secrets.iter().cloned()));
        self.out.send(&ToHead::Hello(self.hello(&bench)));
        let mut work = self.work().await?;
        let leases = std::mem::take(&mut work.leases);
        let result = self.serve_work(work).await;
        // A head that is there gives back by itself; that it ends the run may be its last word.
        if matches!(result, Err(Ending::Over(_))) && !leases.is_empty() {
            surroundings.give_back(&leases).await;
        }
        result
    }

    /// Runs what the head sends, on the boards that it names.
    async fn serve_work(mut self, work: Work) -> Result<(), Ending> {
        let surroundings = Arc::clone(&self.agent.surroundings);
        let scratch = Scratch::new("agent").map_err(refused("can't make a folder for the project"))?;
        let folder = self.unpacked(&work, scratch.path()).await?;
        std::env::set_current_dir(&folder).map_err(refused("can't use the folder of the project"))?;
        hil_config::lend_variables(work.variables.clone());
        let bench = of_project(surroundings.bench()?, &work, &folder)?;
        let (plans, secrets) = check::read(&work)?;
        let mask = Mask::new(bench.secrets.iter().cloned().chain(secrets));
        surroundings.hide(&mask);
        self.out.send(&ToHead::Checked(check::fits(&plans, &bench)));
        let boards = match self.next().await? {
            ToAgent::Open { boards } => boards,
            // None of its boards is needed.
            ToAgent::Finish => {
                self.out.send(&ToHead::Finished(Default::default()));
                return Ok(());
            }
            other => return Err(unexpected(&other)),
        };
        let result = self.run_on(bench, boards, (work, plans), mask).await;
        // The folder is in the scratch folder, which is removed.
        let _ = std::env::set_current_dir("/");
        result
    }

    fn hello(&self, bench: &Bench) -> Hello {
        let board = |board: &hil_config::Board| HelloBoard {
            name: board.name.to_string(),
            chip: board.chip.word().to_owned(),
            kind: board.kind.word().to_owned(),
            tags: board.tags.clone(),
        };
        /// Digits that tell two bench files apart.
        const DIGITS: usize = 16;
        Hello {
            protocol: PROTOCOL,
            version: self.agent.version.clone(),
            host: self.agent.host.clone(),
            bench: bench.name.clone(),
            bench_hash: hash(bench.text().as_bytes()).chars().take(DIGITS).collect(),
            broker: bench.broker.kind.word.to_owned(),
            broker_shared: bench.broker.is_shared(),
            boards: bench.boards.values().map(board).collect(),
        }
    }

    /// Waits for what is to run; the head may look at the boards only, and leave.
    async fn work(&mut self) -> Result<Work, Ending> {
        loop {
            match self.next().await? {
                ToAgent::Hello { protocol, version } if protocol != PROTOCOL => {
                    let what = format!(
                        "this `hil` ({}) speaks protocol {PROTOCOL}, that of the head ({version}) speaks {protocol}",
                        self.agent.version
                    );
                    let hint = Some("use the same `hil` on all hosts".to_owned());
                    return Err(Refusal { what, hint }.into());
                }
                ToAgent::Hello { .. } => {}
                ToAgent::Work(work) => return Ok(*work),
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Puts the files of the project in a folder; asks for those that are not here.
    async fn unpacked(&mut self, work: &Work, below: &Path) -> Result<PathBuf, Ending> {
        let failed = |error: crate::project::ProjectError| {
            let hint = "check the free space for temporary files on this host".to_owned();
            Ending::Refused(Refusal { what: format!("can't take the project: {error}"), hint: Some(hint) })
        };
        let cache = self.agent.cache.clone();
        let unpacking = Unpacking::begin(below, &work.files, &cache).map_err(failed)?;
        let missing = unpacking.ask(&self.wanted);
        let complete = missing.is_empty();
        self.out.send(&ToHead::Missing(missing));
        if !complete {
            match self.input().await? {
                Input::AllReceived => {}
                Input::Message(other) => return Err(unexpected(&other)),
                Input::Lost(why) => return Err(Ending::Over(why)),
            }
        }
        unpacking.finish(&cache).map_err(failed)
    }

    /// The next message of the head.
    async fn next(&mut self) -> Result<ToAgent, Ending> {
        loop {
            match self.input().await? {
                Input::Message(ToAgent::Abort) => return Err(Ending::Over("the head ended the run".to_owned())),
                Input::Message(message) => return Ok(message),
                Input::Lost(why) => return Err(Ending::Over(why)),
                Input::AllReceived => {}
            }
        }
    }

    /// What comes next, or why nothing more will. Cancel-safe.
    async fn input(&mut self) -> Result<Input, Ending> {
        let over = |why: &str| Err(Ending::Over(why.to_owned()));
        tokio::select! {
            biased;
            // An error is never the reason: the sender lives as long as the program.
            Ok(_) = self.agent.abort.wait_for(|abort| *abort) => over("the agent received a signal"),
            Ok(_) = self.is_broken.wait_for(|broken| *broken) => over("the head does not read any more"),
            input = self.inputs.recv() => match input {
                Some(input) => Ok(input),
                None => over("the connection ended"),
            },
            () = self.heard.silence() => {
                Err(Ending::Over(format!("the head has been silent for {} s", SILENCE.as_secs())))
            }
        }
    }
}

fn unexpected(message: &ToAgent) -> Ending {
    /// Messages may be long.
    const SHOWN: usize = 60;
    let shown: String = format!("{message:?}").chars().take(SHOWN).collect();
    Ending::Over(format!("the head said something out of turn: {shown}"))
}

/// The refusal of a session that lacks something of its host.
fn refused(what: &str) -> impl FnOnce(std::io::Error) -> Ending + use<> {
    let what = what.to_owned();
    move |error| Refusal { what: format!("{what}: {error}"), hint: None }.into()
}

/// The bench with the firmware of the head's project.
fn of_project(mut bench: Bench, work: &Work, folder: &Path) -> Result<Bench, Refusal> {
    let invalid = |error: hil_config::ConfigError| Refusal { what: error.to_string(), hint: None };
    if let Some(text) = &work.project {
        bench = bench.with_project_text(text, &folder.join("hil.toml")).map_err(invalid)?;
        if let (Some(project), Some(name)) = (&mut bench.project, &work.project_name) {
            project.name.clone_from(name);
        }
    }
    let images = work.images.iter().cloned().map(|(firmware, image)| ImageOverride { firmware, image });
    bench.with_images(&images.collect::<Vec<_>>(), "--firmware").map_err(invalid)
}
