//! Where the programs are that `hil` starts.

use std::path::PathBuf;

/// Where `ci/install-parts` puts programs that the machine does not have, below the workspace's root.
const PARTS: &str = "target/parts/bin";

/// Finds a program: named by an environment variable, else on the path, in `more` folders, or among the installed
/// parts of this workspace.
///
/// # Errors
/// Returns what was looked for.
pub fn find_program(name: &str, variable: &str, more: &[&str]) -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(variable).filter(|named| !named.is_empty()).map(PathBuf::from) {
        return if named.is_file() { Ok(named) } else { Err(named.display().to_string()) };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(more.iter().map(PathBuf::from)).chain([PathBuf::from(PARTS)]);
    let found = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    let found = found.and_then(|program| std::path::absolute(program).ok());
    found.ok_or_else(|| name.to_owned())
}

/// Finds MicroPython's unix port, which runs the scripts of virtual boards.
///
/// # Errors
/// Returns what was looked for.
pub fn find_micropython() -> Result<PathBuf, String> {
    find_program("micropython", crate::env_vars::HIL_MICROPYTHON, &[])
}
