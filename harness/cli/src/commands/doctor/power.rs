//! Switches a board on and off, listens to it, and asks the person at the terminal.

use std::io::IsTerminal as _;
use std::time::Duration;

use hil_bench::{Bench as OpenBench, BenchError};
use hil_config::{Bench, BoardKind, Part};
use hil_timeline::{Cursor, Epoch, RunEvent, Timeline, What};
use tokio::time::Instant;

use super::Check;
use crate::args::WaitArgs;
use crate::session;

/// What is on its way when the rail goes; a supply's capacitors take their time.
const SETTLE: Duration = Duration::from_millis(500);
/// How long is listened after the cut. A board that is fed through its UART goes on talking or boots anew.
const LISTEN: Duration = Duration::from_secs(3);

pub(super) async fn try_out(bench: &Bench, name: &str) -> Vec<Check> {
    let what = format!("power of {name}, tried");
    if bench.board(name).is_some_and(|board| board.kind == BoardKind::Process) {
        return vec![Check::good(what, "is a program: its power is its process")];
    }
    if let Err(error) = bench.check_set(Part::Board(name)) {
        return vec![Check::bad(what, error.to_string(), "a variable of its rails is not set")];
    }
    let timeline = Timeline::in_memory(Epoch::start());
    let wait = WaitArgs { wait: true, no_wait: false };
    let claim = session::claim(Some([name.to_owned()].into()), &format!("hil doctor --power {name}"), &wait);
    let told = |error: BenchError| {
        let hint = error.hint().unwrap_or_else(|| "`hil boards` shows how it stands".to_owned());
        vec![Check::bad(what.clone(), error.to_string(), hint)]
    };
    let open = match OpenBench::open(bench.clone(), &timeline, claim).await {
        Ok(open) => open,
        Err(error) => return told(error),
    };
    let checks = match switch(&open, name, &timeline, &what).await {
        Ok(checks) => checks,
        Err(error) => told(error),
    };
    open.close().await;
    checks
}

async fn switch(bench: &OpenBench, name: &str, timeline: &Timeline, what: &str) -> Result<Vec<Check>, BenchError> {
    let Some(mut board) = bench.lock(name).await else { return Ok(Vec::new()) };
    let begin = timeline.end();
    board.power_on().await?;
    let talked = hears(timeline, begin, Instant::now() + LISTEN, name).await;
    let mut checks = Vec::new();
    if let Some(is_on) = ask(&format!("is `{name}` on now?")).await {
        checks.push(if is_on {
            Check::good(format!("relay of {name}"), "on means on")
        } else {
            Check::bad(format!("relay of {name}"), "on means off", "change `active-low` of its rail")
        });
    }
    board.power_off().await?;
    tokio::time::sleep(SETTLE).await;
    let cut = timeline.end();
    let talks_on = hears(timeline, cut, Instant::now() + LISTEN, name).await;
    checks.push(match (talked, talks_on) {
        (_, true) => Check::bad(
            what,
            "it talks on without power",
            "it is fed through its UART lines, its USB cable or a second supply: docs/how-to/power.md, \"Back-powering\"",
        ),
        (true, false) => Check::good(what, "it talks with power and is silent without"),
        (false, false) => Check::bad(
            what,
            "it says nothing even with power: a cut can't be told",
            "is `console.baud` right, and does its firmware or an empty flash print anything?",
        ),
    });
    Ok(checks)
}

async fn hears(timeline: &Timeline, from: Cursor, until: Instant, name: &str) -> bool {
    let line = |event: &RunEvent| {
        matches!(&event.what, What::Console { board, line } if board == name && !line.is_empty()).then_some(())
    };
    timeline.wait_for(from, until, line).await.is_ok()
}

/// Asks yes or no; none where there is nobody to ask.
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
