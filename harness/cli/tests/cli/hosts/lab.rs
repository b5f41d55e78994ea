//! Runs on boards of a real labgrid, on hosts behind real ssh servers.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hil_labgrid::{Session, View};
use hil_timeline::What;
use rustix::process::{Pid, Signal, kill_process};

use super::ends::LONG;
use super::fleet::Fleet;
use super::ssh::server::Ssh;
use super::{check_record, events, hosts_used, outline, verdicts};
use crate::fleet::lab::Lab;
use crate::support::{Outcome, Printed, ends, wait_for_line};

/// Two hosts with two boards each, published in a lab.
pub(super) struct HostsInLab {
    pub(super) fleet: Fleet,
    pub(super) ssh: Ssh,
    pub(super) lab: Lab,
}

impl HostsInLab {
    pub(super) fn open(feature: &str, boards: &str) -> Option<Self> {
        let lab = Lab::start()?;
        let fleet = Fleet::new(feature, &["pi-a", "pi-b"]);
        let ssh = Ssh::start(&fleet)?;
        let table = format!("[fleet]\nengine = \"labgrid\"\ncoordinator = \"{}\"\n{boards}\n", lab.address());
        fleet.project.file("hil.toml", &table);
        let mut all = Self { fleet, ssh, lab };
        all.publish();
        Some(all)
    }

    /// One board for two scenarios of this length: others have the rest, so that no board can be `lamp`.
    fn short_of_a_lamp(settings: &str, length: &str) -> Option<Self> {
        let all = Self::open(LONG, &format!("{settings}tags = {{ hil_board = \"lamp(-2)?\" }}"))?;
        for place in ["pi-a-lamp", "pi-b-lamp", "pi-b-lamp-2"] {
            all.lab.client(&["-p", place, "acquire"]);
        }
        all.fleet.project.file("features/one.feature", &LONG.replace("60 s", length));
        Some(all)
    }

    /// Gives back what others still have, after the run.
    fn release_others(&self) {
        for place in ["pi-a-lamp", "pi-b-lamp-2"] {
            self.lab.client(&["-p", place, "release"]);
        }
        self.wait_until_free("after the run");
    }

    /// What each host does to be in the lab.
    pub(super) fn publish(&mut self) {
        self.publish_on(&["pi-a", "pi-b"]);
    }

    /// The same for hosts whose exporters do not run.
    pub(super) fn publish_on(&mut self, hosts: &[&'static str]) {
        for host in hosts {
            let published = self.on_host(host, &["fleet", "publish", "--host", host]);
            assert_eq!(published.code, 0, "{published:?}");
            let user = if rustix::process::getuid().is_root() { "root".to_owned() } else { whoami() };
            let config =
                self.on_host(host, &["fleet", "publish", "--host", host, "--exporter-config", "--user", &user]);
            self.lab.start_exporter(host, &config.stdout);
        }
        self.until("all boards can be used", |view| {
            view.places().count() == 4 && view.places().all(|place| view.problem_of(place).is_none())
        });
    }

    /// `hil` as a user of a host starts it.
    fn on_host(&self, host: &str, arguments: &[&str]) -> Outcome {
        let mut command = self.fleet.project.command(arguments);
        command.envs(self.fleet.host(host).environment()).output().expect("hil runs").into()
    }

    pub(super) fn run(&self, more: &[&str]) -> Command {
        let mut command = self.ssh.in_lab(&self.fleet);
        command.args(more);
        command
    }

    /// Waits until the coordinator describes the lab so.
    fn until(&self, what: &str, is_so: impl Fn(&View) -> bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let waited = runtime.block_on(async {
            let session =
                Session::open(&self.lab.address().parse().expect("an address"), "desk/look").await.expect("a session");
            let reached = async {
                loop {
                    let view = session.view();
                    if is_so(&view) {
                        return;
                    }
                    session.changed(&view).await.expect("the coordinator is there");
                }
            };
            tokio::time::timeout(Duration::from_secs(90), reached).await.map_err(|_| session.view())
        });
        if let Err(view) = waited {
            panic!("not in time: {what}: {view:#?}");
        }
    }

    /// Nothing of a run is left: no place, no reservation, no lock, no process, no power.
    pub(super) fn wait_until_free(&self, case: &str) {
        self.until(case, |view| view.places().all(|place| place.holder.is_none()));
        self.fleet.wait_until_safe(case);
    }
}

fn whoami() -> String {
    std::env::var("USER").unwrap_or_else(|_| "root".to_owned())
}

fn started(mut command: Command) -> (Child, Printed) {
    let mut hil = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
    let printed = Printed::with_errors(&mut hil);
    (hil, printed)
}

#[test]
fn a_run_takes_boards_of_the_lab_and_gives_them_back() {
    let Some(all) = HostsInLab::open(&outline(12), "") else { return };
    let run: Outcome = all.run(&["--out", "run"]).output().expect("hil runs").into();
    assert_eq!((run.code, verdicts(&run).len()), (0, 12), "{run:?}");
    assert_eq!(run.stderr, "");
    let recorded = events(&all.fleet.project, "run");
    check_record(&recorded, 12);
    assert_eq!(hosts_used(&recorded).len(), 2);
    all.wait_until_free("after the run");
    assert_eq!(all.lab.client(&["reservations"]), "");
    let one: Outcome = all.ssh.command(&all.fleet, "pi-a", &["--out", "one"]).output().expect("hil runs").into();
    assert_eq!(verdicts(&one), verdicts(&run));
}

/// Ignored, since it measures: `ci/bench/hosts`.
#[test]
#[ignore = "measures"]
#[expect(clippy::print_stdout, reason = "the figures are its result")]
fn two_hosts_of_a_lab_need_little_more_than_half_the_time_of_one() {
    let Some(all) = HostsInLab::open(&outline(40).replace("300 ms", "600 ms"), "") else { return };
    let one_host = |out: &str| all.ssh.command(&all.fleet, "pi-a", &["--out", out]);
    let two_hosts = |out: &str| all.run(&["--out", out]);
    let run = |mut command: Command, out: &str| {
        let begun = std::time::Instant::now();
        let outcome: Outcome = command.output().expect("hil runs").into();
        let whole = begun.elapsed().as_secs_f64();
        assert_eq!(outcome.code, 0, "{outcome:?}");
        let recorded = events(&all.fleet.project, out);
        let begun = recorded.iter().find(|event| event.scenario.is_some()).expect("a scenario").at;
        (recorded.last().expect("an end").at.since(begun).as_secs_f64(), whole, verdicts(&outcome))
    };
    // The firmware is in the caches of both hosts then.
    for (warm, out) in [(one_host("warm-one"), "warm-one"), (two_hosts("warm-two"), "warm-two")] {
        let mut warm = warm;
        warm.args(["--shard", "1/10"]);
        run(warm, out);
    }
    let (one, whole_one, alone) = run(one_host("one"), "one");
    let (two, whole_two, together) = run(two_hosts("two"), "two");
    assert_eq!((alone.len(), alone), (40, together));
    println!("40 scenarios on 2 boards of one host: {one:.1} s, {whole_one:.1} s from command to prompt");
    println!("on 2 boards each of two hosts of a lab: {two:.1} s, {whole_two:.1} s from command to prompt");
    println!("ratio: {:.2}", two / one);
    assert!(two <= 0.6 * one, "{two:.1} s of {one:.1} s");
}

#[test]
fn boards_that_become_free_join_a_run() {
    let Some(all) = HostsInLab::short_of_a_lamp("", "4 s") else { return };
    let (mut hil, printed) = started(all.run(&["-vv", "--out", "run", "--name", "lamp"]));
    printed.wait_for(&["lamp-2 <- CONNACK"]);
    all.lab.client(&["-p", "pi-b-lamp", "release"]);
    printed.wait_for(&["lamp <- CONNACK"]);
    assert!((0..6).any(|_| ends(Pid::from_child(&hil))) && hil.wait().expect("ends").success());
    let recorded = events(&all.fleet.project, "run");
    let joined = recorded.iter().filter(|event| matches!(event.what, What::HostJoined { .. }));
    let joined: Vec<_> = joined.map(|event| event.host.as_ref().map(ToString::to_string)).collect();
    assert_eq!(joined, [Some("pi-a".to_owned()), Some("pi-b".to_owned())]);
    all.release_others();
}

/// `wait` is how long to wait for boards; connecting to the host of a board that was given takes as long as it takes.
#[test]
fn a_host_that_is_slow_to_connect_is_used_however_short_the_wait() {
    let Some(all) = HostsInLab::short_of_a_lamp("wait = \"1s\"\n", "8 s") else { return };
    let mut command = all.run(&["-vv", "--out", "run", "--name", "lamp"]);
    let hold = all.ssh.is_slow(&mut command, Duration::from_secs(2));
    let (mut hil, printed) = started(command);
    printed.wait_for(&["lamp-2 <- CONNACK"]);
    std::fs::write(&hold, "").expect("write");
    all.lab.client(&["-p", "pi-b-lamp", "release"]);
    printed.wait_for(&["passed"]);
    // Not an event: the run's wait for boards passes meanwhile.
    std::thread::sleep(Duration::from_secs(2));
    std::fs::remove_file(&hold).expect("remove");
    printed.wait_for(&["lamp <- CONNACK"]);
    assert!((0..6).any(|_| ends(Pid::from_child(&hil))) && hil.wait().expect("ends").success());
    all.release_others();
}

/// labgrid would keep its places for ever: the agents give them back, after the boards are safe.
#[test]
fn the_places_of_a_killed_run_are_given_back_by_the_agents() {
    let Some(all) = HostsInLab::open(LONG, "boards = { at-least = 2 }") else { return };
    let (mut hil, printed) = started(all.run(&["-vv", "--out", "run"]));
    printed.wait_for(&["lamp <- CONNACK", "lamp-2 <- CONNACK"]);
    kill_process(Pid::from_child(&hil), Signal::KILL).expect("it runs");
    hil.wait().expect("ends");
    all.wait_until_free("after the run was killed");
}

/// A person at the host, past the lab.
#[test]
fn a_board_that_is_in_use_on_its_host_is_left_for_another() {
    let feature = "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    Then \"lamp\" connects within 5 s\n";
    let Some(all) = HostsInLab::open(feature, "boards = { at-most = 1 }\ntags = { hil_board = \"lamp\" }") else {
        return;
    };
    let mut power = all.fleet.project.command(&["power", "lamp", "on"]);
    power.envs(all.fleet.host("pi-a").environment()).stdin(Stdio::piped());
    let mut power = power.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
    wait_for_line(&mut power, "is on");
    let run: Outcome = all.run(&["--out", "run"]).output().expect("hil runs").into();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("host `pi-a`: board `lamp` is in use by"), "{run:?}");
    assert_eq!(hosts_used(&events(&all.fleet.project, "run")).into_iter().collect::<Vec<_>>(), ["pi-b"]);
    kill_process(Pid::from_child(&power), Signal::INT).expect("it runs");
    power.wait().expect("ends");
    all.wait_until_free("after the run");
}

/// A person takes a board away: nothing else begins on it.
#[test]
fn a_board_that_the_lab_takes_away_gets_nothing_more() {
    let feature = outline(40);
    let Some(all) =
        HostsInLab::open(&feature, "wait = \"1s\"\nboards = { at-most = 2 }\ntags = { hil_host = \"pi-a\" }")
    else {
        return;
    };
    let (mut hil, printed) = started(all.run(&["-v", "--out", "run"]));
    printed.wait_for(&["passed"]);
    all.lab.client(&["-p", "pi-a-lamp-2", "release", "--kick"]);
    all.until("the run has cancelled its reservation", |view| {
        view.place("pi-a-lamp-2").is_some_and(|place| place.holder.is_none() && place.reservation.is_none())
    });
    all.lab.client(&["-p", "pi-a-lamp-2", "acquire"]);
    assert!((0..12).any(|_| ends(Pid::from_child(&hil))));
    assert_eq!(hil.wait().expect("ends").code(), Some(102));
    let recorded = events(&all.fleet.project, "run");
    let left = recorded.iter().position(|event| matches!(&event.what, What::Bench { board, note } if board == "lamp-2" && note.contains("may not use it")));
    let left = left.expect("it is recorded");
    let report = all.fleet.project.hil(&["report", "run"]);
    let why = "board `lamp-2` of host `pi-a` left the run: another session released it";
    assert!(report.stdout.contains(why), "{report:?}");
    let begun = recorded[left..].iter().filter(|event| matches!(&event.what, What::ScenarioStarted { .. }));
    assert!(begun.count() > 0, "the other board goes on");
    all.lab.client(&["-p", "pi-a-lamp-2", "release"]);
    all.wait_until_free("after the run");
}

/// `HIL_KILLS` says how often; `ci/soak/fleet` has 20.
#[test]
fn whatever_of_the_lab_is_killed_at_any_moment_the_run_passes_and_nothing_is_held() {
    let rounds: u32 = std::env::var("HIL_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3);
    let Some(mut all) = HostsInLab::open(&outline(8), "") else { return };
    for round in 0..rounds {
        let moment = Duration::from_millis(fastrand::u64(0..3_000));
        let kills_coordinator = round % 2 == 0;
        let case = format!("round {round}: coordinator {kills_coordinator}, after {moment:?}");
        let out = format!("run-{round}");
        let mut hil = all.run(&["--out", &out]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("hil");
        // Not an event: a random moment is what is wanted here.
        std::thread::sleep(moment);
        if kills_coordinator {
            all.lab.kill_coordinator();
        }
        all.lab.kill_exporter("pi-a");
        all.lab.kill_exporter("pi-b");
        if kills_coordinator {
            all.lab.start_coordinator();
        }
        all.publish();
        assert!((0..6).any(|_| ends(Pid::from_child(&hil))), "{case}: the run does not end");
        let mut stderr = String::new();
        std::io::Read::read_to_string(&mut hil.stderr.take().expect("piped"), &mut stderr).expect("text");
        let code = hil.wait().expect("ends").code();
        // It began just when there was no coordinator, or when it had forgotten the places.
        let is_early = kills_coordinator && code == Some(96);
        assert!(code == Some(0) || is_early, "{case}: {code:?}\n{stderr}");
        all.wait_until_free(&case);
        let next: Outcome = all.run(&["--out", &format!("next-{round}")]).output().expect("hil").into();
        assert_eq!(next.code, 0, "the run after {case}: {next:?}");
        all.wait_until_free(&case);
    }
}
