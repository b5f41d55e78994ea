//! Run folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where run folders go unless `--out` says otherwise.
const RUNS: &str = "target/hil";

/// Makes the folder of a new run: `target/hil/<time>-<id>/`, or the one asked for.
pub(crate) fn create(asked: Option<&Path>) -> io::Result<PathBuf> {
    if let Some(folder) = asked {
        fs::create_dir_all(folder)?;
        return Ok(folder.to_owned());
    }
    fs::create_dir_all(RUNS)?;
    let time = chrono::DateTime::from_timestamp(now().as_secs().cast_signed(), 0).unwrap_or_default();
    let name = format!("{}-{}", time.format("%Y%m%dT%H%M%SZ"), std::process::id());
    let folder = Path::new(RUNS).join(&name);
    fs::create_dir(&folder)?;
    point_latest_at(&name)?;
    Ok(folder)
}

/// Wall clock since 1970.
pub(crate) fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Replaces the link in one move, so that a reader always finds one.
fn point_latest_at(name: &str) -> io::Result<()> {
    let (latest, fresh) = (Path::new(RUNS).join("latest"), Path::new(RUNS).join(format!(".latest-{name}")));
    std::os::unix::fs::symlink(name, &fresh)?;
    fs::rename(&fresh, &latest)
}
