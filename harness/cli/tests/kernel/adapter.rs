//! A USB serial adapter in user space, under the kernel's own driver.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::program::Running;

/// A CP2102 in user space with a virtual board on it.
pub(crate) struct Adapter {
    running: Running,
    stdin: ChildStdin,
}

impl Adapter {
    pub(crate) fn plug(time_constant_ms: u32) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_hil")).with_file_name("examples").join("cp2102");
        let mut child = Command::new(program)
            .arg(time_constant_ms.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example cp2102");
        let stdout = child.stdout.take().expect("piped");
        let (line, lines) = channel();
        std::thread::spawn(move || {
            for text in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = line.send(text);
            }
        });
        let stdin = child.stdin.take().expect("piped");
        let mut running = Running { child, lines, said: String::new() };
        running.wait_for("up");
        let adapter = Self { running, stdin };
        wait_for_tty("ttyUSB0");
        adapter
    }

    pub(crate) fn send(&mut self, command: &str) {
        writeln!(self.stdin, "{command}").expect("sent");
        self.running.wait_for(&format!("{command}: done"));
    }

    /// Whether the next boot enters the app or the loader.
    pub(crate) fn next_boot(&mut self) -> String {
        self.running.wait_for("boots into");
        self.boots().lines().find(|line| line.starts_with("boots into")).unwrap_or_default().to_owned()
    }

    /// What it reported since the last call: whether each boot entered the app or the loader.
    pub(crate) fn boots(&mut self) -> String {
        while let Ok(line) = self.running.lines.try_recv() {
            let _ = writeln!(self.running.said, "{line}");
        }
        std::mem::take(&mut self.running.said)
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        let _ = writeln!(self.stdin, "quit");
        let _ = self.running.child.wait();
        let _ = Command::new("umount").arg("/mnt/cp2102").status();
        let gadget = Path::new("/sys/kernel/config/usb_gadget/cp2102");
        let _ = std::fs::remove_file(gadget.join("configs/c.1/ffs.cp2102"));
        for folder in ["configs/c.1", "functions/ffs.cp2102", "strings/0x409", ""] {
            let _ = std::fs::remove_dir(gadget.join(folder));
        }
    }
}

/// Waits until the kernel has made the node.
pub(crate) fn wait_for_tty(name: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !Path::new("/dev").join(name).exists() {
        assert!(Instant::now() < deadline, "no /dev/{name}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
