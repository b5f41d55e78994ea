//! Debian's ssh server on loopback, one for each host, with keys, configuration and environment of its own.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Pid;

use super::super::fleet::{Fleet, LabHost};

/// The servers of a fleet, and the configuration of a client.
pub(in crate::hosts) struct Ssh {
    folder: PathBuf,
    program: PathBuf,
    servers: Vec<Server>,
}

struct Server {
    host: &'static str,
    config: PathBuf,
    process: Child,
}

impl Drop for Ssh {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.process.kill();
            let _ = server.process.wait();
        }
    }
}

/// The server's program; none if it is not on this machine, or this user can't start it.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn program() -> Option<PathBuf> {
    let named = std::env::var_os("HIL_SSHD").map(PathBuf::from);
    let parts = crate::support::workspace().join("target/parts/bin/sshd");
    let found = named.into_iter().chain([parts, "/usr/sbin/sshd".into()]).find(|path| path.is_file());
    let client = Command::new("ssh").arg("-V").output().is_ok();
    assert!(found.is_some() && client || std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "sshd or ssh is missing");
    if found.is_none() || !client {
        eprintln!("skipped: `ssh` or `sshd` is not on this machine");
    }
    found.filter(|_| client)
}

impl Ssh {
    pub(in crate::hosts) fn start(fleet: &Fleet) -> Option<Self> {
        let (program, folder) = (program()?, fleet.project.path("ssh"));
        std::fs::create_dir(&folder).expect("folder");
        for key in ["server", "user"] {
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(key)).status();
            assert!(made.expect("ssh-keygen").success());
        }
        let mut ssh = Self { folder, program, servers: Vec::new() };
        let mut client = String::new();
        for host in &fleet.hosts {
            let port = free_port();
            let hil = Path::new(env!("CARGO_BIN_EXE_hil")).parent().expect("a folder").display().to_string();
            ssh.add(host, port, &format!("{hil}:/usr/bin:/bin"));
            client.push_str(&ssh.client(host.name, port));
        }
        // A host that has no `hil`.
        let (first, port) = (&fleet.hosts[0], free_port());
        ssh.add(&LabHostRef { name: "bare", ..LabHostRef::of(first) }, port, "/usr/bin:/bin");
        client.push_str(&ssh.client("bare", port));
        std::fs::write(ssh.folder.join("config"), client).expect("write");
        Some(ssh)
    }

    fn add(&mut self, host: &impl Described, port: u16, path: &str) {
        let config = self.folder.join(format!("sshd-{}", host.name()));
        let key = |name: &str| self.folder.join(name).display().to_string();
        let mut set: Vec<_> = host.environment().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        set.push(format!("PATH={path}"));
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin yes\nPidFile none\nSetEnv {}\n",
            key("server"),
            key("user.pub"),
            set.join(" ")
        );
        std::fs::write(&config, text).expect("write");
        let process = self.spawn(&config);
        self.servers.push(Server { host: host.name(), config, process });
    }

    /// Starts a server and waits until it listens.
    fn spawn(&self, config: &Path) -> Child {
        let mut command = self.command_of_server();
        command.args(["-D", "-e", "-f"]).arg(config).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("sshd");
        let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let listens = lines.by_ref().any(|line| {
            said.push(line.clone());
            line.contains("Server listening")
        });
        assert!(listens, "sshd does not listen: {said:?}");
        // Read to its end, so that it never blocks.
        std::thread::spawn(move || lines.for_each(drop));
        process
    }

    /// A server that root starts needs a user and a folder, which an unpacked one does not have: it gets them in a mount
    /// namespace of its own.
    fn command_of_server(&self) -> Command {
        let is_root = rustix::process::getuid().is_root();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let has_user = passwd.lines().any(|line| line.starts_with("sshd:"));
        if !is_root || (has_user && Path::new("/run/sshd").is_dir()) {
            return Command::new(&self.program);
        }
        let own = self.folder.join("passwd");
        if !own.exists() {
            let user = "sshd:x:64999:65534::/run/sshd:/usr/sbin/nologin\n";
            std::fs::write(&own, if has_user { passwd } else { passwd + user }).expect("write");
        }
        let script =
            "mount --bind \"$1\" /etc/passwd && mount -t tmpfs tmpfs /run && mkdir /run/sshd && shift && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(own).arg(&self.program);
        command
    }

    fn client(&self, host: &str, port: u16) -> String {
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let user = if rustix::process::getuid().is_root() { "root".to_owned() } else { user };
        format!(
            "Host {host}\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
             UserKnownHostsFile /dev/null\n  StrictHostKeyChecking no\n  LogLevel ERROR\n",
            self.folder.join("user").display()
        )
    }

    /// `hil run` on hosts by ssh.
    pub(in crate::hosts) fn command(&self, fleet: &Fleet, hosts: &str, more: &[&str]) -> Command {
        self.hil(fleet, &[&["run", "--hosts", hosts], more].concat())
    }

    /// `hil` with this configuration of ssh.
    pub(in crate::hosts) fn hil(&self, fleet: &Fleet, arguments: &[&str]) -> Command {
        let mut command = fleet.project.command(arguments);
        command.env("HIL_SSH", format!("ssh -F {}", self.folder.join("config").display()));
        command
    }

    /// Lets `hil` wait for each connection, and for as long as a file exists whose path this returns.
    pub(in crate::hosts) fn is_slow(&self, hil: &mut Command, pause: Duration) -> PathBuf {
        let [script, hold, config] = ["slow-ssh", "hold", "config"].map(|name| self.folder.join(name));
        let waits = format!("sleep {}\nwhile [ -e {} ]; do sleep 0.1; done", pause.as_secs(), hold.display());
        std::fs::write(&script, format!("#!/bin/sh\n{waits}\nexec ssh -F {} \"$@\"\n", config.display()))
            .expect("write");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("rights");
        hil.env("HIL_SSH", script);
        hold
    }

    /// `hil run` on boards of the lab of the project.
    pub(in crate::hosts) fn in_lab(&self, fleet: &Fleet) -> Command {
        let mut command = fleet.project.command(&["run", "--fleet"]);
        command.env("HIL_SSH", format!("ssh -F {}", self.folder.join("config").display()));
        command
    }

    /// `hil run` on all hosts.
    pub(super) fn run(&self, fleet: &Fleet, more: &[&str]) -> Command {
        let hosts: Vec<_> = fleet.hosts.iter().map(|host| host.name).collect();
        self.command(fleet, &hosts.join(","), more)
    }

    /// The process of a host's server.
    pub(in crate::hosts) fn server(&self, host: &str) -> Pid {
        let server = self.servers.iter().find(|server| server.host == host).expect("a server");
        Pid::from_child(&server.process)
    }

    /// Starts the server of a host again.
    pub(in crate::hosts) fn restart(&mut self, host: &str) {
        let at = self.servers.iter().position(|server| server.host == host).expect("a server");
        let _ = self.servers[at].process.wait();
        self.servers[at].process = self.spawn(&self.servers[at].config.clone());
    }
}

/// What a server needs to know of a host.
trait Described {
    fn name(&self) -> &'static str;
    fn environment(&self) -> Vec<(&'static str, String)>;
}

impl Described for LabHost {
    fn name(&self) -> &'static str {
        self.name
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        LabHost::environment(self)
    }
}

/// The environment of a host under another name.
struct LabHostRef {
    name: &'static str,
    environment: Vec<(&'static str, String)>,
}

impl LabHostRef {
    fn of(host: &LabHost) -> Self {
        Self { name: host.name, environment: host.environment() }
    }
}

impl Described for LabHostRef {
    fn name(&self) -> &'static str {
        self.name
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        self.environment.clone()
    }
}

/// A port that nothing uses now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// The processes below a process, children before grandchildren.
pub(in crate::hosts) fn descendants(of: Pid) -> Vec<Pid> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("proc").flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // `PID (NAME) STATE PARENT …`; a name may hold anything.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        let id = entry.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
        all.extend(id.zip(parent.and_then(Pid::from_raw)));
    }
    let mut found = vec![of];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        next += 1;
    }
    found.remove(0);
    found
}
