//! Files that the user names, or in another user's folder: what is not a regular file is refused immediately.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Outcome, Project, assert_snapshot};

/// Runs `hil`; fails with its output if it hangs.
fn hil(project: &Project, arguments: &[&str]) -> Outcome {
    let mut command = project.command(arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil starts");
    let pid = Pid::from_raw(child.id().cast_signed()).expect("a process");
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    match is_done.recv_timeout(Duration::from_secs(30)) {
        Ok(output) => output.expect("output").into(),
        Err(_) => {
            kill_process(pid, Signal::KILL).expect("killed");
            panic!("`hil {}` hangs", arguments.join(" "));
        }
    }
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("fifo");
}

const FEATURE: &str = "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    Then \"lamp\" connects within 5 s\n";

const LAMP: &str = "[boards.lamp]\nkind = \"virtual\"\n";

#[test]
fn a_fifo_where_a_file_is_expected_is_an_error_and_never_a_hang() {
    let project = Project::with_feature(FEATURE);
    fifo(&project.path("fifo"));
    fifo(&project.path("fifo.feature"));
    let bench = |name: &str, text: &str| project.file(name, &format!("{LAMP}{text}"));
    bench("good.toml", "[firmware.lamp]\nimage = \"builtin:lamp\"\n");
    bench("image.toml", "[firmware.lamp]\nimage = \"fifo\"\n");
    bench(
        "script.toml",
        "[firmware.lamp]\nkind = \"micropython\"\nimage = \"builtin:micropython\"\nscripts = { \"main.py\" = \"fifo\" }\n",
    );
    let broker = "[broker]\nkind = \"mosquitto\"\nusers = { lamp = \"lamplighter\" }\nacl = \"fifo\"\n";
    bench("acl.toml", &format!("[firmware.lamp]\nimage = \"builtin:lamp\"\n{broker}"));
    let commands: [&[&str]; 10] = [
        &["lint", "fifo.feature"],
        &["lint", "--bench", "fifo"],
        &["lint", "/dev/zero"],
        &["run", "--bench", "image.toml", "features"],
        &["run", "--bench", "script.toml", "features"],
        &["run", "--bench", "acl.toml", "features"],
        &["run", "--bench", "good.toml", "--baseline", "fifo", "features"],
        &["run", "--bench", "good.toml", "--history", "fifo", "features"],
        &["compare", "fifo", "fifo"],
        &["history", "--history", "fifo"],
    ];
    let said = commands.iter().map(|words| format!("# hil {}\n{}", words.join(" "), hil(&project, words).stable()));
    assert_snapshot("files-that-are-none", &said.collect::<Vec<_>>().join("\n"));
}

/// The file for another `hil` contains the names of secrets, and only its owner can read it.
#[test]
fn a_bench_file_for_another_hil_keeps_the_names_of_secrets() {
    let project = Project::new();
    let nvs = "nvs = { \"wifi.password\" = \"${secret:WIFI_PASSWORD}\", \"wifi.ssid\" = \"home\" }";
    project.file("source.toml", &format!("{LAMP}[firmware.lamp]\nimage = \"builtin:lamp\"\n{nvs}\n"));
    let mut command = project.command(&["virtual", "--as-real", "lab", "--bench", "source.toml"]);
    let mut boards = command.env("WIFI_PASSWORD", "won\"derland").stdout(Stdio::piped()).spawn().expect("hil starts");
    let stdout = boards.stdout.as_mut().expect("piped");
    let up = BufReader::new(stdout).lines().map_while(Result::ok).any(|line| line.starts_with("up;"));
    let (written, mode) = (project.read("lab/bench.toml"), project.path("lab/bench.toml").metadata().expect("there"));
    boards.kill().expect("killed");
    boards.wait().expect("ended");
    assert!(up);
    assert!(written.contains("\"wifi.password\" = \"${secret:WIFI_PASSWORD}\", \"wifi.ssid\" = \"home\""), "{written}");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_disk_that_is_full_leaves_no_half_of_a_report() {
    let project = Project::with_feature(FEATURE);
    let settings = "nvs = { \"mqtt.host\" = \"{tap.host}\", \"mqtt.port\" = \"{tap.port}\" }";
    project.file("good.toml", &format!("{LAMP}[firmware.lamp]\nimage = \"builtin:lamp\"\n{settings}\n"));
    let run = hil(&project, &["run", "--bench", "good.toml", "--out", "out", "features"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    std::fs::remove_file(project.path("out/report.html")).expect("there was a report");
    // A file ends at 32 KiB; the page is larger. Where the signal is ignored, the write fails as on a full disk.
    let program = env!("CARGO_BIN_EXE_hil");
    let shell = format!("trap '' XFSZ; ulimit -f 32; exec '{program}' report out");
    let words = ["-c", &shell];
    let output = std::process::Command::new("bash").args(words).current_dir(project.path("")).output().expect("bash");
    let report = Outcome::from(output);
    assert_snapshot("report-on-a-full-disk", &report.stable());
    let names = std::fs::read_dir(project.path("out")).expect("list").flatten().map(|entry| entry.file_name());
    let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "console-lamp.log",
            "cucumber.json",
            "events.jsonl",
            "junit.xml",
            "summary.md",
            "traffic.pcapng",
            "trend.json"
        ]
    );
}

/// An endless console: the record says what it left out, and no step passes on the rest.
#[test]
fn a_board_that_floods_its_console_fills_the_record_and_its_scenario_is_errored() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario: s\n    Given the board \"flood\" runs the firmware \"flood\"\n    Then the console of \"flood\" shows \"another line\" within 60 s\n",
    );
    project.file(
        "bench.toml",
        "[boards.flood]\nkind = \"process\"\n[firmware.flood]\nkind = \"process\"\ncommand = [\"yes\", \"the same line again and again\"]\n",
    );
    let run =
        hil(&project, &["run", "--bench", "bench.toml", "--out", "out", "--max-record", "1", "--bench-retries", "0"]);
    assert_eq!(run.code, 102, "{run:?}");
    // The step in which it happens depends on timing.
    let error = "error: the record of this run is full: later events are missing\n         \
                 hint: a board that floods its console or the broker fills it; `--max-record MIB` raises the limit\n";
    assert!(run.stdout.contains(error), "{}", run.stdout);
    let events = project.read("out/events.jsonl");
    assert!(events.len() < (1 << 20) + 10_000, "{}", events.len());
    assert!(events.contains(r#""event":"record-full","limit":1048576"#));
    assert!(events.contains(r#""event":"record-dropped","lines":"#));
    let log = project.read("out/console-flood.log");
    assert!(
        log.len() < 1 << 20 && log.contains("(the record is full (1 MiB): later events are missing)"),
        "{}",
        log.len()
    );
}
