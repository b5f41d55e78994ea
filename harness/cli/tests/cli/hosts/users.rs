//! Agents of two users on one host. Runs only as root, which can become another user.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Stdio;

use super::fleet::Fleet;
use crate::support::Outcome;

/// Neither root nor users of this system.
const USERS: [u32; 2] = [54_331, 54_332];

const FEATURE: &str = r#"Feature: f
  Scenario Outline: <board> connects
    Given the board "<board>" runs the firmware "lamp"
    Then "<board>" connects within 5 s
    And "<board>" does not reboot for 300 ms

    Examples:
      | board  |
      | lamp   |
      | lamp-2 |
"#;

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
}

/// Their run folders, locks and ports don't collide: the second one waits for the boards, and both pass.
#[test]
#[expect(clippy::print_stderr, reason = "a test that can't run says why")]
fn agents_of_two_users_share_a_host() {
    let fleet = Fleet::new(FEATURE, &["pi-a"]);
    let has_setpriv = std::process::Command::new("setpriv").args(["--reuid", "54331", "true"]).output();
    if !rustix::process::getuid().is_root() || !has_setpriv.is_ok_and(|it| it.status.success()) {
        eprintln!("skipped: only root can be two users, with `setpriv` of util-linux");
        return;
    }
    let host = fleet.host("pi-a");
    let folder = &host.folder;
    mode(&fleet.project.path(""), 0o755);
    mode(&folder.join("locks"), 0o1777);
    mode(&folder.join("tmp"), 0o1777);
    // As udev gives both the boards.
    mode(&folder.join("lab/bench.toml"), 0o644);
    mode(&folder.join("lab/control.sock"), 0o666);
    for board in ["lamp", "lamp-2"] {
        mode(&folder.join(format!("lab/port-{board}")), 0o666);
    }
    let mut heads = Vec::new();
    for user in USERS {
        let home = folder.join(format!("home-{user}"));
        std::fs::create_dir(&home).expect("folder");
        chown(&home, Some(user), Some(user)).expect("owner");
        let variables: String = host
            .environment()
            .iter()
            .filter(|(name, _)| *name != "HOME")
            .map(|(name, value)| format!("{name}={value} "))
            .collect();
        let agent = format!(
            "pi-a=setpriv --reuid {user} --regid {user} --clear-groups env {variables} HOME={} {} agent --stdio",
            home.display(),
            env!("CARGO_BIN_EXE_hil")
        );
        let mut head = fleet.project.command(&["run", "--hosts", &agent, "--out", &format!("run-{user}")]);
        heads.push(head.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil"));
    }
    for (user, head) in USERS.into_iter().zip(heads) {
        let outcome: Outcome = head.wait_with_output().expect("ends").into();
        assert_eq!(outcome.code, 0, "{outcome:?}");
        let runs = std::fs::read_dir(folder.join(format!("home-{user}/.local/state/hil/runs"))).expect("runs");
        assert_eq!(runs.count(), 1, "each user has a run folder");
    }
    fleet.wait_until_safe("after both users");
}
