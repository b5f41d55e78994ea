//! Virtual boards in another process, reached by ports and commands.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

/// The other program with the board; it ends with the value.
pub(crate) struct Lab {
    pub(crate) folder: tempfile::TempDir,
    boards: Child,
}

impl Lab {
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let mut boards = Command::new(env!("CARGO_BIN_EXE_hil"))
            .args(["virtual", "--as-real"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("hil");
        let lines = BufReader::new(boards.stdout.as_mut().expect("piped")).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.starts_with("up;")), "the board is not up");
        Self { folder, boards }
    }

    pub(crate) fn tell(&self, words: &[&str]) {
        let socket = self.folder.path().join("control.sock");
        let status =
            Command::new(env!("CARGO_BIN_EXE_hil")).args(["virtual", "--tell"]).arg(socket).args(words).status();
        assert!(status.expect("hil").success());
    }

    /// As [`Lab::tell`], without starting a program.
    pub(crate) fn ask(&self, command: &str) {
        let mut stream =
            std::os::unix::net::UnixStream::connect(self.folder.path().join("control.sock")).expect("socket");
        writeln!(stream, "{command}").expect("sent");
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).expect("an answer");
        assert!(answer.starts_with("done"), "{answer}");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.boards.kill();
        let _ = self.boards.wait();
    }
}
