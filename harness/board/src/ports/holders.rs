//! Which programs have a port open.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// A program that has a port open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortUser {
    /// Process id.
    pub pid: u32,
    /// Name of the program.
    pub name: String,
}

impl fmt::Display for PortUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (pid {})", self.name, self.pid)
    }
}

/// Other programs that have this device open. Of another user's programs only root learns it.
///
/// Not counted are this process, what it has started (flashers), and the program that is the other end of a
/// pseudo-terminal, which keeps this end open as well.
#[must_use]
pub fn users_of(path: &Path) -> Vec<PortUser> {
    let Ok(device) = path.canonicalize() else { return Vec::new() };
    let mut found: Vec<_> = processes().filter_map(|pid| Some(pid).filter(|pid| is_user(*pid, &device))).collect();
    if found.is_empty() {
        return Vec::new();
    }
    let parents: BTreeMap<u32, u32> = processes().filter_map(|pid| Some((pid, parent_of(pid)?))).collect();
    let own = std::process::id();
    found.retain(|pid| !is_of(own, *pid, &parents));
    let name = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    found.into_iter().map(|pid| PortUser { pid, name: name(pid) }).collect()
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether a process has the device open, and is not the other end of it.
fn is_user(pid: u32, device: &Path) -> bool {
    let open = || std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = || open().filter_map(|fd| Some((fd.file_name(), std::fs::read_link(fd.path()).ok()?)));
    if !targets().any(|(_, target)| target == device) {
        return false;
    }
    let Some(number) = device.strip_prefix("/dev/pts").ok().and_then(Path::to_str) else { return true };
    // A master says which pseudo-terminal is its own (Linux, `drivers/tty/pty.c`, `pty_show_fdinfo`).
    let index = format!("tty-index:\t{number}");
    let is_master = |fd: &std::ffi::OsStr| {
        let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", fd.to_string_lossy()));
        info.is_ok_and(|info| info.lines().any(|line| line == index))
    };
    !targets().any(|(fd, target)| target.ends_with("ptmx") && is_master(&fd))
}

/// Whether a process is `ancestor` or was started by it, directly or not.
fn is_of(ancestor: u32, mut pid: u32, parents: &BTreeMap<u32, u32>) -> bool {
    // Numbers may be given out again while they are read: the way up is bounded.
    for _ in 0..=parents.len() {
        if pid == ancestor {
            return true;
        }
        match parents.get(&pid) {
            Some(parent) => pid = *parent,
            None => return false,
        }
    }
    false
}

/// `PID (NAME) STATE PARENT …`; a name may hold anything.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A program that this process has not started: its parent is gone.
    pub(crate) struct Reader {
        pub(crate) pid: u32,
        stdin: std::process::ChildStdin,
        shell: std::process::Child,
    }

    impl Reader {
        pub(crate) fn at(path: &Path) -> Self {
            use std::io::{BufRead as _, Write as _};
            // The shell ends as soon as it has printed the number of its child, which then belongs to another parent.
            let script = format!("exec 4<&0; exec 3<'{}'; cat <&4 & echo $!", path.display());
            let mut shell = std::process::Command::new("sh")
                .args(["-c", &script])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .expect("sh");
            let mut stdin = shell.stdin.take().expect("piped");
            let mut output = std::io::BufReader::new(shell.stdout.take().expect("piped"));
            let mut line = String::new();
            output.read_line(&mut line).expect("its number");
            // The child is a copy of the shell until it runs `cat`, and only `cat` returns what it reads.
            writeln!(stdin, "ready").expect("cat reads");
            let mut echo = String::new();
            output.read_line(&mut echo).expect("cat writes");
            assert_eq!(echo, "ready\n");
            shell.wait().expect("the shell ends");
            Self { pid: line.trim().parse().expect("a number"), stdin, shell }
        }

        pub(crate) fn end(self) {
            drop(self.stdin);
            drop(self.shell);
            let Some(pid) = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw) else { return };
            // A process that is gone already has no descriptor.
            if let Ok(process) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
                let mut over = [rustix::event::PollFd::new(&process, rustix::event::PollFlags::IN)];
                rustix::event::poll(&mut over, None).expect("it ends");
            }
        }
    }

    #[test]
    fn who_was_started_by_whom_is_followed_up_to_the_first() {
        let parents = BTreeMap::from([(3, 2), (2, 1), (7, 6), (6, 7)]);
        assert!(is_of(2, 3, &parents) && is_of(1, 3, &parents) && is_of(3, 3, &parents));
        assert!(!is_of(3, 2, &parents));
        assert!(!is_of(1, 7, &parents), "numbers that were given out again make no endless way");
    }
}
