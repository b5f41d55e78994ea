//! `hil fleet`: the boards of a lab.

mod list;
mod publish;
mod release;

use hil_config::{Fleet, LG_COORDINATOR, Project};
use hil_labgrid::{CoordinatorAddress, LabgridError, Owner, Session};

use crate::args::{CoordinatorArgs, FleetArgs, FleetCommand};
use crate::exit_code::ExitCode;
use crate::output::{Message, set_up_failed};
use crate::session;

pub(crate) fn fleet(args: &FleetArgs) -> ExitCode {
    match &args.command {
        Some(FleetCommand::Publish(publish)) => publish::publish(publish),
        Some(FleetCommand::Release(release)) => release::release(release),
        None => list::list(args),
    }
}

/// Runs a command with a session of the coordinator that the arguments, the project file or the environment name.
fn with_session<T>(
    args: &CoordinatorArgs,
    command: impl AsyncFnOnce(&Session) -> Result<T, LabgridError>,
) -> Result<T, ExitCode> {
    let address = coordinator(args)?;
    let name = Owner::new(&host_name(), &format!("fleet-{}", std::process::id())).to_string();
    let result = async {
        let session = Session::open(&address, &name).await?;
        command(&session).await
    };
    session::on_runtime(async { result.await.map_err(|error| failed(&error)) })
}

fn failed(error: &LabgridError) -> ExitCode {
    set_up_failed(error, Some(error.hint()))
}

/// The coordinator of the command line, of the project file, or of the environment.
fn coordinator(args: &CoordinatorArgs) -> Result<CoordinatorAddress, ExitCode> {
    let parsed = |text: &str| text.parse().map_err(|error| failed(&error));
    if let Some(named) = &args.coordinator {
        return parsed(named);
    }
    let fleet = match Project::choose(args.project.project.as_deref()) {
        Some(path) => Fleet::of_project(&path).map_err(|error| set_up_failed(&error, None))?,
        None => None,
    };
    if let Some(named) = fleet.and_then(|fleet| fleet.coordinator) {
        return parsed(&named);
    }
    match std::env::var(LG_COORDINATOR) {
        Ok(named) if !named.is_empty() => parsed(&named),
        _ => {
            let message = Message("no coordinator of a lab is named".to_owned());
            let hint = format!(
                "add `coordinator = \"lab:20408\"` to `[fleet]` in `hil.toml`, or export {LG_COORDINATOR}=lab:20408"
            );
            Err(set_up_failed(&message, Some(hint)))
        }
    }
}

/// The name of this computer.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}
