//! Values that kinds of several places have: files, programs, addresses, passwords, places in the USB tree.

use std::path::PathBuf;

use crate::env_vars;
use crate::table::Value;

impl Value<'_, '_> {
    /// The path of a file that is there; relative ones count from the folder of the file that names it. `${NAME}` is
    /// taken from the environment.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        let text = self.with_variables()?;
        self.existing(&text).map_err(|missing| self.problem(missing.what, missing.hint)).ok()
    }

    /// The path of a file of a firmware. One that is not there, because it is not built yet or because a variable is not
    /// set, stops only what uses the firmware.
    #[must_use]
    pub(crate) fn built_file(&self) -> Option<PathBuf> {
        let raw = self.string()?;
        let Some(text) = self.with_variables() else { return Some(PathBuf::from(raw)) };
        self.built_file_at(&text)
    }

    /// The same, of a text whose variables are filled in.
    pub(crate) fn built_file_at(&self, text: &str) -> Option<PathBuf> {
        match self.existing(text) {
            Ok(path) => Some(path),
            Err(Missing { is_there: true, what, hint }) => {
                self.problem(what, hint);
                None
            }
            Err(Missing { what, hint, .. }) => {
                self.lacks(what, hint);
                Some(self.context().folder.join(text))
            }
        }
    }

    fn existing(&self, text: &str) -> Result<PathBuf, Missing> {
        let (folder, file) = (self.context().folder, self.context().what);
        let path = folder.join(text);
        if path.is_file() {
            return Ok(path);
        }
        if path.exists() && !path.is_dir() {
            let hint = "a FIFO, a device and a socket can't be read to an end: name a file".to_owned();
            return Err(Missing { is_there: true, what: format!("`{text}` is not a regular file"), hint });
        }
        let from = if folder.as_os_str().is_empty() { ".".to_owned() } else { folder.display().to_string() };
        let hint = format!("paths count from the {file}'s folder, `{from}`");
        Err(Missing { is_there: false, what: format!("there is no file `{text}`"), hint })
    }

    /// A program and its arguments: one word or more, the first of which is a program. `${NAME}` is taken from the
    /// environment.
    #[must_use]
    pub fn command_line(&self) -> Option<Vec<String>> {
        let words: Option<Vec<_>> = self.array()?.iter().map(Value::text).collect();
        let words = words?;
        if words.first().is_none_or(String::is_empty) {
            self.problem("the program is missing", "example: `[\"uhubctl\", \"-a\", \"off\"]`".to_owned());
            return None;
        }
        Some(words)
    }

    /// `host:port`, or `host` alone where the port may be left out.
    #[must_use]
    pub fn address(&self, with_port: bool) -> Option<String> {
        let (what, hint) = if with_port {
            ("a host with a port", "example: `192.168.7.1:1883`")
        } else {
            ("a host", "example: `192.168.7.20`, or `plug.local:8080`")
        };
        self.parsed(what, hint, |text| is_address(text, with_port).then(|| text.to_owned()))
    }

    /// A text whose `${NAME}` is taken from the environment.
    #[must_use]
    pub fn with_variables(&self) -> Option<String> {
        env_vars::from_environment(self)
    }

    /// The same for what is there even if a variable is not set, which stops only what uses it.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let raw = self.string()?;
        Some(self.with_variables().unwrap_or_else(|| raw.to_owned()))
    }

    /// A password, which no report shows.
    #[must_use]
    pub fn password(&self) -> Option<String> {
        env_vars::password(self)
    }

    /// The place of a device in the USB tree: `1-1.2` is port 2 of hub `1-1`.
    #[must_use]
    pub fn usb_place(&self) -> Option<String> {
        let hint = "example: `1-1.2`, port 2 of hub `1-1`";
        self.parsed("a place in the USB tree", hint, |text| crate::port::is_device(text).then(|| text.to_owned()))
    }
}

/// Why a path does not lead to a file.
struct Missing {
    /// There is something, but not a file.
    is_there: bool,
    what: String,
    hint: String,
}

fn is_address(text: &str, with_port: bool) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let port_fits = match port {
        Some(port) => port.parse::<u16>().is_ok_and(|port| port != 0),
        None => !with_port,
    };
    !host.is_empty() && host.chars().all(allowed) && port_fits
}
