//! A board whose relay, pins, EN and strapping pin are on GPIO lines.

use std::time::{Duration, Instant};

use gpiosim::Level;
use hil_timeline::What;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::lab::Lab;
use crate::program::Project;
use crate::relays::{level, relays};

/// A board on a pseudo-terminal of another process, with pins and a relay on this machine's lines. The relay represents
/// its supply, which is always on.
fn bench_with_lines(lab: &Lab) -> String {
    lab.tell(&["power", "lamp", "on"]);
    let text = std::fs::read_to_string(lab.folder.path().join("bench.toml")).expect("bench");
    let (board, rest) = text.split_once("\n[[boards.lamp.rails]]").expect("rails");
    // Its pins are on GPIO lines here, not on programs.
    let board: String =
        board.lines().filter(|line| !line.starts_with("pins = ")).map(|line| format!("{line}\n")).collect();
    let firmware = &rest[rest.find("\n[firmware.lamp]").expect("firmware")..];
    format!(
        "{board}pins = {{ led = {{ line = \"LED\", bias = \"pull-down\" }}, button = {{ line = \"BUTTON\", direction = \"drive\" }} }}\n\
         \n[[boards.lamp.rails]]\ndriver = \"gpio\"\nline = \"RELAY1\"\n{firmware}"
    )
}

pub(crate) fn pins_are_sensed_by_edges_and_driven() {
    let sim = relays();
    let lab = Lab::open();
    let feature = r#"Feature: f
  Scenario: pins
    Given the board "lamp" runs the firmware "lamp"
    When I press the button "button" of "lamp" for 2 s
    Then the pin "led" of "lamp" is on within 10 s
    And the pin "led" of "lamp" is off within 10 s
"#;
    let project = Project::new(&bench_with_lines(&lab), feature);
    // The wire from the button to the light.
    let mut lit = false;
    let (code, said) = project.start(&["run", "--out", "out", "-vv"]).end_beside(|| {
        let pressed = level(&sim, 4);
        if pressed != lit {
            lit = pressed;
            sim.chips()[0].set_pull(3, if lit { Level::High } else { Level::Low }).expect("pull");
        }
    });
    assert_eq!(code, 0, "{said}");
    assert!(!level(&sim, 0) && !level(&sim, 4), "relay and button are off");
}

/// How many interrupts the kernel had for changes of a line that `hil` senses.
fn interrupts() -> u64 {
    let text = std::fs::read_to_string("/proc/interrupts").expect("interrupts");
    let lines = text.lines().filter(|line| line.contains("hil pin"));
    lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

/// The kernel keeps what happens while `hil` does not read: 1024 changes, a second of 1 kHz. Of more, the oldest are lost,
/// and then nothing can be counted.
pub(crate) fn edges_are_kept_numbered_and_stamped_by_the_kernel() {
    const CHANGES: usize = 200;
    let sim = relays();
    let lab = Lab::open();
    let feature = r#"Feature: f
  Scenario: kept
    Given the board "lamp" runs the firmware "lamp"
    When the pin "button" of "lamp" is driven on
    Then the pin "led" of "lamp" pulses 100 times within 30 s

  Scenario: lost
    Given the board "lamp" runs the firmware "lamp"
    When the pin "button" of "lamp" is driven on
    Then the pin "led" of "lamp" pulses 530 times within 15 s
"#;
    let project = Project::new(&bench_with_lines(&lab), feature);
    let run = project.start(&["run", "--out", "out", "-vv", "--retries", "0", "--bench-retries", "0"]);
    let (hil, mut was_pressed, mut bursts) = (run.pid(), false, [CHANGES, 1060].into_iter());
    let (code, said) = run.end_beside(|| {
        let pressed = level(&sim, 4);
        if pressed && !was_pressed {
            kill_process(hil, Signal::STOP).expect("stopped");
            for change in 0..bursts.next().unwrap_or_default() {
                let pull = if change % 2 == 0 { Level::High } else { Level::Low };
                let before = interrupts();
                sim.chips()[0].set_pull(3, pull).expect("pull");
                // The simulator merges changes that come faster than its interrupts.
                while interrupts() == before {
                    std::thread::yield_now();
                }
            }
            kill_process(hil, Signal::CONT).expect("continue");
        }
        was_pressed = pressed;
    });
    assert_eq!(code, 102, "{said}");
    assert!(said.contains("passed  features/one.feature:2  kept"), "{said}");
    assert!(said.contains("changes of the pin `led` of `lamp` were lost"), "{said}");
    let events = hil_timeline::read_events(&project.0.path().join("out/events.jsonl")).expect("events");
    let edges: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.what {
            What::Pin { pin, edge: Some(edge), .. } if pin == "led" => Some((*edge, event.at)),
            _ => None,
        })
        .take(CHANGES)
        .collect();
    let numbers: Vec<_> = edges.iter().map(|(edge, _)| edge.number).collect();
    assert_eq!(numbers, (1..=u32::try_from(CHANGES).expect("few")).collect::<Vec<_>>(), "all of them, in order");
    assert!(edges.iter().all(|(edge, read)| edge.at <= *read), "each was before it was read");
    assert!(edges.is_sorted_by_key(|(edge, _)| edge.at));
    // The kernel buffers 16 changes by default.
    let waited = |from: usize| edges[from..].iter().filter(|(edge, _)| edge.at <= edges[from].1).count();
    let most = (0..edges.len()).map(waited).max();
    assert!(most > Some(CHANGES / 2), "they came while nothing was read: {most:?}");
}

/// Flashes a board with this `reset`; `wire` simulates its wires.
fn flashes(bench: &str, reset: &str, wire: impl FnMut()) {
    let command = bench.lines().find(|line| line.starts_with("reset = ")).expect("reset").to_owned();
    let project = Project::new(&bench.replacen(&command, reset, 1), "");
    let (code, said) = project.start(&["flash", "lamp"]).end_beside(wire);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("`lamp` runs on `lamp`: ") && !said.contains(": 0 bytes"), "{said}");
}

/// The board's EN and strapping pin are on lines through transistors. Without transistors the lines would be open drain,
/// which gpio-sim can't simulate: there, a line that becomes an input keeps its level.
pub(crate) fn en_and_the_strapping_pin_on_lines() {
    let sim = relays();
    let lab = Lab::open();
    let mut enabled = true;
    let wire = || {
        let en = !level(&sim, 7);
        if en != enabled {
            enabled = en;
            let word = match (en, !level(&sim, 8)) {
                (false, _) => "hold",
                (true, true) => "run",
                (true, false) => "loader",
            };
            lab.ask(&format!("{word} lamp"));
        }
    };
    let reset = "reset = { strategy = \"gpio\", en = \"EN\", boot = \"BOOT\", inverted = true }";
    flashes(&bench_with_lines(&lab), reset, wire);
}

/// The rails reset the chip; the strapping pin is on a line through a transistor.
pub(crate) fn the_rails_reset_with_the_strapping_pin_on_a_line() {
    let sim = relays();
    let lab = Lab::open();
    let bench = std::fs::read_to_string(lab.folder.path().join("bench.toml")).expect("bench");
    let mut high = true;
    let wire = || {
        let boot = !level(&sim, 8);
        if boot != high {
            high = boot;
            lab.ask(&format!("boot lamp {}", if high { "high" } else { "low" }));
        }
    };
    let reset = "off-time = \"100ms\"\nreset = { strategy = \"power-cycle\", boot = \"BOOT\", inverted = true }";
    flashes(&bench, reset, wire);
}

pub(crate) fn the_relay_falls_after_any_kill() {
    let sim = relays();
    let lab = Lab::open();
    let feature = r#"Feature: f
  Scenario: waits
    Given the board "lamp" runs the firmware "lamp"
    Then "lamp" does not reboot for 60 s
"#;
    let project = Project::new(&bench_with_lines(&lab), feature);
    for victim in ["hil", "its process group", "its keeper"] {
        let mut run = project.start(&["run", "-vv"]);
        run.wait_for("<- CONNACK");
        assert!(level(&sim, 0), "the relay is on");
        let killed = Instant::now();
        match victim {
            "hil" => kill_process(run.pid(), Signal::KILL).expect("kill"),
            "its process group" => kill_process_group(run.pid(), Signal::KILL).expect("kill"),
            _ => kill_process(keeper(), Signal::KILL).expect("kill"),
        }
        if victim == "its keeper" {
            // The kernel releases its lines immediately (gpio-sim: low). `hil` notices, and another keeper sets them.
            let (code, said) = run.end();
            assert_eq!(code, 102, "{said}");
            assert!(said.contains("the power keeper exited; the power state of the boards is unknown"), "{said}");
            assert!(said.contains("another keeper has made its rails safe"), "{said}");
        } else {
            run.end();
        }
        project.wait_for_locks();
        let took = killed.elapsed();
        assert!(!level(&sim, 0), "{victim} was killed and the relay is on");
        // No time-out is awaited: the standby's takes 10 s. A busy machine needs seconds to start programs here.
        assert!(took < Duration::from_secs(9), "{victim} was killed: safe after {took:?}");
        let power = project.start(&["power", "lamp", "off", "--no-wait"]);
        assert_eq!(power.end(), (0, "`lamp` is off\n".to_owned()), "the lock is free");
    }
    // Left on and switched off on request.
    let on = project.start(&["power", "lamp", "on", "--detach"]);
    let (code, said) = on.end();
    assert_eq!(code, 0, "{said}");
    assert!(level(&sim, 0), "left on");
    let (code, said) = project.start(&["run", "--no-wait"]).end();
    assert!(code == 96 && said.contains("in use by `hil power lamp on`") && said.contains("detached"), "{said}");
    assert_eq!(project.start(&["power", "lamp", "off"]).end().0, 0);
    assert!(!level(&sim, 0));
}

fn keeper() -> Pid {
    let processes = std::fs::read_dir("/proc").expect("proc").flatten();
    let is_keeper = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("--be-the-keeper-now")
    };
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(is_keeper).find_map(Pid::from_raw).expect("a keeper")
}
