//! `hil steps`.

use console::Style;
use hil_scenario::catalogue::{STEPS, StepDoc};

use crate::args::{Format, FormatArgs};
use crate::exit_code::ExitCode;
use crate::output::{Line, say, say_json};

pub(crate) fn print(args: &FormatArgs) -> ExitCode {
    match args.format {
        Format::Text => STEPS.iter().for_each(print_step),
        Format::Json => {
            let item = |step: &StepDoc| serde_json::json!({ "keyword": step.keyword(), "example": step.example, "about": step.about });
            say_json(&serde_json::Value::from_iter(STEPS.iter().map(item)));
        }
    }
    ExitCode::Passed
}

fn print_step(step: &StepDoc) {
    say(Line::new().paint(Style::new().bold(), step.keyword()).text(format!(" {}", step.text())));
    say(Line::new().text("    ").paint(Style::new().dim(), step.about));
}
