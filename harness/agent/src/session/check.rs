//! What of a head's scenarios a bench can run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hil_config::{Bench, Part};
use hil_scenario::{Filter, Plan, PlanError};
use hil_timeline::ScenarioKey;

use crate::protocol::{Fit, Refusal, Work};

/// The scenarios of a session: a plan for each.
pub(super) type Plans = BTreeMap<ScenarioKey, Plan>;

/// Reads the features in the current folder, and keeps the scenarios of the head. Also returns the passwords in them.
pub(super) fn read(work: &Work) -> Result<(Plans, Vec<String>), Refusal> {
    let paths: Vec<_> = work.features.iter().map(PathBuf::from).collect();
    let all = Filter { paths_named: true, ..Filter::default() };
    let plan = Plan::read(&paths, &all, None).map_err(|error| Refusal { what: error.to_string(), hint: None })?;
    let wanted: BTreeSet<_> = work.scenarios.iter().collect();
    let secrets = plan.secrets();
    let mut plans = plan.split();
    plans.retain(|key, _| wanted.contains(key));
    match work.scenarios.iter().find(|key| !plans.contains_key(*key)) {
        None => Ok((plans, secrets)),
        Some((path, line, name)) => Err(Refusal {
            what: format!("the features that were sent have no scenario `{name}` at {path}:{line}"),
            hint: Some("use the same `hil` on all hosts".to_owned()),
        }),
    }
}

/// Checks each scenario against a bench.
pub(super) fn fits(plans: &Plans, bench: &Bench) -> Vec<Fit> {
    let mut checks = Checks { bench, firmware: BTreeMap::new(), broker: None };
    plans.iter().map(|(key, plan)| checks.fit(key, plan)).collect()
}

/// Checks whose results hold for several scenarios.
struct Checks<'a> {
    bench: &'a Bench,
    firmware: BTreeMap<(String, String), Option<String>>,
    broker: Option<Option<String>>,
}

impl Checks<'_> {
    fn fit(&mut self, key: &ScenarioKey, plan: &Plan) -> Fit {
        let bench = self.bench;
        let info = plan.list(Some(bench)).pop().unwrap_or_default();
        let lacking = hil_scenario::lacking(bench, &info.tags);
        let (mut problems, mut roles) = (Vec::new(), info.roles);
        if lacking.is_none() {
            problems.extend(plan.check_on(bench).err().into_iter().flat_map(each));
            problems.extend(plan.check_passwords(bench).err().into_iter().flat_map(each));
            problems.extend(self.broker());
        }
        if lacking.is_none() && problems.is_empty() {
            for (board, firmware) in hil_scenario::firmware_of(plan, bench) {
                let Some(problem) = self.firmware(board.clone(), firmware) else { continue };
                // A board that can't run the firmware plays no role; what names it can't run.
                roles.iter_mut().for_each(|role| role.boards.retain(|other| *other != board));
                if info.boards.contains(&board) || roles.iter().any(|role| role.boards.is_empty()) {
                    problems.push(problem);
                }
            }
        }
        Fit { key: key.clone(), boards: info.boards, roles, lacking, problems }
    }

    fn firmware(&mut self, board: String, firmware: String) -> Option<String> {
        let bench = self.bench;
        let check = |board: &str, firmware: &str| {
            if let Err(error) = bench.check_set(Part::Firmware(firmware)) {
                return Some(error.to_string());
            }
            let error = hil_bench::check_firmware(bench, board, firmware).err()?;
            Some(with_hint(&error.to_string(), error.hint()))
        };
        let known = self.firmware.entry((board.clone(), firmware.clone()));
        known.or_insert_with(|| check(&board, &firmware)).clone()
    }

    fn broker(&mut self) -> Option<String> {
        let bench = self.bench;
        let check = || bench.check_set(Part::Broker).err().map(|error| error.to_string());
        self.broker.get_or_insert_with(check).clone()
    }
}

/// Each problem with its hint.
fn each(error: PlanError) -> Vec<String> {
    match error {
        PlanError::Invalid { problems } => problems.iter().map(ToString::to_string).collect(),
        error @ PlanError::Unreadable { .. } => vec![error.to_string()],
    }
}

/// A problem with its hint, as messages have it.
fn with_hint(what: &str, hint: Option<String>) -> String {
    match hint {
        Some(hint) => format!("{what}\nhint: {hint}"),
        None => what.to_owned(),
    }
}
