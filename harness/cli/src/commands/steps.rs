//! `hil steps`.

use hil_scenario::catalogue::{STEPS, StepDoc};

use super::say;
use crate::args::{Format, FormatArgs};
use crate::exit_code::ExitCode;

pub(crate) fn print(args: &FormatArgs) -> ExitCode {
    match args.format {
        Format::Text => STEPS.iter().for_each(print_step),
        Format::Json => {
            let item = |step: &StepDoc| serde_json::json!({ "keyword": step.keyword(), "example": step.example, "about": step.about });
            say(serde_json::Value::from_iter(STEPS.iter().map(item)).to_string());
        }
    }
    ExitCode::Passed
}

fn print_step(step: &StepDoc) {
    say(format!("{} {}", console::style(step.keyword()).bold(), step.text()));
    say(format!("    {}", console::style(step.about).dim()));
}
