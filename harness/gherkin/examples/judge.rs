//! Compares the parser with the official test data of cucumber/gherkin: `judge FOLDER`, where FOLDER is its `testdata`.
//!
//! Columns, identifiers and comments are not compared, because `hil` does not use them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for a terminal")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hil_gherkin::{Background, Document, Examples, Feature, Row, Rule, Scenario, Step, StepKind, parse};
use serde_json::{Map, Value, json};

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: judge FOLDER");
        return ExitCode::from(2);
    };
    let (good, bad) = (features(&folder.join("good")), features(&folder.join("bad")));
    let different = good.iter().filter(|path| !parses_alike(path)).count();
    let accepted = bad.iter().filter(|path| !rejects_alike(path)).count();
    println!("{} of {} good features are parsed differently", different, good.len());
    println!("{} of {} bad features are rejected differently", accepted, bad.len());
    if good.is_empty() || bad.is_empty() || different + accepted > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn features(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "feature")).collect();
    found.sort();
    found
}

/// The values of a JSON lines file that belongs to a feature.
fn expected(path: &Path, what: &str) -> Vec<Value> {
    let text = fs::read_to_string(format!("{}.{what}.ndjson", path.display())).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn differ(path: &Path, what: &str, ours: &Value, theirs: &Value) -> bool {
    if ours == theirs {
        return false;
    }
    println!("{}: {what}\n  ours:   {ours}\n  theirs: {theirs}", path.display());
    true
}

fn parses_alike(path: &Path) -> bool {
    let source = fs::read_to_string(path).unwrap_or_default();
    let document = match parse(&source) {
        Ok(document) => document,
        Err(faults) => {
            println!("{}: rejected: {faults:?}", path.display());
            return false;
        }
    };
    let tree = expected(path, "ast").first().map(|value| essence(&value["gherkinDocument"]["feature"]));
    let ours = document.feature.as_ref().map_or(Value::Null, |feature| self::feature(feature, &document.language));
    let tree_differs = differ(path, "tree", &ours, &tree.unwrap_or_default());
    let theirs: Vec<_> = expected(path, "pickles").iter().map(|value| their_pickle(&value["pickle"])).collect();
    let pickles_differ = differ(path, "pickles", &Value::from(our_pickles(&document)), &Value::from(theirs));
    !tree_differs && !pickles_differ
}

/// Whether the first error is at the official line; if a text or tags end too early, ours is at their beginning.
fn rejects_alike(path: &Path) -> bool {
    let source = fs::read_to_string(path).unwrap_or_default();
    let theirs: Vec<_> = expected(path, "errors").iter().map(|error| error["parseError"].clone()).collect();
    let line = |error: &Value| error["source"]["location"]["line"].as_u64();
    let at_end = |error: &Value| error["message"].as_str().is_some_and(|text| text.contains("end of file"));
    let Err(faults) = parse(&source) else {
        println!("{}: accepted", path.display());
        return false;
    };
    let alike = theirs.len() == faults.len()
        && theirs.iter().zip(&faults).all(|(error, fault)| at_end(error) || line(error) == Some(fault.line as u64));
    if !alike {
        println!("{}: rejected differently\n  ours:   {faults:?}\n  theirs: {theirs:?}", path.display());
    }
    alike
}

/// The part of the official tree that is compared.
fn essence(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(essence).collect(),
        Value::Object(fields) => {
            let mut kept = Map::new();
            if let (2, Some(name)) = (fields.len() - usize::from(fields.contains_key("id")), fields.get("name")) {
                return name.clone();
            }
            for (key, value) in fields.iter().filter(|(key, _)| !matches!(key.as_str(), "id" | "column")) {
                kept.insert(key.clone(), essence(value));
            }
            Value::Object(kept)
        }
        value => value.clone(),
    }
}

fn at(line: usize) -> Value {
    json!({ "line": line })
}

fn described(description: &[(usize, String)]) -> String {
    description.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n")
}

/// Without lines: the official tree has one for each tag.
fn tags(tags: &[String]) -> Value {
    tags.iter().map(|tag| json!(format!("@{tag}"))).collect()
}

fn feature(feature: &Feature, language: &str) -> Value {
    let mut children = members(feature.background.as_ref(), &feature.scenarios);
    children.extend(feature.rules.iter().map(|rule| json!({ "rule": self::rule(rule) })));
    json!({
        "location": at(feature.heading.line), "keyword": feature.heading.keyword, "language": language, "name": feature.heading.name,
        "description": described(&feature.heading.description), "tags": tags(&feature.heading.tags), "children": children,
    })
}

fn rule(rule: &Rule) -> Value {
    json!({
        "location": at(rule.heading.line), "keyword": rule.heading.keyword, "name": rule.heading.name, "tags": tags(&rule.heading.tags),
        "description": described(&rule.heading.description), "children": members(rule.background.as_ref(), &rule.scenarios),
    })
}

fn members(background: Option<&Background>, scenarios: &[Scenario]) -> Vec<Value> {
    let background = background.map(|background| {
        json!({ "background": {
            "location": at(background.heading.line), "keyword": background.heading.keyword, "name": background.heading.name,
            "description": described(&background.heading.description), "steps": steps(&background.steps),
        }})
    });
    let scenarios = scenarios.iter().map(|scenario| {
        json!({ "scenario": {
            "location": at(scenario.heading.line), "keyword": scenario.heading.keyword, "name": scenario.heading.name,
            "description": described(&scenario.heading.description), "tags": tags(&scenario.heading.tags),
            "steps": steps(&scenario.steps), "examples": scenario.examples.iter().map(examples).collect::<Vec<_>>(),
        }})
    });
    background.into_iter().chain(scenarios).collect()
}

fn examples(examples: &Examples) -> Value {
    let mut value = json!({
        "location": at(examples.heading.line), "keyword": examples.heading.keyword, "name": examples.heading.name,
        "description": described(&examples.heading.description), "tags": tags(&examples.heading.tags),
        "tableBody": examples.rows.iter().map(row).collect::<Vec<_>>(),
    });
    if let Some(header) = &examples.header {
        value["tableHeader"] = row(header);
    }
    value
}

fn row(row: &Row) -> Value {
    let cells: Vec<_> = row.cells.iter().map(|cell| json!({ "location": at(row.line), "value": cell })).collect();
    json!({ "location": at(row.line), "cells": cells })
}

fn steps(steps: &[Step]) -> Vec<Value> {
    let step = |step: &Step| {
        let kind = match step.kind {
            StepKind::Given => "Context",
            StepKind::When => "Action",
            StepKind::Then => "Outcome",
            StepKind::And => "Conjunction",
            StepKind::Any => "Unknown",
        };
        let mut value =
            json!({ "location": at(step.line), "keyword": step.keyword, "keywordType": kind, "text": step.text });
        if let Some(table) = &step.table {
            let line = table.first().map_or(0, |row| row.line);
            value["dataTable"] = json!({ "location": at(line), "rows": table.iter().map(row).collect::<Vec<_>>() });
        }
        if let Some(doc) = &step.doc {
            value["docString"] =
                json!({ "location": at(doc.line), "content": doc.content, "delimiter": doc.delimiter });
            if !doc.media_type.is_empty() {
                value["docString"]["mediaType"] = json!(doc.media_type);
            }
        }
        value
    };
    steps.iter().map(step).collect()
}

/// The official list of scenarios to run.
fn our_pickles(document: &Document) -> Vec<Value> {
    let Some(feature) = &document.feature else { return Vec::new() };
    let base = (feature.heading.tags.clone(), background(feature.background.as_ref()));
    let mut all: Vec<_> = feature.scenarios.iter().flat_map(|scenario| pickles(scenario, &base)).collect();
    for rule in &feature.rules {
        let base =
            ([&*base.0, &*rule.heading.tags].concat(), [base.1.clone(), background(rule.background.as_ref())].concat());
        all.extend(rule.scenarios.iter().flat_map(|scenario| pickles(scenario, &base)));
    }
    all
}

fn background(background: Option<&Background>) -> Vec<Value> {
    background.iter().flat_map(|background| &background.steps).map(pickle_step).collect()
}

fn pickles(scenario: &Scenario, (tags, background): &(Vec<String>, Vec<Value>)) -> Vec<Value> {
    let one = |case: hil_gherkin::Case<'_>| {
        let tags: Vec<_> =
            tags.iter().map(String::as_str).chain(case.tags.iter().copied()).map(|tag| format!("@{tag}")).collect();
        let own: Vec<_> = case.steps.iter().map(pickle_step).collect();
        // The official compiler leaves out a background without scenarios.
        let steps = if own.is_empty() { Vec::new() } else { [background.clone(), own].concat() };
        json!({ "line": case.line, "name": case.name, "tags": tags, "steps": steps })
    };
    scenario.cases().map(one).collect()
}

fn pickle_step(step: &Step) -> Value {
    let table: Option<Vec<_>> = step.table.as_ref().map(|table| table.iter().map(|row| &row.cells).collect());
    let doc = step.doc.as_ref().map(|doc| (&doc.content, &doc.media_type));
    json!({ "text": step.text, "table": table, "doc": doc })
}

fn their_pickle(pickle: &Value) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let tags: Vec<_> = list(&pickle["tags"]).iter().map(|tag| tag["name"].clone()).collect();
    let step = |step: &Value| {
        let argument = &step["argument"];
        let table = argument["dataTable"].as_object().map(|table| {
            let cells = |row: &Value| list(&row["cells"]).iter().map(|cell| cell["value"].clone()).collect::<Value>();
            list(&table["rows"]).iter().map(cells).collect::<Value>()
        });
        let doc = argument["docString"]
            .as_object()
            .map(|doc| json!([doc["content"], doc.get("mediaType").cloned().unwrap_or_else(|| json!(""))]));
        json!({ "text": step["text"], "table": table, "doc": doc })
    };
    let steps: Vec<_> = list(&pickle["steps"]).iter().map(step).collect();
    json!({ "line": pickle["location"]["line"], "name": pickle["name"], "tags": tags, "steps": steps })
}
