//! `hil steps`.

use console::Style;
use hil_scenario::catalogue::{BelowDoc, GROUPS, StepDoc, StepGroup};

use crate::args::{Format, FormatArgs};
use crate::exit_code::ExitCode;
use crate::output::{Line, say, say_json};

pub(crate) fn print(args: &FormatArgs) -> ExitCode {
    match args.format {
        Format::Text => GROUPS.iter().for_each(print_group),
        Format::Json => {
            let steps = GROUPS.iter().flat_map(|group| group.steps().map(|step| as_json(group, &step)));
            say_json(&serde_json::Value::from_iter(steps));
        }
    }
    ExitCode::Passed
}

fn as_json(group: &StepGroup, step: &StepDoc) -> serde_json::Value {
    let mut json = serde_json::json!({
        "group": group.name, "keyword": step.keyword(), "example": step.example, "about": step.about,
    });
    if let Some(below) = step.below {
        let fields: Vec<_> =
            below.fields.iter().map(|(name, value)| serde_json::json!({ "name": name, "value": value })).collect();
        json["below"] = serde_json::json!({ "about": below.about, "fields": fields, "example": below.example });
    }
    json
}

fn print_group(group: &StepGroup) {
    say(Line::new().paint(Style::new().bold().underlined(), group.name));
    say(Line::new());
    group.steps().for_each(|step| print_step(&step));
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

fn print_below(below: &BelowDoc) {
    say(Line::new().text("    ").paint(Style::new().dim(), below.about));
    for (name, value) in below.fields {
        say(Line::new().text("      ").paint(Style::new().dim(), format!("{name:<18} {value}")));
    }
}
