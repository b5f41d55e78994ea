//! Captures a board's console, line by line.

mod garbage;
mod lines;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hil_timeline::{Finding, RunEvent, What};
use hil_verdict::{Detector, Found};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::garbage::Garbage;
use self::lines::{LONGEST, Lines};
use crate::console_port::ConsolePort;
use crate::error::BenchError;
use crate::port_errors::{check_users, explain_open};
use crate::ports::PortFinder;
use crate::scope::Scope;
use crate::symbols::SharedSymbols;

/// A running capture. It continues when the port disappears and returns, even under another path, and ends with
/// [`Capture::stop`] or when it is dropped.
#[derive(Debug)]
pub(crate) struct Capture {
    commands: Option<mpsc::UnboundedSender<ConsoleCommand>>,
    is_open: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// A detector that capture and board share.
pub(crate) type SharedDetector = Arc<Mutex<Detector>>;

/// What is captured and how.
pub(crate) struct Source {
    pub(crate) finder: Arc<dyn PortFinder>,
    pub(crate) baud: u32,
    /// Until the app runs.
    pub(crate) boot_baud: Option<u32>,
    pub(crate) scope: Scope,
    pub(crate) detector: SharedDetector,
    /// Of the firmware, to decode its panics.
    pub(crate) symbols: SharedSymbols,
}

#[derive(Debug)]
enum ConsoleCommand {
    Boot,
    Write(Typing),
}

/// A text on its way to the board.
#[derive(Debug)]
struct Typing {
    bytes: Vec<u8>,
    /// How many of them the port has taken.
    written: usize,
    /// Gets the record once all of them are written; dropped before, they never are.
    done: oneshot::Sender<Arc<RunEvent>>,
}

impl Capture {
    /// Captures from now on, or from when the port appears.
    pub(crate) fn start(source: Source) -> Result<Self, BenchError> {
        let port = match source.open() {
            Ok(port) => Some(port),
            Err(BenchError::PortVanished { .. } | BenchError::NoPort { .. }) => None,
            Err(error) => return Err(error),
        };
        let (commands, commanded) = mpsc::unbounded_channel();
        let is_open = Arc::new(AtomicBool::new(port.is_some()));
        let (lines, boot_until) = (Lines::default(), None);
        let reader = Reader { source, lines, is_open: Arc::clone(&is_open), boot_until, garbage: Garbage::default() };
        let task = tokio::spawn(reader.run(port, commanded));
        Ok(Self { commands: Some(commands), is_open, task })
    }

    /// Ends the capture and closes the port before it returns.
    pub(crate) async fn stop(mut self) {
        self.commands = None;
        // The task ends at once; if it panicked, there is nothing left to close.
        let _ = (&mut self.task).await;
    }

    /// Whether the port is being read right now.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed) && !self.task.is_finished()
    }

    /// The chip is about to boot: its ROM may speak at another speed.
    pub(crate) fn expect_boot(&self) {
        self.send(ConsoleCommand::Boot);
    }

    /// Sends bytes to the board; returns the record once all are written, none if the port is away or is lost
    /// before. Dropping the future takes back what is not written yet.
    pub(crate) async fn write(&self, bytes: Vec<u8>) -> Option<Arc<RunEvent>> {
        let (done, is_done) = oneshot::channel();
        self.send(ConsoleCommand::Write(Typing { bytes, written: 0, done }));
        is_done.await.ok()
    }

    fn send(&self, command: ConsoleCommand) {
        if let Some(commands) = &self.commands {
            // A task that has ended has no port: a caller that waits for an answer learns that the sender is dropped.
            let _ = commands.send(command);
        }
    }
}

impl Source {
    fn open(&self) -> Result<Box<dyn ConsolePort>, BenchError> {
        let board = self.scope.board();
        let path = self.finder.find().map_err(|problem| BenchError::no_port(board, problem))?;
        check_users(board, &*self.finder)?;
        self.finder.open(self.baud).map_err(|error| explain_open(board, &path, &error))
    }
}

struct Reader {
    source: Source,
    lines: Lines,
    is_open: Arc<AtomicBool>,
    /// The port runs at the boot speed until then, or until the ROM is done.
    boot_until: Option<Instant>,
    garbage: Garbage,
}

/// Why reading a port ended.
enum End {
    Stopped,
    Lost,
}

impl Reader {
    /// A line without an end is shown after this long: a prompt has none.
    const PATIENCE: Duration = Duration::from_millis(200);
    /// The ROM's messages take less.
    const BOOT: Duration = Duration::from_millis(500);
    /// How soon a port that is there but can't be opened is tried again.
    const BUSY: Duration = Duration::from_millis(500);
    /// A port that is lost again as soon as this is not there yet.
    const FLEETING: Duration = Duration::from_millis(100);

    async fn run(
        mut self,
        mut port: Option<Box<dyn ConsolePort>>,
        mut commands: mpsc::UnboundedReceiver<ConsoleCommand>,
    ) {
        let mut lost_at = None;
        let mut fleeting = false;
        loop {
            let mut open = match port.take() {
                Some(port) => port,
                None => match self.wait_for_port(&mut commands, fleeting).await {
                    Some(port) => port,
                    None => return,
                },
            };
            self.is_open.store(true, Ordering::Relaxed);
            let opened = Instant::now();
            if let Some(lost) = lost_at {
                let gap_ms = u64::try_from(opened.saturating_duration_since(lost).as_millis()).unwrap_or(u64::MAX);
                self.source.scope.record(|board| What::ConsoleOpened { board, gap_ms });
            }
            let end = self.read(&mut *open, &mut commands).await;
            self.is_open.store(false, Ordering::Relaxed);
            self.flush();
            if matches!(end, End::Stopped) {
                return;
            }
            self.source.scope.record(|board| What::ConsoleLost { board });
            lost_at = Some(Instant::now());
            fleeting = opened.elapsed() < Self::FLEETING;
        }
    }

    /// Waits until the port is there and can be opened; none if the capture must end.
    async fn wait_for_port(
        &self,
        commands: &mut mpsc::UnboundedReceiver<ConsoleCommand>,
        mut skip_first: bool,
    ) -> Option<Box<dyn ConsolePort>> {
        let mut watch = match self.source.finder.watch() {
            Ok(watch) => Some(watch),
            Err(error) => {
                self.source.scope.note(format!("can't watch for its port to come back: {error}"));
                None
            }
        };
        let mut said = None;
        loop {
            // No event reports that another program has closed the port.
            let mut again = None;
            if !std::mem::take(&mut skip_first) {
                match self.source.open() {
                    Ok(port) => return Some(port),
                    Err(BenchError::PortVanished { .. } | BenchError::NoPort { .. }) => {}
                    // Not accessible yet (udev has not set its group), or in use: reported once, tried at each change.
                    Err(error) => {
                        again = Some(Instant::now() + Self::BUSY);
                        let text = error.to_string();
                        if said.as_ref() != Some(&text) {
                            self.source.scope.note(text.clone());
                            said = Some(text);
                        }
                    }
                }
            }
            let changed = async {
                match &mut watch {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            let busy_over = async {
                match again {
                    Some(again) => tokio::time::sleep_until(again).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                () = busy_over => {}
                // A text is dropped, which its writer learns: it must not reach a board that comes later.
                command = commands.recv() => {
                    command.as_ref()?;
                }
            }
        }
    }

    async fn read(
        &mut self,
        port: &mut dyn ConsolePort,
        commands: &mut mpsc::UnboundedReceiver<ConsoleCommand>,
    ) -> End {
        let mut buffer = vec![0; 16 * 1024];
        // Written while reading: a board that accepts nothing may still print.
        let mut to_write: VecDeque<Typing> = VecDeque::new();
        loop {
            // Given up by its writer.
            to_write.retain(|typing| !typing.done.is_closed());
            // Nothing to write is written at once.
            while to_write.front().is_some_and(|typing| typing.bytes.is_empty()) {
                self.advance(&mut to_write, 0);
            }
            let next: &[u8] = to_write.front().map_or(&[], |typing| &typing.bytes[typing.written..]);
            let patience = if self.lines.has_unfinished() { Self::PATIENCE } else { Duration::MAX };
            let boot_ends = self.boot_until;
            let boot_over = async {
                match boot_ends {
                    Some(end) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                read = port.read(&mut buffer) => match read {
                    // A hang-up reads as nothing: the device is gone.
                    Ok(0) | Err(_) => return End::Lost,
                    Ok(length) => self.take(&buffer[..length], port),
                },
                written = port.write(next), if !next.is_empty() => match written {
                    Ok(length) => self.advance(&mut to_write, length),
                    Err(_) => return End::Lost,
                },
                () = tokio::time::sleep(patience) => {
                    let rest = self.lines.take_unfinished();
                    self.line(rest);
                }
                () = boot_over => self.leave_boot(port),
                command = commands.recv() => match command {
                    // Dropped or stopped: no more output is wanted.
                    None => return End::Stopped,
                    Some(ConsoleCommand::Boot) => self.enter_boot(port),
                    Some(ConsoleCommand::Write(typing)) => to_write.push_back(typing),
                },
            }
        }
    }

    /// The port has taken more of the first text; the record that all of it is written comes before the board's answer.
    fn advance(&self, to_write: &mut VecDeque<Typing>, length: usize) {
        let Some(first) = to_write.front_mut() else { return };
        first.written += length;
        if first.written < first.bytes.len() {
            return;
        }
        if let Some(typing) = to_write.pop_front() {
            let text = String::from_utf8_lossy(&typing.bytes).into_owned();
            let event = self.source.scope.record(|board| What::Typed { board, text });
            // A caller that gave it up a moment ago finds the record.
            let _ = typing.done.send(event);
        }
    }

    fn take(&mut self, bytes: &[u8], port: &mut dyn ConsolePort) {
        if self.garbage.is_too_much(bytes) {
            let detail = format!("most bytes are not text at {} baud", self.source.baud);
            self.source.scope.record(|board| What::Found { board, finding: Finding::WrongBaud, detail });
        }
        for line in self.lines.push(bytes) {
            if self.lines.take_cut() {
                self.source
                    .scope
                    .note(format!("a line of its console is longer than {LONGEST} bytes: it is shown in parts"));
            }
            // The last lines of an ESP8266's ROM.
            let rom_is_done = line.starts_with("~ld") || line.starts_with("csum");
            self.line(line);
            if rom_is_done {
                self.leave_boot(port);
            }
        }
    }

    fn enter_boot(&mut self, port: &mut dyn ConsolePort) {
        self.garbage = Garbage::default();
        // An unfinished line from before the boot is not the beginning of the next one.
        self.flush();
        if let Some(baud) = self.source.boot_baud {
            self.set_baud(port, baud);
            self.boot_until = Some(Instant::now() + Self::BOOT);
        }
    }

    fn leave_boot(&mut self, port: &mut dyn ConsolePort) {
        if self.boot_until.take().is_some() {
            self.set_baud(port, self.source.baud);
        }
    }

    fn set_baud(&self, port: &mut dyn ConsolePort, baud: u32) {
        if let Err(error) = port.set_baud(baud) {
            self.source.scope.note(format!("can't set its console to {baud} baud: {error}"));
        }
    }

    fn flush(&mut self) {
        if let Some(rest) = self.lines.take_rest() {
            self.line(rest);
        }
    }

    fn line(&self, line: String) {
        let event = self.source.scope.record(|board| What::Console { board, line: line.clone() });
        let found = self.source.detector.lock().line(&line, event.at);
        if found.is_empty() {
            return;
        }
        // Recorded together: a reader that sees a boot must also see that it was unexpected.
        let board = self.source.scope.board();
        let event = |found: Found| What::Found {
            board: board.to_owned(),
            finding: found.finding,
            detail: self.decoded(found.finding, found.detail),
        };
        self.source.scope.record_all(found.into_iter().map(event));
    }

    /// A backtrace with functions, files and lines.
    fn decoded(&self, finding: Finding, detail: String) -> String {
        match finding {
            Finding::Backtrace => return self.source.symbols.decode(&detail),
            Finding::Panic | Finding::Abort | Finding::Watchdog => self.source.symbols.warm(),
            _ => {}
        }
        detail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(std::path::PathBuf);

    impl PortFinder for Fixed {
        fn find(&self) -> Result<std::path::PathBuf, crate::ports::PortProblem> {
            Ok(self.0.clone())
        }

        fn watch(&self) -> std::io::Result<Box<dyn crate::ports::PortWatch>> {
            Err(std::io::Error::other("it never comes back"))
        }
    }

    fn resident_kb() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("number")
    }

    /// As on an ESP8266: its ROM uses another speed than its app.
    #[tokio::test]
    async fn the_port_runs_at_the_boots_speed_until_the_rom_is_done() {
        let master = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).expect("pty");
        rustix::pty::unlockpt(&master).expect("unlock");
        let name = rustix::pty::ptsname(&master, Vec::new()).expect("name");
        let path = std::path::PathBuf::from(name.to_string_lossy().into_owned());
        let timeline = hil_timeline::Timeline::in_memory(hil_timeline::Epoch::start());
        let scope = Scope::new("lamp", &timeline);
        let (detector, symbols) = (SharedDetector::default(), SharedSymbols::default());
        let source =
            Source { finder: Arc::new(Fixed(path)), baud: 115_200, boot_baud: Some(74_880), scope, detector, symbols };
        let capture = Capture::start(source).expect("capture");
        let speed = || rustix::termios::tcgetattr(&master).expect("settings").output_speed();
        let becomes = async |wanted: u32| {
            // No event reports a changed speed.
            while speed() != wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), async {
            becomes(115_200).await;
            capture.expect_boot();
            becomes(74_880).await;
            rustix::io::write(&master, b"csum 0x2d\r\n").expect("write");
            becomes(115_200).await;
            capture.expect_boot();
            becomes(74_880).await;
            // A silent ROM does not keep the boot speed forever.
            becomes(115_200).await;
        })
        .await
        .expect("in time");
        capture.stop().await;
    }

    /// The output of a UART at 3 Mbaud in 60 s: 3,000,000 baud are 300,000 bytes a second. Written as fast as it is
    /// read.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sixty_seconds_at_3_mbaud_are_captured_without_a_loss_and_do_not_fill_the_memory() {
        const BYTES: usize = 18_000_000;
        let master = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).expect("pty");
        rustix::pty::unlockpt(&master).expect("unlock");
        let name = rustix::pty::ptsname(&master, Vec::new()).expect("name");
        let path = std::path::PathBuf::from(name.to_string_lossy().into_owned());
        let folder = tempfile::tempdir().expect("folder");
        let epoch = hil_timeline::Epoch::start();
        let timeline = hil_timeline::Timeline::in_file(epoch, &folder.path().join("events.jsonl")).expect("new file");
        let scope = Scope::new("lamp", &timeline);
        let (detector, symbols) = (SharedDetector::default(), SharedSymbols::default());
        let source =
            Source { finder: Arc::new(Fixed(path)), baud: 3_000_000, boot_baud: None, scope, detector, symbols };
        let capture = Capture::start(source).expect("capture");
        let mut follower = timeline.follow(timeline.end());
        let before = resident_kb();
        let text = |number: u64| format!("{number:08} I (12345) sensor: Suhu: 28.5 C, kelembaban: 61 %");
        let writer = std::thread::spawn(move || {
            let (mut sent, mut number) = (0, 0_u64);
            while sent < BYTES {
                let line = format!("{}\n", text(number));
                let mut rest = line.as_bytes();
                while !rest.is_empty() {
                    let written = rustix::io::write(&master, rest).expect("write");
                    rest = &rest[written..];
                }
                sent += line.len();
                number += 1;
            }
            (master, number)
        });
        let (mut next, mut come) = (0, String::new());
        while next < (BYTES / 60) as u64 {
            let event = tokio::time::timeout(Duration::from_secs(60), follower.next()).await.expect("in time");
            if let What::Console { line, .. } = &event.what {
                // A line that its writer leaves unfinished for a while is shown in parts.
                come.push_str(line);
                let whole = text(next);
                if come.len() >= whole.len() {
                    assert_eq!(come, whole, "in order, none lost");
                    (next, come) = (next + 1, String::new());
                }
            }
        }
        let (master, written) = writer.join().expect("writer");
        assert!(written >= next);
        let grown = resident_kb().saturating_sub(before) / 1024;
        assert!(grown < 100, "grown by {grown} MB");
        capture.stop().await;
        drop(master);
    }
}
