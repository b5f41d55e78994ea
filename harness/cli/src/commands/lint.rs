//! `hil lint`.

use std::path::Path;

use hil_config::{Bench, Project};
use hil_scenario::{Filter, Plan};

use crate::args::LintArgs;
use crate::choice;
use crate::exit_code::ExitCode;
use crate::output::{say, set_up_failed, warn};
use crate::{project, session};

pub(crate) fn lint(args: &LintArgs) -> ExitCode {
    let paths = session::feature_paths(&args.select.features);
    let filter = match session::filter(&args.select) {
        // Checks opt-in scenarios as well.
        Ok(filter) => Filter { paths_named: true, ..filter },
        Err(error) => return set_up_failed(&error, None),
    };
    // Features may be for another bench than the one of this machine.
    let bench = Bench::of_project(args.bench.clone(), &hil_scenario::kinds());
    let bench = match bench.and_then(|bench| bench.map(|bench| project::on(bench, &args.project, &[])).transpose()) {
        Ok(bench) => bench,
        Err(error) => return set_up_failed(&error, None),
    };
    if let (None, Some(project)) = (&bench, Project::choose(args.project.project.as_deref())) {
        match Project::check_alone(&project) {
            Ok(open) => open.iter().for_each(|firmware| warn_of_open(&project, firmware)),
            Err(error) => return set_up_failed(&error, None),
        }
    }
    let everything = filter.tags.is_none() && filter.name.is_none();
    match Plan::read(&paths, &filter, bench.as_ref()) {
        // A file may contain only comments; a filter that matches nothing is a mistake.
        Ok(plan) if plan.count() == 0 && !(everything && plan.has_files()) => {
            choice::nothing_selected(&plan, &args.select)
        }
        Ok(plan) => {
            session::warn_of(&plan);
            let on = bench.map(|bench| format!(" on {}", bench.title())).unwrap_or_default();
            let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
            let scenarios = counted(plan.count(), "scenario");
            let warnings = match plan.warnings().len() {
                0 => String::new(),
                count => format!(", {}", counted(count, "warning")),
            };
            say(format!("{scenarios}, no errors{on}{warnings}"));
            ExitCode::Passed
        }
        Err(error) => set_up_failed(&error, None),
    }
}

/// Warns that a firmware of a project file is checked only with its bench.
fn warn_of_open(project: &Path, firmware: &str) {
    let firmware = hil_report::inert(firmware);
    warn(format!(
        "warning: the firmware `{firmware}` of `{}` extends one of a bench, and is not checked: name it with `--bench`",
        project.display()
    ));
}
