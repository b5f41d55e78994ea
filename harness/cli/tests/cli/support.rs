//! Runs `hil` in a folder of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::process::Pid;
use tempfile::TempDir;

use crate::turns::check_runs;

/// A folder with features and bench files, and `hil` in it.
pub(crate) struct Project {
    folder: TempDir,
}

impl Drop for Project {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            check_runs(self.folder.path());
        }
    }
}

/// What a run printed and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("folder") }
    }

    /// A project with one feature file.
    pub(crate) fn with_feature(text: &str) -> Self {
        let project = Self::new();
        project.file("features/one.feature", text);
        project
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, text).expect("write");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.current_dir(self.folder.path()).args(arguments).env_remove("HIL_BENCH").stdin(Stdio::null());
        command
    }

    pub(crate) fn hil(&self, arguments: &[&str]) -> Outcome {
        self.command(arguments).output().expect("hil runs").into()
    }

    /// Starts `hil` and leaves it running.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil starts")
    }

    pub(crate) fn read_bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

/// `hil` as a shell starts it: under `nohup` or in the background of a script it would ignore these signals.
fn program() -> Command {
    let hil = env!("CARGO_BIN_EXE_hil");
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    if ignored.is_some_and(|ignored| ignored & 0b111 == 0) {
        return Command::new(hil);
    }
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP,INT,QUIT", hil]);
    command
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Outcome {
    /// Verdict word and name of each scenario, in the order in which they ended.
    pub(crate) fn verdicts(&self) -> Vec<(String, String)> {
        let verdict = |line: &str| {
            let (word, rest) = line.trim_start().split_once("  ")?;
            let known = ["passed", "failed", "errored", "skipped", "aborted", "flaky"].contains(&word);
            let (_, name) = rest.split_once("  ")?;
            let (name, _) = name.rsplit_once("  (")?;
            known.then(|| (word.to_owned(), name.to_owned()))
        };
        self.stdout.lines().filter_map(verdict).collect()
    }

    /// What was printed of each scenario, by line: scenarios on different boards run in parallel, so their order may vary.
    pub(crate) fn in_order(&self) -> String {
        let mut scenarios: Vec<Vec<&str>> = Vec::new();
        for line in self.stdout.lines().filter(|line| !line.starts_with("reports:")) {
            match scenarios.last_mut() {
                Some(scenario) if line.starts_with("   ") => scenario.push(line),
                _ => scenarios.push(vec![line]),
            }
        }
        let line = |scenario: &Vec<&str>| -> Option<u32> {
            scenario[0].split("feature:").nth(1)?.split_whitespace().next()?.parse().ok()
        };
        scenarios.sort_by_key(line);
        let text: Vec<_> = scenarios.into_iter().map(|scenario| scenario.join("\n")).collect();
        text.join("\n")
    }

    /// Both streams, with placeholders for times, folders and addresses.
    pub(crate) fn stable(&self) -> String {
        let mut text = format!("exit code {}\n", self.code);
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                text.push_str(&format!("--- {name}\n{stream}"));
            }
        }
        text
    }
}

/// Compares with a snapshot; replaces what changes from run to run.
pub(crate) fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(r"\(\d+\.\d\d s\)", "(TIME)");
    settings.add_filter(r"in \d+\.\d s", "in TIME");
    // Which packet and line were last depends on timing; other tests assert that they are named.
    settings.add_filter(r"(?m)^(\s+last (?:packet|console line)): .*", "$1: …");
    // Whether the machine of the tests kept time is not what they are about.
    settings.add_filter(r"(?m)^\s+this machine stalled for .*\n", "");
    settings.add_filter(r"[+-]\d+\.\d\d s", "TIME");
    settings.add_filter(r"\b\d+\.\d\d s", "TIME");
    settings.add_filter(r"[IE] \(\d+\)", "I (MS)");
    settings.add_filter(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT");
    settings.add_filter(r"/dev/pts/\d+", "/dev/pts/N");
    settings.add_filter(r"\d{8}T\d{6}Z-\d+", "RUN");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The root of this workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The output of a child, read to its end whether or not a test waits for it.
pub(crate) struct Printed(Receiver<String>);

impl Printed {
    pub(crate) fn by(child: &mut Child) -> Self {
        let (send, received) = channel();
        read_lines(child.stdout.take().expect("piped"), send);
        Self(received)
    }

    /// Both streams, so that a test that waits in vain shows why.
    pub(crate) fn with_errors(child: &mut Child) -> Self {
        let (send, received) = channel();
        read_lines(child.stdout.take().expect("piped"), send.clone());
        read_lines(child.stderr.take().expect("piped"), send);
        Self(received)
    }

    /// Waits for a line that holds a text.
    pub(crate) fn line_with(&self, text: &str) -> String {
        loop {
            let line = self.0.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|error| panic!("{text} not printed: {error}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Everything from here to the end.
    pub(crate) fn rest(self) -> String {
        self.0.into_iter().map(|line| line + "\n").collect()
    }

    /// Waits until each of these texts has been printed since the last time.
    pub(crate) fn wait_for(&self, texts: &[&str]) {
        let (mut missing, mut printed) = (texts.to_vec(), String::new());
        while !missing.is_empty() {
            let line = self.0.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|error| panic!("{missing:?} not printed: {error}; printed:\n{printed}"));
            missing.retain(|text| !line.contains(text));
            printed.push_str(&line);
            printed.push('\n');
        }
    }
}

fn read_lines(stream: impl std::io::Read + Send + 'static, to: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // The test may have stopped waiting.
            let _ = to.send(line);
        }
    });
}

/// Waits until `hil -vv` has printed a line with a text.
pub(crate) fn wait_for_line(child: &mut Child, text: &str) {
    let stdout = child.stdout.as_mut().expect("piped");
    let mut lines = BufReader::new(stdout).lines();
    let found = lines.any(|line| line.is_ok_and(|line| line.contains(text)));
    assert!(found, "`{text}` was not printed");
}

/// Processes of that name that a process has started.
pub(crate) fn children(parent: u32, name: &str) -> Vec<Pid> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("proc").flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // `PID (NAME) STATE PARENT …`; a name may hold anything.
        let Some((head, rest)) = stat.rsplit_once(')') else { continue };
        let is_name = head.split_once('(').is_some_and(|(_, found)| found == name);
        let of = rest.split_whitespace().nth(1).and_then(|of| of.parse::<u32>().ok());
        if is_name && of == Some(parent) {
            found.extend(entry.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw));
        }
    }
    found
}

/// Processes that use a folder of locks and have an argument.
pub(crate) fn processes(locks: &Path, argument: &str) -> Vec<Pid> {
    let locks = format!("HIL_LOCKS={}", locks.display());
    let is_ours = |pid: &i32| {
        let read = |what: &str| std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let has = |bytes: &[u8], text: &str| bytes.split(|byte| *byte == 0).any(|part| part == text.as_bytes());
        has(&read("environ"), &locks) && has(&read("cmdline"), argument)
    };
    let found = std::fs::read_dir("/proc").expect("proc").flatten();
    let ids = found.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_ours);
    ids.filter_map(Pid::from_raw).collect()
}

/// Whether a process ends within five seconds.
pub(crate) fn ends(pid: Pid) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{PidfdFlags, pidfd_open};
    // A process that is gone already has no descriptor.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return true };
    let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
    poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience)).is_ok_and(|ready| ready == 1)
}

/// Whether Mosquitto is installed; if parts are required, its absence fails the test.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn has_mosquitto() -> bool {
    let found = hil_mqtt::broker::find_program().is_ok();
    assert!(found || std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "Mosquitto is missing");
    if !found {
        eprintln!("skipped: Mosquitto is not on this machine");
    }
    found
}
