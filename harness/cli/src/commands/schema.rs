//! `hil schema`.

use super::{Line, say};
use crate::exit_code::ExitCode;

pub(crate) fn print() -> ExitCode {
    say(Line::exact(format!("{:#}", hil_config::schema(&hil_scenario::kinds()))));
    ExitCode::Passed
}
