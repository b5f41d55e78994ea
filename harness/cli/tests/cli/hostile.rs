//! Texts from outside that could control a terminal or a CI runner, wherever `hil` shows them.

use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::blocked::{Running, Unread};
use crate::real_bench::Lab;
use crate::support::{Printed, Project};

/// Clears the screen, hides text, sets the title; C1 forms of that; characters that turn, hide and end lines.
const STEERS: &str = "\u{1b}[2J\u{1b}[8m\u{1b}]0;t\u{7}\u{9b}2J\u{9d}0;t\u{9c}\u{7f}\u{8}\u{202a}\u{202e}\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}\u{200b}\u{200d}\u{2060}\u{feff}\u{ad}\u{e0041}\u{2028}::error::\u{2029}##[error]";
/// Characters that a JSON or TOML string can contain, but a line of Gherkin can't.
const LINES: &str = "\r::error::forged\n::error::forged\n\u{a0}::stop-commands::x\n  passed  forged";

fn both() -> String {
    format!("{STEERS}{LINES}")
}

/// A string of TOML and JSON.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Runs on pipes and on a terminal, as on GitHub, and checks the output. Returns the output of the pipes.
fn check(command: impl Fn() -> Command) -> String {
    let piped = command().env("GITHUB_ACTIONS", "true").stdin(Stdio::null()).output().expect("hil runs");
    let mut shown = String::from_utf8(piped.stdout).expect("UTF-8");
    shown.push_str(&String::from_utf8(piped.stderr).expect("UTF-8"));
    assert_inert(&shown, false);
    let terminal = Unread::terminal();
    let mut on_terminal = command();
    on_terminal.env("GITHUB_ACTIONS", "true").env("TERM", "xterm");
    on_terminal.stdin(terminal.stdio()).stdout(terminal.stdio()).stderr(terminal.stdio());
    let mut child = on_terminal.spawn().expect("hil runs");
    drop(on_terminal);
    assert_inert(&terminal.rest(), true);
    child.wait().expect("ends");
    shown
}

#[track_caller]
fn assert_inert(shown: &str, on_terminal: bool) {
    let steers = |c: &char| match c {
        // A terminal's driver returns the carriage; progress and our own styles begin with ESC.
        '\r' | '\u{1b}' => !on_terminal,
        '\n' => false,
        c => hil_timeline::steers(*c),
    };
    let found = shown.chars().find(steers);
    assert!(found.is_none(), "{found:?} in {shown:?}");
    for theirs in ["\u{1b}[2J", "\u{1b}[8m", "\u{1b}]", "##["] {
        assert!(!shown.contains(theirs), "{theirs:?} in {shown:?}");
    }
    for line in shown.lines().map(str::trim_start) {
        let is_ours = line.starts_with("::error file=") || line.starts_with("::warning file=");
        assert!(!line.starts_with("::") || is_ours, "{line:?} in {shown:?}");
        assert!(!line.starts_with("passed  forged"), "a verdict that is not ours: {shown:?}");
    }
}

#[test]
fn names_in_a_feature_file() {
    let project = Project::with_feature(&format!(
        "Feature: f{STEERS}\n  Scenario: s{STEERS}\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    Then \"lamp\" publishes \"{STEERS}\" to \"y\" within 100 ms\n"
    ));
    let shown = check(|| project.command(&["run", "-vv"]));
    assert!(shown.contains("failed  ") && shown.contains("s\\u{1b}[2J"), "{shown}");
    check(|| project.command(&["run", "--format", "json"]));
    check(|| project.command(&["run", "--list"]));
    check(|| project.command(&["history"]));
    check(|| project.command(&["history", "--scenario", "s"]));
    project
        .file("features/one.feature", &format!("Feature: f\n  Scenario: s\n    Given {STEERS}\n    Then x{STEERS}\n"));
    let shown = check(|| project.command(&["lint"]));
    assert!(shown.contains("error: "), "{shown}");
    project.file("features/one.feature", &format!("Feature: f\n  {STEERS}\n  Scenario Outline: s\n"));
    check(|| project.command(&["lint"]));
}

#[test]
fn keys_and_values_in_a_bench_file() {
    let project = Project::with_feature("Feature: f\n  Scenario: s\n    Then \"lamp\" connects within 1 s\n");
    let hostile = quoted(&both());
    let files = [
        format!("[boards.{hostile}]\nkind = \"virtual\"\n"),
        format!("[boards.lamp]\nkind = \"virtual\"\n{hostile} = 1\n"),
        format!("[boards.lamp]\nkind = {hostile}\n"),
        format!("[boards.lamp]\nkind = \"virtual\"\nfirmware = {hostile}\n"),
        format!("[boards.lamp]\nkind = \"virtual\"\n[firmware.lamp]\nimage = {hostile}\n"),
        format!("[boards.lamp]\nkind = \"virtual\"\npins = {{ {hostile} = {{ line = {hostile} }} }}\n"),
        format!("[boards.lamp]\nkind = \"esp\"\nchip = \"esp32c3\"\nport = {{ path = {hostile} }}\n"),
        format!(
            "[boards.lamp]\nkind = \"esp\"\nchip = \"esp32c3\"\nport = {{ path = \"/dev/none\", usb-serial = {hostile} }}\n"
        ),
        format!("[broker]\nkind = \"external\"\nurl = {hostile}\n"),
        format!("[boards.lamp]\n{STEERS}\n"),
    ];
    for file in files {
        project.file("bench.toml", &file);
        for arguments in
            [["boards"].as_slice(), &["doctor"], &["run", "--no-wait"], &["lint"], &["boards", "--format=json"]]
        {
            let shown = check(|| project.command(&[arguments, &["--bench", "bench.toml"]].concat()));
            assert!(!shown.is_empty());
        }
    }
}

/// Appends to all strings except serialised words.
fn poison(value: &mut Value, key: &str, text: &str) {
    const OURS: &[&str] = &[
        "event",
        "verdict",
        "direction",
        "phase",
        "type",
        "change",
        "cause",
        "finding",
        "fate",
        "kind",
        "keyword",
        "runs",
        "hex",
        "encoding",
        // An address and a port: any other text makes the record invalid.
        "peer",
    ];
    match value {
        Value::String(string) if !OURS.contains(&key) => string.push_str(text),
        Value::Array(all) => all.iter_mut().for_each(|value| poison(value, key, text)),
        Value::Object(all) => all.iter_mut().for_each(|(key, value)| {
            let key = key.clone();
            poison(value, &key, text);
        }),
        _ => {}
    }
}

#[test]
fn a_run_folder_from_elsewhere() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    And \"lamp\" is connected\n    Then \"lamp\" publishes \"x\" to \"y\" within 100 ms\n  Scenario: t\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    Then \"lamp\" connects within 5 s\n",
    );
    assert_eq!(project.hil(&["run", "--out", "run", "--history", "history.jsonl"]).code, 100);
    let poisoned = |name: &str| {
        let line = |line: &str| {
            let mut value: Value = serde_json::from_str(line).expect("JSON");
            poison(&mut value, "", &both());
            format!("{value}\n")
        };
        project.read(name).lines().map(line).collect::<String>()
    };
    project.file("theirs/events.jsonl", &poisoned("run/events.jsonl"));
    project.file("history-2.jsonl", &poisoned("history.jsonl"));
    let shown = check(|| project.command(&["report", "theirs"]));
    assert!(shown.contains("failed  "), "{shown}");
    for arguments in [
        ["report", "theirs", "--format=json"].as_slice(),
        &["report", "theirs", "--traffic"],
        &["compare", "run", "theirs"],
        &["compare", "theirs", "run"],
        &["compare", "theirs", "theirs", "--format=json"],
        &["compare", "theirs", "run", "--format=markdown"],
        &["history", "--history", "history-2.jsonl"],
        &["history", "--history", "history-2.jsonl", "--scenario", "s"],
        &["history", "--history", "history-2.jsonl", "--format=json"],
        &["baseline", "save", "theirs", "--even-if-bad", "--replace", "--out", "baseline.json"],
        &["compare", "baseline.json", "run"],
    ] {
        let shown = check(|| project.command(arguments));
        assert!(!shown.is_empty());
    }
    assert_reports_are_not_steered(&project);
}

fn assert_reports_are_not_steered(project: &Project) {
    let (markdown, xml) = (project.read("theirs/summary.md"), project.read("theirs/junit.xml"));
    for (name, text) in [("summary.md", &markdown), ("junit.xml", &xml)] {
        let found = text.chars().find(|c| !matches!(c, '\n' | '\t') && hil_timeline::steers(*c));
        assert!(found.is_none(), "{found:?} in {name}");
    }
    assert!(!markdown.lines().any(|line| line.trim_start().starts_with("::")), "{markdown}");
    assert!(xml.ends_with("</testsuite>\n"));
}

#[test]
fn a_note_in_a_lock_file() {
    let lab = Lab::open(None);
    let mut power = lab.command(&["power", "lamp", "on"]);
    let mut held = Running::start(power.stdout(Stdio::piped()).stderr(Stdio::null()));
    Printed::by(&mut held.0).wait_for(&["`lamp` is on"]);
    for entry in std::fs::read_dir(lab.project.path("locks")).expect("locks").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("a note");
        let Ok(mut note) = serde_json::from_str::<Value>(&text) else { continue };
        for field in ["user", "what", "left_unsafe"] {
            note[field] = both().into();
        }
        std::fs::write(entry.path(), note.to_string()).expect("written");
    }
    let shown = check(|| lab.command(&["run", "--no-wait", "features/short.feature"]));
    assert!(shown.contains("in use by `\\u{1b}[2J"), "{shown}");
    check(|| lab.command(&["boards"]));
    check(|| lab.command(&["doctor"]));
    let waits = || {
        let mut command = lab.command(&["run", "features/short.feature"]);
        command.args(["--deadline", "1s"]);
        command
    };
    let shown = check(waits);
    assert!(shown.contains("waiting for board `lamp`: in use by"), "{shown}");
}

#[test]
fn arguments() {
    let project = Project::new();
    let hostile = std::ffi::OsStr::from_bytes(format!("{STEERS}\n::error::forged").as_bytes()).to_owned();
    for arguments in [
        ["run", "--tags"].as_slice(),
        &["run"],
        &["lint"],
        &["report"],
        &["flash"],
        &["tap", "--broker"],
        &["certs", "c", "--client"],
        &[],
    ] {
        let shown = check(|| {
            let mut command = project.command(arguments);
            command.arg(&hostile);
            command
        });
        assert!(shown.contains("error:"), "{arguments:?}: {shown}");
    }
}
