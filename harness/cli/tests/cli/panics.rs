//! A firmware that panics once during a scenario fails it, whatever the current step waits for.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use hil_timeline::{Packet, RunEvent, What, read_events};

use crate::support::{Outcome, Project, workspace};

/// The time to print and read a panic; if the board loses power sooner, the panic is lost.
const TO_PRINT: Duration = Duration::from_millis(300);

/// A scenario of the lamp, and how many packets the lamp sends and receives well before its first power cut or reset.
#[derive(Debug, Clone)]
struct Target {
    place: String,
    name: String,
    board: String,
    packets: u32,
}

/// Runs the good lamp and counts.
fn targets(project: &Project) -> Vec<Target> {
    let mut command = project.command(&["run", "features/lamp", "--out"]);
    command.arg(project.path("good")).arg("--history").arg(project.path("history.jsonl")).current_dir(workspace());
    let outcome: Outcome = command.output().expect("hil runs").into();
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let events = read_events(&project.path("good/events.jsonl")).expect("events");
    let mut scenarios: BTreeMap<u32, Vec<RunEvent>> = BTreeMap::new();
    for event in events {
        if let Some(id) = event.scenario {
            scenarios.entry(id.0).or_default().push(event);
        }
    }
    scenarios.into_values().filter_map(|events| target(&events)).collect()
}

fn target(events: &[RunEvent]) -> Option<Target> {
    let info = events.iter().find_map(|event| match &event.what {
        What::ScenarioStarted { info, .. } => Some(info.clone()),
        _ => None,
    })?;
    let board = info.boards.first()?.clone();
    let end = events.iter().rfind(|event| matches!(event.what, What::ScenarioFinished { .. }))?.at;
    let of_board = |event: &&RunEvent| event.what.board() == Some(&*board);
    // The reset after the flash begins its first life; a later one begins another.
    let is_connect = |event: &&RunEvent| matches!(event.what, What::Connection { .. });
    let life: Vec<_> = events.iter().filter(of_board).skip_while(|event| !is_connect(event)).collect();
    let ends = |event: &&&RunEvent| {
        matches!(event.what, What::Reset { .. } | What::PowerSwitching { .. } | What::Power { on: false, .. })
    };
    let end = life.iter().find(ends).map_or(end, |event| event.at);
    // A stall makes packets look earlier than they usually are, and answers to an old keep alive look like more of them.
    let stalled = |event: &RunEvent| match event.what {
        What::Stalled { ms } => Duration::from_millis(ms),
        _ => Duration::ZERO,
    };
    let stalls: Duration = events.iter().map(stalled).sum();
    let is_packet = |what: &What| match what {
        What::Packet { packet, .. } => !matches!(packet, Packet::Pingreq | Packet::Pingresp),
        _ => false,
    };
    let is_safe = |event: &&&RunEvent| is_packet(&event.what) && event.at + TO_PRINT + stalls <= end;
    let packets = u32::try_from(life.iter().filter(is_safe).count()).ok()?;
    // A panic at CONNECT is always in time, because the scenario waits for the connection.
    let packets = packets.max(u32::from(!life.is_empty()));
    let packets = (packets > 0).then_some(packets)?;
    Some(Target { place: format!("{}:{}", info.path, info.line), name: info.name, board: board.clone(), packets })
}

/// Runs one scenario on a lamp that panics at that packet.
fn panicking(target: &Target, at: u32) -> Outcome {
    let project = Project::new();
    let bench = format!(
        r#"
        [boards.lamp]
        kind = "virtual"
        pins = {{ led = {{ line = "GPIO2", active-low = true }} }}

        [boards.lamp-2]
        kind = "virtual"

        [firmware.lamp]
        image = "builtin:lamp"
        nvs = {{ "mqtt.host" = "{{tap.host}}", "mqtt.port" = "{{tap.port}}", "fault.panic_at" = {at} }}
        ready = "mqtt: starting"

        [firmware.lamp-corrupt]
        image = "builtin:lamp-corrupt"
        "#
    );
    project.file("bench.toml", &bench);
    let mut command = project.command(&["run", &target.place, "--out"]);
    command.arg(project.path("out")).arg("--bench").arg(project.path("bench.toml"));
    command.arg("--history").arg(project.path("history.jsonl")).current_dir(workspace());
    command.output().expect("hil runs").into()
}

/// `HIL_PANICS` is the total number of panics; the default is one per scenario.
#[test]
fn a_firmware_that_panics_once_fails_every_scenario_of_the_lamp() {
    let targets = targets(&Project::new());
    assert_eq!(targets.len(), 15, "all but the one whose image never runs: {targets:?}");
    let panics = std::env::var("HIL_PANICS").ok().and_then(|text| text.parse().ok()).unwrap_or(targets.len());
    let work = Mutex::new(targets.iter().cycle().take(panics));
    let run = || {
        while let Some(target) = { work.lock().expect("work").next() } {
            let at = fastrand::u32(1..=target.packets);
            let outcome = panicking(target, at);
            let shown = format!("packet {at} of {}, {}: {outcome:?}", target.packets, target.name);
            assert_eq!(outcome.code, 100, "{shown}");
            let panicked = format!("failed: `{}` panicked: `Guru Meditation Error", target.board);
            assert!(outcome.stdout.contains(&panicked), "{shown}");
            assert!(outcome.stdout.contains("MEPC    : 0x42010020"), "the backtrace is part of it: {shown}");
        }
    };
    std::thread::scope(|scope| (0..3).map(|_| scope.spawn(run)).for_each(|_| {}));
}
