//! Hosts behind real ssh servers, and every process of the chain killed at a random moment.

pub(super) mod server;

use std::process::{Child, Stdio};
use std::time::Duration;

use hil_timeline::read_events;
use rustix::process::{Pid, Signal, kill_process};

use self::server::{Ssh, descendants};
use super::fleet::Fleet;
use super::{check_record, events, outline, verdicts};
use crate::support::{Outcome, ends};

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

/// What is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Head,
    SshClient,
    Agent,
    /// The server of a host, and everything below it.
    Host,
}

/// A random moment: where in a run something breaks is what these tests are about.
struct Random(u32);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % limit
    }
}

fn kill(processes: impl IntoIterator<Item = Pid>) {
    for process in processes {
        // It may have ended by itself.
        let _ = kill_process(process, Signal::KILL);
    }
}

impl Victim {
    fn befall(self, fleet: &Fleet, ssh: &mut Ssh, head: &mut Child) {
        match self {
            Self::Head => kill([Pid::from_child(head)]),
            Self::SshClient => kill(descendants(Pid::from_child(head)).into_iter().take(1)),
            Self::Agent => kill(fleet.host("pi-a").agents()),
            Self::Host => {
                let server = ssh.server("pi-a");
                kill(descendants(server).into_iter().chain([server]));
            }
        }
    }
}

/// `HIL_KILLS` says how often for each; `ci/soak/hosts` has 20.
#[test]
fn whatever_is_killed_at_any_moment_boards_are_safe_and_reports_valid() {
    let rounds: u32 = std::env::var("HIL_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3);
    let fleet = Fleet::new(&outline(8), &["pi-a", "pi-b"]);
    let Some(mut ssh) = Ssh::start(&fleet) else { return };
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |now| now.subsec_nanos());
    let mut random = Random(seed);
    for round in 0..rounds {
        for victim in [Victim::Head, Victim::SshClient, Victim::Agent, Victim::Host] {
            let moment = Duration::from_millis(u64::from(random.below(3_000)));
            kill_one(&fleet, &mut ssh, victim, moment, &format!("{round}-{victim:?}"));
        }
        let next: Outcome = ssh.run(&fleet, &["--out", &format!("next-{round}")]).output().expect("hil").into();
        assert_eq!(next.code, 0, "the run after round {round}: {next:?}");
        assert!(!next.stderr.contains("warning:"), "{next:?}");
    }
}

fn kill_one(fleet: &Fleet, ssh: &mut Ssh, victim: Victim, moment: Duration, out: &str) {
    let mut head = ssh.run(fleet, &["--out", out, "--bench-retries", "0"]);
    let mut head = head.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("hil");
    // Not an event: a random moment is what is wanted here.
    std::thread::sleep(moment);
    let case = format!("{victim:?} after {moment:?}");
    victim.befall(fleet, ssh, &mut head);
    let clients = descendants(Pid::from_child(&head));
    assert!((0..6).any(|_| ends(Pid::from_child(&head))), "{case}: the head does not end");
    let code = head.wait().expect("ends").code();
    for client in clients {
        assert!(ends(client), "{case}: a connection is left");
    }
    fleet.wait_until_safe(&case);
    if matches!(victim, Victim::Host) {
        ssh.restart("pi-a");
    }
    // Before it has its boards, a run leaves nothing; afterwards its record can be read, however it ended.
    let folder = fleet.project.path(out);
    let Ok(recorded) = read_events(&folder.join("events.jsonl")) else {
        assert!(!folder.join("events.jsonl").exists(), "{case}: what there is can be read");
        return;
    };
    if recorded.is_empty() {
        return;
    }
    let report = fleet.project.hil(&["report", out]);
    match victim {
        Victim::Head => assert!([130, 0].contains(&report.code), "{case}: {report:?}"),
        // The moment may have been after the last scenario of that host.
        _ => assert!(
            code.is_some_and(|code| [0, 102].contains(&code) && code == report.code),
            "{case}: {code:?} {report:?}"
        ),
    }
    assert_eq!(verdicts(&report).len(), 8, "{case}: {report:?}");
    let junit = fleet.project.read(&format!("{out}/junit.xml"));
    assert!(junit.ends_with("</testsuite>\n") && junit.matches("<testcase").count() == 8, "{case}");
}
