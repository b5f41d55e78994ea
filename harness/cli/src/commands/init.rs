//! `hil init`: a project of one's own.

mod ask;
mod ci;
mod own_steps;
mod project;
mod texts;
mod write;

use crate::args::InitArgs;
use crate::exit_code::ExitCode;
use crate::output::{Message, say, set_up_failed, warn};

use self::project::Project;
use self::write::Written;

pub(crate) fn init(args: &InitArgs) -> ExitCode {
    match create(args) {
        Ok(()) => ExitCode::Passed,
        Err(code) => code,
    }
}

fn create(args: &InitArgs) -> Result<(), ExitCode> {
    let project = Project::decide(args)?;
    let files = texts::files(&project)?;
    let written = write::all(&project.folder, &files, args.force).map_err(|(error, hint)| failed(error, hint))?;
    say_written(&project, &written);
    Ok(())
}

fn failed(error: String, hint: impl Into<String>) -> ExitCode {
    set_up_failed(&Message(error), Some(hint.into()))
}

fn say_written(project: &Project, written: &[Written]) {
    let shown = |name: &str| hil_report::inert(&project.path_of(name).display().to_string());
    for file in written {
        match file {
            Written::New(name) => say(format!("wrote {}", shown(name))),
            Written::Extended(name, lines) => say(format!("added to {}: {}", shown(name), lines.join(" "))),
        }
    }
    say("\nNext:");
    for (command, what) in project.next_commands() {
        say(if what.is_empty() { format!("  {command}") } else { format!("  {command:<28}{what}") });
    }
    if let Some(note) = ci::note(project) {
        warn(note);
    }
    if let Some(bench) = std::env::var_os(hil_config::HIL_BENCH).filter(|value| !value.is_empty()) {
        let bench = bench.to_string_lossy();
        warn(format!("note: HIL_BENCH is set: `hil` uses `{bench}` and not the bench.toml of this project"));
    }
}
