//! Switches a board on and off, watches its console, and asks the user at the terminal.

use std::io::IsTerminal as _;
use std::time::Duration;

use hil_bench::{Bench as OpenBench, BenchError};
use hil_config::{Bench, BoardKind, Part};
use hil_timeline::{Cursor, Epoch, RunEvent, Timeline, What};
use tokio::time::Instant;

use super::Check;
use crate::args::WaitArgs;
use crate::session;

/// Output that is still in transit after the cut; the supply's capacitors take time to discharge.
const SETTLE: Duration = Duration::from_millis(500);
/// How long to watch the console. A board that is powered through its UART keeps printing or boots again.
const WATCH: Duration = Duration::from_secs(3);

pub(super) async fn check(bench: &Bench, name: &str) -> Vec<Check> {
    let what = format!("power of {name}, switched");
    let is_program = |board: &hil_config::Board| matches!(board.kind, BoardKind::Process | BoardKind::Emulator);
    if bench.board(name).is_some_and(is_program) {
        return vec![Check::good(what, "a program: its power is its process")];
    }
    if let Err(error) = bench.check_set(Part::Board(name)) {
        return vec![Check::bad(what, error.to_string(), "set the environment variable that its rails use")];
    }
    let timeline = Timeline::in_memory(Epoch::start());
    let wait = WaitArgs { wait: true, no_wait: false };
    let claim = session::claim(Some([name.to_owned()].into()), &format!("hil doctor --power {name}"), &wait);
    let failed = |error: BenchError| {
        let hint = error.hint().unwrap_or_else(|| "`hil boards` shows its port and who uses it".to_owned());
        vec![Check::bad(what.clone(), error.to_string(), hint)]
    };
    let open = match OpenBench::open(bench.clone(), &timeline, claim).await {
        Ok(open) => open,
        Err(error) => return failed(error),
    };
    let checks = match switch(&open, name, &timeline, &what).await {
        Ok(checks) => checks,
        Err(error) => failed(error),
    };
    open.close().await;
    checks
}

async fn switch(bench: &OpenBench, name: &str, timeline: &Timeline, what: &str) -> Result<Vec<Check>, BenchError> {
    let Some(mut board) = bench.lock(name).await else { return Ok(Vec::new()) };
    let begin = timeline.end();
    board.power_on().await?;
    let printed = prints(timeline, begin, Instant::now() + WATCH, name).await;
    let mut checks = Vec::new();
    if let Some(is_on) = ask(&format!("is `{name}` on now?")).await {
        checks.push(if is_on {
            Check::good(format!("relay of {name}"), "on means on")
        } else {
            Check::bad(format!("relay of {name}"), "on means off", "invert `active-low` of its rail")
        });
    }
    board.power_off().await?;
    tokio::time::sleep(SETTLE).await;
    let cut = timeline.end();
    let prints_without_power = prints(timeline, cut, Instant::now() + WATCH, name).await;
    checks.push(match (printed, prints_without_power) {
        (_, true) => Check::bad(
            what,
            "it still prints on the console without power",
            "it gets power through its UART lines, its USB cable or a second supply: docs/how-to/power.md, \"Back-powering\"",
        ),
        (true, false) => Check::good(what, "it prints with power and is silent without"),
        (false, false) => Check::bad(
            what,
            "it prints nothing even with power, so its silence proves nothing",
            "check `console.baud`, and that its firmware prints something when it boots",
        ),
    });
    Ok(checks)
}

async fn prints(timeline: &Timeline, from: Cursor, until: Instant, name: &str) -> bool {
    let line = |event: &RunEvent| {
        matches!(&event.what, What::Console { board, line } if board == name && !line.is_empty()).then_some(())
    };
    timeline.wait_for(from, until, line).await.is_ok()
}

/// Asks a yes-or-no question; `None` if standard input is not a terminal.
async fn ask(question: &str) -> Option<bool> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    let question = format!(">>> {question} [y/n]");
    let answer = tokio::task::spawn_blocking(move || {
        if !crate::output::ask(question) {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await.ok()?.ok()?;
    Some(answer.trim().eq_ignore_ascii_case("y"))
}
