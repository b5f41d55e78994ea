//! Which scenarios some host can run; reports each that none can.

use std::collections::{BTreeMap, BTreeSet};

use hil_agent::head::Host;
use hil_agent::protocol::Fit;
use hil_report::inert;
use hil_timeline::{HostName, RoleInfo, ScenarioInfo, ScenarioKey};

use crate::exit_code::ExitCode;
use crate::output::{Message, set_up_failed};
use crate::session::{self, listed};

/// The scenarios that run, with the boards that they name; only those that name one of `boards`, if there are any.
pub(super) fn planned(
    hosts: &[Host],
    scenarios: Vec<ScenarioInfo>,
    boards: &[String],
) -> Result<Vec<ScenarioInfo>, ExitCode> {
    let known: BTreeSet<&str> =
        hosts.iter().flat_map(|host| &host.hello().boards).map(|board| board.name.as_str()).collect();
    if let Some(unknown) = boards.iter().find(|board| !known.contains(board.as_str())) {
        let message = Message(format!("none of the hosts has a board `{unknown}`"));
        return Err(set_up_failed(
            &message,
            Some(listed("board", known.into_iter()).replacen("it has", "they have", 1)),
        ));
    }
    let mut fits: BTreeMap<ScenarioKey, Vec<(&HostName, &Fit)>> = BTreeMap::new();
    for (host, fit) in hosts.iter().flat_map(|host| host.could_fit().iter().map(move |fit| (host.name(), fit))) {
        fits.entry(fit.key.clone()).or_default().push((host, fit));
    }
    let named = |scenario: &ScenarioInfo| -> Vec<String> {
        let of = fits.get(&scenario.key()).into_iter().flatten().flat_map(|(_, fit)| fit.boards.iter().cloned());
        of.collect::<BTreeSet<_>>().into_iter().collect()
    };
    let roles = |scenario: &ScenarioInfo| -> Vec<RoleInfo> {
        let mut roles: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
        for role in fits.get(&scenario.key()).into_iter().flatten().flat_map(|(_, fit)| &fit.roles) {
            roles.entry(&role.role).or_default().extend(&role.boards);
        }
        let role = |(role, boards): (&str, BTreeSet<&String>)| RoleInfo {
            role: role.to_owned(),
            boards: boards.into_iter().cloned().collect(),
        };
        roles.into_iter().map(role).collect()
    };
    let with_boards = scenarios.into_iter().map(|scenario| {
        let (boards, roles) = (named(&scenario), roles(&scenario));
        ScenarioInfo { boards, roles, ..scenario }
    });
    let is_chosen =
        |scenario: &ScenarioInfo| boards.is_empty() || scenario.possible_boards().any(|board| boards.contains(board));
    let scenarios: Vec<_> = with_boards.filter(is_chosen).collect();
    if scenarios.is_empty() {
        return Err(session::nothing_matches(Some("no scenario names one of the boards of `--board`")));
    }
    refuse_unfit(&scenarios, &fits)?;
    Ok(scenarios)
}

/// Reports what is wrong with scenarios that no host can run, each problem once.
fn refuse_unfit(
    scenarios: &[ScenarioInfo],
    fits: &BTreeMap<ScenarioKey, Vec<(&HostName, &Fit)>>,
) -> Result<(), ExitCode> {
    /// More would not help: many scenarios have the same mistake.
    const MOST: usize = 20;
    let mut problems = Vec::new();
    for scenario in scenarios {
        let of = fits.get(&scenario.key()).map(Vec::as_slice).unwrap_or_default();
        if of.iter().any(|(_, fit)| fit.problems.is_empty()) {
            continue;
        }
        for (host, fit) in of {
            for problem in &fit.problems {
                let text = (problem.as_str(), host);
                if !problems.contains(&text) {
                    problems.push(text);
                }
            }
        }
    }
    for (problem, host) in problems.iter().take(MOST) {
        // The agent's messages are laid out as those of this program, with their hint in a line of its own.
        let (what, hint) = problem.split_once("\nhint: ").map_or((*problem, None), |(what, hint)| (what, Some(hint)));
        let lines = |text: &str| text.lines().map(inert).collect::<Vec<_>>().join("\n");
        set_up_failed(&Message(format!("host `{host}`: {}", lines(what))), hint.map(lines));
    }
    match problems.len().saturating_sub(MOST) {
        _ if problems.is_empty() => Ok(()),
        0 => Err(ExitCode::Setup),
        more => Err(set_up_failed(&Message(format!("{more} more problems are not shown")), None)),
    }
}
