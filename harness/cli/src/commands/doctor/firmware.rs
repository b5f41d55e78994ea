//! Checks what the firmware of a bench needs on this machine, and whether it can run on its boards.

use hil_bench::Needs;
use hil_config::{Bench, Board, BoardKind, Firmware, FirmwareKind, Image, Part};

use super::Check;

/// Checks every firmware that needs something on this machine.
pub(super) async fn check(bench: &Bench) -> Vec<Check> {
    let mut checks: Vec<Check> = bench.firmware.values().filter_map(|firmware| image_fault(bench, firmware)).collect();
    for firmware in bench.firmware.values() {
        let what = format!("firmware {}", firmware.name);
        let Some(board) = bench.boards.values().find(|board| suits(board, firmware)) else { continue };
        match hil_bench::needs(bench, board.name.as_str(), firmware.name.as_str()).await {
            Needs::Unknown(why) => checks.push(Check::bad(what, why, "run the command by hand")),
            Needs::Lacking(lacking) => {
                let (how, hint) = lacking.split_once(": ").unwrap_or((&lacking, "install it"));
                checks.push(Check::skips(what, format!("{how}; its scenarios are skipped"), hint));
            }
            Needs::Met => checks.push(match firmware.process.as_ref().and_then(hil_bench::missing_program) {
                Some(name) => {
                    let how = format!("its program `{name}` does not exist or is not executable");
                    Check::bad(what, how, "correct `command`, or add its folder to `path`")
                }
                None => Check::good(what, "everything it needs is installed"),
            }),
        }
    }
    checks
}

/// Checks an image on each board that names the firmware, or on all boards if none does; `None` if nothing is wrong, or if
/// a file or a variable is missing, which is shown already.
fn image_fault(bench: &Bench, firmware: &Firmware) -> Option<Check> {
    let what = format!("image of {}", firmware.name);
    let is_lacking = bench.check_set(Part::Firmware(firmware.name.as_str())).is_err();
    if firmware.image == Image::Installed || is_lacking {
        return None;
    }
    let flashed = |board: &&Board| board.kind != BoardKind::Process;
    let named: Vec<_> =
        bench.boards.values().filter(flashed).filter(|board| board.firmware.as_ref() == Some(&firmware.name)).collect();
    let check = |board: &Board| hil_bench::check_firmware(bench, board.name.as_str(), firmware.name.as_str());
    let first_fault = |boards: &[&Board]| boards.iter().find_map(|board| check(board).err());
    let fault = if named.is_empty() {
        let all: Vec<_> = bench.boards.values().filter(flashed).collect();
        // It may be meant for one of them: it is wrong only if no board can run it.
        if all.iter().any(|board| check(board).is_ok()) { None } else { first_fault(&all) }
    } else {
        first_fault(&named)
    };
    fault.map(|error| Check::bad(what, error.to_string(), error.hint().unwrap_or_default()))
}

/// Whether the firmware can need something on this machine when it runs on that board.
fn suits(board: &Board, firmware: &Firmware) -> bool {
    match (board.kind, firmware.kind()) {
        (BoardKind::Process, kind) => kind == FirmwareKind::Process,
        (BoardKind::Virtual, kind) => kind == FirmwareKind::MicroPython,
        (BoardKind::Esp | BoardKind::Emulator, kind) => kind != FirmwareKind::Process && firmware.needs.is_some(),
    }
}
