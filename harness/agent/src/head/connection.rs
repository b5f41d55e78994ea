//! The connection to an agent: a program that a shell starts, usually ssh, with the agent at its other end.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hil_timeline::{Epoch, HostName, Stamp};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::error::{HostError, Why};
use super::spec::{HostSpec, Reach};
use super::trips::Trips;
use crate::clock::{EVERY, Offset, TRIPS};
use crate::lifeline::{BEAT, HELLO, SILENCE};
use crate::lines::{self, LineError};
use crate::protocol::{Hello, LONGEST_TO_HEAD, PROTOCOL, ToAgent, ToHead};

/// What comes from a host.
#[derive(Debug)]
pub(super) enum FromHost {
    /// A message of its agent.
    Message(ToHead),
    /// Its clock was measured.
    Clock(Offset),
    /// A line that the command or the agent printed for people.
    Said(String),
    /// Nothing more comes: why.
    Gone(Gone),
}

/// Why nothing more comes from a host.
#[derive(Debug)]
pub(super) struct Gone {
    why: String,
    /// The line that came and is no message.
    other: Option<String>,
    status: Option<ExitStatus>,
    said: Option<String>,
}

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)?;
        if let Some(status) = self.status {
            write!(f, "; its command {}", ended(Some(status)))?;
        }
        self.said.as_ref().map_or(Ok(()), |said| write!(f, "; it printed: {said}"))
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) spec: HostSpec,
    to: mpsc::Sender<ToAgent>,
    /// None once it was taken.
    from: Option<mpsc::Receiver<FromHost>>,
    tasks: Vec<JoinHandle<()>>,
    /// Ends when the command has.
    reading: JoinHandle<()>,
    /// What measures the clock, once the agent has said hello.
    unmeasured: Option<Measuring>,
    /// Ends the command at once.
    kill: Option<oneshot::Sender<()>>,
}

impl Connection {
    /// Starts the command and waits for the agent's hello. Measures its clock from then on.
    pub(super) async fn open(
        spec: HostSpec,
        ssh: Option<&str>,
        version: &str,
        epoch: Epoch,
    ) -> Result<(Self, Hello), HostError> {
        let look = spec.look();
        let failed = |host: &HostName, why| HostError { host: host.clone(), why, look: look.clone() };
        let mut connection = match Self::start(spec.clone(), ssh, epoch) {
            Ok(connection) => connection,
            Err(error) => return Err(failed(&spec.name, Why::NotStarted(error.to_string()))),
        };
        connection.send(ToAgent::Hello { protocol: PROTOCOL, version: version.to_owned() }).await;
        let hello = match timeout(HELLO, connection.hello()).await {
            Ok(hello) => hello.and_then(|hello| compared(hello, version)),
            Err(_) => Err(Why::Silent),
        };
        match hello {
            Ok(hello) => {
                connection.measure();
                Ok((connection, hello))
            }
            Err(why) => {
                connection.close(Duration::ZERO).await;
                Err(failed(&spec.name, why))
            }
        }
    }

    fn start(spec: HostSpec, ssh: Option<&str>, epoch: Epoch) -> std::io::Result<Self> {
        /// Few: an agent whose events are not taken waits with them in its file.
        const WAITING: usize = 256;
        let (script, arguments) = spec.script(ssh);
        let mut command = Command::new("sh");
        command.args(["-c", &script, "hil"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let missing = || std::io::Error::other("the command has no standard streams");
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (stdin, stdout) = (stdin.ok_or_else(missing)?, stdout.ok_or_else(missing)?);
        let stderr = stderr.ok_or_else(missing)?;
        let ((to, messages), (events, from)) = (mpsc::channel(WAITING), mpsc::channel(WAITING));
        let (questions, asked) = mpsc::channel(1);
        let (trips, last) = (Trips::new(epoch), Arc::new(Mutex::new(None)));
        let (kill, killed) = oneshot::channel();
        let tasks = vec![tokio::spawn(write(messages, asked, stdin, trips.clone()))];
        let hearing = tokio::spawn(hear(stderr, events.clone(), Arc::clone(&last)));
        let ending = Ending { child, last, hearing, killed };
        let reading = tokio::spawn(read(stdout, events.clone(), trips.clone(), ending));
        let unmeasured = Some(Measuring { questions, events, trips });
        Ok(Self { spec, to, from: Some(from), tasks, reading, unmeasured, kill: Some(kill) })
    }

    fn measure(&mut self) {
        if let Some(measuring) = self.unmeasured.take() {
            self.tasks.push(tokio::spawn(measuring.run()));
        }
    }

    async fn hello(&mut self) -> Result<Hello, Why> {
        let mut said = VecDeque::new();
        loop {
            match self.next().await {
                FromHost::Message(ToHead::Hello(hello)) => return Ok(hello),
                FromHost::Message(ToHead::Refused(refusal)) => return Err(Why::Refused(refusal)),
                FromHost::Message(_) | FromHost::Clock(_) => {}
                FromHost::Said(line) => said.push_back(line),
                FromHost::Gone(Gone { other: Some(text), .. }) => return Err(Why::NotAnAgent(text)),
                FromHost::Gone(Gone { status: Some(status), said, .. }) if status.code() == Some(NOT_FOUND) => {
                    return Err(match self.spec.reach {
                        Reach::Ssh(_) => Why::NotFound,
                        Reach::Command(_) => Why::NoProgram(said),
                    });
                }
                FromHost::Gone(gone) => {
                    return Err(Why::NoAgent {
                        ended: ended(gone.status),
                        said: gone.said.or_else(|| said.pop_back()),
                    });
                }
            }
        }
    }

    /// Sends a message; if the connection has ended, [`Connection::next`] says so.
    pub(super) async fn send(&self, message: ToAgent) {
        let _ = self.to.send(message).await;
    }

    /// Where to send messages, for tasks.
    pub(super) fn sender(&self) -> mpsc::Sender<ToAgent> {
        self.to.clone()
    }

    /// What comes next. Cancel-safe.
    pub(super) async fn next(&mut self) -> FromHost {
        let ended = || Gone { why: "the connection ended".to_owned(), other: None, status: None, said: None };
        let next = match &mut self.from {
            Some(from) => from.recv().await,
            None => None,
        };
        next.unwrap_or_else(|| FromHost::Gone(ended()))
    }

    /// What comes from now on, for a task that takes it.
    pub(super) fn take_events(&mut self) -> Option<mpsc::Receiver<FromHost>> {
        self.from.take()
    }

    /// Closes the agent's input, and waits that long for its end before the command is killed.
    pub(super) async fn close(mut self, patience: Duration) {
        drop(self.to);
        if let Some(mut from) = self.from {
            tokio::spawn(async move { while from.recv().await.is_some() {} });
        }
        if timeout(patience, &mut self.reading).await.is_err() {
            if let Some(kill) = self.kill.take() {
                let _ = kill.send(());
            }
            let _ = (&mut self.reading).await;
        }
        for task in self.tasks {
            task.abort();
        }
    }
}

/// What a shell exits with if it does not find a program; ssh passes it on.
const NOT_FOUND: i32 = 127;

fn compared(hello: Hello, version: &str) -> Result<Hello, Why> {
    match hello {
        Hello { protocol, version, .. } if protocol != PROTOCOL => Err(Why::Protocol { version, protocol }),
        Hello { version: theirs, .. } if theirs != version => Err(Why::Version { ours: version.to_owned(), theirs }),
        hello => Ok(hello),
    }
}

/// How a command ended.
fn ended(status: Option<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match status.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => format!("ended with exit code {code}"),
        Some((_, Some(signal))) => format!("was ended by signal {signal}"),
        _ => "ended".to_owned(),
    }
}

/// Writes messages, and a sign of life now and then.
async fn write(
    mut messages: mpsc::Receiver<ToAgent>,
    mut questions: mpsc::Receiver<u64>,
    mut to: ChildStdin,
    trips: Trips,
) {
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + BEAT, BEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            // Many files may wait: neither a sign of life nor a question for the clock waits with them.
            biased;
            _ = beat.tick() => ToAgent::Ping { n: 0 },
            Some(n) = questions.recv() => ToAgent::Ping { n },
            message = messages.recv() => match message {
                Some(message) => message,
                // Dropping the pipe tells the agent.
                None => return,
            },
        };
        let line = lines::line(&message);
        if let ToAgent::Ping { n } = message {
            trips.goes(n);
        }
        if to.write_all(line.as_bytes()).await.is_err() {
            // The reader reports why.
            while messages.recv().await.is_some() {}
            return;
        }
    }
}

/// Passes on what is printed for people, and keeps the last line.
async fn hear(from: ChildStderr, events: mpsc::Sender<FromHost>, last: Arc<Mutex<Option<String>>>) {
    const LONGEST: u64 = 4 << 10;
    let mut from = BufReader::new(from);
    loop {
        let mut line = Vec::new();
        match (&mut from).take(LONGEST).read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            _ => return,
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if !line.is_empty() {
            *last.lock() = Some(line.clone());
            let _ = events.send(FromHost::Said(line)).await;
        }
    }
}

/// Measures the agent's clock.
#[derive(Debug)]
struct Measuring {
    /// They pass what else is to be sent.
    questions: mpsc::Sender<u64>,
    events: mpsc::Sender<FromHost>,
    trips: Trips,
}

impl Measuring {
    /// Now and every few seconds, until the connection ends.
    async fn run(self) {
        loop {
            let mut best = None;
            for _ in 0..TRIPS {
                let (n, answer) = self.trips.ask();
                if self.questions.send(n).await.is_err() {
                    return;
                }
                if let Ok(Ok(offset)) = timeout(SILENCE, answer).await {
                    best = Some(offset.better(best));
                }
            }
            self.trips.forget();
            if let Some(offset) = best
                && self.events.send(FromHost::Clock(offset)).await.is_err()
            {
                return;
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// What the reader needs at the end.
struct Ending {
    child: Child,
    last: Arc<Mutex<Option<String>>>,
    hearing: JoinHandle<()>,
    killed: oneshot::Receiver<()>,
}

/// Reads messages until the connection ends, or nothing is heard for too long.
async fn read(from: ChildStdout, events: mpsc::Sender<FromHost>, trips: Trips, mut ending: Ending) {
    let mut from = BufReader::with_capacity(1 << 16, from);
    // Before the first message, a user may have to type a password.
    let mut patience = HELLO;
    let (why, other) = loop {
        let message = tokio::select! {
            message = timeout(patience, lines::read_async::<ToHead>(&mut from, LONGEST_TO_HEAD)) => message,
            _ = &mut ending.killed => break ("the head closed the connection".to_owned(), None),
        };
        patience = SILENCE;
        match message {
            Ok(Ok(ToHead::Pong { n, at })) => trips.came(n, Stamp(at)),
            Ok(Ok(message)) => {
                if events.send(FromHost::Message(message)).await.is_err() {
                    break ("the head closed the connection".to_owned(), None);
                }
            }
            Ok(Err(error @ LineError::NotAMessage(_))) => break (error.to_string(), Some(error.to_string())),
            Ok(Err(error)) => break (error.to_string(), None),
            Err(_) => break (format!("its agent has been silent for {} s", SILENCE.as_secs()), None),
        }
    };
    let status = ending.status().await;
    let said = ending.last_line().await;
    let _ = events.send(FromHost::Gone(Gone { why, other, status, said })).await;
}

impl Ending {
    /// The last line that was printed for people. What the command has started, such as ssh's master, may keep the stream
    /// open.
    async fn last_line(&mut self) -> Option<String> {
        const PATIENCE: Duration = Duration::from_millis(300);
        let _ = timeout(PATIENCE, &mut self.hearing).await;
        self.hearing.abort();
        self.last.lock().clone()
    }

    /// How the command ended; it has a moment to end by itself.
    async fn status(&mut self) -> Option<ExitStatus> {
        const PATIENCE: Duration = Duration::from_secs(1);
        if let Ok(status) = timeout(PATIENCE, self.child.wait()).await {
            return status.ok();
        }
        let _ = self.child.kill().await;
        None
    }
}
