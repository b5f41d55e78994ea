//! What the firmware of a bench needs of this machine.

use hil_bench::Needs;
use hil_config::{Bench, Board, BoardKind, Firmware, FirmwareKind};

use super::Check;

/// Looks at every firmware that needs anything here.
pub(super) async fn look(bench: &Bench) -> Vec<Check> {
    let mut checks = Vec::new();
    for firmware in bench.firmware.values() {
        let what = format!("firmware {}", firmware.name);
        let Some(board) = bench.boards.values().find(|board| suits(board, firmware)) else { continue };
        match hil_bench::needs(bench, board.name.as_str(), firmware.name.as_str()).await {
            Needs::Unknown(why) => checks.push(Check::bad(what, why, "try the command by hand")),
            Needs::Lacking(lacking) => {
                let (how, mend) = lacking.split_once(": ").unwrap_or((&lacking, "install it"));
                checks.push(Check::skips(what, format!("{how}; its scenarios are skipped"), mend));
            }
            Needs::Met => checks.push(match firmware.process.as_ref().and_then(hil_bench::missing_program) {
                Some(name) => {
                    let how = format!("its program `{name}` is not there, or may not be run");
                    Check::bad(what, how, "`command` names it; `path` says where else than in `PATH` it is looked for")
                }
                None => Check::good(what, "has all it needs"),
            }),
        }
    }
    checks
}

/// Whether it needs anything of this machine on that board.
fn suits(board: &Board, firmware: &Firmware) -> bool {
    match (board.kind, firmware.kind()) {
        (BoardKind::Process, kind) => kind == FirmwareKind::Process,
        (BoardKind::Virtual, kind) => kind == FirmwareKind::MicroPython,
        (BoardKind::Esp, kind) => kind != FirmwareKind::Process && firmware.needs.is_some(),
    }
}
