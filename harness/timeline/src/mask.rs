//! Hides secrets in whatever leaves the program.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::escaped;

/// The values that nobody may read: each is shown as `••••`. Cheap to clone.
///
/// # Example
/// ```
/// let mask = hil_timeline::Mask::new(["wonderland".to_owned()]);
/// assert_eq!(mask.text("the password is wonderland"), "the password is ••••");
/// ```
#[derive(Clone, Default)]
pub struct Mask {
    /// Longest first: a secret may hold another one.
    forms: Arc<[String]>,
    bytes: Arc<[Vec<u8>]>,
}

/// Says nothing of the values.
impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} values)", self.bytes.len())
    }
}

/// Keys of events whose values are words of ours or names of the bench: a secret that happens to be one of them is
/// no reason to make the record unreadable.
const STRUCTURE: &[&str] = &[
    "event",
    "verdict",
    "direction",
    "phase",
    "type",
    "change",
    "cause",
    "finding",
    "fate",
    "kind",
    "board",
    "boards",
    "rail",
    "pin",
    "observer",
    "keyword",
    "firmware",
    "name",
];

/// What stands in the place of a secret.
pub const MASKED: &str = "••••";

impl Mask {
    /// Hides these values, also where they are shown escaped or in hex.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut secrets: Vec<String> = secrets.into_iter().filter(|secret| !secret.is_empty()).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        let hex = |secret: &String| secret.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut forms: Vec<String> = secrets
            .iter()
            .flat_map(|secret| {
                let escaped = [
                    escaped(secret).to_string(),
                    secret.escape_debug().to_string(),
                    secret.escape_default().to_string(),
                ];
                [secret.clone(), hex(secret)].into_iter().chain(escaped)
            })
            .collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        Self { forms: forms.into(), bytes: secrets.into_iter().map(String::into_bytes).collect() }
    }

    /// Whether there is nothing to hide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// The text without secrets.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(text);
        for form in self.forms.iter().filter(|form| text.contains(form.as_str())) {
            shown = Cow::Owned(shown.replace(form.as_str(), MASKED));
        }
        shown
    }

    /// Hides secrets in bytes whose length must stay: each byte becomes `*`.
    pub fn bytes(&self, bytes: &mut [u8]) {
        for secret in self.bytes.iter() {
            let mut at = 0;
            while at + secret.len() <= bytes.len() {
                if bytes[at..].starts_with(secret) {
                    bytes[at..at + secret.len()].fill(b'*');
                    at += secret.len();
                } else {
                    at += 1;
                }
            }
        }
    }

    /// Every free text of an event without secrets.
    pub fn json(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(masked) = self.text(text) {
                    *text = masked;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.json(item)),
            Value::Object(entries) => {
                // A payload that is no text: what remains of it must still be hex.
                if let Some(Value::String(hex)) = entries.get_mut("hex") {
                    for secret in self.bytes.iter() {
                        let form: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
                        *hex = hex.replace(&form, &"2a".repeat(secret.len()));
                    }
                }
                let free = entries.iter_mut().filter(|(key, _)| !STRUCTURE.contains(&key.as_str()));
                free.for_each(|(_, entry)| self.json(entry));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_hidden() {
        let mask = Mask::new(["s3cret\n\"x".to_owned(), "s3cret".to_owned()]);
        assert_eq!(mask.text("a s3cret\n\"x b"), "a •••• b");
        assert_eq!(mask.text(r#"a s3cret\n\"x b"#), "a •••• b");
        assert_eq!(mask.text("0x733363726574"), "0x••••");
        assert_eq!(mask.text("nothing"), "nothing");
        let mut bytes = b"xs3crety".to_vec();
        mask.bytes(&mut bytes);
        assert_eq!(bytes, b"x******y");
        assert!(!format!("{mask:?}").contains("s3"));
    }

    #[test]
    fn json_stays_json() {
        let mask = Mask::new(["nabc".to_owned()]);
        let event = |text: &str, hex: &str| serde_json::json!({ "event": "nabc", "board": "nabc", "a": ["\nabc", text], "payload": { "hex": hex } });
        let mut value = event("xnabc", "ff6e616263");
        mask.json(&mut value);
        assert_eq!(value, event("x••••", "ff2a2a2a2a"));
    }
}
