//! `docs/reference/steps.md` lists every step of the catalogue. `HIL_UPDATE_DOCS=1 cargo test -p hil-scenario` updates it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use hil_scenario::catalogue::{BelowDoc, GROUPS, StepDoc, StepGroup};

const INTRODUCTION: &str = "\
# Steps

Generated from the step catalogue. `hil steps` prints the same list for the installed version.

A board is named by its name in the bench file. The names in the examples (`lamp`, `client`, `sub`, `pub`, `pi`, `js`) are
boards of the built-in virtual bench, and topics such as `sooko/lampu` are those of the lamp that ships with `hil`; see
[sample words](../concepts/glossary.md#words-in-the-examples).

- Write texts in `\"…\"` or `'…'`; [features](../how-to/features.md#texts-in-steps) describes quoting.
- Times are written `500 ms`, `2 s`, `1.5 s` or `2 min`.
- `Given`, `When` and `Then` in the examples can be replaced by `And`, `But` and `*`, as in any feature.
- Deadlines count from the [mark](../concepts/clock-and-marks.md), not from the beginning of the step.
";

#[test]
fn the_reference_has_every_step() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/steps.md");
    let rendered = markdown();
    if std::env::var_os("HIL_UPDATE_DOCS").is_some() {
        std::fs::write(path, rendered).expect("write");
    } else {
        let found = std::fs::read_to_string(path).expect("docs/reference/steps.md");
        assert!(found == rendered, "docs/reference/steps.md is out of date: HIL_UPDATE_DOCS=1 updates it");
    }
}

fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for group in GROUPS {
        // Writing to a string can't fail.
        let _ = write!(text, "\n## {}\n", group.name);
        group.steps().for_each(|step| write_step(&mut text, &step));
    }
    write_fields(&mut text);
    text
}

fn write_step(text: &mut String, step: &StepDoc) {
    let below = step.below.map_or(&[][..], |below| below.example);
    let indented: String = below.iter().map(|line| format!("  {line}\n")).collect();
    let _ = write!(text, "\n```gherkin\n{}\n{indented}```\n\n{}\n", step.example, step.about);
    if let Some(below) = step.below {
        write_below(text, below);
    }
}

/// The text or table below a step. Tables of fields that several steps share have their own section.
fn write_below(text: &mut String, below: &BelowDoc) {
    let _ = match below.fields {
        [] => write!(text, "\n{}\n", below.about),
        _ => write!(text, "\nBelow the step: [{}](#{}).\n", below.name, anchor(below.name)),
    };
}

fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-")
}

fn write_fields(text: &mut String) {
    let mut written = BTreeSet::new();
    let below = GROUPS.iter().flat_map(StepGroup::steps).filter_map(|step| step.below);
    for below in below.filter(|below| !below.fields.is_empty()) {
        if written.insert(below.name) {
            let _ = write!(text, "\n## {}\n\n{}\n\n| field | value |\n| --- | --- |\n", below.name, below.about);
            for (name, value) in below.fields {
                let _ = writeln!(text, "| `{name}` | {value} |");
            }
        }
    }
}
