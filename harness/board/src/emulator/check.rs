//! Whether an emulator can be used on this machine.

use std::time::Duration;

use hil_config::{Board, Emulator};
use hil_power::Diagnosis;
use hil_power::subprocess::run;

use super::filling::found;

/// How long a program may take to print its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why an emulator can't be started on this machine, and what may help; none if its program is there.
pub(super) fn missing(board: &Board, emulator: &Emulator) -> Option<(String, String)> {
    let name = emulator.command.first().map_or("", String::as_str);
    let program = found(name, emulator.dir.as_ref()).display().to_string();
    let Diagnosis::Bad { .. } = Diagnosis::of_program(&program) else { return None };
    let hint = format!("install it, or name it in `boards.{}.program`", board.name);
    Some((format!("there is no program `{name}`"), hint))
}

/// The first line that an emulator prints about its version, or what is wrong with it.
pub(super) async fn version(emulator: &Emulator) -> Result<String, String> {
    if emulator.version.is_empty() {
        return Err("it prints no version".to_owned());
    }
    let printed = ask(emulator, &emulator.version).await?;
    let line = printed.lines().map(str::trim).find(|line| !line.is_empty());
    line.map(str::to_owned).ok_or_else(|| "it prints no version".to_owned())
}

async fn ask(emulator: &Emulator, arguments: &[String]) -> Result<String, String> {
    let program = emulator.command.first().map(|name| found(name, emulator.dir.as_ref())).unwrap_or_default();
    let mut words = vec![program.display().to_string()];
    words.extend(arguments.iter().cloned());
    let printed = run(&words, PATIENCE).await.map_err(|error| error.to_string())?;
    Ok(printed)
}

/// Checks the program of an emulated board: that it is there and runs, and has the machine that it is to play.
pub async fn check_emulator(board: &Board) -> Diagnosis {
    let Some(emulator) = &board.emulator else { return Diagnosis::Good("it is not an emulator".to_owned()) };
    if let Some((reason, hint)) = missing(board, emulator) {
        return Diagnosis::Bad { reason, hint };
    }
    let name = emulator.command.first().map_or("", String::as_str);
    let version = match version(emulator).await {
        Ok(version) => version,
        // Not every emulator prints its version.
        Err(_) if emulator.preset.is_none() || emulator.version.is_empty() => "of unknown version".to_owned(),
        Err(reason) => return Diagnosis::Bad { reason, hint: format!("run `{name}` by hand") },
    };
    if let Some((arguments, machine)) = &emulator.machine {
        let machines = ask(emulator, arguments).await.unwrap_or_default();
        let has = |line: &str| line.split_whitespace().next() == Some(machine);
        if !machines.lines().any(has) {
            return Diagnosis::Bad {
                reason: format!("`{name}` ({version}) has no machine `{machine}`"),
                hint: format!("Espressif's QEMU has it; name it in `boards.{}.program`", board.name),
            };
        }
    }
    Diagnosis::Good(format!("`{name}`, {version}, {} MiB of flash", emulator.flash_size >> 20))
}
