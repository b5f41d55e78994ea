//! `hil monitor`, at a terminal and without one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

use crate::support::Project;

/// Reads until a text has come.
fn wait_for(terminal: &mut std::fs::File, said: &mut String, text: &str) {
    let mut buffer = [0; 4096];
    while !said.contains(text) {
        let length = terminal.read(&mut buffer).unwrap_or_else(|error| panic!("{error}; no `{text}` in {said}"));
        said.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
}

#[test]
fn keys_reset_switch_and_end_and_the_terminal_is_as_before() {
    let project = Project::new();
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("pty");
    unlockpt(&master).expect("unlock");
    let name = ptsname(&master, Vec::new()).expect("name").to_string_lossy().into_owned();
    let slave = || std::fs::File::options().read(true).write(true).open(&name).expect("terminal");
    let before = rustix::termios::tcgetattr(slave()).expect("settings");
    let mut child = project
        .command(&["monitor", "lamp"])
        .stdin(Stdio::from(slave()))
        .stdout(Stdio::from(slave()))
        .stderr(Stdio::from(slave()))
        .spawn()
        .expect("hil");
    let mut terminal = std::fs::File::from(master);
    let mut said = String::new();
    // Its flash is empty: the ROM says so again and again.
    wait_for(&mut terminal, &mut said, "Ctrl-] exits");
    wait_for(&mut terminal, &mut said, "rst:0x1 (POWERON)");
    wait_for(&mut terminal, &mut said, "invalid header");
    said.clear();
    terminal.write_all(b"\x14r").expect("reset");
    wait_for(&mut terminal, &mut said, "--- reset EN pulled low");
    said.clear();
    terminal.write_all(b"\x14p").expect("power");
    wait_for(&mut terminal, &mut said, "--- power off");
    terminal.write_all(b"\x14p").expect("power");
    wait_for(&mut terminal, &mut said, "--- power on");
    wait_for(&mut terminal, &mut said, "invalid header");
    terminal.write_all(b"\x14l").expect("loader");
    wait_for(&mut terminal, &mut said, "waiting for download");
    terminal.write_all(b"\x1d").expect("end");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    let after = rustix::termios::tcgetattr(slave()).expect("settings");
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
