//! `hil lint`.

use hil_config::Bench;
use hil_scenario::{Filter, Plan};

use crate::args::LintArgs;
use crate::exit_code::ExitCode;
use crate::output::{say, set_up_failed};
use crate::session;

pub(crate) fn lint(args: &LintArgs) -> ExitCode {
    let paths = session::feature_paths(&args.select.features);
    let filter = match session::filter(&args.select) {
        // Opt-in scenarios are checked like all others.
        Ok(filter) => Filter { paths_named: true, ..filter },
        Err(error) => return set_up_failed(&error, None),
    };
    // Features may be written for a bench that is elsewhere: only one that is named is looked at.
    let bench = match Bench::named(args.bench.clone(), &hil_scenario::kinds()) {
        Ok(bench) => bench,
        Err(error) => return set_up_failed(&error, None),
    };
    let everything = filter.tags.is_none() && filter.name.is_none();
    match Plan::read(&paths, &filter, bench.as_ref()) {
        // A file may hold comments only; a filter that takes nothing is a mistake.
        Ok(plan) if plan.count() == 0 && !(everything && plan.has_files()) => session::nothing_matches(),
        Ok(plan) => {
            session::warn_of(&plan);
            let on = bench.map(|bench| format!(" on the bench `{}`", bench.name)).unwrap_or_default();
            let odd = match plan.warnings().len() {
                0 => String::new(),
                1 => " but for 1 warning".to_owned(),
                more => format!(" but for {more} warnings"),
            };
            say(format!("{} scenarios, nothing wrong{on}{odd}", plan.count()));
            ExitCode::Passed
        }
        Err(error) => set_up_failed(&error, None),
    }
}
