//! The hosts that `--hosts` names.

use hil_agent::{HostSpec, HostsError};

use crate::exit_code::ExitCode;
use crate::output::set_up_failed;

/// Reads `--hosts`, which can be repeated; an error is reported here.
pub(crate) fn named(lists: &[String]) -> Result<Vec<HostSpec>, ExitCode> {
    HostSpec::parse(lists.iter().map(String::as_str)).map_err(|error| {
        let hint = match &error {
            HostsError::Twice(_) => "give one of them another name: `NAME=ssh HOST hil agent --stdio`",
            _ => "write `--hosts pi-a,user@pi-b`, or `--hosts 'NAME=COMMAND'` for a command that starts an agent",
        };
        set_up_failed(&error, Some(hint.to_owned()))
    })
}
