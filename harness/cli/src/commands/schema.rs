//! `hil schema`.

use crate::exit_code::ExitCode;
use crate::output::{Line, say};

pub(crate) fn print() -> ExitCode {
    say(Line::exact(format!("{:#}", hil_config::schema(&hil_scenario::kinds()))));
    ExitCode::Passed
}
