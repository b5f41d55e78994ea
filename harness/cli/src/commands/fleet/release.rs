//! `hil fleet release`: what runs have is given back.

use hil_labgrid::{Held, LabgridError, Session, held_by_runs, release_all};
use hil_report::inert;
use serde_json::json;

use crate::args::{Format, ReleaseArgs};
use crate::exit_code::ExitCode;
use crate::output::{Message, say, say_json, set_up_failed};
use crate::session;

pub(super) fn release(args: &ReleaseArgs) -> ExitCode {
    let released = super::with_session(&args.coordinator, async |session| release_in(args, session).await);
    let (released, others) = match released {
        Ok(released) => released,
        Err(code) => return code,
    };
    if let (Some(run), true) = (&args.run, released.is_empty()) {
        let message = Message(format!("no run `{run}` has a board of this lab"));
        return set_up_failed(&message, Some(session::listed("run", others.iter().map(String::as_str))));
    }
    if args.format.format == Format::Json {
        let places: Vec<_> =
            released.iter().map(|held| json!({ "place": held.place, "run": held.owner.run() })).collect();
        say_json(&json!({ "released": places }));
        return ExitCode::Passed;
    }
    for Held { place, owner, .. } in &released {
        say(inert(&format!("{place}: released, run {} on {} had it", owner.run(), owner.host())));
    }
    if released.is_empty() {
        say("no ended run has a board");
    }
    ExitCode::Passed
}

/// What was released, and the runs that have something else.
async fn release_in(args: &ReleaseArgs, session: &Session) -> Result<(Vec<Held>, Vec<String>), LabgridError> {
    let is_meant = |held: &Held| args.run.as_ref().map_or(!held.is_alive, |run| held.owner.run() == run);
    let (meant, others): (Vec<_>, Vec<_>) = held_by_runs(session).await?.into_iter().partition(is_meant);
    release_all(session, &meant).await?;
    let mut runs: Vec<_> = others.iter().map(|held| held.owner.run().to_owned()).collect();
    runs.dedup();
    Ok((meant, runs))
}
