//! The expected message, as the table of a step describes it.

#[cfg(test)]
mod tests;
mod value;

use std::ops::RangeInclusive;

use hil_timeline::{Packet, Payload, Property, escaped};
use serde_json::Value;

use self::value::{ABSENT, WantedValue, plain};
use crate::json::{JsonPath, json_of, lacking};
use crate::number::NumberCondition;
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
    /// A number in a field.
    Number {
        name: String,
        condition: NumberCondition,
    },
    /// A property that must not be there.
    Absent(String),
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

    /// The payload is a number that meets a condition.
    #[must_use]
    pub fn number(condition: NumberCondition) -> Self {
        Self(vec![Wanted::Number { name: "payload".to_owned(), condition }])
    }

    /// Any message.
    #[must_use]
    pub fn any() -> Self {
        Self(Vec::new())
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

    /// The names of the groups in its patterns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(Wanted::pattern).flat_map(TextPattern::names)
    }

    /// What the named groups of its patterns match in a PUBLISH that it describes.
    #[must_use]
    pub fn captures(&self, packet: &Packet) -> Vec<(String, String)> {
        self.0.iter().flat_map(|wanted| wanted.captures(packet)).collect()
    }

    /// How the payload of a message differs; empty if all rows about it hold.
    #[must_use]
    pub fn wrong_payload(&self, topic: &str, payload: &Payload) -> Vec<String> {
        let packet = Packet::Publish {
            topic: topic.to_owned(),
            payload: payload.clone(),
            qos: hil_timeline::QoS::AtMostOnce,
            retain: false,
            dup: false,
            packet_id: None,
            aliased: false,
            properties: Vec::new(),
        };
        self.wrong(&packet)
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
        "payload" | "size" => {
            if let Some(condition) = NumberCondition::of_cell(value)? {
                return Ok(Wanted::Number { name: name.clone(), condition });
            }
        }
        _ => {}
    }
    if name == "size" && !value.starts_with('/') {
        let number = value.strip_suffix("bytes").or_else(|| value.strip_suffix("byte")).unwrap_or(value).trim();
        let wrong = || {
            Unmet::errored(format!("`{value}` is not a size")).with_hint("a number of bytes, as in `2` or `2 bytes`")
        };
        return number.parse().map(Wanted::Size).map_err(|_| wrong());
    }
    if let Some(path) = name.strip_prefix("json ") {
        let path = JsonPath::parse(path.trim()).map_err(|reason| {
            Unmet::errored(format!("`{}` is not a path in a JSON text: {reason}", path.trim()))
                .with_hint("write `$.temp[0].value`, `temp.0.value` or `$[\"a b\"]`")
        })?;
        return Ok(Wanted::JsonPath { path, value: WantedValue::read(value)? });
    }
    check_name(name)?;
    if name.starts_with("property ") || name.starts_with("user property ") {
        if value == ABSENT {
            return Ok(Wanted::Absent(name.clone()));
        }
        if let Some(condition) = NumberCondition::of_cell(value)? {
            return Ok(Wanted::Number { name: name.clone(), condition });
        }
    }
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

impl Wanted {
    fn wrong(&self, packet: &Packet) -> Option<String> {
        let Packet::Publish { topic, payload, .. } = packet else { return Some("it is not a PUBLISH".to_owned()) };
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
            Self::Json(wanted) => match json_of(topic, payload) {
                Err(why) => Some(format!("json: the payload `{payload}` {why}")),
                Ok(found) => lacking(wanted, &found, "$").map(|lack| format!("json: {lack}")),
            },
            Self::JsonPath { path, value } => match json_of(topic, payload) {
                Err(why) => Some(format!("json {path}: the payload `{payload}` {why}")),
                Ok(whole) => {
                    let found = path.find(&whole);
                    let shown = found.map_or_else(|| "none".to_owned(), |found| format!("`{found}`"));
                    let note = value.note(found);
                    (!value.holds(found)).then(|| format!("json {path}: expected {value}, was {shown}{note}"))
                }
            },
            Self::Number { name, condition } => not_the_number(name, condition, packet),
            Self::Absent(name) => {
                field(name, packet).map(|found| format!("{name}: expected none, was `{}`", escaped(&found)))
            }
        }
    }

    fn pattern(&self) -> Option<&TextPattern> {
        match self {
            Self::Field { pattern, .. } | Self::JsonPath { value: WantedValue::Pattern(pattern), .. } => Some(pattern),
            _ => None,
        }
    }

    fn captures(&self, packet: &Packet) -> Vec<(String, String)> {
        let Packet::Publish { topic, payload, .. } = packet else { return Vec::new() };
        match self {
            Self::Field { name, pattern } if name == "payload" => pattern.captures(&payload.0),
            Self::Field { name, pattern } => {
                field(name, packet).map(|found| pattern.captures(found.as_bytes())).unwrap_or_default()
            }
            Self::JsonPath { path, value: WantedValue::Pattern(pattern) } => {
                let whole = json_of(topic, payload).ok();
                let found = whole.as_ref().and_then(|whole| path.find(whole)).map(plain);
                found.map(|found| pattern.captures(found.as_bytes())).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}

/// How a field differs from a number that meets a condition.
fn not_the_number(name: &str, condition: &NumberCondition, packet: &Packet) -> Option<String> {
    let Packet::Publish { payload, .. } = packet else { return Some("it is not a PUBLISH".to_owned()) };
    let (found, shown) = match name {
        "payload" => (payload.as_text().map(str::to_owned), payload.to_string()),
        "size" => (Some(payload.0.len().to_string()), format!("{} bytes", payload.0.len())),
        name => match field(name, packet) {
            None => return Some(format!("{name}: expected {condition}, was none")),
            Some(found) => (Some(found.clone()), escaped(&found).to_string()),
        },
    };
    let note = match found {
        Some(found) => condition.wrong(&found)?,
        None => ", which is not a number",
    };
    Some(format!("{name}: expected {condition}, was `{shown}`{note}"))
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
