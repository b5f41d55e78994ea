//! What is announced.

use alloc::format;
use alloc::string::String;

use serde_json::Value;

use super::url::Url;

/// An update that may be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// The version in its app descriptor.
    pub(crate) version: String,
    pub(crate) url: Url,
    /// Bytes of the image.
    pub(crate) length: u32,
    pub(crate) sha256: [u8; 32],
}

impl Announcement {
    /// Reads `{"version": "1.1.0", "url": "http://…", "length": 700000, "sha256": "…"}`; other members are ignored.
    pub(crate) fn read(text: &[u8]) -> Result<Self, String> {
        let all: Value = serde_json::from_slice(text).map_err(|error| format!("no JSON: {error}"))?;
        let text = |name: &str| all.get(name).and_then(Value::as_str).ok_or_else(|| format!("no text `{name}`"));
        let length = all.get("length").and_then(Value::as_u64).and_then(|length| u32::try_from(length).ok());
        Ok(Self {
            version: text("version")?.into(),
            url: Url::read(text("url")?)?,
            length: length.filter(|length| *length > 0).ok_or("no number `length`")?,
            sha256: hash(text("sha256")?).ok_or("`sha256` is not 64 hexadecimal digits")?,
        })
    }
}

fn hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    // Digits only: `from_str_radix` would also take a sign.
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"version":"2","url":"http://10.0.0.1/a.bin","length":5,"sha256":"HASH","more":[1]}"#;

    fn read(from: &str, to: &str) -> Result<Announcement, String> {
        let text = GOOD.replacen(from, to, 1).replace("HASH", &"0aF1".repeat(16));
        Announcement::read(text.as_bytes())
    }

    #[test]
    fn an_announcement_says_what_to_load() {
        let read = read("", "").expect("good");
        assert_eq!((read.version.as_str(), read.length, &read.sha256[..2]), ("2", 5, &[0x0a, 0xf1][..]));
    }

    #[test]
    fn anything_else_is_refused_with_what_is_missing() {
        let refused = |from, to| read(from, to).expect_err("refused");
        assert!(refused("{", "[").starts_with("no JSON"));
        assert_eq!(refused("\"2\"", "2"), "no text `version`");
        assert_eq!(refused("\"length\":5", "\"length\":-5"), "no number `length`");
        assert_eq!(refused("\"length\":5", "\"length\":0"), "no number `length`");
        assert_eq!(refused("HASH", "+HASH"), "`sha256` is not 64 hexadecimal digits");
        assert_eq!(
            refused("http://10.0.0.1/a.bin", "ftp://x/"),
            "only `http` and `https` are supported, not `ftp://x/`"
        );
    }
}
