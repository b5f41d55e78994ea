//! The boards that a scenario may run on: those that its steps name, and those that can play its roles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cucumber::gherkin::Step;
use hil_config::{Bench, Board};
use hil_schedule::{CannotRun, Job, Place, Scheduler};

use super::needs::{boards_named, names_in};
use super::on_board::wrong_on;
use super::problem::{Problem, Wrong};
use super::reading::reading;
use crate::spec::Reading;
use crate::wanted::Wanted;

/// What the steps of a scenario name, in the order of the names. Only boards that can carry out every step play a role;
/// if `preferred` boards can play, the others don't.
pub(crate) fn wanted(bench: &Bench, steps: &[&Step], preferred: &BTreeSet<String>) -> Vec<Wanted> {
    let named = boards_named(bench, steps).into_iter().map(|name| Wanted { boards: vec![name.clone()], name });
    let roles = roles_of(bench, steps);
    let named = named.filter(|wanted| !roles.contains_key(&wanted.name));
    let cast = |name: &String| Wanted {
        name: name.clone(),
        boards: Candidates::of(bench, name, &roles[name]).left.iter().map(|board| board.name.to_string()).collect(),
    };
    let mut all: Vec<_> = named.chain(roles.keys().map(cast)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    prefer(all, preferred)
}

/// With only the preferred boards for each role, as far as each role then still has a board of its own.
fn prefer(mut all: Vec<Wanted>, preferred: &BTreeSet<String>) -> Vec<Wanted> {
    for n in 0..all.len() {
        let mut narrowed = all.clone();
        narrowed[n].boards.retain(|board| preferred.contains(board));
        if !narrowed[n].boards.is_empty() && too_few(&narrowed).is_none() {
            all = narrowed;
        }
    }
    all
}

/// Why a scenario finds no boards on a bench, if it does not.
pub(super) fn check(bench: &Bench, steps: &[&Step], path: &Path, line: usize) -> Vec<Problem> {
    let roles = roles_of(bench, steps);
    let unfilled = |(name, naming): (&String, &Naming<'_>)| {
        let (step, wrong) = Candidates::of(bench, name, naming).unfilled?;
        Some(wrong.at_step(path, step))
    };
    let problems: Vec<_> = roles.iter().filter_map(unfilled).collect();
    if roles.is_empty() || !problems.is_empty() {
        return problems;
    }
    let all = wanted(bench, steps, &BTreeSet::new());
    let short = too_few(&all).map(|roles| {
        let of = all.iter().filter(|wanted| roles.contains(&wanted.name));
        let boards: BTreeSet<_> = of.flat_map(|wanted| &wanted.boards).map(|board| format!("`{board}`")).collect();
        let boards = boards.into_iter().collect::<Vec<_>>().join(", ");
        let what = format!(
            "the roles `{}` of this scenario need {} boards, and {} has only {boards} for them",
            roles.join("`, `"),
            roles.len(),
            bench.title()
        );
        Wrong::new(what, "each role has a board of its own: add a board that fits, or use one role").at(path, line)
    });
    short.into_iter().collect()
}

/// The roles that can't all have a board of their own at the same time.
fn too_few(all: &[Wanted]) -> Option<Vec<String>> {
    let mut scheduler = Scheduler::new(0);
    let mut places = BTreeMap::new();
    for board in all.iter().flat_map(|wanted| &wanted.boards) {
        places.entry(board).or_insert_with(|| scheduler.add_place(Place::new("", board)));
    }
    let role = |job: Job, wanted: &Wanted| job.role(&wanted.name, wanted.boards.iter().map(|board| places[board]));
    scheduler.add_job(all.iter().fold(Job::new(), role));
    match scheduler.cannot_run().pop()? {
        (_, CannotRun::NotTogether { roles }) => Some(roles),
        _ => None,
    }
}

/// The steps that name a role, each as it is read; none for steps of one's own.
type Naming<'s> = Vec<(&'s Step, Option<Reading>)>;

/// The roles of a bench that steps name, each with those steps.
fn roles_of<'s>(bench: &Bench, steps: &[&'s Step]) -> BTreeMap<String, Naming<'s>> {
    let mut roles: BTreeMap<String, Naming<'s>> = BTreeMap::new();
    if bench.roles.is_empty() {
        return roles;
    }
    for step in steps {
        let reading = reading(step);
        let mut named: Vec<_> = match &reading {
            Some(reading) => reading.boards().map(str::to_owned).collect(),
            None => names_in(step),
        };
        named.sort();
        named.dedup();
        for name in named.into_iter().filter(|name| bench.roles.contains_key(name.as_str())) {
            let read = reading.as_ref().map(|reading| Reading { arguments: reading.arguments.clone(), ..*reading });
            roles.entry(name).or_default().push((step, read));
        }
    }
    roles
}

/// The boards that may play a role in a scenario.
struct Candidates<'b, 's> {
    left: Vec<&'b Board>,
    /// The step at which none was left, and why.
    unfilled: Option<(&'s Step, Wrong)>,
}

impl<'b, 's> Candidates<'b, 's> {
    fn of(bench: &'b Bench, role: &str, naming: &Naming<'s>) -> Self {
        let mut left = bench.players(role);
        let mut out: Vec<String> = Vec::new();
        let Some((first, _)) = naming.first() else { return Self { left, unfilled: None } };
        if left.is_empty() {
            return Self { left, unfilled: Some((*first, no_board_fits(bench, role))) };
        }
        for (step, reading) in naming {
            let Some(reading) = reading else { continue };
            left.retain(|board| {
                let wrong = wrong_on(reading, role, board, bench).into_iter().next();
                out.extend(wrong.as_ref().map(|wrong| wrong.what.clone()));
                wrong.is_none()
            });
            if left.is_empty() {
                let what = format!("no board of {} can play the role `{role}` in this scenario", bench.title());
                return Self { left, unfilled: Some((*step, Wrong::new(what, out.join("; ")))) };
            }
        }
        Self { left, unfilled: None }
    }
}

fn no_board_fits(bench: &Bench, role: &str) -> Wrong {
    let wants = bench.roles.get(role).map(hil_config::BoardRole::wants).unwrap_or_default();
    let has = bench.boards.values().map(|board| {
        let chip = if board.kind == hil_config::BoardKind::Process { "no chip" } else { board.chip.word() };
        let tags = board.tags.iter().map(|tag| format!(", {tag}")).collect::<String>();
        format!("`{}` ({chip}{tags})", board.name)
    });
    let has = has.collect::<Vec<_>>().join(", ");
    let hint = if has.is_empty() { "it has no board at all".to_owned() } else { format!("there are {has}") };
    Wrong::new(format!("no board of {} fits the role `{role}`, which needs {wants}", bench.title()), hint)
}
