//! `hil lint`.

use hil_config::Bench;
use hil_scenario::{Filter, Plan};

use super::{say, set_up_failed};
use crate::args::LintArgs;
use crate::exit_code::ExitCode;
use crate::session;

pub(crate) fn lint(args: &LintArgs) -> ExitCode {
    let paths = session::feature_paths(&args.select.features);
    let filter = match session::filter(&args.select) {
        // Opt-in scenarios are checked like all others.
        Ok(filter) => Filter { paths_named: true, ..filter },
        Err(error) => return set_up_failed(&error, None),
    };
    // Features may be written for a bench that is elsewhere: only one that is named is looked at.
    let bench = match Bench::named(args.bench.clone()) {
        Ok(bench) => bench,
        Err(error) => return set_up_failed(&error, None),
    };
    match Plan::read(&paths, &filter, bench.as_ref()) {
        Ok(plan) if plan.count() == 0 => session::nothing_matches(),
        Ok(plan) => {
            let on = bench.map(|bench| format!(" on the bench `{}`", bench.name)).unwrap_or_default();
            say(format!("{} scenarios, nothing wrong{on}", plan.count()));
            ExitCode::Passed
        }
        Err(error) => set_up_failed(&error, None),
    }
}
