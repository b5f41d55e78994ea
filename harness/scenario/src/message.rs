//! What a message shall be, as the table of a step says it.

use hil_mqtt::TextPattern;
use hil_timeline::{Packet, Payload, Property};
use serde_json::Value;

use crate::error::StepError;

/// Every row must hold.
#[derive(Debug, Clone)]
pub(crate) struct MessageMatch(Vec<Wanted>);

#[derive(Debug, Clone)]
enum Wanted {
    Field {
        name: String,
        pattern: TextPattern,
    },
    Hex(Vec<u8>),
    /// Everything in it is in the payload as well.
    Json(Value),
    JsonPath {
        path: String,
        pattern: TextPattern,
    },
    Text(String),
}

/// The rows that a table may have.
const FIELDS: &[&str] = &["topic", "payload", "QoS", "retained", "DUP", "size", "topic alias used"];

impl MessageMatch {
    /// Reads rows of field and value.
    pub(crate) fn read(rows: &[Vec<String>]) -> Result<Self, StepError> {
        rows.iter().map(|row| read_row(row)).collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// The payload holds at least this JSON.
    pub(crate) fn json(text: &str) -> Result<Self, StepError> {
        parse_json(text).map(|value| Self(vec![Wanted::Json(value)]))
    }

    /// The payload is this text.
    pub(crate) fn text(text: &str) -> Self {
        Self(vec![Wanted::Text(text.to_owned())])
    }

    /// What is wrong with a PUBLISH; nothing where all holds.
    pub(crate) fn wrong(&self, packet: &Packet) -> Vec<String> {
        self.0.iter().filter_map(|wanted| wanted.wrong(packet)).collect()
    }
}

fn read_row(row: &[String]) -> Result<Wanted, StepError> {
    let [name, value] = row else {
        return Err(StepError::errored("the table of this step has two columns: field and value"));
    };
    if name == "hex" {
        let bytes = from_hex(value).ok_or_else(|| {
            StepError::errored(format!("`{value}` is no hex")).with_hint("two digits a byte, as in `ff 00 a1`")
        });
        return bytes.map(Wanted::Hex);
    }
    if name == "json" {
        return parse_json(value).map(Wanted::Json);
    }
    let pattern = super::steps::pattern(value)?;
    if let Some(path) = name.strip_prefix("json ") {
        return Ok(Wanted::JsonPath { path: path.trim().to_owned(), pattern });
    }
    if FIELDS.contains(&name.as_str()) || name.starts_with("property ") || name.starts_with("user property ") {
        return Ok(Wanted::Field { name: name.clone(), pattern });
    }
    let hint = format!(
        "there are `{}`, `hex`, `json`, `json PATH`, `property NAME`, `user property KEY`",
        FIELDS.join("`, `")
    );
    Err(StepError::errored(format!("a message has no field `{name}`")).with_hint(hint))
}

fn parse_json(text: &str) -> Result<Value, StepError> {
    serde_json::from_str(text).map_err(|error| StepError::errored(format!("the step's JSON can't be read: {error}")))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

impl Wanted {
    fn wrong(&self, packet: &Packet) -> Option<String> {
        let Packet::Publish { payload, .. } = packet else { return Some("it is no PUBLISH".to_owned()) };
        match self {
            Self::Field { name, pattern } => differs(name, pattern, field(name, packet)),
            Self::Text(text) => (payload.as_text() != Some(text)).then(|| format!("payload: was `{payload}`")),
            Self::Hex(bytes) => {
                let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                let right = payload.0 == *bytes;
                (!right).then(|| format!("hex: expected `{}`, was `{}`", hex(bytes), hex(&payload.0)))
            }
            Self::Json(wanted) => match serde_json::from_slice::<Value>(&payload.0) {
                Err(error) => Some(format!("json: the payload `{payload}` is none: {error}")),
                Ok(found) => lacking(wanted, &found, "$").map(|lack| format!("json: {lack}")),
            },
            Self::JsonPath { path, pattern } => match serde_json::from_slice::<Value>(&payload.0) {
                Err(error) => Some(format!("json {path}: the payload `{payload}` is none: {error}")),
                Ok(found) => differs(&format!("json {path}"), pattern, at_path(&found, path).map(plain)),
            },
        }
    }
}

fn differs(name: &str, pattern: &TextPattern, found: Option<String>) -> Option<String> {
    let right = found.as_ref().is_some_and(|found| pattern.matches(&Payload::from(found.as_str())));
    let shown = found.map_or_else(|| "none".to_owned(), |found| format!("`{}`", found.escape_debug()));
    (!right).then(|| format!("{name}: expected {pattern}, was {shown}"))
}

fn field(name: &str, packet: &Packet) -> Option<String> {
    let Packet::Publish { topic, payload, qos, retain, dup, aliased, properties, .. } = packet else { return None };
    let yes_no = |yes: bool| Some(if yes { "yes" } else { "no" }.to_owned());
    match name {
        "topic" => Some(topic.clone()),
        "payload" => Some(payload.as_text().map_or_else(|| payload.to_string(), str::to_owned)),
        "QoS" => Some(qos.to_string()),
        "retained" => yes_no(*retain),
        "DUP" => yes_no(*dup),
        "size" => Some(format!("{} bytes", payload.0.len())),
        "topic alias used" => yes_no(*aliased),
        name => property(properties, name),
    }
}

/// `property message expiry interval`, `user property KEY`.
pub(crate) fn property(properties: &[Property], row: &str) -> Option<String> {
    let name = row.strip_prefix("property ").unwrap_or(row);
    properties.iter().find(|property| property.name == name).map(|property| property.value.clone())
}

/// `$.temp[0].value`, or `temp.0.value`.
fn at_path<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let path = path.trim_start_matches('$').replace('[', ".").replace(']', "");
    path.split('.').filter(|part| !part.is_empty()).try_fold(value, |value, part| match value {
        Value::Object(entries) => entries.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Text without its quotes, all else as JSON writes it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What of the wanted JSON is not in the found one.
fn lacking(wanted: &Value, found: &Value, path: &str) -> Option<String> {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted.iter().find_map(|(key, value)| {
            let path = format!("{path}.{key}");
            match found.get(key) {
                None => Some(format!("`{path}` is missing")),
                Some(found) => lacking(value, found, &path),
            }
        }),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => wanted
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(n, (wanted, found))| lacking(wanted, found, &format!("{path}[{n}]"))),
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        (wanted, found) if wanted == found => None,
        (wanted, found) => Some(format!("`{path}`: expected {wanted}, was {found}")),
    }
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
            ("json list[1]", "2.0"),
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
            ("user property k", "w"),
            ("property content type", "text"),
        ]);
        let wrong = [wanted.wrong(&message), rows(&[("json a", "1")]).wrong(&publish("on"))].concat();
        insta::assert_snapshot!(wrong.join("\n"));
        let refused = [("payloat", "x"), ("hex", "f"), ("json", "{")];
        let errors: Vec<_> = refused
            .iter()
            .map(|(name, value)| MessageMatch::read(&[vec![(*name).into(), (*value).into()]]).expect_err("no row"))
            .map(|error| error.to_string())
            .collect();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
