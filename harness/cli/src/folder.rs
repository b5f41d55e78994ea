//! Run folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The parent of run folders, unless `--out` names one.
pub(crate) const RUNS: &str = "target/hil";

/// Creates the folder of a new run: `target/hil/<time>-<id>/`, or the given one.
pub(crate) fn create(asked: Option<&Path>) -> io::Result<PathBuf> {
    if let Some(folder) = asked {
        fs::create_dir_all(folder)?;
        return Ok(folder.to_owned());
    }
    fs::create_dir_all(RUNS)?;
    let name = new_name();
    let folder = Path::new(RUNS).join(&name);
    fs::create_dir(&folder)?;
    link_latest_to(&name)?;
    Ok(folder)
}

/// The name of a new run folder: the time, and a number that no other process has.
pub(crate) fn new_name() -> String {
    let time = chrono::DateTime::from_timestamp(now().as_secs().cast_signed(), 0).unwrap_or_default();
    format!("{}-{}", time.format("%Y%m%dT%H%M%SZ"), std::process::id())
}

/// Wall-clock time since 1970.
pub(crate) fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Replaces the link atomically, so that a reader always finds one.
fn link_latest_to(name: &str) -> io::Result<()> {
    let (latest, new) = (Path::new(RUNS).join("latest"), Path::new(RUNS).join(format!(".latest-{name}")));
    std::os::unix::fs::symlink(name, &new)?;
    fs::rename(&new, &latest)
}
