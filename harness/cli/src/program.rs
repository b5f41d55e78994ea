//! The program: reads the command line and dispatches to the command.

use std::io::IsTerminal as _;

use clap::Parser as _;

use crate::args::{Cli, CliCommand, ColorChoice};
use crate::exit_code::ExitCode;
use crate::{commands, descriptors, output, process};

/// Runs the program on the arguments of this process.
#[must_use]
pub fn main() -> std::process::ExitCode {
    hil_bench::keeper::serve_if_asked();
    process::run(|| match Cli::try_parse() {
        Ok(cli) => dispatch(cli),
        Err(error) => {
            print(&error);
            if error.use_stderr() { ExitCode::Setup } else { ExitCode::Passed }
        }
    })
}

/// Prints in colour on a terminal, unless an argument quoted in the error contains control characters.
fn print(error: &clap::Error) {
    let plain = error.render().to_string();
    let (to_stderr, steers) = (error.use_stderr(), plain.chars().any(|c| c != '\n' && hil_timeline::steers(c)));
    let is_terminal = if to_stderr { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
    match (is_terminal && !steers, to_stderr) {
        // The terminal may be gone.
        (true, _) => drop(error.print()),
        (false, true) => output::warn(plain.trim_end()),
        (false, false) => output::say(plain.trim_end()),
    }
}

fn dispatch(cli: Cli) -> ExitCode {
    match cli.color {
        ColorChoice::Auto => {}
        ColorChoice::Always => set_colors(true),
        ColorChoice::Never => set_colors(false),
    }
    let needs_many = matches!(
        cli.command,
        CliCommand::Run(_) | CliCommand::Flash(_) | CliCommand::Tap(_) | CliCommand::Virtual(_) | CliCommand::Agent(_)
    );
    if let (Err(error), true) = (descriptors::raise_limit(), needs_many) {
        return output::set_up_failed(&error, Some(descriptors::TooFewDescriptors::HINT.to_owned()));
    }
    match cli.command {
        CliCommand::Init(args) => commands::init::init(&args),
        CliCommand::Run(args) => commands::run::run(*args),
        CliCommand::Flash(args) => commands::flash::flash(&args),
        CliCommand::Boards(args) => commands::boards::boards(&args),
        CliCommand::Doctor(args) => commands::doctor::doctor(&args),
        CliCommand::Fleet(args) => commands::fleet::fleet(&args),
        CliCommand::Monitor(args) => commands::monitor::monitor(&args),
        CliCommand::Power(args) => commands::power::power(&args),
        CliCommand::Reset(args) => commands::reset::reset(&args),
        CliCommand::Schema(args) => commands::schema::print(&args),
        CliCommand::Tap(args) => commands::tap::tap(&args),
        CliCommand::Certs(args) => commands::certs::make(&args),
        CliCommand::Agent(args) => commands::agent::agent(&args),
        CliCommand::Virtual(args) => commands::virtual_bench::hold(&args),
        CliCommand::Steps(args) => commands::steps::print(&args),
        CliCommand::Lint(args) => commands::lint::lint(&args),
        CliCommand::Report(args) => commands::report::report(&args),
        CliCommand::Compare(args) => commands::compare::compare(&args),
        CliCommand::Baseline(args) => commands::baseline::baseline(&args),
        CliCommand::History(args) => commands::history::history(&args),
        CliCommand::Man(args) => commands::man::write(&args),
        CliCommand::Completions(args) => commands::completions::print(&args),
    }
}

fn set_colors(on: bool) {
    console::set_colors_enabled(on);
    console::set_colors_enabled_stderr(on);
}
