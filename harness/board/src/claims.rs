//! Which devices a board is, whatever the bench file calls them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use hil_config::{Board, lines_of};

use crate::error::BenchError;
use crate::ports;
use hil_power::keeper::{Claimed, device_text};
use hil_power::lines;

/// What identifies a real board's devices: its identity as the bench file gives it, which holds even while it is not
/// there; its place or path, which two names of one device share; the plugs and hub ports of its rails.
#[must_use]
pub fn claimed(board: &Board) -> Claimed {
    let identity = board.port.clone().unwrap_or_default();
    let mut keys = vec![format!("port {identity}")];
    if let Ok(path) = ports::find(&identity) {
        let attached = ports::attached(Path::new("/sys"), Path::new("/dev"));
        let usb = attached.into_iter().find(|port| port.path == path).and_then(|port| port.usb);
        keys.push(match usb {
            Some(usb) => format!("usb {}", usb.interface),
            None => format!("device {}", path.display()),
        });
    }
    // Commands may hold secrets, and a key becomes the name of a file. Two boards with the same ones are
    // found when the bench file is read.
    let rails = board.rails.iter().filter(|rail| rail.driver.uses.programs.is_none());
    keys.extend(rails.filter_map(|rail| rail.driver.device()));
    Claimed { board: board.name.to_string(), keys }
}

/// As [`claimed`], with the plugs by their addresses as well: one host has several names.
pub async fn claimed_by_address(board: &Board) -> Claimed {
    let mut claimed = claimed(board);
    for rail in &board.rails {
        let Some(device) = &rail.driver.uses.remote else { continue };
        let addresses = addresses_of(&device.host, device.port).await;
        claimed.keys.extend(addresses.iter().map(|address| device.at_host(address).to_string()));
    }
    claimed.keys.sort_unstable();
    claimed.keys.dedup();
    claimed
}

/// The addresses of a host; none if it is not known: the plug's driver reports that when it is used.
async fn addresses_of(host: &str, port: u16) -> BTreeSet<String> {
    /// A name server that is away must not hold up a run.
    const PATIENCE: Duration = Duration::from_secs(3);
    match tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => found.map(|address| address.ip().to_string()).collect(),
        Ok(Err(_)) | Err(_) => BTreeSet::new(),
    }
}

/// Two boards that share a device, as a run of both would refuse them; a plug is compared by its address as written.
///
/// # Errors
/// Names both, and the device.
pub fn shared_devices<'a>(boards: impl IntoIterator<Item = &'a Board>) -> Result<(), BenchError> {
    let boards: Vec<_> = boards.into_iter().collect();
    let claimed: Vec<_> = boards.iter().map(|board| claimed(board)).collect();
    check_shared(&boards, &claimed)
}

/// An error if two boards of a run share a device: they would be flashed, reset and cut as one.
pub fn check_shared(boards: &[&Board], claimed: &[Claimed]) -> Result<(), BenchError> {
    let of_lines = boards.iter().map(|board| Claimed { board: board.name.to_string(), keys: line_keys(board) });
    let mut users: BTreeMap<String, String> = BTreeMap::new();
    for claimed in claimed.iter().cloned().chain(of_lines) {
        for key in claimed.keys {
            if let Some(other) = users.get(&key).filter(|other| **other != claimed.board) {
                return Err(BenchError::Shared { boards: (other.clone(), claimed.board), device: device_text(&key) });
            }
            users.insert(key, claimed.board.clone());
        }
    }
    Ok(())
}

/// The lines of a board by chip and offset, where they are there: a line has a name as well.
fn line_keys(board: &Board) -> Vec<String> {
    let found = lines_of(board).into_iter().filter_map(|(line, _)| lines::find(&line).ok());
    let chip = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    found.map(|found| format!("GPIO line {} of {}", found.offset, chip(&found.chip).display())).collect()
}

#[cfg(test)]
mod tests {
    use hil_config::{BoardName, Kinds, Rail};

    use super::*;

    fn board(name: &str, port: &Path, rail: &str) -> Board {
        let mut board = hil_config::Bench::builtin().board("lamp").expect("lamp").clone();
        board.name = BoardName::new(name).expect("name");
        board.port = Some(hil_config::PortIdentity { path: Some(port.to_owned()), ..Default::default() });
        let kinds = Kinds { rails: hil_power::kinds(), ..Kinds::default() };
        board.rails = vec![Rail::from_keys(rail, &kinds).expect("a rail")];
        board
    }

    async fn checked(boards: [&Board; 2]) -> String {
        let claimed = [claimed_by_address(boards[0]).await, claimed_by_address(boards[1]).await];
        check_shared(&boards, &claimed).map_or_else(|error| error.to_string(), |()| "nothing is shared".to_owned())
    }

    #[tokio::test]
    async fn two_names_of_one_port_are_two_boards_on_one_device() {
        let folder = tempfile::tempdir().expect("folder");
        let (device, link) = (folder.path().join("tty"), folder.path().join("by-id"));
        std::fs::write(&device, "").expect("device");
        std::os::unix::fs::symlink(&device, &link).expect("link");
        let manual = "driver = \"manual\"";
        let (one, two) = (board("lamp", &device, manual), board("lamp-2", &link, manual));
        let said = format!("boards `lamp` and `lamp-2` both use the serial port `{}`", device.display());
        assert_eq!(checked([&one, &two]).await, said);
        assert_eq!(shared_devices([&one, &two]).expect_err("shared").to_string(), said);
        assert_eq!(checked([&one, &one.clone()]).await, "nothing is shared", "a board is not two");
        std::fs::remove_file(&device).expect("unplugged");
        assert_eq!(checked([&one, &two]).await, "nothing is shared", "known only while it is there");
    }

    #[tokio::test]
    async fn two_names_of_one_plug_are_two_boards_on_one_device() {
        let shelly = |address: &str| format!("driver = \"shelly\", address = \"{address}\"");
        let (a, b) = (Path::new("/dev/no-such-port-a"), Path::new("/dev/no-such-port-b"));
        let (one, two) = (board("lamp", a, &shelly("127.0.0.1:80")), board("lamp-2", b, &shelly("LocalHost.")));
        let said = "boards `lamp` and `lamp-2` both use the relay 0 of the Shelly plug at 127.0.0.1:80";
        assert_eq!(checked([&one, &two]).await, said);
        let other = board("lamp-2", b, &shelly("127.0.0.2"));
        assert_eq!(checked([&one, &other]).await, "nothing is shared");
    }
}
