//! Whether the boards of a scenario are at an access point that its steps can change.

use std::collections::BTreeSet;
use std::path::Path;

use cucumber::gherkin::Step;
use hil_config::{Bench, Board, BoardKind};

use super::problem::{Problem, Wrong};
use super::reading::reading;
use super::roles::wanted;
use crate::radio::is_on_air;
use crate::spec::Air;

/// What is wrong with the steps of a scenario about the access point.
pub(super) fn check(bench: &Bench, steps: &[&Step], path: &Path) -> Vec<Problem> {
    let of = |step: &&Step| reading(step).map(|reading| reading.spec.air).filter(|air| *air != Air::Nothing);
    let about: Vec<_> = steps.iter().filter_map(|step| Some((*step, of(step)?))).collect();
    if about.is_empty() {
        return Vec::new();
    }
    let names = wanted(bench, steps, &BTreeSet::new()).into_iter().flat_map(|wanted| wanted.boards);
    let boards: Vec<_> = names.filter_map(|name| bench.board(&name)).collect();
    let wrong = |(step, air): (&Step, Air)| Some(wrong(air, &boards, bench)?.at_step(path, step));
    about.into_iter().filter_map(wrong).collect()
}

/// Whether steps of a scenario change the bench's access point, so that no other scenario may use it meanwhile.
pub(crate) fn changes_access_point(steps: &[&Step]) -> bool {
    steps.iter().any(|step| reading(step).is_some_and(|reading| reading.spec.air != Air::Nothing))
}

fn wrong(air: Air, boards: &[&Board], bench: &Bench) -> Option<Wrong> {
    let title = bench.title();
    let simulated = boards.iter().find(|board| board.kind == BoardKind::Virtual);
    let has_radio = bench.access_point.is_some() && boards.iter().any(|board| is_on_air(board.kind));
    let is_open = bench.wifi.as_ref().is_some_and(|wifi| wifi.password.is_empty());
    match (air, simulated) {
        (Air::Presence, Some(_)) => None,
        (_, None) if !has_radio => {
            let what = match bench.access_point {
                None => format!("{title} has no access point that `hil` runs"),
                Some(_) => format!("no board of this scenario is at the access point of {title}"),
            };
            Some(Wrong::new(what, HINT))
        }
        (Air::Password | Air::Channel, Some(board)) => {
            let what =
                format!("the access point of the virtual board `{}` has no channel and one password", board.name);
            Some(Wrong::new(what, HINT))
        }
        (Air::Password, None) if is_open => {
            let what = format!("the network of {title} is open: its access point can't take another password");
            Some(Wrong::new(what, "give `[wifi]` a `password`"))
        }
        _ => None,
    }
}

const HINT: &str = "the step is for boards of the kinds `esp` and `process` on a bench with a table `[access-point]`; that of a \
     `virtual` board can go away and come back";
