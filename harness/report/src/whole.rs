//! The whole of what a row of the page shows cut.

use hil_timeline::{Packet, Payload, What, escaped};
use serde_json::{Value, json};

use crate::words::LONGEST;

/// The page has no more of one payload or line; `events.jsonl` has all of it.
const MOST_OF_ONE: usize = 64 << 10;
/// A row shows this many characters of a payload: see [`Payload`].
const SHOWN_OF_PAYLOAD: usize = 200;

/// The text of a long payload or line.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Its beginning, or all of it.
    text: String,
    /// Its size.
    bytes: usize,
    /// It is in `traffic.pcapng`, too.
    is_traffic: bool,
}

impl Whole {
    /// What the event's row does not show; none if it shows all.
    pub(crate) fn of(what: &What) -> Option<Self> {
        match what {
            What::Packet { packet: Packet::Publish { topic, payload, .. }, .. } => {
                Self::of_message(topic, payload, true)
            }
            What::Packet { packet: Packet::Connect { will: Some(will), .. }, .. } => {
                Self::of_message(&will.topic, &will.payload, true)
            }
            What::Published { topic, payload, .. } | What::Observed { topic, payload, .. } => {
                Self::of_message(topic, payload, false)
            }
            What::Console { line, .. } | What::BrokerLog { line } => Self::of_line(line),
            What::Typed { text, .. } => Self::of_line(text),
            What::Found { detail, .. } => Self::of_line(detail),
            _ => None,
        }
    }

    /// A payload of Sparkplug B is shown as what it says, however short it is.
    fn of_message(topic: &str, payload: &Payload, is_traffic: bool) -> Option<Self> {
        let Some(Ok(json)) = hil_sparkplug::to_json(topic, &payload.0) else {
            return Self::of_payload(payload, is_traffic);
        };
        let text = serde_json::to_string_pretty(&json).unwrap_or_default();
        Some(Self { text: beginning(&text), bytes: text.len(), is_traffic })
    }

    fn of_payload(payload: &Payload, is_traffic: bool) -> Option<Self> {
        let bytes = payload.0.len();
        if let Some(text) = payload.as_text() {
            text.chars().nth(SHOWN_OF_PAYLOAD)?;
            return Some(Self { text: beginning(text), bytes, is_traffic });
        }
        if bytes * 2 <= SHOWN_OF_PAYLOAD {
            return None;
        }
        let digits = payload.0.iter().take(MOST_OF_ONE).flat_map(|byte| [byte >> 4, byte & 0xf]);
        let hex: String = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect();
        Some(Self { text: format!("0x{hex}"), bytes, is_traffic })
    }

    fn of_line(line: &str) -> Option<Self> {
        line.chars().nth(LONGEST)?;
        Some(Self { text: beginning(line), bytes: line.len(), is_traffic: false })
    }

    /// How much of a page it takes.
    pub(crate) fn size(&self) -> usize {
        self.text.len()
    }

    /// Leaves only its size: the page has no room for more.
    pub(crate) fn without_text(self) -> Self {
        Self { text: String::new(), ..self }
    }

    /// As `events.js` reads it: the text, its size if this is not all of it, and whether it is traffic.
    pub(crate) fn json(&self) -> Value {
        let is_all = !self.text.is_empty() && self.bytes <= MOST_OF_ONE;
        json!([self.text, if is_all { 0 } else { self.bytes }, self.is_traffic])
    }
}

/// The beginning of a text, line by line, without characters that steer.
fn beginning(text: &str) -> String {
    let mut end = text.len().min(MOST_OF_ONE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let lines: Vec<_> = text[..end].split('\n').map(|line| escaped(line).to_string()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(payload: &[u8]) -> Option<Value> {
        let what = What::Observed {
            observer: "harness".into(),
            topic: "t".into(),
            payload: Payload(payload.to_vec()),
            qos: hil_timeline::QoS::AtMostOnce,
            retain: false,
            dup: false,
        };
        Whole::of(&what).map(|whole| whole.json())
    }

    #[test]
    fn a_payload_is_whole_up_to_64_kib_and_says_its_size_beyond() {
        assert_eq!(published(&[b'a'; 200]), None, "the row shows it");
        assert_eq!(published("ä\nb".repeat(100).as_bytes()), Some(json!(["ä\nb".repeat(100), 0, false])));
        assert_eq!(published(&[0xff; 100]), None);
        assert_eq!(published(&[0xff; 101]), Some(json!([format!("0x{}", "ff".repeat(101)), 0, false])));
        let whole = published(&[b'a'; MOST_OF_ONE]).expect("long");
        assert_eq!(whole[1], 0);
        let longer = published("ä".repeat(MOST_OF_ONE).as_bytes()).expect("longer");
        assert_eq!(longer[0].as_str().map(str::len), Some(MOST_OF_ONE));
        assert_eq!(longer[1], 2 * MOST_OF_ONE);
    }

    #[test]
    fn a_long_line_is_whole_and_inert() {
        let line = format!("{}\u{1b}[2J", "x".repeat(LONGEST));
        let whole = Whole::of(&What::Console { board: "lamp".into(), line }).expect("long").json();
        assert_eq!(whole[0], format!("{}\\u{{1b}}[2J", "x".repeat(LONGEST)));
        assert!(Whole::of(&What::Console { board: "lamp".into(), line: "x".repeat(LONGEST) }).is_none());
    }
}
