//! What is to be on the board: scripts with their replacements, and their settings.

use hil_config::{BenchPort, Firmware, NvsValue, ScriptSource, Scripts};
use hil_files::{LARGEST_TEXT, Links};

use crate::error::BenchError;
use crate::tap_address::TapAddress;

/// A file for the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// Its path on the board, without the leading slash.
    pub(crate) path: String,
    pub(crate) contents: Vec<u8>,
}

/// The scripts that `hil` brings along, by the name behind `builtin:`.
const BUILTIN: [(&str, &[(&str, &str)]); 2] = [
    (
        "lamp-micropython",
        &[
            ("main.py", include_str!("../../../../firmware/lamp-micropython/improved/main.py")),
            ("lamp.py", include_str!("../../../../firmware/lamp-micropython/improved/lamp.py")),
            ("mqtt.py", include_str!("../../../../firmware/lamp-micropython/improved/mqtt.py")),
        ],
    ),
    (
        "lamp-micropython-documented",
        &[
            ("main.py", include_str!("../../../../firmware/lamp-micropython/documented/main.py")),
            ("mqtt.py", include_str!("../../../../firmware/lamp-micropython/documented/mqtt.py")),
            ("wifi.py", include_str!("../../../../firmware/lamp-micropython/documented/wifi.py")),
        ],
    ),
];

/// The scripts of a firmware as its files have them; none if it has none.
pub(crate) fn read_scripts(firmware: &Firmware) -> Result<Option<Vec<Script>>, BenchError> {
    let Some(scripts) = &firmware.scripts else { return Ok(None) };
    let failed = |reason: String, hint: Option<String>| BenchError::Firmware {
        firmware: firmware.name.to_string(),
        reason,
        hint,
    };
    let files = match &scripts.source {
        ScriptSource::Builtin(name) => builtin(name).map_err(|known| {
            failed(format!("there are no built-in scripts `{name}`"), Some(format!("there are `{known}`")))
        })?,
        ScriptSource::Files(files) => {
            let read = |(path, source): (&String, &std::path::PathBuf)| match hil_files::read(
                source,
                Links::Follow,
                LARGEST_TEXT,
            ) {
                Ok(contents) => Ok(Script { path: path.clone(), contents }),
                Err(error) => Err(failed(format!("can't read `{}`: {error}", source.display()), None)),
            };
            files.iter().map(read).collect::<Result<Vec<_>, _>>()?
        }
    };
    Ok(Some(files))
}

/// The same with its replacements and its settings, in the order in which they are uploaded.
pub(crate) fn fill_scripts(
    mut files: Vec<Script>,
    firmware: &Firmware,
    tap: &TapAddress,
) -> Result<Vec<Script>, BenchError> {
    let Some(scripts) = &firmware.scripts else { return Ok(files) };
    for (from, to) in &scripts.replace {
        if replace(&mut files, from, &tap.fill(to)) == 0 {
            return Err(BenchError::Firmware {
                firmware: firmware.name.to_string(),
                reason: format!("`{from}` is not in any of its scripts"),
                hint: Some("a key of `replace` must be in a script exactly as written, quotes included".to_owned()),
            });
        }
    }
    if !scripts.settings.is_empty() {
        files.push(Script { path: scripts.settings_file.clone(), contents: settings(scripts, tap) });
    }
    // Last what runs by itself: a board that loses its power before runs nothing half new.
    files.sort_by_key(|file| (matches!(file.path.as_str(), "main.py" | "boot.py"), file.path.clone()));
    Ok(files)
}

fn builtin(name: &str) -> Result<Vec<Script>, String> {
    let found = BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, files)| files);
    let known = || BUILTIN.map(|(known, _)| known).join("`, `");
    let script = |(path, text): &(&str, &str)| Script { path: (*path).to_owned(), contents: text.as_bytes().to_vec() };
    Ok(found.ok_or_else(known)?.iter().map(script).collect())
}

fn replace(files: &mut [Script], from: &str, to: &str) -> usize {
    let mut count = 0;
    for file in files {
        let Ok(text) = std::str::from_utf8(&file.contents) else { continue };
        if text.contains(from) {
            count += 1;
            file.contents = text.replace(from, to).into_bytes();
        }
    }
    count
}

/// JSON; a text that is nothing but a port is a number.
fn settings(scripts: &Scripts, tap: &TapAddress) -> Vec<u8> {
    let value = |value: &NvsValue| match value {
        NvsValue::Text(text) => match BenchPort::of(text) {
            Some(port) => serde_json::json!(tap.port_of(port)),
            None => serde_json::json!(tap.fill(text)),
        },
        NvsValue::Integer(number) => serde_json::json!(number),
        NvsValue::Boolean(value) => serde_json::json!(value),
        // Settings of scripts have no other types: JSON has none.
        NvsValue::Number(..) | NvsValue::Blob(_) => serde_json::Value::Null,
    };
    let settings: serde_json::Map<_, _> =
        scripts.settings.iter().map(|(name, setting)| (name.clone(), value(setting))).collect();
    serde_json::Value::Object(settings).to_string().into_bytes()
}
