//! Hosts behind real ssh servers.

pub(super) mod server;

use self::server::Ssh;
use super::fleet::Fleet;
use super::{check_record, events, outline, verdicts};
use crate::support::Outcome;

#[test]
fn hosts_are_reached_by_ssh_with_its_own_configuration() {
    let fleet = Fleet::new(&outline(8), &["pi-a", "pi-b"]);
    let Some(ssh) = Ssh::start(&fleet) else { return };
    let run: Outcome = ssh.run(&fleet, &["--out", "run"]).output().expect("hil runs").into();
    assert_eq!((run.code, verdicts(&run).len()), (0, 8), "{run:?}");
    assert_eq!(run.stderr, "");
    let recorded = events(&fleet.project, "run");
    check_record(&recorded, 8);
    fleet.wait_until_safe("after the run");
    // A host that ssh does not know, and one without `hil`.
    let mut command = ssh.command(&fleet, "pi-a,nowhere.invalid", &["--out", "never"]);
    let unknown: Outcome = command.output().expect("hil runs").into();
    assert_eq!(unknown.code, 96, "{unknown:?}");
    let unreachable = "host `nowhere.invalid` can't be reached: the connection ended with exit code 255: ";
    assert!(unknown.stderr.contains(unreachable), "{unknown:?}");
    let mut command = ssh.command(&fleet, "bare", &["--out", "never"]);
    let bare: Outcome = command.output().expect("hil runs").into();
    assert!(bare.code == 96 && bare.stderr.contains("error: host `bare` has no program `hil`"), "{bare:?}");
    fleet.wait_until_safe("after the refusals");
    other_commands(&fleet, &ssh);
}

/// Commands that look at the boards of other hosts.
fn other_commands(fleet: &Fleet, ssh: &Ssh) {
    let hil = |arguments: &[&str]| -> Outcome { ssh.hil(fleet, arguments).output().expect("hil").into() };
    let boards = hil(&["boards", "--hosts", "pi-a,pi-b"]);
    assert_eq!(boards.code, 0, "{boards:?}");
    for line in ["host pi-a\n  bench ", "host pi-b\n  bench "] {
        assert!(boards.stdout.contains(line), "{boards:?}");
    }
    let json = hil(&["boards", "--hosts", "pi-a", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(value["pi-a"]["boards"].as_array().map(Vec::len), Some(2), "{json:?}");
    let doctor = hil(&["doctor", "--hosts", "pi-b"]);
    assert!(doctor.stdout.starts_with("host pi-b\n  ") && doctor.stdout.contains("bench file"), "{doctor:?}");
    let gone = hil(&["doctor", "--hosts", "bare"]);
    assert!(gone.code == 96 && gone.stderr.contains("host `bare` can't be reached, or has no `hil`"), "{gone:?}");
    let monitor = hil(&["monitor", "lump@pi-a"]);
    assert!(monitor.code == 96 && monitor.stderr.contains("has no board `lump`"), "as `hil` says there: {monitor:?}");
    let file = hil(&["monitor", "lamp@pi-a", "--elf", "x"]);
    assert!(file.code == 96 && file.stderr.contains("`--elf` names a file of this machine"), "{file:?}");
}
