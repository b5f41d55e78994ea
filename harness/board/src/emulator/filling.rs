//! What the placeholders of an emulator's command become.

use std::path::PathBuf;

use crate::tap_address::TapAddress;

/// The values of one start.
#[derive(Debug, Clone, Default)]
pub(super) struct Filling {
    /// Placeholders without their braces, and their values.
    pub(super) own: Vec<(&'static str, String)>,
    pub(super) tap: TapAddress,
}

impl Filling {
    pub(super) fn fill(&self, text: &str) -> String {
        let text =
            self.own.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value));
        self.tap.fill(&text)
    }

    /// All texts in a value, which may be nested.
    pub(super) fn fill_value(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => *text = self.fill(text),
            serde_json::Value::Array(all) => all.iter_mut().for_each(|value| self.fill_value(value)),
            serde_json::Value::Object(all) => all.values_mut().for_each(|value| self.fill_value(value)),
            _ => {}
        }
    }
}

/// A program as it is found: in the folders of `PATH` and among the installed parts, or by its path from a folder.
pub(super) fn found(name: &str, folder: Option<&PathBuf>) -> PathBuf {
    if name.contains('/') {
        let path = folder.map(|folder| folder.join(name)).unwrap_or_else(|| PathBuf::from(name));
        return std::path::absolute(&path).unwrap_or(path);
    }
    hil_config::find_program(name, "", &[]).unwrap_or_else(|_| PathBuf::from(name))
}
