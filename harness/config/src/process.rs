//! Keys of a firmware that is a program of this machine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::placeholders::{filled_for_program, refuse};
use crate::spec::{Key, Kind, TableSpec};
use crate::table::{Table, Value};

/// A program as the device under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Program and arguments. They may hold the placeholders of `nvs`.
    pub command: Vec<String>,
    /// Variables beside those of `hil` itself; with placeholders.
    pub env: BTreeMap<String, String>,
    /// Where it is started; none is where `hil` was started.
    pub dir: Option<PathBuf>,
    /// Folders in which programs are looked for before those of `PATH`.
    pub path: Vec<PathBuf>,
}

/// What a firmware needs on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// A command that exits with 0 if it is there.
    pub command: Vec<String>,
    /// What to install.
    pub hint: String,
}

pub(crate) const PROCESS_KEYS: [Key; 4] = [
    Key::optional(
        "command",
        Kind::List(&Kind::Text),
        "",
        "Program and arguments, for the kind `process`: `[\"python3\", \"client.py\", \"{tap.host}\", \"{tap.port}\"]`. They may hold the placeholders of `nvs`, and `{tap.ca.file}`, `{board.cert.file}` and `{board.key.file}`: the paths of those PEM files.",
    ),
    Key::optional(
        "env",
        Kind::Map(&Kind::Text),
        "",
        "Environment variables of the program, in addition to those of `hil`; they may hold the placeholders of `command`.",
    ),
    Key::optional(
        "dir",
        Kind::Text,
        "the file's",
        "Folder in which the program is started. Relative paths in `command` and `needs.command` count from it.",
    ),
    Key::optional(
        "path",
        Kind::List(&Kind::Text),
        "`[]`",
        "Folders that are searched for programs before those of `PATH`: `[\".venv/bin\"]`.",
    ),
];

pub(crate) static NEEDS: TableSpec = TableSpec {
    keys: &[
        Key::required(
            "command",
            Kind::List(&Kind::Text),
            "A command that ends with 0 if it is there: `[\"python3\", \"-c\", \"import paho.mqtt\"]`. It has 10 s.",
        ),
        Key::required("hint", Kind::Text, "What to install if it is missing."),
    ],
};

impl Process {
    const HINT: &str = "example: `command = [\"python3\", \"client.py\", \"{tap.host}\", \"{tap.port}\"]`";

    pub(crate) fn read(table: &mut Table<'_, '_>, wanted: bool) -> Option<Self> {
        let [command, env, dir, path] = ["command", "env", "dir", "path"].map(|key| table.value(key));
        if !wanted {
            for value in [&command, &env, &dir, &path] {
                refuse(value, "only the kind `process` is a program");
            }
            return None;
        }
        if command.is_none() {
            table.missing("missing key `command`", Self::HINT);
        }
        let command = command?;
        let written = command.array()?;
        let words: Vec<_> = written.iter().filter_map(filled_for_program).collect();
        if written.is_empty() {
            command.problem("the command is empty", Self::HINT.to_owned());
        }
        let variable =
            |(name, _, value): (&str, _, Value<'_, '_>)| Some((name.to_owned(), filled_for_program(&value)?));
        let env = env.and_then(|v| v.map()).map(|map| map.entries().filter_map(variable).collect());
        let folder = |v: &Value<'_, '_>| Some(v.context().folder.join(v.with_variables()?));
        let dir = match dir {
            Some(v) => {
                let dir = folder(&v);
                if let Some(dir) = dir.as_ref().filter(|dir| !dir.is_dir()) {
                    let hint = format!("paths count from the {}'s folder", v.context().what);
                    v.lacks(format!("there is no folder `{}`", dir.display()), hint);
                }
                dir
            }
            // Files that the command names are beside the bench file.
            None => Some(command.context().folder.to_owned()).filter(|folder| !folder.as_os_str().is_empty()),
        };
        let path = path.and_then(|v| v.array()).unwrap_or_default().iter().filter_map(folder).collect();
        Some(Self { command: words, env: env.unwrap_or_default(), dir, path })
    }
}

impl Needs {
    pub(crate) fn read(mut table: Table<'_, '_>) -> Option<Self> {
        let command = table.required("command", "example: `command = [\"node\", \"--version\"]`");
        let words = command.and_then(|v| v.array());
        let words = words.unwrap_or_default();
        let is_empty = words.is_empty();
        let words: Vec<_> = words.iter().filter_map(Value::with_variables).collect();
        if is_empty {
            table.missing("`needs.command` names no program", "example: `command = [\"node\", \"--version\"]`");
        }
        let hint = table.required("hint", "example: `hint = \"pip install paho-mqtt\"`");
        let hint = hint.and_then(|v| v.string().map(str::to_owned));
        table.finish();
        Some(Self { command: words, hint: hint? })
    }
}
