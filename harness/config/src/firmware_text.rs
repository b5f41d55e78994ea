//! Firmware as the text of a file: the tables of another bench file or project file that describe the same.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::bench::Bench;
use crate::firmware::{Firmware, Image, Partitions, Verify};
use crate::nvs::{NvsNumber, NvsValue};
use crate::scripts::{ScriptSource, Scripts};

/// How the other file names a file of this one.
pub type NamedFile<'a> = &'a mut dyn FnMut(&Path) -> String;

impl Bench {
    /// The table `[firmware.NAME]` of a firmware that is not a program, with `${secret:NAME}` in place of each secret of
    /// the environment. `file` says what a file is called there.
    #[must_use]
    pub fn firmware_text(&self, firmware: &Firmware, file: NamedFile<'_>) -> String {
        let image = match &firmware.image {
            Image::Builtin(name) => quoted(&format!("builtin:{name}")),
            Image::Installed => quoted("installed"),
            Image::File(path) => quoted(&file(path)),
            Image::Parts(parts) => {
                let parts = parts.iter().map(|(address, path)| format!("{address:#x} = {}", quoted(&file(path))));
                format!("{{ {} }}", parts.collect::<Vec<_>>().join(", "))
            }
        };
        let mut text = format!("\n[firmware.{}]\nimage = {image}\n", firmware.name);
        // Writing to a string can't fail.
        if let Some(partitions) = &firmware.partitions {
            let partitions = match partitions {
                Partitions::TwoSlots => quoted(&format!("builtin:{}", Partitions::TWO_SLOTS)),
                Partitions::File(path) => quoted(&file(path)),
            };
            let _ = writeln!(text, "partitions = {partitions}");
        }
        for (key, value) in [("version", &firmware.version), ("version-topic", &firmware.version_topic)] {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {}", quoted(value));
            }
        }
        if firmware.verify == Verify::Once {
            text.push_str("verify = \"once\"\n");
        }
        if let Some(ready) = &firmware.ready {
            let _ = writeln!(text, "ready = {}", quoted(ready.as_str()));
        }
        let limits = [("ready-within", firmware.limits.ready), ("connects-within", firmware.limits.connects)];
        for (key, limit) in limits.into_iter().filter_map(|(key, limit)| Some((key, limit?))) {
            let _ = writeln!(text, "{key} = {}", quoted(&milliseconds(limit)));
        }
        if let Some(needs) = &firmware.needs {
            let command: Vec<_> = needs.command.iter().map(|word| self.quoted(word)).collect();
            let _ = writeln!(text, "needs = {{ command = [{}], hint = {} }}", command.join(", "), quoted(&needs.hint));
        }
        if let Some(scripts) = &firmware.scripts {
            self.scripts_text(&mut text, scripts, file);
        }
        let setting = |((namespace, key), value): (&(String, String), &NvsValue)| {
            format!("{} = {}", quoted(&format!("{namespace}.{key}")), self.stored(value))
        };
        if !firmware.nvs.is_empty() {
            let nvs: Vec<_> = firmware.nvs.iter().map(setting).collect();
            let _ = writeln!(text, "nvs = {{ {} }}", nvs.join(", "));
        }
        text
    }

    /// The tables `[roles.NAME]`.
    #[must_use]
    pub fn roles_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        for (name, role) in &self.roles {
            let _ = writeln!(text, "\n[roles.{name}]");
            if let Some(chip) = role.chip {
                let _ = writeln!(text, "chip = {}", quoted(chip.word()));
            }
            if !role.tags.is_empty() {
                let tags: Vec<_> = role.tags.iter().map(|tag| quoted(tag)).collect();
                let _ = writeln!(text, "tags = [{}]", tags.join(", "));
            }
        }
        text
    }

    fn scripts_text(&self, text: &mut String, scripts: &Scripts, file: NamedFile<'_>) {
        let source = match &scripts.source {
            ScriptSource::Builtin(name) => quoted(&format!("builtin:{name}")),
            ScriptSource::Files(files) => {
                let files = files.iter().map(|(name, path)| format!("{} = {}", quoted(name), quoted(&file(path))));
                format!("{{ {} }}", files.collect::<Vec<_>>().join(", "))
            }
        };
        let _ = writeln!(text, "kind = \"micropython\"\nscripts = {source}");
        let _ = writeln!(text, "settings-file = {}", quoted(&scripts.settings_file));
        let settings =
            scripts.settings.iter().map(|(name, value)| format!("{} = {}", quoted(name), self.stored(value)));
        let _ = writeln!(text, "settings = {{ {} }}", settings.collect::<Vec<_>>().join(", "));
        let replace = scripts.replace.iter().map(|(from, to)| format!("{} = {}", quoted(from), self.quoted(to)));
        let _ = writeln!(text, "replace = {{ {} }}", replace.collect::<Vec<_>>().join(", "));
    }

    /// A text for a file, with `${secret:NAME}` in place of each secret of the environment.
    #[must_use]
    pub fn quoted(&self, text: &str) -> String {
        let named =
            |text: String, (name, secret): &(String, String)| text.replace(secret, &format!("${{secret:{name}}}"));
        quoted(&self.variables.iter().fold(text.to_owned(), named))
    }

    fn stored(&self, value: &NvsValue) -> String {
        match value {
            NvsValue::Text(text) => self.quoted(text),
            NvsValue::Integer(number) => number.to_string(),
            NvsValue::Boolean(value) => value.to_string(),
            NvsValue::Number(kind, NvsNumber::Port(port)) => {
                format!("{{ {} = \"{}\" }}", kind.word(), port.placeholder())
            }
            // As a string: TOML's integers have a sign, so the largest `u64` values do not fit.
            NvsValue::Number(kind, NvsNumber::Is(number)) => format!("{{ {} = \"{number}\" }}", kind.word()),
            NvsValue::Blob(bytes) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{{ blob = \"hex:{digits}\" }}")
            }
        }
    }
}

fn milliseconds(limit: Duration) -> String {
    format!("{} ms", limit.as_millis())
}

/// A JSON string is also a TOML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kinds;

    const FIRMWARE: &str = r#"
[firmware.app]
image = { 0x0 = "boot.bin", 0x10000 = "app.bin" }
verify = "once"
ready = "mqtt \"running\""
ready-within = "20s"
nvs = { "wifi.ssid" = "{wifi.ssid}", "a.b" = { u64 = "18446744073709551615" }, "a.c" = { blob = "hex:00ff" }, "a.port" = { u16 = "{tap.port}" }, "a.d" = true, "a.e" = -3 }

[firmware.elf]
image = "app.elf"
partitions = "partitions.csv"
version = "1.1.0"
version-topic = "lamp/version"
connects-within = "1500ms"
needs = { command = ["sh", "-c", "exit 0"], hint = "a shell" }

[firmware.scripts]
kind = "micropython"
image = "builtin:micropython"
ready = "up"
scripts = { "main.py" = "lamp.py" }
settings = { host = "{tap.host}", port = "{tap.port}" }
settings-file = "config.json"
replace = { "'broker'" = "'{tap.host}'" }
"#;

    /// What is read from the text is what was written.
    #[test]
    fn the_text_describes_the_same_firmware() {
        let folder = tempfile::tempdir().expect("folder");
        for name in ["boot.bin", "app.bin", "app.elf", "partitions.csv", "lamp.py"] {
            std::fs::write(folder.path().join(name), name).expect("write");
        }
        let read = |text: &str| {
            let bench = Bench::from_text(text, &folder.path().join("bench.toml"), &Kinds::default());
            bench.unwrap_or_else(|error| panic!("{error}\n{text}"))
        };
        let bench = read(FIRMWARE);
        let mut file = |path: &Path| path.strip_prefix(folder.path()).expect("below").display().to_string();
        let text: String = bench.firmware.values().map(|firmware| bench.firmware_text(firmware, &mut file)).collect();
        let again = read(&text);
        assert_eq!(format!("{:?}", bench.firmware), format!("{:?}", again.firmware));
    }
}
