//! The JSON schema (draft 2020-12) of a line.

use serde_json::{Map, Value, json};

use crate::fields::about;
use crate::table::{EVENTS, EventDoc, PACKETS};
use crate::{parsed, probe};

pub(crate) fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of events.jsonl",
        "oneOf": EVENTS.iter().map(of_event).collect::<Vec<_>>(),
        "$defs": { "packet": { "oneOf": PACKETS.iter().map(|packet| of_packet(packet.sample)).collect::<Vec<_>>() } },
    })
}

fn of_event(event: &EventDoc) -> Value {
    let samples: Vec<_> = event.samples.iter().map(|sample| parsed(sample)).collect();
    let mut schema = object(&samples.iter().map(|sample| (sample, sample)).collect::<Vec<_>>(), "");
    schema["description"] = json!(event.about);
    schema["properties"]["event"] = json!({ "const": event.name });
    if event.name == "packet" {
        schema["properties"]["packet"] = json!({ "$ref": "#/$defs/packet" });
    }
    // A run has events outside of scenarios, whatever the sample shows.
    schema["properties"]["scenario"] = json!({ "type": "integer" });
    schema
}

fn of_packet(sample: &str) -> Value {
    let sample = parsed(sample);
    let mut schema = object(&[(&sample, &sample["packet"])], "packet");
    schema["properties"]["type"] = json!({ "const": sample["packet"]["type"] });
    schema
}

/// An object by its samples, each beside the whole line that it is a part of.
fn object(samples: &[(&Value, &Value)], path: &str) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (line, sample) in samples {
        for (name, value) in sample.as_object().into_iter().flatten() {
            let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let everywhere = samples.iter().all(|(_, sample)| sample.get(name).is_some());
            if everywhere && !probe::is_optional(line, &inner) && !required.contains(name) {
                required.push(name.clone());
            }
            properties.entry(name.clone()).or_insert_with(|| of_value(line, value, &inner));
        }
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

fn of_value(line: &Value, value: &Value, path: &str) -> Value {
    let mut schema = match value {
        Value::Null => json!({ "type": ["string", "null"] }),
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(_) if path.ends_with("packet_id") => json!({ "type": ["integer", "null"] }),
        Value::Number(_) => json!({ "type": "integer" }),
        Value::String(_) => json!({ "type": "string" }),
        Value::Array(items) => match items.first() {
            Some(first) => json!({ "type": "array", "items": of_value(line, first, &format!("{path}[]")) }),
            None => json!({ "type": "array" }),
        },
        Value::Object(_) if path.ends_with("payload") => json!({
            "oneOf": [
                { "type": "object", "properties": { "utf8": { "type": "string" } }, "required": ["utf8"] },
                { "type": "object", "properties": { "hex": { "type": "string" } }, "required": ["hex"] },
            ],
        }),
        Value::Object(_) if path == "packet.will" => {
            json!({ "anyOf": [{ "type": "null" }, object(&[(line, value)], path)] })
        }
        Value::Object(_) => object(&[(line, value)], path),
    };
    let words = probe::words(line, path);
    if !words.is_empty() {
        schema["enum"] = json!(words);
    }
    if let Some(about) = about(line["event"].as_str().unwrap_or_default(), path) {
        schema["description"] = json!(about);
    }
    schema
}
