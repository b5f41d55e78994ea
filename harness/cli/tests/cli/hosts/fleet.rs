//! Hosts with boards, for a head: each has a home, locks, and boards in another program.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::Pid;

use crate::support::{Outcome, Project, ends, processes};

/// The boards of each host.
const BENCH: &str = r#"
[boards.lamp]
kind = "virtual"
[boards.lamp-2]
kind = "virtual"
[firmware.lamp]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }
"#;

/// A project and hosts to run it on.
pub(super) struct Fleet {
    pub(super) project: Project,
    pub(super) hosts: Vec<LabHost>,
}

/// A host whose boards are virtual ones in another program, which it handles as real ones.
pub(super) struct LabHost {
    pub(super) name: &'static str,
    pub(super) folder: PathBuf,
    boards: Child,
}

impl Drop for LabHost {
    fn drop(&mut self) {
        // It has no rail to leave on.
        let _ = self.boards.kill();
        let _ = self.boards.wait();
    }
}

/// Scenarios that take half a second, on the boards in turn.
pub(super) fn outline(count: usize) -> String {
    let rows: String = (0..count).map(|n| format!("      | {} | {n} |\n", ["lamp", "lamp-2"][n % 2])).collect();
    format!(
        "Feature: many\n  Scenario Outline: <board> is quiet, <n>\n    Given the board \"<board>\" runs the firmware \"lamp\"\n    \
         And \"<board>\" is connected\n    Then \"<board>\" does not reboot for 300 ms\n\n    Examples:\n      | board | n |\n{rows}"
    )
}

impl Fleet {
    /// A project with a feature, and hosts of these names.
    pub(super) fn new(feature: &str, names: &[&'static str]) -> Self {
        let project = Project::with_feature(feature);
        let hosts = names.iter().map(|name| LabHost::open(&project, name)).collect();
        Self { project, hosts }
    }

    /// What `--hosts` names: agents started by a shell, in the environment of their hosts.
    pub(super) fn piped(&self) -> Vec<String> {
        self.hosts.iter().map(|host| format!("{}={}", host.name, host.agent_script().display())).collect()
    }

    /// `hil run` on all hosts.
    pub(super) fn run(&self, more: &[&str]) -> Command {
        let mut command = self.project.command(&["run"]);
        for host in self.piped() {
            command.arg("--hosts").arg(host);
        }
        command.args(more);
        command
    }

    pub(super) fn hil(&self, more: &[&str]) -> Outcome {
        self.run(more).output().expect("hil runs").into()
    }

    pub(super) fn host(&self, name: &str) -> &LabHost {
        self.hosts.iter().find(|host| host.name == name).expect("a host")
    }

    /// Waits until nothing of the run is left on any host: no lock, no process, no power.
    pub(super) fn wait_until_safe(&self, case: &str) {
        self.hosts.iter().for_each(|host| host.wait_until_safe(&self.project, case));
    }
}

impl LabHost {
    fn open(project: &Project, name: &'static str) -> Self {
        let folder = project.path(name);
        for made in ["home", "locks", "tmp"] {
            std::fs::create_dir_all(folder.join(made)).expect("folder");
        }
        std::fs::write(folder.join("source.toml"), BENCH).expect("write");
        let arguments = ["virtual", "--as-real", "lab", "--bench", "source.toml"];
        let mut command = project.command(&arguments);
        let mut boards = command.current_dir(&folder).stdout(Stdio::piped()).spawn().expect("hil starts");
        let stdout = boards.stdout.as_mut().expect("piped");
        let up = BufReader::new(stdout).lines().map_while(Result::ok).any(|line| line.starts_with("up;"));
        assert!(up, "the boards are not up");
        let host = Self { name, folder, boards };
        host.write_agent_script();
        host
    }

    /// The environment of everything on this host.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        vec![
            ("HOME", path("home")),
            ("HIL_LOCKS", path("locks")),
            ("HIL_BENCH", path("lab/bench.toml")),
            ("TMPDIR", path("tmp")),
        ]
    }

    pub(super) fn agent_script(&self) -> PathBuf {
        self.folder.join("agent")
    }

    fn write_agent_script(&self) {
        let set: String = self.environment().iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
        let names: Vec<_> = self.environment().iter().map(|(name, _)| *name).collect();
        let hil = env!("CARGO_BIN_EXE_hil");
        let text = format!(
            "#!/bin/sh\n{set}export {}\nunset XDG_CACHE_HOME XDG_STATE_HOME\ncd \"$HOME\"\nexec {hil} agent --stdio \"$@\"\n",
            names.join(" ")
        );
        std::fs::write(self.agent_script(), text).expect("write");
        std::fs::set_permissions(self.agent_script(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    }

    /// Processes of this host with an argument.
    pub(super) fn processes(&self, argument: &str) -> Vec<Pid> {
        processes(&self.folder.join("locks"), argument)
    }

    pub(super) fn agents(&self) -> Vec<Pid> {
        self.processes("--stdio")
    }

    /// The folders of its runs, the oldest first.
    pub(super) fn runs(&self) -> Vec<PathBuf> {
        let runs = std::fs::read_dir(self.folder.join("home/.local/state/hil/runs")).into_iter().flatten().flatten();
        let mut runs: Vec<_> = runs.map(|entry| entry.path()).collect();
        runs.sort();
        runs
    }

    pub(super) fn tell(&self, project: &Project, words: &[&str]) -> String {
        let socket = self.folder.join("lab/control.sock").display().to_string();
        let outcome = project.hil(&[&["virtual", "--tell", &socket], words].concat());
        assert_eq!(outcome.code, 0, "{outcome:?}");
        outcome.stdout.trim().to_owned()
    }

    fn wait_until_safe(&self, project: &Project, case: &str) {
        for argument in ["--stdio", "--be-the-keeper-now", "--stand-by-the-keeper-now"] {
            for process in self.processes(argument) {
                assert!(ends(process), "{case}: `{argument}` is left on {}", self.name);
            }
        }
        self.wait_until_released(project, case);
    }

    /// Waits until no lock is held, and checks that nothing has power.
    pub(super) fn wait_until_released(&self, project: &Project, case: &str) {
        for entry in std::fs::read_dir(self.folder.join("locks")).expect("locks").flatten() {
            if let Ok(file) = std::fs::File::open(entry.path()) {
                rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("free");
            }
        }
        for board in ["lamp", "lamp-2"] {
            assert_eq!(self.tell(project, &["state", board]), "off", "{case}: {board} of {}", self.name);
        }
    }
}
