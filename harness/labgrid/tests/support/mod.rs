//! A real lab on loopback: labgrid's own coordinator, exporters and client.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use tempfile::TempDir;

/// How long a program of labgrid may take to start: Python on a busy machine.
const STARTS: Duration = Duration::from_secs(60);

/// A coordinator and its exporters. All of them end with it, and with the thread that started them.
pub(crate) struct Lab {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    coordinator: Option<Child>,
    exporters: BTreeMap<String, Child>,
}

/// Where labgrid is installed; none if it is not. With `HIL_REQUIRE_PARTS` it must be.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn installed() -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/parts/labgrid/bin");
    let folder = std::env::var_os("HIL_LABGRID").map_or(usual, PathBuf::from);
    let found = folder.join("labgrid-coordinator").exists();
    assert!(found || std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "labgrid is missing in {}", folder.display());
    if !found {
        eprintln!("skipped: labgrid is missing in {}; `ci/install-parts` installs it", folder.display());
    }
    found.then_some(folder)
}

impl Lab {
    /// Starts a coordinator on a free port; none if labgrid is not installed.
    pub(crate) fn start() -> Option<Self> {
        let programs = installed()?;
        let folder = tempfile::tempdir().expect("folder");
        let mut lab = Self { folder, programs, port: 0, coordinator: None, exporters: BTreeMap::new() };
        lab.start_coordinator();
        Some(lab)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts the coordinator, again on its port; it remembers the places that it has saved.
    pub(crate) fn start_coordinator(&mut self) {
        let listen = self.address();
        let (child, line) = self.spawn("labgrid-coordinator", &["-l", &listen], "listening on ");
        self.port = line.rsplit(':').next().and_then(|port| port.trim().parse().ok()).expect("a port");
        self.coordinator = Some(child);
    }

    /// Kills it before it has saved anything: it does so every 15 s.
    pub(crate) fn kill_coordinator(&mut self) {
        self.coordinator.take().into_iter().for_each(end);
        let _ = std::fs::remove_file(self.folder.path().join("places.yaml"));
    }

    /// Lets the coordinator know these places when it starts, as if it had saved them.
    pub(crate) fn save_places(&self, yaml: &str) {
        std::fs::write(self.folder.path().join("places.yaml"), yaml).expect("write");
    }

    /// Starts an exporter with this configuration.
    pub(crate) fn start_exporter(&mut self, name: &str, config: &str) {
        let path = self.folder.path().join(format!("{name}.yaml"));
        std::fs::write(&path, config).expect("write");
        let address = self.address();
        let config = path.to_str().expect("text").to_owned();
        let arguments = ["-c", &address, "-n", name, "--hostname", "127.0.0.1", &config];
        let (child, _) = self.spawn("labgrid-exporter", &arguments, "Exporter ready");
        self.exporters.insert(name.to_owned(), child);
    }

    pub(crate) fn kill_exporter(&mut self, name: &str) {
        self.exporters.remove(name).into_iter().for_each(end);
    }

    /// labgrid's own client judges.
    pub(crate) fn client(&self, arguments: &[&str]) -> String {
        self.client_as("desk", "anna", arguments)
    }

    /// The same, as another user of another computer.
    pub(crate) fn client_as(&self, host: &str, user: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("timeout");
        command.args(["60"]).arg(self.programs.join("labgrid-client")).args(["-x", &self.address()]).args(arguments);
        let output = command.env("LG_USERNAME", user).env("LG_HOSTNAME", host).output().expect("labgrid-client runs");
        assert!(output.status.success(), "labgrid-client {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Starts a program that ends with this thread, and waits until it says this.
    fn spawn(&self, program: &str, arguments: &[&str], until: &str) -> (Child, String) {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(self.programs.join(program)).args(arguments);
        command.current_dir(self.folder.path()).env("PYTHONUNBUFFERED", "1");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("labgrid starts");
        let (says, hears) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let until = until.to_owned();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if line.contains(&until) {
                    let _ = says.send(line);
                }
            }
        });
        let stderr = drain(child.stderr.take().expect("a pipe"));
        match hears.recv_timeout(STARTS) {
            Ok(line) => (child, line),
            Err(error) => {
                end(child);
                panic!("{program} {arguments:?} does not start: {error}\n{}", stderr.join().expect("a thread"));
            }
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        std::mem::take(&mut self.exporters).into_values().chain(self.coordinator.take()).for_each(end);
    }
}

/// Reads a pipe to its end, so that its writer never waits.
fn drain(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Kills this process alone, by its id.
fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}
