//! `hil monitor`, at a terminal and without one.

use std::io::{BufRead as _, BufReader};

use crate::support::Project;
use crate::terminal::Terminal;

#[test]
fn keys_reset_switch_and_end_and_the_terminal_is_as_before() {
    let project = Project::new();
    let mut terminal = Terminal::open();
    let before = rustix::termios::tcgetattr(terminal.device()).expect("settings");
    let mut child = terminal.start(&mut project.command(&["monitor", "lamp"]));
    // Its flash is empty: the ROM says so again and again.
    terminal.wait_for("Ctrl-] exits");
    terminal.wait_for("rst:0x1 (POWERON)");
    terminal.wait_for("invalid header");
    terminal.said.clear();
    terminal.press(b"\x14r");
    terminal.wait_for("--- reset EN pulled low");
    terminal.said.clear();
    terminal.press(b"\x14p");
    terminal.wait_for("--- power off");
    terminal.press(b"\x14p");
    terminal.wait_for("--- power on");
    terminal.wait_for("invalid header");
    terminal.press(b"\x14l");
    terminal.wait_for("waiting for download");
    terminal.press(b"\x1d");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    let after = rustix::termios::tcgetattr(terminal.device()).expect("settings");
    assert_eq!(after.local_modes, before.local_modes);
    assert_eq!(after.input_modes, before.input_modes);
}

#[test]
fn without_a_terminal_it_prints_lines_that_programs_can_read() {
    let project = Project::new();
    let mut child = project.start(&["monitor", "lamp", "--format", "json"]);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("\"console\"") && line.contains("invalid header")).expect("a line");
    assert!(line.contains("\"board\":\"lamp\""), "{line}");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .expect("kill");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}
