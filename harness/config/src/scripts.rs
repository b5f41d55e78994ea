//! Keys of a firmware that runs in MicroPython: its scripts and their settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::nvs::NvsValue;
use crate::placeholders::{filled_text, refuse};
use crate::spec::{Key, Kind};
use crate::table::{Table, Value};

/// What is uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripts {
    /// Where the scripts are.
    pub source: ScriptSource,
    /// Written as JSON for the scripts to read. Text may hold the placeholders of `nvs`.
    pub settings: BTreeMap<String, NvsValue>,
    /// The file on the board that the settings are written to.
    pub settings_file: String,
    /// What is replaced in the scripts' text as they are uploaded, for addresses that are written in them.
    pub replace: Vec<(String, String)>,
}

/// Where scripts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptSource {
    /// Part of `hil`.
    Builtin(String),
    /// Files of this machine by their path on the board.
    Files(BTreeMap<String, PathBuf>),
}

const TEXT_OR_NUMBER: Kind = Kind::AnyOf(&[Kind::Text, Kind::Integer(i32::MIN as i64, i32::MAX as i64)]);

pub(crate) const SCRIPT_KEYS: [Key; 4] = [
    Key::optional(
        "scripts",
        Kind::AnyOf(&[Kind::Text, Kind::List(&Kind::Text), Kind::Map(&Kind::Text)]),
        "",
        "What is uploaded to MicroPython: files and folders (a folder's contents keep their places), `{ \"main.py\" = \"lamp.py\" }` for other names, or `\"builtin:lamp-micropython\"`. Required for the kind `micropython`.",
    ),
    Key::optional(
        "settings",
        Kind::Map(&TEXT_OR_NUMBER),
        "",
        "Settings for the scripts, uploaded as a JSON file. Text may hold the placeholders of `nvs`; `\"{tap.port}\"` alone becomes a number.",
    ),
    Key::optional(
        "settings-file",
        Kind::Text,
        "`\"settings.json\"`",
        "The file on the board to which `settings` are written.",
    ),
    Key::optional(
        "replace",
        Kind::Map(&Kind::Text),
        "",
        "Replacements in the scripts while they are uploaded, for scripts with a fixed address: `{ '\"mqtt.eclipse.org\"' = '\"{tap.host}\", port={tap.port}' }`. The files on this machine stay as they are.",
    ),
];

impl Scripts {
    const HINT: &str = "example: `scripts = [\"main.py\", \"lib\"]`";

    pub(crate) fn read(table: &mut Table<'_, '_>, wanted: bool) -> Option<Self> {
        let [source, settings, file, replace] =
            ["scripts", "settings", "settings-file", "replace"].map(|key| table.value(key));
        if !wanted {
            for value in [&source, &settings, &file, &replace] {
                refuse(value, "only the kind `micropython` has scripts");
            }
            return None;
        }
        if source.is_none() {
            table.missing("missing key `scripts`", Self::HINT);
        }
        let source = source.and_then(|v| ScriptSource::read(&v));
        let setting = |(name, _, value): (&str, _, Value<'_, '_>)| Some((name.to_owned(), read_setting(&value)?));
        let settings = settings.and_then(|v| v.map()).map(|map| map.entries().filter_map(setting).collect());
        let replaced = |(from, _, value): (&str, _, Value<'_, '_>)| Some((from.to_owned(), filled_text(&value)?));
        let replace = replace.and_then(|v| v.map()).map(|map| map.entries().filter_map(replaced).collect());
        let settings_file = file.and_then(|v| {
            let name = v.string()?;
            on_board(name).map_err(|hint| v.problem(format!("`{name}` is not a path on a board"), hint)).ok()
        });
        Some(Self {
            source: source?,
            settings: settings.unwrap_or_default(),
            settings_file: settings_file.unwrap_or_else(|| "settings.json".to_owned()),
            replace: replace.unwrap_or_default(),
        })
    }
}

fn read_setting(value: &Value<'_, '_>) -> Option<NvsValue> {
    if value.is_integer() {
        let number = value.integer(i64::from(i32::MIN)..=i64::from(i32::MAX))?;
        return Some(NvsValue::Integer(i32::try_from(number).ok()?));
    }
    filled_text(value).map(NvsValue::Text)
}

impl ScriptSource {
    fn read(value: &Value<'_, '_>) -> Option<Self> {
        let mut files = BTreeMap::new();
        if value.is_table() {
            for (name, _, file) in value.map()?.entries() {
                match on_board(name) {
                    Ok(name) => drop(files.insert(name, file.built_file()?)),
                    Err(hint) => {
                        file.problem(format!("`{name}` is not a path on a board"), hint);
                        return None;
                    }
                }
            }
        } else if value.is_array() {
            for item in value.array()? {
                files.extend(found(&item)?);
            }
        } else {
            if let Some(name) = value.string()?.strip_prefix("builtin:") {
                return Some(Self::Builtin(name.to_owned()));
            }
            files.extend(found(value)?);
        }
        if files.is_empty() {
            value.problem("there is nothing to upload", Scripts::HINT.to_owned());
        }
        Some(Self::Files(files))
    }
}

/// A file under its name, or what a folder holds; none if that is a problem, which is then noted.
fn found(value: &Value<'_, '_>) -> Option<Vec<(String, PathBuf)>> {
    let raw = value.string()?;
    // What is not set is noted, and the scripts are not uploaded.
    let Some(text) = value.with_variables() else { return Some(vec![(raw.to_owned(), raw.into())]) };
    let path = value.context().folder.join(&text);
    if !path.is_dir() {
        let path = value.built_file_at(&text)?;
        let name = path.file_name()?.to_string_lossy().into_owned();
        return Some(vec![(name, path)]);
    }
    let mut files = Vec::new();
    if let Err(error) = collect(&path, &path, &mut files) {
        value.problem(format!("the folder `{text}` can't be read: {error}"), None);
        return None;
    }
    Some(files)
}

/// The files below a folder, without hidden ones and Python's caches.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') || name == "__pycache__" {
            continue;
        }
        // Links are not followed: one that leads upwards would never end.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(root, &entry.path(), files)?;
        } else if kind.is_file() {
            let path = entry.path();
            let inner = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push((inner, path));
        }
    }
    Ok(())
}

/// A path on a board, without the leading slash.
fn on_board(path: &str) -> Result<String, String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(char::is_control);
    let fits = path.len() <= 128 && path.split('/').all(is_plain);
    if fits { Ok(path.to_owned()) } else { Err("example: `\"lib/wifi.py\"`, up to 128 bytes".to_owned()) }
}
