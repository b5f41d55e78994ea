//! `hil completions`.

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::exit_code::ExitCode;
use crate::output::{Line, say};

pub(crate) fn print(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hil", &mut script);
    say(Line::exact(String::from_utf8_lossy(&script).trim_end()));
    ExitCode::Passed
}
