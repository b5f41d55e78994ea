//! `hil run --dry-run`: what would run, where, and how long it took last.

use std::collections::BTreeMap;
use std::time::Duration;

use hil_config::Bench;
use hil_report::{History, inert};
use hil_timeline::{RoleInfo, ScenarioInfo};
use serde::Serialize;

use crate::args::Format;
use crate::choice::Chosen;
use crate::exit_code::ExitCode;
use crate::output::{say, say_json};
use crate::records::last_time;

/// A scenario that would run.
#[derive(Serialize)]
struct Planned {
    #[serde(flatten)]
    info: ScenarioInfo,
    /// Why it would be skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
    /// How long it took in the newest run of the history that has it, in milliseconds.
    last_ms: Option<u64>,
}

/// Prints what a run would do. Touches no board.
pub(crate) fn dry_run(chosen: &Chosen, bench: &Bench, history: &History, format: Format) -> ExitCode {
    // Without a history no time is known.
    let past = history.read().unwrap_or_default();
    let scenarios = chosen.list(Some(bench)).into_iter().map(|info| Planned {
        skipped: hil_scenario::lacking(bench, &info.tags),
        last_ms: last_time(&info, &past),
        info,
    });
    let scenarios: Vec<_> = scenarios.collect();
    match format {
        Format::Json => say_json(&scenarios),
        Format::Text => print(chosen, bench, &scenarios),
    }
    ExitCode::Passed
}

fn print(chosen: &Chosen, bench: &Bench, scenarios: &[Planned]) {
    for Planned { info, skipped, last_ms } in scenarios {
        let role = |RoleInfo { role, boards }: &RoleInfo| format!("{role}: {}", boards.join(" or "));
        let boards: Vec<_> = info.boards.iter().cloned().chain(info.roles.iter().map(role)).collect();
        let boards = if boards.is_empty() { "no board".to_owned() } else { boards.join(", ") };
        let time = match (skipped, last_ms) {
            (Some(why), _) => format!("skipped: {why}"),
            (None, Some(ms)) => format!("{:.2} s", Duration::from_millis(*ms).as_secs_f64()),
            (None, None) => "time unknown".to_owned(),
        };
        say(inert(&format!("{}:{}  {}  [{boards}]  {time}", info.path, info.line, info.name)));
    }
    let repeat = chosen.choice.repeat.unwrap_or(1);
    say("");
    say(total(scenarios, repeat, &bench.name));
}

/// `3 scenarios on bench.toml: 12.3 s in all, at least 8.1 s on \`lamp\``.
fn total(scenarios: &[Planned], repeat: u32, bench: &str) -> String {
    let runs: Vec<_> = scenarios.iter().filter(|scenario| scenario.skipped.is_none()).collect();
    let mut busy: BTreeMap<&str, u64> = BTreeMap::new();
    for scenario in &runs {
        for board in &scenario.info.boards {
            *busy.entry(board).or_default() += scenario.last_ms.unwrap_or(0);
        }
    }
    let seconds = |ms: u64| format!("{:.1} s", Duration::from_millis(ms.saturating_mul(repeat.into())).as_secs_f64());
    let all: u64 = runs.iter().filter_map(|scenario| scenario.last_ms).sum();
    let unknown = runs.iter().filter(|scenario| scenario.last_ms.is_none()).count();
    let busiest = busy.into_iter().max_by_key(|(_, ms)| *ms).filter(|(_, ms)| *ms > 0);
    let least = busiest.map_or(String::new(), |(board, ms)| format!(", of which `{board}` takes {}", seconds(ms)));
    let times = if repeat > 1 { format!(", {repeat} times") } else { String::new() };
    let all = match unknown {
        unknown if unknown == runs.len() => "no time is known".to_owned(),
        0 => format!("{} in all{least}", seconds(all)),
        unknown => format!("{} in all{least}; the time of {unknown} is unknown", seconds(all)),
    };
    let skipped = scenarios.len() - runs.len();
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    inert(&format!("{} would run on {bench}{times}{skipped}: {all}", runs.len()))
}
