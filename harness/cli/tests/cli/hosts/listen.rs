//! An agent on a socket.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use super::ends::LONG;
use super::fleet::{Fleet, outline};
use super::verdicts;
use crate::support::{Outcome, Printed, ends};

/// Connects standard input and output to a socket, as `socat - UNIX-CONNECT:PATH` does.
const CONNECT: &str = r#"
import os, socket, sys, threading
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
def up():
    while data := os.read(0, 65536): s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536): os.write(1, data)
"#;

#[test]
fn heads_are_served_on_a_socket_that_only_its_user_may_use() {
    let fleet = Fleet::new(&outline(4), &["pi-a"]);
    let socket = fleet.project.path("agent.sock");
    let name = format!("unix:{}", socket.display());
    let listen = || {
        let mut command = fleet.project.command(&["agent", "--listen", &name]);
        command.envs(fleet.host("pi-a").environment()).stdout(Stdio::piped());
        command
    };
    let mut agent = listen().spawn().expect("hil");
    let printed = Printed::by(&mut agent);
    printed.wait_for(&["listening on unix:"]);
    let mode = std::fs::metadata(&socket).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The first word is the agent's, before the head says anything.
    let mut hello = String::new();
    let head = UnixStream::connect(&socket).expect("connected");
    BufReader::new(&head).read_line(&mut hello).expect("a line");
    assert!(hello.starts_with("{\"hello\":{\"protocol\":"), "{hello}");
    drop(head);
    fleet.project.file("connect.py", CONNECT);
    let python = std::env::var("HIL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let hosts = format!("lab={python} connect.py {}", socket.display());
    // One after the other, each with a process of its own.
    for out in ["first", "second"] {
        let run = fleet.project.hil(&["run", "--hosts", &hosts, "--out", out]);
        assert_eq!((run.code, verdicts(&run).len()), (0, 4), "{run:?}");
    }
    let second: Outcome = listen().output().expect("hil").into();
    assert!(second.code == 96 && second.stderr.contains("another agent may use this one"), "{second:?}");
    kill_process(Pid::from_child(&agent), Signal::TERM).expect("it runs");
    assert!(ends(Pid::from_child(&agent)));
    agent.wait().expect("ended");
    assert!(!socket.exists());
    fleet.wait_until_safe("after two heads");
}

/// In a container, the end of the listener is the end of everything: its agents come first.
#[test]
fn a_listener_that_is_ended_ends_its_agents_first() {
    let fleet = Fleet::new(LONG, &["pi-a"]);
    let socket = fleet.project.path("agent.sock");
    let name = format!("unix:{}", socket.display());
    let mut listener = fleet.project.command(&["agent", "--listen", &name]);
    listener.envs(fleet.host("pi-a").environment()).stdout(Stdio::piped());
    let mut listener = listener.spawn().expect("hil");
    Printed::by(&mut listener).wait_for(&["listening on unix:"]);
    fleet.project.file("connect.py", CONNECT);
    let python = std::env::var("HIL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let hosts = format!("lab={python} connect.py {}", socket.display());
    let mut run = fleet.project.command(&["run", "-vv", "--bench-retries", "0", "--out", "run", "--hosts", &hosts]);
    let mut run = run.stdout(Stdio::piped()).spawn().expect("hil");
    let printed = Printed::by(&mut run);
    printed.wait_for(&["lamp <- CONNACK", "lamp-2 <- CONNACK"]);
    kill_process(Pid::from_child(&listener), Signal::TERM).expect("it runs");
    listener.wait().expect("ended");
    assert_eq!(fleet.host("pi-a").agents(), [], "the listener has ended before its agents");
    fleet.wait_until_safe("after the listener");
    assert_eq!(run.wait().expect("ends").code(), Some(102), "{}", printed.rest());
}
