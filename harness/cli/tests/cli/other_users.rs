//! What another user of this machine can do to the user of its boards. Runs only as root, which can become another user.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Outcome, Project};

/// Neither root nor a user of this system.
const MALLORY: u32 = 54_321;
/// Another user, who uses the board.
const ADA: u32 = 54_322;

/// A bench that all users can read, with locks that all share, as in /run/lock.
struct Shared {
    project: Project,
    locks: PathBuf,
}

impl Shared {
    /// `None` if this test can't become another user.
    #[expect(clippy::print_stderr, reason = "a test that can't run says why")]
    fn new() -> Option<Self> {
        if !rustix::process::getuid().is_root() {
            eprintln!("skipped: only root can be another user");
            return None;
        }
        let project = Project::new();
        let tried = project.command(&["--version"]).current_dir("/").uid(ADA).gid(ADA).output();
        if !tried.is_ok_and(|tried| tried.status.success()) {
            eprintln!("skipped: other users can't run the program where it is built");
            return None;
        }
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
        };
        open(&project.path(""), 0o755);
        let locks = project.path("locks");
        std::fs::create_dir(&locks).expect("folder");
        open(&locks, 0o1777);
        let folder = project.path("").display().to_string();
        let script = |text: &str| format!("[\"sh\", \"-c\", {:?}]", text.replace("RIG/", &folder));
        project.file("rail", "off");
        open(&project.path("rail"), 0o666);
        project.file(
            "bench.toml",
            &format!(
                "[tap]\naddress = \"127.0.0.1\"\n[boards.lamp]\nkind = \"esp\"\nchip = \"esp32\"\nport = {{ path = \"/dev/no-such-port\" }}\n\
                 [[boards.lamp.rails]]\ndriver = \"command\"\non = {}\noff = {}\nstate = {}\n",
                script("printf on > RIG/rail"),
                script("printf off > RIG/rail"),
                script("cat RIG/rail"),
            ),
        );
        Some(Self { project, locks })
    }

    fn hil_as(&self, user: u32, arguments: &[&str]) -> Command {
        let mut command = self.project.command(arguments);
        command.env("HIL_BENCH", "bench.toml").env("HIL_LOCKS", &self.locks).env("HOME", "/").uid(user).gid(user);
        command
    }

    /// With a time limit: nothing that another user does makes `hil` hang.
    fn run_as(&self, user: u32, arguments: &[&str]) -> Outcome {
        const PATIENCE: Duration = Duration::from_secs(20);
        let begun = Instant::now();
        let mut command = self.hil_as(user, arguments);
        let hil = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
        let id = Pid::from_child(&hil);
        let (over, is_over) = std::sync::mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            if is_over.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(id, Signal::KILL);
            }
        });
        let outcome = Outcome::from(hil.wait_with_output().expect("ends"));
        drop(over);
        watch.join().expect("no panic");
        assert!(begun.elapsed() < PATIENCE, "it hangs: {arguments:?}: {outcome:?}");
        outcome
    }

    fn hold_as(&self, user: u32, arguments: &[&str]) -> Child {
        let mut hil = self.hil_as(user, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
        let mut said = String::new();
        BufReader::new(hil.stdout.as_mut().expect("piped")).read_line(&mut said).expect("a line");
        assert_eq!(said, "`lamp` is on\n");
        hil
    }

    /// Runs a script of Mallory's in the folder of the locks.
    fn mallory(&self, script: &str) -> Outcome {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(&self.locks).uid(MALLORY).gid(MALLORY).stdin(Stdio::null());
        command.output().expect("sh").into()
    }

    fn rail(&self) -> String {
        self.project.read("rail")
    }

    fn lock_files(&self, extension: &str) -> Vec<String> {
        let names = std::fs::read_dir(&self.locks).expect("locks").flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.ends_with(extension)).collect()
    }
}

fn end(hil: Child) -> Outcome {
    kill_process(Pid::from_child(&hil), Signal::INT).expect("it runs");
    hil.wait_with_output().expect("ends").into()
}

#[test]
fn another_user_can_take_no_lock_that_is_held() {
    let Some(shared) = Shared::new() else { return };
    let ada = shared.hold_as(ADA, &["power", "lamp", "on"]);
    for name in shared.lock_files("") {
        for attack in ["rm -f", "mv -f", "chmod 666", "truncate -s 0"] {
            let words =
                if attack == "mv -f" { format!("{attack} '{name}' mine") } else { format!("{attack} '{name}'") };
            let tried = shared.mallory(&words);
            assert_ne!(tried.code, 0, "{words}: {tried:?}");
        }
    }
    let mallory = shared.run_as(MALLORY, &["power", "lamp", "off", "--no-wait"]);
    assert_eq!(mallory.code, 96, "{mallory:?}");
    let by = format!("in use by `hil power lamp on` of user id {ADA} (pid {})", ada.id());
    assert!(mallory.stderr.contains(&by), "{mallory:?}");
    assert_eq!(shared.rail(), "on");
    assert_eq!(end(ada).code, 0);
    // Locks are shared: each user can take the board once it is free, also with files that another user created.
    let mallory = shared.run_as(MALLORY, &["power", "lamp", "off", "--no-wait"]);
    assert_eq!(mallory.code, 0, "{mallory:?}");
}

#[test]
fn another_user_can_not_end_a_keeper_that_was_left_on() {
    let Some(shared) = Shared::new() else { return };
    let left = shared.run_as(ADA, &["power", "lamp", "on", "--detach"]);
    assert_eq!(left.code, 0, "{left:?}");
    let tried = shared.run_as(MALLORY, &["power", "lamp", "off", "--no-wait"]);
    assert_eq!(tried.code, 96, "{tried:?}");
    let said =
        format!("error: can't end the power keeper of `lamp`: it belongs to user id {ADA}; the board is in use by");
    assert!(tried.stderr.contains(&said) && !tried.stderr.contains("kill "), "{tried:?}");
    assert_eq!(shared.rail(), "on");
    let ended = shared.run_as(ADA, &["power", "lamp", "off"]);
    assert_eq!((ended.code, shared.rail().as_str()), (0, "off"), "{ended:?}");
}

#[test]
fn a_folder_that_belongs_to_another_user_is_refused_and_nothing_is_made_in_it() {
    let Some(shared) = Shared::new() else { return };
    chown(&shared.locks, Some(MALLORY), Some(MALLORY)).expect("owner");
    for user in [0, ADA] {
        let refused = shared.run_as(user, &["power", "lamp", "on"]);
        assert_eq!(refused.code, 96, "{refused:?}");
        let said =
            format!("it belongs to user id {MALLORY}, who could remove the locks of other users; `sudo install -d");
        assert!(refused.stderr.contains(&said), "{refused:?}");
        let doctor = shared.run_as(user, &["doctor"]);
        assert!(doctor.code == 96 && doctor.stdout.contains(&said), "{doctor:?}");
    }
    assert_eq!((shared.lock_files(""), shared.rail().as_str()), (Vec::new(), "off"));
}

#[test]
fn links_fifos_and_foreign_notes_lead_nowhere() {
    let Some(shared) = Shared::new() else { return };
    // The files that will exist.
    assert_eq!(shared.run_as(ADA, &["power", "lamp", "off"]).code, 0);
    let names = shared.lock_files("");
    let precious = shared.project.path("precious");
    std::fs::write(&precious, "precious").expect("file");
    for made in ["ln -s ../precious", "mkfifo -m 666"] {
        for name in &names {
            // The second time they are gone already.
            let _ = std::fs::remove_file(shared.locks.join(name));
            let fresh = format!(".{name}");
            let planted = shared.mallory(&format!("{made} '{name}'; {made} '{fresh}'"));
            assert_eq!(planted.code, 0, "{planted:?}");
        }
        // Refused, or done: never hung, never written through a link.
        for user in [ADA, 0] {
            let outcome = shared.run_as(user, &["power", "lamp", "off", "--no-wait"]);
            assert!([0, 96].contains(&outcome.code), "{outcome:?}");
        }
        assert_eq!(std::fs::read_to_string(&precious).expect("there"), "precious");
        for name in shared.lock_files("") {
            std::fs::remove_file(shared.locks.join(name)).expect("as root");
        }
    }
}

/// Nothing that a user writes can name another user, control a terminal or advise to kill a process.
#[test]
fn a_forged_note_names_its_writer_and_controls_no_terminal() {
    let Some(shared) = Shared::new() else { return };
    let ada = shared.hold_as(ADA, &["power", "lamp", "on"]);
    let note = |user: u32, lock: &str| {
        format!(
            "cat > '{lock}.{user}.note' <<'X'\n{}\nX\n",
            r#"{"pid":1,"user":"root","what":"\u001b[2J\u001b]0;x\u0007\n::error::y \u202e z","since_ms":9999999999,"keeper":1,"detached":true,"left_unsafe":"\u001b[31mred"}"#
        )
    };
    let locks: Vec<String> = shared.lock_files(".lock").iter().map(|name| name.replace(".lock", "")).collect();
    for lock in &locks {
        for user in [MALLORY, 0] {
            let planted = shared.mallory(&note(user, lock));
            assert_eq!(planted.code, 0, "{planted:?}");
        }
    }
    for (user, arguments) in [
        (0, &["power", "lamp", "off", "--no-wait"][..]),
        (0, &["boards"]),
        (0, &["doctor"]),
        (ADA, &["power", "lamp", "cycle", "--no-wait"]),
    ] {
        let outcome = shared.run_as(user, arguments);
        let text = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']) && !text.contains("\n::"), "{text:?}");
        assert!(!text.contains("kill ") && !text.contains("of root"), "{text}");
    }
    assert_eq!(end(ada).code, 0);
    // The board is free: the message about it is its writer's.
    let next = shared.run_as(ADA, &["power", "lamp", "off"]);
    assert!(!next.stderr.contains('\u{1b}') && next.code == 0, "{next:?}");
}

/// `hil` waits for a holder that does not answer, or refuses, as for any other holder.
#[test]
fn a_foreign_holder_that_says_nothing_is_named_by_the_kernel() {
    let Some(shared) = Shared::new() else { return };
    let mallory = shared.hold_as(MALLORY, &["power", "lamp", "on"]);
    kill_process(Pid::from_child(&mallory), Signal::STOP).expect("it runs");
    for user in [ADA, 0] {
        let refused = shared.run_as(user, &["power", "lamp", "off", "--no-wait"]);
        assert_eq!(refused.code, 96, "{refused:?}");
        assert!(refused.stderr.contains(&format!("of user id {MALLORY} (pid ")), "{refused:?}");
    }
    kill_process(Pid::from_child(&mallory), Signal::CONT).expect("it runs");
    assert_eq!(end(mallory).code, 0);
}
