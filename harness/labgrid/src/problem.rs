//! Why a place can't be used, and what went wrong with the coordinator.

use std::time::Duration;

/// Why a place can't be used. Another one may do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceProblem {
    /// Nothing matches it, so that nothing says whether its host is there.
    #[error("no resources belong to it")]
    NoResources,
    /// What belongs to it is not exported.
    #[error("its exporter is gone: nothing matches {}", listed(missing))]
    ExporterGone {
        /// Its matches without any resource.
        missing: Vec<String>,
    },
    /// The exporter is there, and says that the device is not.
    #[error("the exporter does not find {resource}")]
    Absent {
        /// The resource.
        resource: String,
    },
    /// It was reserved, but it does not exist.
    #[error("it was allocated to this run, but is no longer there")]
    NotThere,
    /// A person released it while the run had it.
    #[error("another session released it")]
    Released,
    /// Another session has it.
    #[error("`{0}` has it")]
    Held(String),
    /// It is allocated to a reservation of another session.
    #[error("it is reserved for another session")]
    Reserved,
    /// The coordinator refused it.
    #[error("the coordinator refuses it: {0}")]
    Refused(String),
    /// The agent on its host could not use it.
    #[error("its host refuses it: {0}")]
    Host(String),
}

impl PlaceProblem {
    /// What to do.
    #[must_use]
    pub fn hint(&self, place: &str) -> String {
        match self {
            Self::NoResources => {
                format!("`hil fleet publish` on its host describes it; `labgrid-client -p {place} show` lists matches")
            }
            Self::ExporterGone { .. } => "start `labgrid-exporter` on the host of the board".to_owned(),
            Self::Absent { .. } => "connect the device, or check the exporter's configuration".to_owned(),
            Self::NotThere => "`hil fleet publish` on its host describes it again".to_owned(),
            Self::Held(_) | Self::Reserved | Self::Released => {
                "`hil fleet` lists who has what; `hil fleet release --stale` frees what ended runs still have"
                    .to_owned()
            }
            Self::Refused(_) => format!("`labgrid-client -p {place} show` shows its state"),
            Self::Host(_) => "`hil doctor` on its host checks its bench".to_owned(),
        }
    }
}

/// What went wrong with the coordinator, or with what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum LabgridError {
    /// It is not an address.
    #[error("`{0}` is not the address of a coordinator")]
    Address(String),
    /// No connection.
    #[error("can't reach the labgrid coordinator at {address}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection ended.
    #[error("the labgrid coordinator at {address} ended the connection: {reason}")]
    Gone {
        /// Where it is.
        address: String,
        /// What it said last.
        reason: String,
    },
    /// It knows no session of this connection, as after a restart.
    #[error("the labgrid coordinator at {address} has no session of this run")]
    NoSession {
        /// Where it is.
        address: String,
    },
    /// What answers is not a coordinator that this version can speak to.
    #[error("{address} does not answer as a labgrid coordinator does: {reason}")]
    Foreign {
        /// Where it is.
        address: String,
        /// What it said.
        reason: String,
    },
    /// No answer.
    #[error("the labgrid coordinator at {address} did not answer `{call}` within {} s", within.as_secs())]
    Slow {
        /// Where it is.
        address: String,
        /// What was asked.
        call: &'static str,
        /// How long this waited.
        within: Duration,
    },
    /// It refused.
    #[error("the labgrid coordinator refuses `{call}`: {reason}")]
    Refused {
        /// What was asked.
        call: &'static str,
        /// What it said.
        reason: String,
    },
    /// The lab has no place for what is wanted.
    #[error("the lab has {}{want}; the run needs at least {at_least}", count(*found))]
    TooFew {
        /// What is wanted: ` with hil_chip = esp32`, or nothing for any board.
        want: String,
        /// How many places fit.
        found: usize,
        /// How many it needs.
        at_least: usize,
        /// Boards of the lab that do not fit.
        others: Vec<String>,
    },
    /// The places were in use for too long.
    #[error("no {}{want} could be had within {}{}", boards(*at_least), seconds(*wait), reasons(places))]
    NotInTime {
        /// What is wanted: ` with hil_chip = esp32`, or nothing for any board.
        want: String,
        /// How many the run needs.
        at_least: usize,
        /// How long it waited.
        wait: Duration,
        /// Places that fit, and why they could not be had.
        places: Vec<(String, PlaceProblem)>,
    },
}

impl LabgridError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Address(_) => "example: `lab:20408`".to_owned(),
            Self::Unreachable { .. } => {
                "start `labgrid-coordinator` there, or correct `coordinator` in `hil.toml` or `LG_COORDINATOR`"
                    .to_owned()
            }
            Self::Gone { .. } | Self::NoSession { .. } => {
                "try again; a coordinator that was restarted has forgotten who has which place".to_owned()
            }
            Self::Foreign { .. } => "`hil` speaks to the coordinators of labgrid 25 and 26".to_owned(),
            Self::Slow { .. } => "an exporter that is gone holds it up for up to 10 s for each resource".to_owned(),
            Self::Refused { .. } => "`hil fleet` lists the places and who has them".to_owned(),
            Self::TooFew { others, .. } if others.is_empty() => {
                "`hil fleet publish` on the host of the boards describes them".to_owned()
            }
            Self::TooFew { others, .. } => format!("other boards of the lab: {}", listed(others)),
            Self::NotInTime { places, .. } => places.first().map_or_else(
                || "`hil fleet` lists the places and who has them".to_owned(),
                |(place, problem)| problem.hint(place),
            ),
        }
    }

    /// Whether the connection is lost: what was asked can be asked again over a new one.
    #[must_use]
    pub fn is_connection(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Gone { .. } | Self::NoSession { .. } | Self::Slow { .. })
    }
}

/// `a`, `b` and 3 more.
fn listed(words: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<_> = words.iter().take(SHOWN).map(|word| format!("`{word}`")).collect();
    match words.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn count(found: usize) -> String {
    match found {
        0 => "no board".to_owned(),
        1 => "1 board".to_owned(),
        more => format!("{more} boards"),
    }
}

fn boards(at_least: usize) -> String {
    if at_least == 1 { "board".to_owned() } else { format!("{at_least} boards") }
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) { format!("{} ms", time.as_millis()) } else { format!("{} s", time.as_secs()) }
}

fn reasons(places: &[(String, PlaceProblem)]) -> String {
    const SHOWN: usize = 8;
    let shown: String = places.iter().take(SHOWN).map(|(place, problem)| format!("\n`{place}`: {problem}")).collect();
    match places.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}\nand {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_of_a_place_says_what_to_do() {
        let all = [
            PlaceProblem::NoResources,
            PlaceProblem::ExporterGone { missing: vec!["pi-a/lamp/NetworkService".to_owned()] },
            PlaceProblem::Absent { resource: "pi-a/lamp/hub (NetworkUSBHub)".to_owned() },
            PlaceProblem::NotThere,
            PlaceProblem::Released,
            PlaceProblem::Held("desk/anna".to_owned()),
            PlaceProblem::Reserved,
            PlaceProblem::Refused("Failed to acquire resources for place pi-a-lamp".to_owned()),
            PlaceProblem::Host("board `lamp` is in use by hil monitor (pid 7)".to_owned()),
        ];
        let shown = all.map(|problem| format!("`pi-a-lamp`: {problem}\nhint: {}", problem.hint("pi-a-lamp")));
        insta::assert_snapshot!(shown.join("\n\n"));
    }

    #[test]
    fn every_error_says_what_to_do() {
        let (address, reason) = ("lab:20408".to_owned(), "too many pings".to_owned());
        let places = (1..=10).map(|n| (format!("pi-{n}-lamp"), PlaceProblem::Held("desk/anna".to_owned())));
        let want = " with hil_chip = esp32".to_owned();
        let all = [
            LabgridError::Address("http://lab".to_owned()),
            LabgridError::Unreachable { address: address.clone(), source: "Connection refused (os error 111)".into() },
            LabgridError::Gone { address: address.clone(), reason: reason.clone() },
            LabgridError::NoSession { address: address.clone() },
            LabgridError::Foreign { address: address.clone(), reason: "Method not found!".to_owned() },
            LabgridError::Slow { address, call: "AcquirePlace", within: Duration::from_secs(45) },
            LabgridError::Refused { call: "AddPlace", reason: "Place pi-a-lamp already exists".to_owned() },
            LabgridError::TooFew { want: want.clone(), found: 1, at_least: 2, others: Vec::new() },
            LabgridError::TooFew { want: want.clone(), found: 0, at_least: 1, others: vec!["pi-a-lamp".to_owned()] },
            LabgridError::NotInTime { want, at_least: 2, wait: Duration::from_secs(600), places: places.collect() },
        ];
        let shown = all.map(|error| format!("error: {error}\nhint: {}", error.hint()));
        insta::assert_snapshot!(shown.join("\n\n"));
    }
}
