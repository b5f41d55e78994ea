//! `hil completions`.

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::exit_code::ExitCode;

pub(crate) fn print(args: &CompletionsArgs) -> ExitCode {
    clap_complete::generate(args.shell, &mut Cli::command(), "hil", &mut std::io::stdout());
    ExitCode::Passed
}
