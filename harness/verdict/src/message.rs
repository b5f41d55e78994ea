//! The expected message, as the table of a step describes it.

use std::ops::RangeInclusive;

use hil_timeline::{Packet, Payload, Property, escaped};
use serde_json::Value;

use crate::json::{JsonPath, lacking};
use crate::pattern::TextPattern;
use crate::topic::check_topic;
use crate::unmet::Unmet;

/// All rows must hold.
#[derive(Debug, Clone)]
pub struct MessageMatch(Vec<Wanted>);

#[derive(Debug, Clone)]
enum Wanted {
    Field {
        name: String,
        pattern: TextPattern,
    },
    /// Bytes of the payload.
    Size(usize),
    Hex(Vec<u8>),
    /// The payload must contain all of it.
    Json(Value),
    JsonPath {
        path: JsonPath,
        value: WantedValue,
    },
    Text(String),
}

/// The expected value at a path in a JSON text.
#[derive(Debug, Clone)]
enum WantedValue {
    /// This value, with its type; as it was written.
    Typed(Value, String),
    /// A text, or a value whose JSON matches.
    Pattern(TextPattern),
    /// No value at that path.
    Absent,
}

/// The fields of a table.
const FIELDS: &[&str] = &["topic", "payload", "QoS", "retained", "DUP", "size", "topic alias used"];

/// Properties that a PUBLISH may have (MQTT 5 §3.3.2.3).
const PROPERTIES: &[&str] = &[
    "payload format indicator",
    "message expiry interval",
    "topic alias",
    "response topic",
    "correlation data",
    "subscription identifier",
    "content type",
];

impl MessageMatch {
    /// Reads rows of field and value.
    ///
    /// # Errors
    /// When a row has another form, an unknown field, or a value that the field can't have.
    pub fn read(rows: &[Vec<String>]) -> Result<Self, Unmet> {
        without_header(rows, &["field", "value"])
            .iter()
            .map(|row| read_row(row))
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }

    /// The payload matches a pattern.
    ///
    /// # Errors
    /// When the pattern is not a regular expression.
    pub fn payload(pattern: &str) -> Result<Self, Unmet> {
        let pattern = read_pattern(pattern)?;
        Ok(Self(vec![Wanted::Field { name: "payload".to_owned(), pattern }]))
    }

    /// The payload contains at least this JSON.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(text: &str) -> Result<Self, Unmet> {
        parse_json(text).map(|value| Self(vec![Wanted::Json(value)]))
    }

    /// The payload is this text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self(vec![Wanted::Text(text.to_owned())])
    }

    /// The message is also retained.
    #[must_use]
    pub fn retained(mut self) -> Self {
        let pattern = TextPattern::Exact("yes".to_owned());
        self.0.push(Wanted::Field { name: "retained".to_owned(), pattern });
        self
    }

    /// Whether a row is about the DUP flag.
    pub(crate) fn asks_for_dup(&self) -> bool {
        self.0.iter().any(|wanted| matches!(wanted, Wanted::Field { name, .. } if name == "DUP"))
    }

    /// How a PUBLISH differs; empty if all rows hold.
    #[must_use]
    pub fn wrong(&self, packet: &Packet) -> Vec<String> {
        self.0.iter().filter_map(|wanted| wanted.wrong(packet)).collect()
    }
}

/// The rows below an optional header row.
pub(crate) fn without_header<'a>(rows: &'a [Vec<String>], names: &[&str]) -> &'a [Vec<String>] {
    match rows {
        [first, rest @ ..] if first.iter().map(String::as_str).eq(names.iter().copied()) => rest,
        rows => rows,
    }
}

/// A pattern as a step writes it.
pub(crate) fn read_pattern(text: &str) -> Result<TextPattern, Unmet> {
    TextPattern::parse(text).map_err(|error| {
        let reason = error.to_string().lines().last().unwrap_or_default().to_owned();
        Unmet::errored(format!("`{text}` is not a regular expression: {reason}"))
    })
}

fn read_row(row: &[String]) -> Result<Wanted, Unmet> {
    let [name, value] = row else {
        return Err(Unmet::errored("the table of this step has two columns: field and value"));
    };
    match name.as_str() {
        "hex" => {
            let wrong =
                || Unmet::errored(format!("`{value}` is not hex")).with_hint("two digits a byte, as in `ff 00 a1`");
            return from_hex(value).map(Wanted::Hex).ok_or_else(wrong);
        }
        "json" => return parse_json(value).map(Wanted::Json),
        "size" => {
            let number = value.strip_suffix("bytes").or_else(|| value.strip_suffix("byte")).unwrap_or(value).trim();
            if !value.starts_with('/') {
                let wrong = || {
                    Unmet::errored(format!("`{value}` is not a size"))
                        .with_hint("a number of bytes, as in `2` or `2 bytes`")
                };
                return number.parse().map(Wanted::Size).map_err(|_| wrong());
            }
        }
        _ => {}
    }
    if let Some(path) = name.strip_prefix("json ") {
        let path = JsonPath::parse(path.trim()).map_err(|reason| {
            Unmet::errored(format!("`{}` is not a path in a JSON text: {reason}", path.trim()))
                .with_hint("write `$.temp[0].value`, `temp.0.value` or `$[\"a b\"]`")
        })?;
        return Ok(Wanted::JsonPath { path, value: WantedValue::read(value)? });
    }
    check_name(name)?;
    let pattern = read_pattern(value)?;
    check_value(name, value, &pattern)?;
    Ok(Wanted::Field { name: name.clone(), pattern })
}

fn check_name(name: &str) -> Result<(), Unmet> {
    if let Some(property) = name.strip_prefix("property ") {
        if PROPERTIES.contains(&property) {
            return Ok(());
        }
        let hint = format!("a PUBLISH may have `{}`, and `user property KEY`", PROPERTIES.join("`, `"));
        return Err(Unmet::errored(format!("a message has no property `{property}`")).with_hint(hint));
    }
    if FIELDS.contains(&name) || name.starts_with("user property ") {
        return Ok(());
    }
    let hint = format!(
        "the fields are `{}`, `hex`, `json`, `json PATH`, `property NAME`, `user property KEY`",
        FIELDS.join("`, `")
    );
    Err(Unmet::errored(format!("a message has no field `{name}`")).with_hint(hint))
}

/// A value that the field can never have is an error of the step.
fn check_value(name: &str, value: &str, pattern: &TextPattern) -> Result<(), Unmet> {
    let known: &[&str] = match name {
        "QoS" => &["0", "1", "2"],
        "retained" | "DUP" | "topic alias used" => &["yes", "no"],
        "topic" | "property response topic" => return check_topic_value(name, pattern),
        "property payload format indicator" => &["0", "1", "none"],
        "property message expiry interval" => return check_number(name, pattern, 0..=u32::MAX),
        "property topic alias" => return check_number(name, pattern, 1..=65_535),
        "property subscription identifier" => return check_number(name, pattern, 1..=268_435_455),
        _ => return Ok(()),
    };
    check_word(name, value, pattern, known)
}

/// Checks a word from a list, or a pattern that matches one of them.
pub(crate) fn check_word(name: &str, value: &str, pattern: &TextPattern, known: &[&str]) -> Result<(), Unmet> {
    if known.iter().any(|word| pattern.matches(&Payload::from(*word))) {
        return Ok(());
    }
    let message = format!("`{name}` is never `{value}`");
    Err(Unmet::errored(message).with_hint(format!("it is one of `{}`", known.join("`, `"))))
}

/// Checks a literal topic: it must not have wildcards.
pub(crate) fn check_topic_value(name: &str, pattern: &TextPattern) -> Result<(), Unmet> {
    match pattern {
        TextPattern::Exact(topic) if topic != "none" => check_topic(topic)
            .map_err(|reason| Unmet::errored(format!("`{name}` is never `{}`", escaped(topic))).with_hint(reason)),
        _ => Ok(()),
    }
}

/// Checks a literal number; `none` means that the field is missing.
pub(crate) fn check_number(name: &str, pattern: &TextPattern, range: RangeInclusive<u32>) -> Result<(), Unmet> {
    let TextPattern::Exact(text) = pattern else { return Ok(()) };
    // Compared as it is shown: `05` never equals a value.
    let fits = |number: u32| range.contains(&number) && number.to_string() == *text;
    if text == "none" || text.parse().is_ok_and(fits) {
        return Ok(());
    }
    let hint = format!("a number from {} to {}", range.start(), range.end());
    Err(Unmet::errored(format!("`{name}` is never `{}`", escaped(text))).with_hint(hint))
}

fn parse_json(text: &str) -> Result<Value, Unmet> {
    serde_json::from_str(text).map_err(|error| Unmet::errored(format!("the step's JSON can't be read: {error}")))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    hex::decode(digits).ok()
}

impl WantedValue {
    /// `/…/` is a pattern, `none` is no value; a number, `true`, `null`, `[…]`, `{…}` and `"…"` are JSON; any other
    /// word is text.
    fn read(text: &str) -> Result<Self, Unmet> {
        if text == "none" {
            return Ok(Self::Absent);
        }
        let pattern = read_pattern(text)?;
        if matches!(pattern, TextPattern::Matching(_)) {
            return Ok(Self::Pattern(pattern));
        }
        match serde_json::from_str(text) {
            Ok(value) => Ok(Self::Typed(value, text.to_owned())),
            Err(error) if text.starts_with(['{', '[', '"']) => {
                Err(Unmet::errored(format!("`{text}` is not JSON: {error}")))
            }
            Err(_) => Ok(Self::Typed(Value::String(text.to_owned()), text.to_owned())),
        }
    }

    fn holds(&self, found: Option<&Value>) -> bool {
        match (self, found) {
            (Self::Absent, found) => found.is_none(),
            (_, None) => false,
            (Self::Typed(wanted, _), Some(found)) => lacking(wanted, found, "$").is_none(),
            (Self::Pattern(pattern), Some(Value::String(text))) => pattern.matches(&Payload::from(text.as_str())),
            (Self::Pattern(pattern), Some(found)) => pattern.matches(&Payload::from(found.to_string().as_str())),
        }
    }
}

impl std::fmt::Display for WantedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // As it was typed: its quotes distinguish text from a number.
            Self::Typed(_, text) => write!(f, "`{}`", Payload::from(text.as_str())),
            Self::Pattern(pattern) => pattern.fmt(f),
            Self::Absent => f.write_str("none"),
        }
    }
}

impl Wanted {
    fn wrong(&self, packet: &Packet) -> Option<String> {
        let Packet::Publish { payload, .. } = packet else { return Some("it is not a PUBLISH".to_owned()) };
        match self {
            Self::Field { name, pattern } if name == "payload" => {
                (!pattern.matches(payload)).then(|| format!("payload: expected {pattern}, was `{payload}`"))
            }
            Self::Field { name, pattern } => differs(name, pattern, field(name, packet)),
            Self::Size(size) => (payload.0.len() != *size)
                .then(|| format!("size: expected {size} bytes, was {} bytes", payload.0.len())),
            Self::Text(text) => (payload.as_text() != Some(text))
                .then(|| format!("payload: expected `{}`, was `{payload}`", escaped(text))),
            Self::Hex(bytes) => (payload.0 != *bytes)
                .then(|| format!("hex: expected `{}`, was `{}`", hex::encode(bytes), hex::encode(&payload.0))),
            Self::Json(wanted) => match serde_json::from_slice::<Value>(&payload.0) {
                Err(error) => Some(format!("json: the payload `{payload}` is not JSON: {error}")),
                Ok(found) => lacking(wanted, &found, "$").map(|lack| format!("json: {lack}")),
            },
            Self::JsonPath { path, value } => match serde_json::from_slice::<Value>(&payload.0) {
                Err(error) => Some(format!("json {path}: the payload `{payload}` is not JSON: {error}")),
                Ok(whole) => {
                    let found = path.find(&whole);
                    let shown = found.map_or_else(|| "none".to_owned(), |found| format!("`{found}`"));
                    (!value.holds(found)).then(|| format!("json {path}: expected {value}, was {shown}"))
                }
            },
        }
    }
}

/// How a field differs; a missing field is `none`.
pub(crate) fn differs(name: &str, pattern: &TextPattern, found: Option<String>) -> Option<String> {
    let right = match &found {
        Some(found) => pattern.matches(&Payload::from(found.as_str())),
        None => matches!(pattern, TextPattern::Exact(text) if text == "none"),
    };
    let shown = found.map_or_else(|| "none".to_owned(), |found| format!("`{}`", escaped(&found)));
    (!right).then(|| format!("{name}: expected {pattern}, was {shown}"))
}

fn field(name: &str, packet: &Packet) -> Option<String> {
    let Packet::Publish { topic, payload, qos, retain, dup, aliased, properties, .. } = packet else { return None };
    let yes_no = |yes: bool| Some(if yes { "yes" } else { "no" }.to_owned());
    match name {
        "topic" => Some(topic.clone()),
        "QoS" => Some(qos.to_string()),
        "retained" => yes_no(*retain),
        "DUP" => yes_no(*dup),
        "size" => Some(format!("{} bytes", payload.0.len())),
        "topic alias used" => yes_no(*aliased),
        name => property(properties, name),
    }
}

/// The value of a property: `property message expiry interval`, `user property KEY`, or its name alone.
#[must_use]
pub fn property(properties: &[Property], row: &str) -> Option<String> {
    let name = row.strip_prefix("property ").unwrap_or(row);
    properties.iter().find(|property| property.name == name).map(|property| property.value.clone())
}

#[cfg(test)]
mod tests {
    use hil_timeline::QoS;

    use super::*;

    fn publish(payload: &str) -> Packet {
        Packet::Publish {
            topic: "a".into(),
            payload: Payload::from(payload),
            qos: QoS::AtLeastOnce,
            retain: false,
            dup: false,
            packet_id: Some(1),
            aliased: false,
            properties: vec![Property { name: "user property k".into(), value: "v".into() }],
        }
    }

    fn rows(rows: &[(&str, &str)]) -> MessageMatch {
        let rows: Vec<_> = rows.iter().map(|(name, value)| vec![(*name).to_owned(), (*value).to_owned()]).collect();
        MessageMatch::read(&rows).expect("rows")
    }

    #[test]
    fn every_kind_of_row_can_hold() {
        let message = publish(r#"{"t": {"v": 28, "unit": "°C"}, "list": [1, 2.0]}"#);
        let wanted = rows(&[
            ("topic", "a"),
            ("payload", "/unit/"),
            ("QoS", "1"),
            ("retained", "no"),
            ("DUP", "no"),
            ("size", "/^\\d+ bytes$/"),
            ("json", r#"{"t": {"v": 28.0}, "list": [1, 2]}"#),
            ("json $.t.unit", "°C"),
            ("json list[1]", "2"),
            ("json $.t.v", "28.00"),
            ("json $.t.w", "none"),
            ("property content type", "none"),
            ("user property k", "v"),
        ]);
        assert_eq!(wanted.wrong(&message), Vec::<String>::new());
        assert!(rows(&[("hex", "6f 6e")]).wrong(&publish("on")).is_empty());
    }

    #[test]
    fn every_kind_of_row_can_fail() {
        let message = publish(r#"{"t": {"v": 28}}"#);
        let wanted = rows(&[
            ("QoS", "2"),
            ("hex", "ff"),
            ("json", r#"{"t": {"v": 29}}"#),
            ("json", r#"{"t": {"w": 1}}"#),
            ("json $.t.u", "x"),
            ("json $.t.v", "none"),
            ("json $.t.v", "\"28\""),
            ("size", "3 bytes"),
            ("user property k", "w"),
            ("property content type", "text"),
        ]);
        let wrong = [wanted.wrong(&message), rows(&[("json a", "1")]).wrong(&publish("on"))].concat();
        insta::assert_snapshot!(wrong.join("\n"));
        let refused = [
            ("payloat", "x"),
            ("hex", "f"),
            ("json", "{"),
            ("size", "two"),
            ("QoS", "3"),
            ("retained", "true"),
            ("property contents type", "x"),
            ("json $[a]", "1"),
            ("json $.a", "[1"),
            ("payload", "/(/"),
        ];
        let errors: Vec<_> = refused
            .iter()
            .map(|(name, value)| MessageMatch::read(&[vec![(*name).into(), (*value).into()]]).expect_err("not a row"))
            .map(|unmet| format!("{}\n  hint: {}", unmet.failure.message, unmet.failure.hint.unwrap_or_default()))
            .collect();
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn a_number_differs_from_its_text() {
        let number = publish(r#"{"t": 21}"#);
        let text = publish(r#"{"t": "21"}"#);
        assert!(rows(&[("json $.t", "21")]).wrong(&number).is_empty());
        assert!(!rows(&[("json $.t", "21")]).wrong(&text).is_empty(), "it would pass wrongly");
        assert!(rows(&[("json $.t", "\"21\"")]).wrong(&text).is_empty());
        assert!(rows(&[("json $.a", "[1, 2.0]")]).wrong(&publish(r#"{"a": [1, 2]}"#)).is_empty());
        assert!(rows(&[("json $.t", "20.50")]).wrong(&publish(r#"{"t": 20.50}"#)).is_empty());
        assert!(rows(&[("json $[\"a b\"]", "x")]).wrong(&publish(r#"{"a b": "x"}"#)).is_empty());
        assert!(rows(&[("field", "value"), ("size", "2")]).wrong(&publish("on")).is_empty(), "a header is not a row");
    }
}
