//! One file per command.

pub(crate) mod baseline;
pub(crate) mod boards;
pub(crate) mod certs;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod flash;
pub(crate) mod history;
pub(crate) mod lint;
pub(crate) mod monitor;
pub(crate) mod power;
pub(crate) mod report;
pub(crate) mod reset;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod steps;
pub(crate) mod tap;
pub(crate) mod virtual_as_real;
pub(crate) mod virtual_bench;

use std::error::Error;
use std::sync::{PoisonError, RwLock};

use hil_timeline::Mask;

use crate::exit_code::ExitCode;

/// What is shown nowhere.
static HIDDEN: RwLock<Option<Mask>> = RwLock::new(None);

/// Hides these from now on in whatever is said.
pub(crate) fn hide(mask: Mask) {
    *HIDDEN.write().unwrap_or_else(PoisonError::into_inner) = Some(mask);
}

/// A line as it may be shown.
///
/// A runner of GitHub's takes `##[…]` for a command wherever it stands in a line: what a device says must give none.
pub(crate) fn shown(line: &str) -> std::borrow::Cow<'_, str> {
    if line.contains("##[") && std::env::var_os("GITHUB_ACTIONS").is_some() {
        return hidden(line).replace("##[", "# #[").into();
    }
    hidden(line)
}

fn hidden(line: &str) -> std::borrow::Cow<'_, str> {
    match &*HIDDEN.read().unwrap_or_else(PoisonError::into_inner) {
        Some(mask) => mask.text(line),
        None => line.into(),
    }
}

/// Writes a line to standard output. A reader that is gone (`hil steps | head`) is no error.
pub(crate) fn say(line: impl AsRef<str>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{}", shown(line.as_ref()));
}

/// Writes a line to standard error.
pub(crate) fn warn(line: impl AsRef<str>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{}", shown(line.as_ref()));
}

/// Tells of an error, with its causes and a hint, and gives back the exit code of a failed set-up.
pub(crate) fn set_up_failed(error: &dyn Error, hint: Option<String>) -> ExitCode {
    let shown = without_passwords(&error.to_string());
    warn(format!("{} {shown}", console::style("error:").red().bold().for_stderr()));
    let mut cause = error.source();
    while let Some(error) = cause {
        warn(format!("Caused by: {error}"));
        cause = error.source();
    }
    if let Some(hint) = hint {
        warn(format!("{} {hint}", console::style("hint:").cyan().for_stderr()));
    }
    ExitCode::Setup
}

/// What is wrong with a step may be told before anybody knows which passwords steps name.
fn without_passwords(text: &str) -> String {
    match regex::Regex::new(r#"\b(password ")[^"]*""#) {
        Ok(password) => password.replace_all(text, "${1}••••\"").into_owned(),
        Err(_) => text.to_owned(),
    }
}

/// Tells that the bench has no such board, and which ones it has.
pub(crate) fn no_such_board(bench: &hil_config::Bench, name: &str) -> ExitCode {
    let known: Vec<_> = bench.boards.keys().map(|board| format!("`{board}`")).collect();
    let hint =
        if known.is_empty() { "this bench has no board".to_owned() } else { format!("there are {}", known.join(", ")) };
    set_up_failed(&Message(format!("there is no board `{name}` on this bench")), Some(hint))
}

/// An error that is only a text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Message(pub(crate) String);
