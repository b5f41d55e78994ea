//! The description of the bench file as a JSON schema, for editors, and as Markdown, for people.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::bench::{BENCH, PROJECT};
use crate::kinds::Kinds;
use crate::spec::{Key, Kind, TableSpec, TagSpec, Variant};

/// A JSON schema (draft 2020-12) of the bench file. Editors that know TOML complete and check by it.
///
/// # Example
/// ```
/// let schema = hil_config::schema(&hil_config::Kinds::default());
/// assert_eq!(schema["properties"]["tap"]["type"], "object");
/// ```
#[must_use]
pub fn schema(kinds: &Kinds) -> Value {
    let mut schema = of_table(&BENCH, kinds);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("hil bench file");
    schema
}

/// A JSON schema (draft 2020-12) of the project file, `hil.toml`.
#[must_use]
pub fn project_schema(kinds: &Kinds) -> Value {
    let mut schema = of_table(&PROJECT, kinds);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("hil project file");
    schema
}

fn of_table(spec: &TableSpec, kinds: &Kinds) -> Value {
    let properties: Map<_, _> = spec.keys.iter().map(|key| (key.name.to_owned(), of_key(key, kinds))).collect();
    let required: Vec<_> = spec.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn of_key(key: &Key, kinds: &Kinds) -> Value {
    let mut schema = of_kind(&key.kind, kinds);
    schema["description"] = json!(key.doc);
    schema
}

fn of_kind(kind: &Kind, kinds: &Kinds) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Duration => json!({ "type": "string", "pattern": r"^[0-9.]+ *(ms|s|min)$" }),
        Kind::Word(words) => json!({ "type": "string", "enum": words() }),
        Kind::KindWord(role) => {
            let variants = kinds.variants(*role);
            let words = variants.iter().filter(|(_, table)| table.keys.is_empty()).map(|(word, _)| *word);
            json!({ "type": "string", "enum": words.collect::<Vec<_>>() })
        }
        Kind::KindTable(role) => {
            let variants = kinds.variants(*role);
            let tables = variants.iter().filter(|(_, table)| !table.keys.is_empty());
            json!({ "anyOf": tables.map(|(_, table)| of_table(table, kinds)).collect::<Vec<_>>() })
        }
        Kind::List(items) => json!({ "type": "array", "items": of_kind(items, kinds) }),
        Kind::Table(spec) => of_table(spec, kinds),
        Kind::Map(values) => json!({ "type": "object", "additionalProperties": of_kind(values, kinds) }),
        Kind::AnyOf(any) => json!({ "anyOf": any.iter().map(|kind| of_kind(kind, kinds)).collect::<Vec<_>>() }),
        Kind::Tagged(spec) => {
            let variants = kinds.variants(spec.role);
            json!({ "oneOf": variants.iter().map(|variant| of_variant(spec, variant, kinds)).collect::<Vec<_>>() })
        }
    }
}

fn of_variant(spec: &TagSpec, (word, table): &Variant, kinds: &Kinds) -> Value {
    let mut schema = of_table(table, kinds);
    schema["properties"][spec.tag] = json!({ "const": word, "description": spec.doc });
    let required = table.keys.iter().filter(|key| key.required).map(|key| key.name);
    schema["required"] = json!(std::iter::once(spec.tag).chain(required).collect::<Vec<_>>());
    schema
}

/// Tables of all keys, each with its default and its meaning; the generated part of `docs/reference/bench-file.md`.
#[must_use]
pub fn markdown(kinds: &Kinds) -> String {
    let mut text = String::new();
    for key in BENCH.keys {
        match &key.kind {
            Kind::Table(spec) => section(&mut text, &format!("[{}]", key.name), spec, kinds),
            Kind::Map(Kind::Table(spec)) => section(&mut text, &format!("[{}.NAME]", key.name), spec, kinds),
            _ => {}
        }
    }
    text
}

fn section(text: &mut String, title: &str, spec: &TableSpec, kinds: &Kinds) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "## `{title}`\n\n| key | default | meaning |\n| --- | --- | --- |");
    let mut tagged = Vec::new();
    rows(text, "", spec, &mut tagged, kinds);
    text.push('\n');
    for (name, spec) in tagged {
        for (word, table) in kinds.variants(spec.role).iter().filter(|(_, table)| !table.keys.is_empty()) {
            let _ = writeln!(
                text,
                "### `{name}` with `{} = \"{word}\"`\n\n| key | default | meaning |\n| --- | --- | --- |",
                spec.tag
            );
            rows(text, "", table, &mut Vec::new(), kinds);
            text.push('\n');
        }
    }
}

fn rows(
    text: &mut String,
    prefix: &str,
    spec: &TableSpec,
    tagged: &mut Vec<(&'static str, &'static TagSpec)>,
    kinds: &Kinds,
) {
    for key in spec.keys {
        let name = format!("{prefix}{}", key.name);
        match &key.kind {
            Kind::Table(inner) => {
                row(text, &name, key, kinds);
                rows(text, &format!("{name}."), inner, tagged, kinds);
            }
            Kind::Map(Kind::Table(inner)) => {
                row(text, &name, key, kinds);
                rows(text, &format!("{name}.NAME."), inner, tagged, kinds);
            }
            Kind::List(Kind::Tagged(spec)) => {
                row(text, &name, key, kinds);
                tagged.push((key.name, spec));
            }
            Kind::AnyOf(any) => {
                row(text, &name, key, kinds);
                for kind in *any {
                    match kind {
                        Kind::Table(inner) => rows(text, &format!("{name}."), inner, tagged, kinds),
                        Kind::Tagged(spec) => tagged.push((key.name, spec)),
                        _ => {}
                    }
                }
            }
            _ => row(text, &name, key, kinds),
        }
    }
}

fn row(text: &mut String, name: &str, key: &Key, kinds: &Kinds) {
    let default = match (key.required, key.default) {
        (true, _) => "required",
        (false, "") => "none",
        (false, default) => default,
    };
    let words = match &key.kind {
        Kind::Word(words) => format!(" One of `{}`.", words().join("`, `")),
        Kind::KindWord(role) => {
            let words: Vec<_> = kinds.variants(*role).into_iter().map(|(word, _)| word).collect();
            format!(" One of `{}`.", words.join("`, `"))
        }
        _ => String::new(),
    };
    let _ = writeln!(text, "| `{name}` | {default} | {}{words} |", key.doc);
}
