//! Checks of each board.

use hil_bench::keeper::holder_of;
use hil_bench::ports::{self, PortProblem, PortState, state_of};
use hil_bench::{check_line, claimed};
use hil_config::{Bench, Board, BoardKind, Line, PinLine, RailDriver};

use super::Check;

/// Checks one board.
pub(super) async fn check(board: &Board) -> Vec<Check> {
    if board.kind == BoardKind::Emulator {
        let checked = hil_bench::check_emulator(board).await;
        return vec![Check::of(format!("emulator of {}", board.name), checked)];
    }
    if board.kind == BoardKind::Process {
        return vec![Check::good(format!("board {}", board.name), "a program of this machine")];
    }
    if board.kind == BoardKind::Virtual {
        return vec![Check::good(format!("board {}", board.name), format!("simulated {}", board.chip.word()))];
    }
    // Its lines and port are taken by its user and would be reported as missing.
    if let Some(holder) = holder_of(&claimed(board).keys) {
        return vec![Check::good(format!("board {}", board.name), format!("in use by {holder}"))];
    }
    let mut checks = vec![port(board)];
    checks.extend(board.rails.iter().map(|rail| self::rail(board, &rail.driver)));
    if board.rails.is_empty() {
        let hint =
            format!("if scenarios cut its power, add `[[boards.{}.rails]]`: docs/how-to/real-bench.md", board.name);
        checks.push(Check::good(format!("power of {}", board.name), format!("can't be switched ({hint})")));
    }
    for (what, line) in lines(board) {
        checks.push(self::line(&format!("{what} of {}", board.name), &line));
    }
    checks
}

/// Whether two boards use the same device.
pub(super) fn shared(bench: &Bench) -> Vec<Check> {
    let real = bench.boards.values().filter(|board| board.kind == BoardKind::Esp);
    match hil_bench::shared_devices(real) {
        Ok(()) => Vec::new(),
        Err(error) => vec![Check::bad("boards", error.to_string(), error.hint().unwrap_or_default())],
    }
}

fn port(board: &Board) -> Check {
    let what = format!("port of {}", board.name);
    let path = match ports::find(&board.port.clone().unwrap_or_default()) {
        Ok(path) => path,
        Err(problem @ PortProblem::Absent { .. }) => {
            let hint = if board.rails.is_empty() {
                "plug it in; `hil boards discover` lists what is attached"
            } else {
                "plug it in; if the switched supply powers its port, use `hil doctor --power`"
            };
            return Check::bad(what, problem.to_string(), hint);
        }
        Err(problem @ PortProblem::Ambiguous { .. }) => {
            return Check::bad(what, problem.to_string(), format!("add `topology` to `boards.{}.port`", board.name));
        }
    };
    let shown = path.display();
    match state_of(&path) {
        PortState::Ready => Check::good(what, shown.to_string()),
        PortState::Denied => {
            let hint = "`sudo usermod -aG dialout $USER`, then log in again";
            Check::bad(what, format!("permission denied on {shown}"), hint)
        }
        state @ PortState::Busy(_) => Check::bad(what, format!("{shown} is {state}"), "stop that program"),
        PortState::Absent => Check::bad(what, format!("{shown} is gone"), "check its cable"),
    }
}

fn rail(board: &Board, driver: &RailDriver) -> Check {
    let what = format!("rail {driver} of {}", board.name);
    match hil_bench::power::check(driver) {
        Ok(diagnosis) => Check::of(what, diagnosis),
        Err(error) => Check::bad(what, error.reason, error.hint.unwrap_or_default()),
    }
}

fn line(what: &str, line: &Line) -> Check {
    match check_line(line) {
        Ok(()) => Check::good(what, format!("{line} is free")),
        Err((how, hint)) => Check::bad(what, how, hint),
    }
}

/// The board's GPIO lines on this machine, except those of its rails.
fn lines(board: &Board) -> Vec<(String, Line)> {
    let plain = |pin: &str| pin.trim_start_matches("the ").to_owned();
    let mut lines: Vec<_> = board.reset.lines.iter().map(|(line, pin)| (plain(pin), line.clone())).collect();
    for (name, pin) in &board.pins {
        if let PinLine::Bench(line) = &pin.line {
            lines.push((format!("pin {name}"), line.clone()));
        }
    }
    lines
}
