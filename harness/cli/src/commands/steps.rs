//! `hil steps`.

use std::path::PathBuf;

use console::Style;
use hil_scenario::catalogue::{BelowDoc, GROUPS, OwnStep, StepDoc, StepGroup, has_words, own_steps};
use hil_scenario::{CompositeStep, composite_steps};
use serde_json::{Value, json};

use crate::args::{Format, StepsArgs};
use crate::exit_code::ExitCode;
use crate::output::{Line, Message, say, say_json, set_up_failed, warn};

/// The subject of steps that are not built in.
const OWN: &str = "Steps of this program";

/// The subject of steps that `.steps` files define.
const COMPOSITE: &str = "Composite steps of this project";

pub(crate) fn print(args: &StepsArgs) -> ExitCode {
    // The usual folder need not be there.
    let usual = [PathBuf::from("features")];
    if let Some(missing) = args.features.iter().find(|path| args.features != usual && !path.exists()) {
        let message = Message(format!("there is no folder `{}`", missing.display()));
        return set_up_failed(&message, Some("`--features` names a folder of features".to_owned()));
    }
    match args.format.format {
        Format::Text => print_text(&args.words, &args.features),
        Format::Json => print_json(&args.words, &args.features),
    }
}

/// Prints the steps that have these words; all without any. Composite steps are those of some features.
pub(crate) fn print_text(words: &[String], features: &[PathBuf]) -> ExitCode {
    let mut count = 0;
    for group in GROUPS {
        let steps: Vec<_> = group.steps_with(words).collect();
        print_group(group.name, &steps, print_step);
        count += steps.len();
    }
    let own = own(words);
    print_group(OWN, &own, print_own);
    let composite = composite(words, features);
    print_group(COMPOSITE, &composite, print_composite);
    ended(count + own.len() + composite.len(), words)
}

fn print_json(words: &[String], features: &[PathBuf]) -> ExitCode {
    let of = |group: &'static StepGroup| group.steps_with(words).map(|step| as_json(group, &step));
    let (own, composite) = (own(words), composite(words, features));
    let mine = own.iter().map(own_as_json).chain(composite.iter().map(composite_as_json));
    let steps: Vec<_> = GROUPS.iter().flat_map(of).chain(mine).collect();
    let count = steps.len();
    say_json(&Value::from_iter(steps));
    ended(count, words)
}

fn ended(count: usize, words: &[String]) -> ExitCode {
    if count > 0 {
        return ExitCode::Passed;
    }
    warn(format!("no step has `{}`; `hil steps` lists all steps", words.join("` and `")));
    ExitCode::NothingRan
}

fn own(words: &[String]) -> Vec<OwnStep> {
    let mut own = own_steps();
    own.retain(|step| has_words(&[OWN, step.keyword, &step.text()], words));
    own
}

fn composite(words: &[String], features: &[PathBuf]) -> Vec<CompositeStep> {
    let mut composite: Vec<_> = features.iter().flat_map(|path| composite_steps(path)).collect();
    composite.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    composite.dedup();
    composite.retain(|step| has_words(&[COMPOSITE, &step.text, &step.about, &step.parts.join("\n")], words));
    composite
}

fn as_json(group: &StepGroup, step: &StepDoc) -> Value {
    let mut json = json!({
        "group": group.name, "keyword": step.keyword(), "example": step.example, "about": step.about,
        "pattern": step.pattern(), "arguments": step.arguments(),
    });
    if let Some(below) = step.below {
        let fields: Vec<_> = below.fields.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        json["below"] = json!({
            "name": below.name, "about": below.about, "columns": below.columns(), "fields": fields, "example": below.example,
        });
    }
    json
}

fn own_as_json(step: &OwnStep) -> Value {
    json!({
        "group": OWN, "keyword": step.keyword, "example": format!("{} {}", step.keyword, step.text()),
        "about": format!("{}:{}", step.file, step.line), "pattern": step.pattern,
    })
}

fn composite_as_json(step: &CompositeStep) -> Value {
    json!({
        "group": COMPOSITE, "keyword": "*", "example": format!("* {}", step.text), "about": step.about,
        "pattern": step.pattern, "arguments": step.arguments, "parts": step.parts,
        "place": format!("{}:{}", step.path.display(), step.line),
    })
}

fn print_group<T>(name: &str, steps: &[T], print: impl Fn(&T)) {
    if steps.is_empty() {
        return;
    }
    say(Line::new().paint(Style::new().bold().underlined(), name));
    say(Line::new());
    steps.iter().for_each(print);
    say(Line::new());
}

fn print_step(step: &StepDoc) {
    say(Line::new().paint(Style::new().bold(), step.keyword()).text(format!(" {}", step.text())));
    step.below.iter().flat_map(|below| below.example).for_each(|line| say(Line::new().text(format!("      {line}"))));
    say(Line::new().text("    ").paint(Style::new().dim(), step.about));
    if let Some(below) = step.below {
        print_below(below);
    }
}

fn print_own(step: &OwnStep) {
    say(Line::new().paint(Style::new().bold(), step.keyword).text(format!(" {}", hil_report::inert(&step.text()))));
    say(Line::new().text("    ").paint(Style::new().dim(), format!("{}:{}", step.file, step.line)));
}

fn print_composite(step: &CompositeStep) {
    say(Line::new().paint(Style::new().bold(), "*").text(format!(" {}", hil_report::inert(&step.text))));
    step.parts.iter().for_each(|part| say(Line::new().text(format!("      {}", hil_report::inert(part)))));
    if !step.about.is_empty() {
        say(Line::new().text("    ").paint(Style::new().dim(), hil_report::inert(&step.about)));
    }
    say(Line::new().text("    ").paint(Style::new().dim(), format!("{}:{}", step.path.display(), step.line)));
}

fn print_below(below: &BelowDoc) {
    say(Line::new().text("    ").paint(Style::new().dim(), below.about));
    for (name, value) in below.fields {
        say(Line::new().text("      ").paint(Style::new().dim(), format!("{name:<18} {value}")));
    }
}
