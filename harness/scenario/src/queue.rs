//! What is known about each scenario of an attempt before it has its turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use hil_bench::Needs;
use hil_timeline::ScenarioKey;

use crate::context::RunContext;
use crate::course::Course;
use crate::error::StepError;
use crate::plan::{Plan, each_scenario, firmware_named, info, lacking, on_each, steps_of};
use crate::turn::{Entry, Ticket};
use crate::wanted::Wanted;

/// A scenario that waits for its turn.
pub(crate) struct Prepared {
    /// What it asks the bench for.
    pub(crate) wanted: Vec<Wanted>,
    /// Where its turn arrives, or why it can't run.
    pub(crate) ticket: Result<Ticket, StepError>,
}

impl Default for Prepared {
    fn default() -> Self {
        Self { wanted: Vec::new(), ticket: Err(StepError::errored("this scenario was not planned")) }
    }
}

/// Lets all scenarios of a plan wait for their turns.
pub(crate) async fn prepare(
    context: &Arc<RunContext>,
    course: &Arc<Course>,
    plan: &Plan,
) -> BTreeMap<ScenarioKey, Prepared> {
    let bench = context.bench.config();
    let (mut prepared, mut entries) = (BTreeMap::new(), Vec::new());
    for feature in &plan.features {
        for (rule, scenario) in each_scenario(feature) {
            let steps = steps_of(feature, rule, scenario);
            let wanted = plan.wanted(bench, &steps);
            let info = info(feature, rule, scenario, &wanted);
            let key = info.key();
            let able = match lacking(bench, &info.tags) {
                Some(lacking) => Err(StepError::skipped(lacking)),
                None => able(context, wanted.clone(), &firmware_named(&steps)).await,
            };
            match able {
                Ok(mut able) => {
                    for wanted in &mut able {
                        // Another process has chosen the board.
                        wanted.boards = course
                            .bound
                            .get(&wanted.name)
                            .map_or_else(|| std::mem::take(&mut wanted.boards), |board| vec![board.clone()]);
                    }
                    let (expected, avoids) = (course.options.expected.get(&key).copied(), course.failed_on(&key));
                    entries.push(Entry { key: key.clone(), wanted: able, expected, avoids });
                }
                Err(error) => {
                    drop(prepared.insert(key.clone(), Prepared { wanted: wanted.clone(), ticket: Err(error) }))
                }
            }
            prepared.entry(key).or_insert(Prepared { wanted, ..Prepared::default() });
        }
    }
    let tickets = course.turns.as_ref().map(|turns| turns.queue(entries)).unwrap_or_default();
    for (key, ticket) in tickets {
        if let Some(prepared) = prepared.get_mut(&key) {
            prepared.ticket = Ok(ticket);
        }
    }
    prepared
}

/// For each role only the boards on which this machine has what the firmware needs.
async fn able(
    context: &RunContext,
    mut wanted: Vec<Wanted>,
    firmware: &[(String, String)],
) -> Result<Vec<Wanted>, StepError> {
    for (name, firmware) in firmware {
        let is_role = wanted.iter().any(|wanted| wanted.name == *name && wanted.is_role());
        if !is_role {
            continue;
        }
        let mut why = None;
        let mut able = Vec::new();
        for pair in on_each(&wanted, name.clone(), firmware) {
            let needs = tokio::select! {
                biased;
                () = context.aborted() => Needs::Met,
                needs = context.needs(std::slice::from_ref(&pair)) => needs,
            };
            match needs {
                Needs::Lacking(what) => drop(why.get_or_insert(what)),
                // What is unknown is asked again when the scenario has the board.
                Needs::Met | Needs::Unknown(_) => able.push(pair.0),
            }
        }
        if let (true, Some(why)) = (able.is_empty(), why) {
            return Err(StepError::skipped(why));
        }
        wanted.iter_mut().filter(|wanted| wanted.name == *name).for_each(|wanted| wanted.boards.clone_from(&able));
    }
    Ok(wanted)
}
