//! `hil fleet`: the boards of a lab.

mod list;
mod publish;
mod release;

use hil_config::{Fleet, LG_COORDINATOR, Project};
use hil_labgrid::{CoordinatorAddress, LabgridError, Owner, Session};

use crate::args::{CoordinatorArgs, FleetArgs, FleetCommand, ProjectArgs};
use crate::exit_code::ExitCode;
use crate::output::{Message, set_up_failed};
use crate::{provenance, session};

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

pub(crate) fn failed(error: &LabgridError) -> ExitCode {
    set_up_failed(error, Some(error.hint()))
}

/// The lab that the project file describes, and its coordinator.
pub(crate) fn of_project(args: &ProjectArgs) -> Result<(Fleet, CoordinatorAddress), ExitCode> {
    let Some(fleet) = described(args)? else {
        let message = Message("no project file describes the lab".to_owned());
        let hint = "add to `hil.toml`: `[fleet]`, `engine = \"labgrid\"`, `coordinator = \"lab:20408\"`".to_owned();
        return Err(set_up_failed(&message, Some(hint)));
    };
    let coordinator = named_or_usual(fleet.coordinator.as_deref())?;
    Ok((fleet, coordinator))
}

fn described(args: &ProjectArgs) -> Result<Option<Fleet>, ExitCode> {
    match Project::choose(args.project.as_deref()) {
        Some(path) => Fleet::of_project(&path).map_err(|error| set_up_failed(&error, None)),
        None => Ok(None),
    }
}

/// The coordinator of the command line, of the project file, or of the environment.
fn coordinator(args: &CoordinatorArgs) -> Result<CoordinatorAddress, ExitCode> {
    match &args.coordinator {
        Some(named) => named_or_usual(Some(named)),
        None => named_or_usual(described(&args.project)?.and_then(|fleet| fleet.coordinator).as_deref()),
    }
}

fn named_or_usual(named: Option<&str>) -> Result<CoordinatorAddress, ExitCode> {
    let usual = || std::env::var(LG_COORDINATOR).ok().filter(|named| !named.is_empty());
    match named.map(str::to_owned).or_else(usual) {
        Some(named) => named.parse().map_err(|error| failed(&error)),
        None => {
            let message = Message("no coordinator of a lab is named".to_owned());
            let hint = format!(
                "add `coordinator = \"lab:20408\"` to `[fleet]` in `hil.toml`, or export {LG_COORDINATOR}=lab:20408"
            );
            Err(set_up_failed(&message, Some(hint)))
        }
    }
}

/// The name of this computer.
pub(crate) fn host_name() -> String {
    provenance::host().unwrap_or_else(|| "localhost".to_owned())
}
