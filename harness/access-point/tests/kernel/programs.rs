//! Programs of this machine that the test needs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What this machine lacks for the test.
pub(crate) fn lacks() -> Option<String> {
    if std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun").is_err() {
        return Some("/dev/net/tun".to_owned());
    }
    let runs = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !runs("ip", &["-V"]) {
        return Some("ip".to_owned());
    }
    (!runs("unshare", &["--map-root-user", "--net", "true"])).then(|| "user namespaces".to_owned())
}

#[expect(clippy::print_stderr, reason = "a test says that it is skipped")]
pub(crate) fn skip(what: &str) {
    eprintln!("skipped: this needs {what}");
}

/// The network namespace of a process, if this one may see it.
pub(crate) fn namespace(process: &str) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{process}/ns/net")).ok()
}

/// Runs `ip` with these arguments.
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("ip starts");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Lets busybox ask for a lease, if it is installed: the DHCP client of many small devices.
pub(crate) fn dhcp_client() {
    let part = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/parts/bin/busybox");
    // Three tries, then it exits; the script does nothing, and it says what it got.
    let arguments = ["udhcpc", "-f", "-n", "-q", "-t", "3", "-i", "tap0", "-s", "/bin/true"];
    let run = |program: &&str| Command::new(program).args(arguments).output().ok();
    // 127: the part is a script, and its program is missing.
    let runs = ["busybox", part].iter().filter_map(run).find(|output| output.status.code() != Some(127));
    let Some(output) = runs else { return skip("busybox, for its DHCP client") };
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("lease of 10.0.2.15 obtained from 10.0.2.2, lease time 86400"), "{said}");
}
