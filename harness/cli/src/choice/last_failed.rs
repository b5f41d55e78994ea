//! The scenarios that did not pass in an earlier run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hil_report::{RunSummary, read_summary};
use hil_scenario::Plan;
use hil_timeline::{EventReader, ScenarioInfo, Verdict, What};

use crate::exit_code::ExitCode;
use crate::folder;
use crate::output::{Message, set_up_failed, warn};

/// Path, rule and name.
type Identity = (String, Option<String>, String);

/// Keeps the scenarios that did not pass in a run: the named one, else the newest. Says which run, and how many.
pub(crate) fn keep(plan: &mut Plan, run: Option<&Path>, out: Option<&Path>) -> Result<(), ExitCode> {
    let run = run.map_or_else(|| newest(out), |run| Ok(run.to_owned()))?;
    let hint = || Some("name a run folder: `--last-failed=RUN`".to_owned());
    let summary = read_summary(&run).map_err(|error| set_up_failed(&error, hint()))?;
    let failed = failed(&summary);
    plan.keep(None, |scenario| failed.contains(&identity(scenario)));
    let (kept, all, run) = (plan.count(), failed.len(), run.display());
    match (kept, all) {
        (_, 0) => warn(format!("no scenario failed in `{run}`")),
        (kept, all) if kept == all => warn(format!("{all} failed in `{run}`")),
        (kept, all) => warn(format!("{all} failed in `{run}`; {kept} of them are selected")),
    }
    Ok(())
}

/// The scenarios that made a run fail, or did not come to their end.
fn failed(run: &RunSummary) -> BTreeSet<Identity> {
    let bad = run.scenarios.iter().filter(|scenario| {
        let is_bad = matches!(scenario.verdict, Verdict::Failed | Verdict::Errored | Verdict::Aborted);
        is_bad && !scenario.is_excused()
    });
    bad.map(|scenario| identity(&scenario.info)).collect()
}

fn identity(scenario: &ScenarioInfo) -> Identity {
    let (path, rule, name) = scenario.identity();
    (path.to_owned(), rule.map(str::to_owned), name.to_owned())
}

/// The newest run in the folder of runs: `target/hil`, or the one that contains `--out`.
fn newest(out: Option<&Path>) -> Result<PathBuf, ExitCode> {
    let runs = match out.and_then(Path::parent) {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new(folder::RUNS),
    };
    let entries = std::fs::read_dir(runs).into_iter().flatten().flatten();
    // `latest` is a link to one of the others.
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
    let newest = folders.filter_map(|folder| Some((started(&folder)?, folder))).max();
    newest.map(|(_, folder)| folder).ok_or_else(|| {
        let message = Message(format!("there is no run in `{}` yet", runs.display()));
        set_up_failed(&message, Some("run once without `--last-failed`, or name a run: `--last-failed=RUN`".to_owned()))
    })
}

/// When the run in a folder began; none if it is not a run.
fn started(folder: &Path) -> Option<u64> {
    let first = EventReader::open(&folder.join("events.jsonl")).ok()?.next()?.ok()?;
    match first.what {
        What::RunStarted { unix_ms, .. } => Some(unix_ms),
        _ => None,
    }
}
