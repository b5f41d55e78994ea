//! Boards that `hil` handles as real ones: virtual boards in another process, reached only by ports and commands.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Outcome, Project, assert_snapshot, processes, wait_for_line, workspace};

/// The other program.
pub(crate) struct Lab {
    pub(crate) project: Project,
    boards: Child,
}

impl Drop for Lab {
    fn drop(&mut self) {
        // It has no rail to leave on.
        let _ = self.boards.kill();
        let _ = self.boards.wait();
    }
}

const WAITS: &str = r#"Feature: f
  Scenario: waits
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" is connected
    When the power of "lamp" is cut for 1 s
    Then "lamp" does not reboot for 60 s
"#;

const SHORT: &str = r#"Feature: f
  Scenario: short on lamp
    Given the board "lamp" runs the firmware "lamp"
    Then "lamp" connects within 5 s
"#;

impl Lab {
    /// Virtual boards of the built-in bench, or of a bench file's text.
    pub(crate) fn open(bench: Option<&str>) -> Self {
        let project = Project::new();
        let mut arguments = vec!["virtual", "--as-real", "lab"];
        if let Some(text) = bench {
            project.file("source.toml", text);
            arguments.extend(["--bench", "source.toml"]);
        }
        project.file("features/waits.feature", WAITS);
        project.file("features/short.feature", SHORT);
        project.file(
            "features/short-2.feature",
            &SHORT
                .replace("lamp\"", "lamp-2\"")
                .replace("\"lamp-2\"\n    Then", "\"lamp\"\n    Then")
                .replace("on lamp", "on lamp-2"),
        );
        let mut boards = project.command(&arguments).stdout(Stdio::piped()).spawn().expect("hil starts");
        let stdout = boards.stdout.as_mut().expect("piped");
        let up = BufReader::new(stdout).lines().map_while(Result::ok).any(|line| line.starts_with("up;"));
        assert!(up, "the boards are not up");
        Self { project, boards }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.project.command(arguments);
        command.env("HIL_BENCH", "lab/bench.toml").env("HIL_LOCKS", self.project.path("locks"));
        command
    }

    pub(crate) fn hil(&self, arguments: &[&str]) -> Outcome {
        self.command(arguments).output().expect("hil runs").into()
    }

    /// Starts `hil` in a process group of its own.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn().expect("hil")
    }

    pub(crate) fn tell(&self, words: &[&str]) -> String {
        let outcome = self.hil(&[&["virtual", "--tell", "lab/control.sock"], words].concat());
        assert_eq!(outcome.code, 0, "{outcome:?}");
        outcome.stdout.trim().to_owned()
    }

    /// Waits until no lock is held; the kernel notifies.
    pub(crate) fn wait_for_locks(&self) {
        for entry in std::fs::read_dir(self.project.path("locks")).expect("locks").flatten() {
            let file = std::fs::File::open(entry.path()).expect("lock");
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("free");
        }
    }

    /// Processes of this lab with an argument.
    pub(crate) fn processes(&self, argument: &str) -> Vec<Pid> {
        processes(&self.project.path("locks"), argument)
    }

    pub(crate) fn keepers(&self) -> Vec<Pid> {
        self.processes("--be-the-keeper-now")
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Without pins, which need GPIO lines of this machine.
#[test]
fn features_pass_on_boards_in_another_program() {
    let lab = Lab::open(None);
    for entry in std::fs::read_dir(workspace().join("features/lamp")).expect("features").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("feature");
        lab.project.file(&format!("features/{}", entry.file_name().to_string_lossy()), &text);
    }
    let name = "will|network|connects with|restart|one reboot|written twice|corrupt|QoS 1";
    let run = lab.hil(&["run", "features", "--name", name]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(run.verdicts().len(), 8, "{}", run.stdout);
    assert_eq!(lab.tell(&["state", "lamp"]), "off");
    assert!(!run.stdout.contains("simulated"), "it does not know that they are virtual");
    lab.wait_for_locks();
    assert_eq!(lab.keepers(), []);
}

#[test]
fn a_second_run_waits_names_the_first_and_then_runs() {
    let lab = Lab::open(None);
    let mut first = lab.start(&["run", "features/waits.feature", "-vv"]);
    wait_for_line(&mut first, "lamp <- CONNACK");
    let refused = lab.hil(&["run", "features/short.feature", "--no-wait"]);
    let text = refused.stable().replace(&format!("pid {}", first.id()), "pid PID");
    assert_snapshot("real-no-wait", &normal(&text));

    // On another board it does not wait.
    let other = lab.hil(&["run", "features/short-2.feature", "--no-wait"]);
    assert_eq!(other.code, 0, "{}{}", other.stdout, other.stderr);
    assert!(first.try_wait().expect("state").is_none(), "the first one still runs");

    let mut second = lab.start(&["run", "features/short.feature"]);
    let mut said = BufReader::new(second.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let waiting = said.next().expect("a line");
    assert!(
        waiting.starts_with("waiting for board `lamp`: in use by `hil run features/waits.feature` of "),
        "{waiting}"
    );
    kill_process(pid(&first), Signal::INT).expect("Ctrl-C");
    assert_eq!(first.wait().expect("ends").code(), Some(130));
    assert_eq!(second.wait().expect("ends").code(), Some(0));
    lab.wait_for_locks();
    assert_eq!(lab.tell(&["state", "lamp"]), "off");
}

fn normal(text: &str) -> String {
    let mut normal = String::new();
    for line in text.lines() {
        let cut = line.find(" of ").filter(|_| line.contains("(pid PID)")).map(|at| &line[..at]);
        normal.push_str(cut.unwrap_or(line));
        normal.push('\n');
    }
    normal
}

#[test]
fn a_cable_pulled_and_plugged_in_elsewhere_is_survived() {
    let lab = Lab::open(None);
    lab.project.file(
        "features/one.feature",
        r#"Feature: f
  Scenario: cable
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "lamp" publishes "saya hidup" to "loger" within 2 s
    And "lamp" does not publish to "loger" for 3 s
    When the board "lamp" is reset
    Then the console of "lamp" shows "mqtt: starting" within 5 s
"#,
    );
    let mut run = lab.start(&["run", "features/one.feature", "-vv", "--out", "out"]);
    wait_for_line(&mut run, "saya hidup");
    let before = std::fs::read_link(lab.project.path("lab/port-lamp")).expect("link");
    lab.tell(&["unplug", "lamp"]);
    // Another device gets its old number.
    let taken = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).expect("pty");
    lab.tell(&["plug", "lamp"]);
    let after = std::fs::read_link(lab.project.path("lab/port-lamp")).expect("link");
    assert_ne!(before, after, "another path");
    let ended = run.wait_with_output().expect("ends");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stdout));
    drop(taken);
    let log = lab.project.read("out/console-lamp.log");
    assert!(log.contains("(console lost)") && log.contains("(console back; output of"), "{log}");
}
