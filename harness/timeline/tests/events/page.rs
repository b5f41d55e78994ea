//! The page for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::fields::about;
use crate::table::{EVENTS, EventDoc, PACKETS};
use crate::{parsed, paths, probe};

const INTRODUCTION: &str = "\
# events.jsonl

Generated from the code that writes and reads the file.

`events.jsonl` in the [run folder](run-folder.md) is the complete record of a run. Each line is one event, a JSON object.
Lines are appended as things happen; the last line may be torn if `hil` was killed. Every report is computed from this file.
[`events.schema.json`](events.schema.json) is a JSON schema of one line.

Every event has these fields:

| field | type | meaning |
| --- | --- | --- |
";

pub(crate) fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    let common = parsed(EVENTS[1].samples[0]);
    for name in COMMON {
        row(&mut text, "", name, &[&common], "");
    }
    text.push_str(
        "\n\"optional\" marks fields that may be absent. Readers must ignore fields and events that they don't know.\n",
    );
    for event in EVENTS {
        // Writing to a string can't fail.
        let _ = write!(text, "\n## {}\n\n{}\n", event.name, event.about);
        write_event(&mut text, event);
    }
    packets(&mut text);
    text
}

const COMMON: [&str; 4] = ["seq", "at", "scenario", "event"];

fn write_event(text: &mut String, event: &EventDoc) {
    let samples: Vec<_> = event.samples.iter().map(|sample| parsed(sample)).collect();
    let mut fields = BTreeSet::new();
    samples.iter().for_each(|sample| paths(sample, "", &mut fields));
    let shown =
        |path: &&String| !COMMON.contains(&path.as_str()) && !path.starts_with("packet.") && !path.contains("payload.");
    let ordered = in_order(event.samples, fields.iter().filter(shown));
    if event.name != "step-not-run" {
        text.push_str("\n| field | type | meaning |\n| --- | --- | --- |\n");
        ordered.iter().for_each(|path| row(text, event.name, path, &samples.iter().collect::<Vec<_>>(), ""));
    }
    let _ = write!(text, "\n```json\n{}\n```\n", event.samples.join("\n"));
}

/// Fields in the order in which the samples have them.
fn in_order<'a>(samples: &[&str], paths: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut ordered: Vec<_> = paths.collect();
    let place = |path: &str| {
        let names = path.split('.').map(|part| part.trim_end_matches("[]"));
        let text = samples.join("\n");
        names.fold(0, |from, name| text[from..].find(&format!("\"{name}\":")).map_or(from, |at| from + at))
    };
    ordered.sort_by_key(|path| place(path));
    ordered
}

fn row(text: &mut String, event: &str, path: &str, samples: &[&Value], prefix: &str) {
    let full = format!("{prefix}{path}");
    let holders: Vec<_> = samples.iter().copied().filter(|sample| values(sample, &full).next().is_some()).collect();
    let Some(sample) = holders.first() else { return };
    let kind = values(sample, &full).next().map_or("", kind);
    let missing_somewhere = holders.len() < samples.len() && !full.contains('.');
    let optional = if missing_somewhere || probe::is_optional(sample, &full) { ", optional" } else { "" };
    let words = probe::words(sample, &full);
    let words = match (full == "event", words.is_empty()) {
        (true, _) | (_, true) => String::new(),
        _ => format!(". One of `{}`", words.into_iter().collect::<Vec<_>>().join("`, `")),
    };
    let _ = writeln!(text, "| `{path}` | {kind}{optional} | {}{words} |", about(event, &full).unwrap_or_default());
}

/// Every value at a path.
fn values<'a>(value: &'a Value, path: &str) -> Box<dyn Iterator<Item = &'a Value> + 'a> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest.to_owned())));
    let (name, items) = first.split_once("[]").map_or((first, false), |(name, _)| (name, true));
    let found: Vec<&Value> = match value.get(name) {
        Some(Value::Array(list)) if items => list.iter().collect(),
        Some(inner) => vec![inner],
        None => Vec::new(),
    };
    match rest {
        None => Box::new(found.into_iter()),
        Some(rest) => Box::new(found.into_iter().flat_map(move |inner| values(inner, &rest))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "string or null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn packets(text: &mut String) {
    text.push_str("\n## Packets\n\nThe field `packet` of a [packet](#packet) event. `type` says which one it is.\n");
    for packet in PACKETS {
        let sample = parsed(packet.sample);
        let mut fields = BTreeSet::new();
        paths(&sample["packet"], "", &mut fields);
        fields.retain(|path| path != "type" && !path.contains("payload."));
        let _ = write!(text, "\n### {}\n\n{}\n", packet.name, packet.about);
        if !fields.is_empty() {
            text.push_str("\n| field | type | meaning |\n| --- | --- | --- |\n");
            in_order(&[&sample["packet"].to_string()], fields.iter())
                .iter()
                .for_each(|path| row(text, "packet", path, &[&sample], "packet."));
        }
        let _ = write!(text, "\n```json\n{}\n```\n", sample["packet"]);
    }
}
