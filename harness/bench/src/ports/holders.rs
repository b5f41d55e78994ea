//! Which programs have a port open.

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
#[must_use]
pub fn users_of(path: &Path) -> Vec<PortUser> {
    let Ok(device) = path.canonicalize() else { return Vec::new() };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let own = std::process::id();
    let user = |pid: u32| {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
        let has = open.into_iter().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target == device));
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        has.then(|| PortUser { pid, name: name.trim().to_owned() })
    };
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .filter_map(user)
        .collect()
}
