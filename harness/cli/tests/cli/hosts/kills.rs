//! Every process of a run on hosts of a lab, killed at a random moment.

use std::process::{Child, Stdio};
use std::time::Duration;

use hil_timeline::read_events;
use rustix::process::{Pid, Signal, kill_process};

use super::lab::HostsInLab;
use super::ssh::server::descendants;
use super::{outline, verdicts};
use crate::support::{Outcome, ends};

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Head,
    SshClient,
    Agent,
    /// The ssh server of a host, everything below it, and the host's exporter.
    Host,
}

impl Victim {
    fn kill(self, all: &mut HostsInLab, head: &Child) {
        match self {
            Self::Head => kill([Pid::from_child(head)]),
            Self::SshClient => kill(descendants(Pid::from_child(head)).into_iter().take(1)),
            Self::Agent => kill(all.fleet.host("pi-a").agents()),
            Self::Host => {
                let server = all.ssh.server("pi-a");
                kill(descendants(server).into_iter().chain([server]));
                all.lab.kill_exporter("pi-a");
            }
        }
    }

    fn restore(self, all: &mut HostsInLab) {
        if self == Self::Host {
            all.ssh.restart("pi-a");
            all.publish_on(&["pi-a"]);
        }
    }
}

fn kill(processes: impl IntoIterator<Item = Pid>) {
    for process in processes {
        // It may have ended by itself.
        let _ = kill_process(process, Signal::KILL);
    }
}

/// `HIL_KILLS` says how often for each; `ci/soak/hosts` has 20.
#[test]
fn whatever_is_killed_at_any_moment_boards_are_safe_reports_valid_and_no_place_is_held() {
    let rounds: u32 = std::env::var("HIL_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3);
    let Some(mut all) = HostsInLab::open(&outline(8), "") else { return };
    for round in 0..rounds {
        for victim in [Victim::Head, Victim::SshClient, Victim::Agent, Victim::Host] {
            // A random moment: where in a run something breaks is what this is about.
            kill_one(&mut all, victim, Duration::from_millis(fastrand::u64(0..3_000)), &format!("{round}-{victim:?}"));
        }
    }
}

fn kill_one(all: &mut HostsInLab, victim: Victim, moment: Duration, out: &str) {
    let mut head = all.run(&["--out", out, "--bench-retries", "0"]);
    let mut head = head.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("hil");
    // Not an event: the moment is random.
    std::thread::sleep(moment);
    let case = format!("{victim:?} after {moment:?}");
    victim.kill(all, &head);
    let clients = descendants(Pid::from_child(&head));
    assert!((0..6).any(|_| ends(Pid::from_child(&head))), "{case}: the head does not end");
    let code = head.wait().expect("ends").code();
    for client in clients {
        assert!(ends(client), "{case}: a connection is left");
    }
    all.fleet.wait_until_safe(&case);
    victim.restore(all);
    check_reports(all, victim, code, out, &case);
    // It also releases what a head had that was killed before an agent knew of it.
    let next: Outcome = all.run(&["--shard", "1/4", "--out", &format!("{out}-next")]).output().expect("hil").into();
    assert_eq!(next.code, 0, "the run after {case}: {next:?}");
    all.wait_until_free(&case);
}

/// Before it has its boards, a run leaves nothing; afterwards its record can be read, however it ended.
fn check_reports(all: &HostsInLab, victim: Victim, code: Option<i32>, out: &str, case: &str) {
    let project = &all.fleet.project;
    let log = project.path(out).join("events.jsonl");
    let Ok(recorded) = read_events(&log) else {
        assert!(!log.exists(), "{case}: what there is can be read");
        return;
    };
    if recorded.is_empty() {
        return;
    }
    let report = project.hil(&["report", out]);
    match victim {
        Victim::Head => assert!([130, 0].contains(&report.code), "{case}: {report:?}"),
        // The moment may have been after the last scenario of that host.
        _ => assert!(
            code.is_some_and(|code| [0, 102].contains(&code) && code == report.code),
            "{case}: {code:?} {report:?}"
        ),
    }
    assert_eq!(verdicts(&report).len(), 8, "{case}: {report:?}");
    let junit = project.read(&format!("{out}/junit.xml"));
    assert!(junit.ends_with("</testsuite>\n") && junit.matches("<testcase").count() == 8, "{case}");
}
