//! `hil` in a folder of its own, and what it prints.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::Pid;

/// `hil` in a folder of its own, on a bench file.
pub(crate) struct Project(pub(crate) tempfile::TempDir);

impl Project {
    pub(crate) fn new(bench: &str, feature: &str) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir(folder.path().join("features")).expect("features");
        std::fs::write(folder.path().join("bench.toml"), bench).expect("bench");
        std::fs::write(folder.path().join("features/one.feature"), feature).expect("feature");
        Self(folder)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hil"));
        command.current_dir(self.0.path()).args(arguments).env("HIL_BENCH", "bench.toml").stdin(Stdio::null());
        command.env("HIL_LOCKS", self.0.path().join("locks")).process_group(0);
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
        let (line, lines) = channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for stream in streams {
            let line = line.clone();
            std::thread::spawn(move || {
                for text in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = line.send(text);
                }
            });
        }
        Running { child, lines, said: String::new() }
    }

    pub(crate) fn wait_for_locks(&self) {
        for entry in std::fs::read_dir(self.0.path().join("locks")).expect("locks").flatten() {
            let file = std::fs::File::open(entry.path()).expect("lock");
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("free");
        }
    }
}

/// A program and what it prints.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) lines: Receiver<String>,
    pub(crate) said: String,
}

impl Running {
    pub(crate) fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let _ = writeln!(self.said, "{line}");
                    if line.contains(text) {
                        return;
                    }
                }
                Err(_) => panic!("`{text}` was not said; it said\n{}", self.said),
            }
        }
    }

    pub(crate) fn end(mut self) -> (i32, String) {
        let code = self.child.wait().expect("ends").code().unwrap_or(-1);
        for line in &self.lines {
            let _ = writeln!(self.said, "{line}");
        }
        (code, self.said)
    }

    /// Repeats an action until the program ends, like a wire, for which there is no event. There is only one processor
    /// here.
    pub(crate) fn end_beside(mut self, mut wire: impl FnMut()) -> (i32, String) {
        while self.child.try_wait().expect("state").is_none() {
            wire();
            std::thread::sleep(Duration::from_millis(2));
        }
        self.end()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}
