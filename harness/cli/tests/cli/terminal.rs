//! A terminal with a user at it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

pub(crate) struct Terminal {
    user: File,
    name: String,
    /// What the program has printed since it was last cleared.
    pub(crate) said: String,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("pty");
        unlockpt(&user).expect("unlock");
        let name = ptsname(&user, Vec::new()).expect("name").to_string_lossy().into_owned();
        Self { user: File::from(user), name, said: String::new() }
    }

    /// The end that a program has.
    pub(crate) fn device(&self) -> File {
        File::options().read(true).write(true).open(&self.name).expect("terminal")
    }

    pub(crate) fn start(&self, command: &mut Command) -> Child {
        let end = || Stdio::from(self.device());
        command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("hil")
    }

    /// Reads until a text has come.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !self.said.contains(text) {
            let read = self.user.read(&mut buffer);
            let length = read.unwrap_or_else(|error| panic!("{error}; no `{text}` in {}", self.said));
            self.said.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    }

    pub(crate) fn press(&mut self, keys: &[u8]) {
        self.user.write_all(keys).expect("typed");
    }
}
