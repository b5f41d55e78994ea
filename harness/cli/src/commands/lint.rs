//! `hil lint`.

use hil_scenario::Plan;

use super::{say, set_up_failed};
use crate::args::SelectArgs;
use crate::exit_code::ExitCode;
use crate::session;

pub(crate) fn lint(args: &SelectArgs) -> ExitCode {
    let paths = session::feature_paths(&args.features);
    let filter = match session::filter(args) {
        // Opt-in scenarios are checked like all others.
        Ok(filter) => hil_scenario::Filter { paths_named: true, ..filter },
        Err(error) => return set_up_failed(&error, None),
    };
    match Plan::read(&paths, &filter) {
        Ok(plan) if plan.count() == 0 => session::nothing_matches(),
        Ok(plan) => {
            say(format!("{} scenarios, nothing wrong", plan.count()));
            ExitCode::Passed
        }
        Err(error) => set_up_failed(&error, None),
    }
}
