//! `hil schema`.

use super::say;
use crate::exit_code::ExitCode;

pub(crate) fn print() -> ExitCode {
    say(format!("{:#}", hil_config::schema()));
    ExitCode::Passed
}
