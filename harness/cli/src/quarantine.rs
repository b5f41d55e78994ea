//! Scenarios that may fail: they run and are reported, but do not make the run fail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hil_config::{QuarantineEntry, read_quarantine};
use hil_files::Links;
use hil_report::inert;
use hil_scenario::{Filter, Plan};
use hil_timeline::{Quarantine, ScenarioInfo, ScenarioKey};

use crate::exit_code::ExitCode;
use crate::folder;
use crate::output::{Message, set_up_failed, warn};
use crate::session;

/// The file that is read without `--quarantine`, if it is there.
const DEFAULT: &str = "quarantine.toml";

/// The scenarios of a plan that are in quarantine.
pub(crate) type Quarantined = BTreeMap<ScenarioKey, Quarantine>;

/// Reads the quarantine file and finds its scenarios in a plan. Warns about entries that have expired, and about those
/// that match no scenario at all.
pub(crate) fn of(plan: &Plan, features: &[PathBuf], asked: Option<&Path>) -> Result<Quarantined, ExitCode> {
    let Some(path) = asked.map(Path::to_owned).or_else(|| default(features)) else { return Ok(Quarantined::new()) };
    let entries = read(&path)?;
    let today = today();
    let (expired, current): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.until < today);
    for entry in expired {
        let (name, until, reason) = (&entry.name, &entry.until, &entry.reason);
        let text = format!("the quarantine of `{name}` ended on {until}: it counts again ({reason})");
        warn(format!("warning: {}", inert(&text)));
    }
    // All features, whatever is selected: another selection must not look like a misspelt name.
    if features.is_empty()
        && let Ok(all) = Plan::read(&session::feature_paths(features), &everything(), None)
    {
        let all = all.list(None);
        for entry in current.iter().filter(|entry| !all.iter().any(|scenario| matches(entry, scenario))) {
            let text = format!("no scenario is called `{}`, which `{}` names", entry.name, path.display());
            warn(format!("warning: {}", inert(&text)));
        }
    }
    let entry_of = |scenario: &ScenarioInfo| current.iter().find(|entry| matches(entry, scenario)).copied();
    let of = |scenario: ScenarioInfo| {
        let QuarantineEntry { reason, until, issue, .. } = entry_of(&scenario)?.clone();
        Some((scenario.key(), Quarantine { reason, until, issue }))
    };
    Ok(plan.list(None).into_iter().filter_map(of).collect())
}

fn everything() -> Filter {
    Filter { paths_named: true, ..Filter::default() }
}

/// `quarantine.toml` in the working folder, else beside the first features.
fn default(features: &[PathBuf]) -> Option<PathBuf> {
    let beside = features.first().and_then(|first| Some(first.parent()?.join(DEFAULT)));
    std::iter::once(PathBuf::from(DEFAULT)).chain(beside).find(|path| path.is_file())
}

fn read(path: &Path) -> Result<Vec<QuarantineEntry>, ExitCode> {
    let text = hil_files::read_text(path, Links::Follow).map_err(|error| {
        let message = Message(format!("can't read the quarantine file `{}`: {error}", path.display()));
        set_up_failed(&message, Some("name another file with `--quarantine`".to_owned()))
    })?;
    read_quarantine(&text, path).map_err(|error| set_up_failed(&error, None))
}

fn matches(entry: &QuarantineEntry, scenario: &ScenarioInfo) -> bool {
    let in_file = entry.feature.as_ref().is_none_or(|feature| Path::new(&scenario.path).ends_with(feature));
    in_file && entry.name == scenario.name
}

/// The day in UTC, as `YYYY-MM-DD`, which sorts by time.
fn today() -> String {
    let now = chrono::DateTime::from_timestamp(folder::now().as_secs().cast_signed(), 0).unwrap_or_default();
    now.format("%Y-%m-%d").to_string()
}
