//! How errors are reported.

use std::error::Error;

use console::Style;

use super::{Line, say, warn};
use crate::exit_code::ExitCode;

/// Prints an error with its causes and a hint; returns the exit code of a failed set-up.
pub(crate) fn set_up_failed(error: &(dyn Error + 'static), hint: Option<String>) -> ExitCode {
    let shown = without_passwords(&error.to_string());
    // These errors format their own lines.
    let is_laid_out = error.is::<hil_config::ConfigError>() || error.is::<hil_scenario::PlanError>();
    let shown = if is_laid_out { shown } else { continued(&shown) };
    warn(Line::new().paint(Style::new().red().bold(), "error:").text(format!(" {shown}")));
    let mut cause = error.source();
    while let Some(error) = cause {
        warn(format!("Caused by: {}", continued(&error.to_string())));
        cause = error.source();
    }
    if let Some(hint) = hint {
        warn(Line::new().paint(Style::new().cyan(), "hint:").text(format!(" {}", continued(&hint))));
    }
    ExitCode::Setup
}

/// Marks continuation lines, so that text quoted in an error can't pass for output of `hil`.
fn continued(text: &str) -> String {
    text.replace('\n', "\n  | ")
}

/// Hides passwords in steps: an error may quote a step before the mask knows the passwords that steps name.
fn without_passwords(text: &str) -> String {
    // A password without closing quote extends to the end of the step.
    let closed = r#""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'"#;
    let open = r#"["'][^`\n]*"#;
    match regex::Regex::new(&format!(r"\b(password )(?:{closed}|{open})")) {
        Ok(password) => password.replace_all(text, "${1}\"••••\"").into_owned(),
        Err(_) => text.to_owned(),
    }
}

/// Prints a value as JSON.
pub(crate) fn say_json(value: &impl serde::Serialize) {
    match Line::json(value) {
        Ok(line) => say(line),
        // Only a map whose keys are not strings can't be serialised, and there is none.
        Err(error) => {
            set_up_failed(&error, None);
        }
    }
}

/// An error that is only a message.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Message(pub(crate) String);
