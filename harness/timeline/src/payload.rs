//! Bytes sent by a device, kept exactly and shown readably.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::escaped;

/// The bytes of an MQTT payload.
///
/// Serialized as `{"utf8": "…"}` if they are valid UTF-8, else as `{"hex": "…"}`: nothing is lost.
/// Displayed as text if they are UTF-8 (control characters escaped), else as `0x…`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Payload(pub Vec<u8>);

impl Payload {
    /// The bytes as text, if they are UTF-8.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    fn hex(&self) -> String {
        hex::encode(&self.0)
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Messages cut longer payloads; the timeline keeps them complete.
        const SHOWN: usize = 200;
        let (text, whole) = match self.as_text() {
            Some(text) => {
                let end = text.char_indices().nth(SHOWN).map_or(text.len(), |(at, _)| at);
                (escaped(&text[..end]).to_string(), text.chars().count())
            }
            None => (format!("0x{}", self.hex().chars().take(SHOWN).collect::<String>()), self.0.len() * 2),
        };
        f.write_str(&text)?;
        if whole > SHOWN { write!(f, "… ({} bytes)", self.0.len()) } else { Ok(()) }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stored {
    Utf8(String),
    Hex(String),
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_text() {
            Some(text) => Stored::Utf8(text.to_owned()),
            None => Stored::Hex(self.hex()),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Stored::deserialize(deserializer)? {
            Stored::Utf8(text) => Ok(Self(text.into_bytes())),
            Stored::Hex(hex) => hex::decode(hex).map(Self).map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_round_trip_through_json() {
        for bytes in [b"saya hidup".to_vec(), "Suhu: 28°C".into(), vec![0xff, 0x00, 0xc0], vec![]] {
            let json = serde_json::to_string(&Payload(bytes.clone())).expect("serialize");
            let back: Payload = serde_json::from_str(&json).expect("deserialize");
            assert_eq!(back.0, bytes, "{json}");
        }
    }

    #[test]
    fn display_is_readable_and_inert() {
        assert_eq!(Payload::from("Suhu: 28°C").to_string(), "Suhu: 28°C");
        assert_eq!(Payload(vec![0xff, 1]).to_string(), "0xff01");
        assert_eq!(Payload::from("a\u{1b}[31m\n").to_string(), "a\\u{1b}[31m\\n");
        assert_eq!(Payload(vec![b'x'; 300]).to_string(), format!("{}… (300 bytes)", "x".repeat(200)));
    }
}
