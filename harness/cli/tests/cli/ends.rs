//! However `hil` or its keeper ends, and during any activity, nothing is left behind.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::real_bench::Lab;
use crate::support::{Printed, ends};

const SLOW: &str = r#"
[boards.lamp]
kind = "virtual"
misbehaves = ["real-wire-speed"]
firmware = "lamp"
[boards.lamp-2]
kind = "virtual"
firmware = "lamp"
[firmware.lamp]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }
ready = "mqtt: starting"
"#;

/// How something ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Kill,
    Term,
    Hup,
    Int,
    Quit,
    /// The whole process group of `hil`, as a CI job's end.
    Group,
    /// Stopped, then killed.
    StopKill,
    /// Stopped for a second, then continued.
    StopCont,
    KeeperKill,
    KeeperTerm,
    KeeperStop,
    TwiceTerm,
    ClosedStdin,
}

const WAYS: [Way; 13] = [
    Way::Kill,
    Way::Term,
    Way::Hup,
    Way::Int,
    Way::Quit,
    Way::Group,
    Way::StopKill,
    Way::StopCont,
    Way::KeeperKill,
    Way::KeeperTerm,
    Way::KeeperStop,
    Way::TwiceTerm,
    Way::ClosedStdin,
];

/// An activity of `hil` and the line that it prints then; without a line, a random moment is used.
const ACTIVITIES: [(&[&str], Option<&str>); 8] = [
    (&["run", "features/waits.feature", "-vv"], Some("lamp writing")),
    (&["run", "features/waits.feature", "-vv"], Some("lamp <- CONNACK")),
    (&["run", "features/waits.feature", "-vv"], Some("lamp power off")),
    (&["power", "lamp", "on"], Some("`lamp` is on")),
    (&["power", "lamp", "cycle"], None),
    (&["flash", "lamp"], None),
    (&["monitor", "lamp"], None),
    (&["reset", "lamp"], None),
];

impl Way {
    fn befall(self, lab: &Lab, hil: &mut Child) {
        let id = Pid::from_child(hil);
        // A command that is through already has no process, and what was to be ended is gone.
        let to = |process, signal| {
            let _ = kill_process(process, signal);
        };
        let to_hil = |signal| to(id, signal);
        match self {
            Self::Kill => to_hil(Signal::KILL),
            Self::Term => to_hil(Signal::TERM),
            Self::Hup => to_hil(Signal::HUP),
            Self::Int => to_hil(Signal::INT),
            Self::Quit => to_hil(Signal::QUIT),
            Self::Group => {
                let _ = kill_process_group(id, Signal::KILL);
            }
            Self::StopKill => {
                to_hil(Signal::STOP);
                to_hil(Signal::KILL);
            }
            Self::StopCont => {
                to_hil(Signal::STOP);
                std::thread::sleep(Duration::from_secs(1));
                to_hil(Signal::CONT);
            }
            Self::KeeperKill => keepers(lab, hil).into_iter().for_each(|keeper| to(keeper, Signal::KILL)),
            Self::KeeperTerm => keepers(lab, hil).into_iter().for_each(|keeper| to(keeper, Signal::TERM)),
            Self::KeeperStop => keepers(lab, hil).into_iter().for_each(|keeper| to(keeper, Signal::STOP)),
            Self::TwiceTerm => {
                to_hil(Signal::TERM);
                to_hil(Signal::TERM);
            }
            Self::ClosedStdin => drop(hil.stdin.take()),
        }
        // These end nothing by themselves.
        if matches!(self, Self::StopCont | Self::ClosedStdin) {
            to_hil(Signal::INT);
        }
    }
}

/// Its keepers, once there is one: at an early moment there is none to be ended yet. None of a command that is through.
fn keepers(lab: &Lab, hil: &mut Child) -> Vec<Pid> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let keepers = lab.keepers();
        if !keepers.is_empty() || hil.try_wait().expect("state").is_some() {
            return keepers;
        }
        assert!(Instant::now() < until, "no keeper begins");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A random moment.
struct Random(u32);

impl Random {
    fn moment(&mut self, within_ms: u64) -> Duration {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Duration::from_millis(u64::from(self.0 >> 16) % within_ms)
    }
}

fn end_in(lab: &Lab, way: Way, activity: usize, random: &mut Random) {
    let (arguments, line) = ACTIVITIES[activity];
    let mut command = lab.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).env("TMPDIR", lab.project.path("tmp"));
    let mut hil = std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn().expect("hil");
    let printed = Printed::by(&mut hil);
    if let Some(line) = line {
        printed.wait_for(&[line]);
    }
    let moment = random.moment(800);
    std::thread::sleep(moment);
    let case = format!("{way:?} {moment:?} into {arguments:?} {line:?}");
    let begun = Instant::now();
    way.befall(lab, &mut hil);
    assert!(ends(Pid::from_child(&hil)) || way == Way::KeeperStop && ends_late(&mut hil), "{case}: hil does not end");
    let ended = hil.wait().expect("ended");
    if matches!(way, Way::KeeperKill | Way::KeeperTerm | Way::KeeperStop) && arguments[0] == "run" {
        assert_eq!(ended.code(), Some(102), "{case}: the bench's fault, and no verdict on the firmware");
    }
    lab.wait_for_locks();
    for argument in ["--be-the-keeper-now", "--stand-by-the-keeper-now", "--tell"] {
        for process in lab.processes(argument) {
            assert!(ends(process), "{case}: `{argument}` is left");
        }
    }
    assert_eq!(lab.tell(&["state", "lamp"]), "off", "{case}: {ended}");
    let took = begun.elapsed();
    let limit = if way == Way::KeeperStop { Duration::from_secs(25) } else { Duration::from_secs(8) };
    assert!(took < limit, "{case}: safe after {took:?}");
    let sockets = std::fs::read_dir(lab.project.path("locks")).expect("locks").flatten().map(|entry| entry.path());
    let left: Vec<_> = sockets.filter(|path| path.extension().is_none_or(|it| it != "lock" && it != "note")).collect();
    assert!(left.is_empty(), "{case}: {left:?}");
}

/// A keeper that is stopped is noticed after ten seconds.
fn ends_late(hil: &mut Child) -> bool {
    (0..3).any(|_| ends(Pid::from_child(hil)))
}

/// Each way in one activity; with `HIL_KILLS`, that many rounds of each way in each activity (`ci/soak/kill`).
#[test]
fn however_hil_or_its_keeper_ends_nothing_is_left_behind() {
    let rounds: Option<usize> = std::env::var("HIL_KILLS").ok().and_then(|text| text.parse().ok());
    let lab = Lab::open(Some(SLOW));
    std::fs::create_dir(lab.project.path("tmp")).expect("folder");
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let mut random = Random(seed.map_or(1, |now| now.subsec_nanos()));
    for round in 0..rounds.unwrap_or(1) {
        for (n, way) in WAYS.into_iter().enumerate() {
            let activities = if rounds.is_some() { 0..ACTIVITIES.len() } else { n % 8..n % 8 + 1 };
            activities.for_each(|activity| end_in(&lab, way, activity, &mut random));
        }
        if rounds.is_none() {
            // Commands that hold a board by themselves: each must notice that its keeper is gone.
            for (way, activity) in [(Way::KeeperTerm, 5), (Way::KeeperKill, 6), (Way::KeeperKill, 7)] {
                end_in(&lab, way, activity, &mut random);
            }
        }
        // The next run is as good as any, warns of nothing, and removes what killed ones left.
        let mut next = lab.command(&["run", "features/short.feature"]);
        let next = next.env("TMPDIR", lab.project.path("tmp")).output().expect("hil");
        let said = format!("{}{}", String::from_utf8_lossy(&next.stdout), String::from_utf8_lossy(&next.stderr));
        assert!(next.status.success() && !said.contains("warning:"), "the run after round {round}: {said}");
        let left: Vec<_> = std::fs::read_dir(lab.project.path("tmp")).expect("folder").flatten().collect();
        assert!(left.is_empty(), "temporary folders are left: {left:?}");
    }
}
