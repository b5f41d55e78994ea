//! `docs/reference/events.md` and `events.schema.json` describe every event of `events.jsonl`.
//! `HIL_UPDATE_DOCS=1 cargo test -p hil-timeline --test events` updates them.
//!
//! The table in `table.rs` holds a description and sample lines for each event, and `fields.rs` describes their fields. Which fields are optional and which words
//! they take is asked of the reader itself, so that the description can't say something else than the code.

mod fields;
mod page;
mod probe;
mod schema;
mod table;

use std::collections::BTreeSet;

use hil_timeline::RunEvent;
use serde_json::Value;

use fields::FIELDS;
use table::{EVENTS, PACKETS};

/// Fields of a sample, each as a path: `failure.message`, `boards[].name`.
fn paths(value: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                found.insert(path.clone());
                paths(value, &path, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, &format!("{prefix}[]"), found)),
        _ => {}
    }
}

fn samples() -> impl Iterator<Item = &'static str> {
    EVENTS.iter().flat_map(|event| event.samples).chain(PACKETS.iter().map(|packet| &packet.sample)).copied()
}

fn parsed(sample: &str) -> Value {
    serde_json::from_str(sample).unwrap_or_else(|error| panic!("{sample}: {error}"))
}

#[test]
fn every_event_and_packet_is_described() {
    let described: BTreeSet<_> = EVENTS.iter().map(|event| event.name.to_owned()).collect();
    assert_eq!(described, probe::words(&parsed(EVENTS[0].samples[0]), "event"), "events");
    let described: BTreeSet<_> = PACKETS.iter().map(|packet| packet.name.to_owned()).collect();
    assert_eq!(described, probe::words(&parsed(PACKETS[0].sample), "packet.type"), "packets");
}

#[test]
fn every_sample_is_as_hil_writes_it() {
    for sample in samples() {
        let event: RunEvent = serde_json::from_str(sample).unwrap_or_else(|error| panic!("{sample}: {error}"));
        let written = serde_json::to_value(&event).expect("serialize");
        assert_eq!(written, parsed(sample), "{sample}");
    }
}

#[test]
fn every_field_is_described_once() {
    let mut found = BTreeSet::new();
    for sample in samples().map(parsed) {
        let event = sample["event"].as_str().expect("an event").to_owned();
        let mut fields = BTreeSet::new();
        paths(&sample, "", &mut fields);
        found.extend(fields.into_iter().map(|path| (event.clone(), path)));
    }
    let missing: Vec<_> = found.iter().filter(|(event, path)| fields::about(event, path).is_none()).collect();
    assert!(missing.is_empty(), "fields without a description: {missing:?}");
    let is_used = |wanted: &str| {
        let fits = |(event, path): &(String, String)| {
            path == wanted || format!(".{path}").ends_with(wanted) || format!("{event}/{path}") == wanted
        };
        found.iter().any(fits)
    };
    let unused: Vec<_> = FIELDS.iter().map(|(path, _)| *path).filter(|path| !is_used(path)).collect();
    assert!(unused.is_empty(), "descriptions of fields that no sample has: {unused:?}");
}

/// An optional field that no sample has would be missing from the page without a word.
#[test]
fn every_field_of_the_types_is_in_a_sample() {
    let mut found = BTreeSet::new();
    samples().for_each(|sample| paths(&parsed(sample), "", &mut found));
    let names: BTreeSet<_> = found.iter().map(|path| path.rsplit('.').next().unwrap_or(path)).collect();
    let sources = [
        include_str!("../../src/event.rs"),
        include_str!("../../src/event/bench.rs"),
        include_str!("../../src/event/host.rs"),
        include_str!("../../src/event/network.rs"),
        include_str!("../../src/event/provenance.rs"),
        include_str!("../../src/event/service.rs"),
        include_str!("../../src/packet.rs"),
    ];
    for field in sources.iter().flat_map(|source| serialized_fields(source)) {
        assert!(names.contains(field), "no sample has the field `{field}`");
    }
}

/// Names of the fields of all structs and enums as they are serialized, read from the source.
fn serialized_fields(source: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for text in source.split("Serialize, Deserialize)]").skip(1) {
        let mut renamed = None;
        for line in text.split("\n}\n").next().unwrap_or_default().lines().map(str::trim) {
            if let Some((_, rest)) = line.split_once("#[serde(rename = \"") {
                renamed = rest.split('"').next();
                continue;
            }
            let fields = match line.split_once('{') {
                Some((_, fields)) if line.ends_with("},") => fields.split(',').collect::<Vec<_>>(),
                _ => vec![line],
            };
            let declared = fields.iter().filter_map(|text| text.trim().trim_start_matches("pub ").split_once(": "));
            let declared = declared.map(|(name, _)| name);
            let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            // What is written before a variant renames the variant.
            let other = renamed.take().filter(|_| !line.contains('{'));
            names.extend(declared.filter(is_name).filter(|name| !is_flattened(name)).map(|name| other.unwrap_or(name)));
        }
    }
    names
}

/// Fields whose own fields stand in their place.
fn is_flattened(name: &str) -> bool {
    matches!(name, "what" | "change" | "exchange" | "flash")
}

#[test]
fn the_page_and_the_schema_are_up_to_date() {
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference");
    let schema = serde_json::to_string_pretty(&schema::schema()).expect("schema") + "\n";
    for (name, rendered) in [("events.md", page::markdown()), ("events.schema.json", schema)] {
        let path = format!("{reference}/{name}");
        if std::env::var_os("HIL_UPDATE_DOCS").is_some() {
            std::fs::write(&path, rendered).expect("write");
        } else {
            let found = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(found == rendered, "docs/reference/{name} is out of date: HIL_UPDATE_DOCS=1 updates it");
        }
    }
}
