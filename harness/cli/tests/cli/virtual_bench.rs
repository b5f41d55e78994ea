//! `hil virtual` and `hil flash`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Project, assert_snapshot};

struct Held {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Held {
    fn start(project: &Project, arguments: &[&str]) -> (Self, Vec<String>) {
        let mut child =
            project.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut shown = Vec::new();
        for line in lines.by_ref() {
            shown.push(line.expect("line"));
            if shown.last().is_some_and(|line| line.starts_with("up;")) {
                break;
            }
        }
        (Self { child, lines }, shown)
    }

    fn say(&mut self, command: &str) -> String {
        writeln!(self.child.stdin.as_mut().expect("piped"), "{command}").expect("write");
        self.lines.next().expect("an answer").expect("line")
    }
}

/// The words after a name at the start of a line.
fn after<'a>(shown: &'a [String], name: &str) -> &'a str {
    shown.iter().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_else(|| panic!("{shown:?}"))
}

#[test]
fn it_shows_ports_and_addresses_handles_commands_and_ends_on_ctrl_c() {
    let project = Project::new();
    let (mut held, shown) = Held::start(&project, &["virtual"]);
    assert_snapshot("virtual", &shown.join("\n"));
    let broker = after(&shown, "broker").to_owned();
    TcpStream::connect(&broker).expect("the broker listens");
    let port = after(&shown, "lamp-2 ")
        .split_once("port ")
        .map(|(_, rest)| rest.split(',').next().unwrap_or_default().to_owned());
    assert!(port.is_some_and(|port| std::path::Path::new(&port).exists()), "{shown:?}");
    assert_eq!(held.say("power lamp off"), "done: power lamp off");
    assert_eq!(held.say("power lamp on"), "done: power lamp on");
    assert_eq!(held.say("loader lamp-2"), "done: loader lamp-2");
    assert_eq!(held.say("reset lamp-2"), "done: reset lamp-2");
    let start = Instant::now();
    kill_process(Pid::from_child(&held.child), Signal::INT).expect("signal");
    assert_eq!(held.child.wait().expect("ends").code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(TcpStream::connect(&broker).is_err(), "nothing listens any more");
    assert!(!project.path("target").exists(), "no surprise files");
}

#[test]
fn it_ends_on_quit_and_refuses_unknown_commands() {
    let project = Project::new();
    let (mut held, _) = Held::start(&project, &["virtual", "--loader", "lamp"]);
    writeln!(held.child.stdin.as_mut().expect("piped"), "quit").expect("write");
    assert_eq!(held.child.wait().expect("ends").code(), Some(0));
    let outcome = project.hil(&["virtual", "--loader", "garage"]);
    assert_eq!(outcome.code, 96);
    assert_snapshot("virtual-unknown-board", &outcome.stable());
}

#[test]
fn flash_reports_what_it_wrote_and_whose_fault_a_failure_is() {
    let project = Project::new();
    let outcome = project.hil(&["flash", "lamp"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let written = outcome.stdout.strip_prefix("`lamp` runs on `lamp`: ").and_then(|text| text.split_once(' '));
    let written = written.expect("text").0.parse::<u32>().expect("bytes");
    // The image of the lamp, with bootloader, partition table and NVS.
    assert!((900_000..1_200_000).contains(&written), "{outcome:?}");
    assert!(outcome.stdout.contains(" bytes written, 0 unchanged"), "{outcome:?}");
    let outcome = project.hil(&["flash", "lamp", "--firmware", "lamp-corrupt"]);
    assert_eq!(outcome.code, 100, "{outcome:?}");
    assert!(outcome.stderr.contains("does not run on `lamp`: it boot-loops"), "{outcome:?}");
    for (name, image) in [("missing-image", "nowhere.bin"), ("unknown-image", "builtin:lmap")] {
        let bench =
            format!("[boards.lamp]\nkind = \"virtual\"\nfirmware = \"x\"\n\n[firmware.x]\nimage = \"{image}\"\n");
        project.file("bench.toml", &bench);
        let outcome = project.hil(&["flash", "lamp", "--bench", "bench.toml"]);
        assert_eq!(outcome.code, 96, "{outcome:?}");
        assert_snapshot(&format!("flash-{name}"), &outcome.stable());
    }
}
