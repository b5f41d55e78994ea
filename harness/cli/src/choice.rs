//! Chooses which scenarios of a plan run, from the options that `hil run` and test targets share.

mod last_failed;

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::time::Duration;

use hil_config::Bench;
use hil_report::History;
use hil_scenario::{Plan, Retries, RunOptions};
use hil_timeline::{Choice, ScenarioInfo, Shard, shuffled_place};

use crate::args::{ChooseArgs, SelectArgs};
use crate::exit_code::ExitCode;
use crate::output::{Message, say, set_up_failed};
use crate::quarantine::Quarantined;
use crate::records::last_time;
use crate::session;

/// A plan of which the scenarios to run are chosen.
pub(crate) struct Chosen {
    pub(crate) plan: Plan,
    pub(crate) choice: Choice,
}

/// How many scenarios each option leaves.
struct Funnel(Vec<Filtered>);

/// What an option leaves: a text with a place for the number before it, and the number after it.
struct Filtered {
    text: (String, &'static str),
    left: usize,
}

impl Funnel {
    /// The counts of a plan that was just read.
    fn of(plan: &Plan, select: &SelectArgs) -> Self {
        let found = plan.found();
        let mut funnel = Self(Vec::new());
        funnel.passed(String::new(), found.all);
        if let Some(tags) = &select.tags {
            funnel.passed(format!("`--tags '{tags}'` leaves none of "), found.tagged);
        }
        if let Some(name) = &select.name {
            funnel.passed(format!("`--name '{name}'` leaves none of "), found.named);
        }
        funnel.0.push(Filtered { text: ("all that match (".to_owned(), ") are tagged @opt-in"), left: plan.count() });
        funnel
    }

    fn passed(&mut self, option: String, left: usize) {
        self.0.push(Filtered { text: (option, ""), left });
    }

    /// Reports which option left no scenario.
    fn emptied(&self) -> ExitCode {
        let empty = self.0.iter().position(|filtered| filtered.left == 0).unwrap_or(0);
        let before = self.0.get(empty.saturating_sub(1)).map_or(0, |filtered| filtered.left);
        match self.0.get(empty) {
            Some(Filtered { text: (text, end), .. }) if empty > 0 => {
                session::nothing_matches(Some(&format!("{text}{before}{end}")))
            }
            _ => session::nothing_matches(None),
        }
    }
}

/// Reports which filter left no scenario of a plan that was just read.
pub(crate) fn nothing_selected(plan: &Plan, select: &SelectArgs) -> ExitCode {
    Funnel::of(plan, select).emptied()
}

/// Keeps the scenarios that the options choose; reports which option left none.
pub(crate) fn choose(
    mut plan: Plan,
    bench: Option<&Bench>,
    (select, args): (&SelectArgs, &ChooseArgs),
    out: Option<&Path>,
) -> Result<Chosen, ExitCode> {
    let mut funnel = Funnel::of(&plan, select);
    if plan.count() == 0 {
        return Err(nothing_selected(&plan, select));
    }
    if let Some(bench) = bench.filter(|_| !args.board.is_empty()) {
        on_boards(&mut plan, bench, &args.board)?;
        let boards: String = args.board.iter().map(|board| format!(" --board {board}")).collect();
        funnel.passed(format!("`{}` leaves none of ", boards.trim_start()), plan.count());
    }
    if let Some(run) = &args.last_failed {
        refuse_shards(run.is_some(), args)?;
        last_failed::keep(&mut plan, run.as_deref(), out)?;
        funnel.passed("`--last-failed` leaves none of ".to_owned(), plan.count());
    }
    let selected = plan.count();
    let shard = args.shard.map(|part| Shard { index: part.index, of: part.of, selected });
    if let (Some(shard), Some(part)) = (shard, args.shard) {
        plan.keep(None, |scenario| shard.takes(scenario));
        funnel.passed(format!("`--shard {part}` has none of "), plan.count());
    }
    if plan.count() == 0 {
        return Err(funnel.emptied());
    }
    let shuffle = args.shuffle.map(|seed| seed.unwrap_or_else(new_seed));
    Ok(Chosen { plan, choice: Choice { repeat: args.repeat, shuffle, seed: args.seed, shard, merged: Vec::new() } })
}

/// Keeps the scenarios that name one of the boards, or a role that one of them can play; they then play it.
fn on_boards(plan: &mut Plan, bench: &Bench, boards: &[String]) -> Result<(), ExitCode> {
    if let Some(unknown) = boards.iter().find(|name| bench.board(name).is_none()) {
        return Err(session::no_such_board(bench, unknown));
    }
    let wanted: BTreeSet<&String> = boards.iter().collect();
    plan.keep(Some(bench), |scenario| scenario.possible_boards().any(|board| wanted.contains(board)));
    plan.prefer(boards.iter().cloned());
    Ok(())
}

/// Each host has a newest run of its own: the parts would be parts of different wholes.
fn refuse_shards(is_run_named: bool, args: &ChooseArgs) -> Result<(), ExitCode> {
    if args.shard.is_none() || is_run_named {
        return Ok(());
    }
    let message =
        Message("`--shard` needs a run that all parts share: `--last-failed` takes the newest here".to_owned());
    Err(set_up_failed(&message, Some("name the run: `--last-failed=RUN`".to_owned())))
}

/// A seed that is easy to type.
fn new_seed() -> u32 {
    const SEEDS: u64 = 100_000;
    u32::try_from(RandomState::new().hash_one(std::process::id()) % SEEDS).unwrap_or(0)
}

impl Chosen {
    /// How to run it.
    pub(crate) fn options(
        &self,
        args: &ChooseArgs,
        quarantined: &Quarantined,
        (retries, history): (Retries, &History),
    ) -> RunOptions {
        // Without a history no time is known.
        let past = history.read().unwrap_or_default();
        let took = |info: &ScenarioInfo| Some((info.key(), Duration::from_millis(last_time(info, &past)?)));
        RunOptions {
            retries,
            repeat: args.repeat,
            until_fail: args.until_fail,
            fail_fast: args.fail_fast,
            shuffle: self.choice.shuffle,
            seed: self.choice.seed.or(self.choice.shuffle).unwrap_or_default(),
            expected: self.plan.list(None).iter().filter_map(took).collect(),
            quarantined: quarantined.keys().cloned().collect(),
        }
    }

    /// Its scenarios in the order in which they run.
    pub(crate) fn list(&self, bench: Option<&Bench>) -> Vec<ScenarioInfo> {
        in_order(self.plan.list(bench), &self.choice)
    }
}

/// Scenarios in the order in which they run.
pub(crate) fn in_order(mut scenarios: Vec<ScenarioInfo>, choice: &Choice) -> Vec<ScenarioInfo> {
    if let Some(seed) = choice.shuffle {
        scenarios.sort_by_cached_key(|scenario| shuffled_place(seed, scenario));
    }
    scenarios
}

/// Prints what is needed to repeat a run: its seed.
pub(crate) fn say_choice(choice: &Choice) {
    if let Some(seed) = choice.shuffle {
        say(format!("order: `--shuffle={seed}`"));
    }
}
