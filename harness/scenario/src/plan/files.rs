//! The files, and lines in them, that a user names.

use std::path::{Path, PathBuf};

use super::problem::PlanError;

/// A feature file with the selected lines; none selects all of it.
pub(super) struct Named {
    pub(super) path: PathBuf,
    pub(super) lines: Vec<usize>,
}

/// Every feature file that is named or in a named folder.
pub(super) fn named(paths: &[PathBuf]) -> Result<Vec<Named>, PlanError> {
    let (paths, lines): (Vec<_>, Vec<_>) = paths.iter().map(|path| split_line(path)).unzip();
    let lines: Vec<_> =
        paths.iter().cloned().zip(lines).filter_map(|(path, line)| Some((plain(&path), line?))).collect();
    let lines_of = |path: &Path| lines.iter().filter(|(file, _)| file == path).map(|(_, line)| *line).collect();
    let mut files = Vec::new();
    for path in &paths {
        collect(path, &mut files)?;
    }
    let mut files: Vec<_> = files.iter().map(|path| plain(path)).collect();
    files.sort();
    files.dedup();
    Ok(files.into_iter().map(|path| Named { lines: lines_of(&path), path }).collect())
}

/// Splits `FILE:LINE`, the form in which scenarios are printed.
fn split_line(path: &Path) -> (PathBuf, Option<usize>) {
    let text = path.to_string_lossy();
    match text.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?))) {
        Some((file, line)) if !path.exists() => (PathBuf::from(file), Some(line)),
        _ => (path.to_owned(), None),
    }
}

/// A normalized path: runs are compared by path.
fn plain(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(&here).unwrap_or(path);
    path.components().filter(|part| *part != std::path::Component::CurDir).collect()
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), PlanError> {
    let unreadable = |source| PlanError::Unreadable { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        let is_feature = entry.path().extension().is_some_and(|extension| extension == "feature");
        // Links to folders are not followed: a link upwards would loop.
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if is_feature {
            files.push(entry.path());
        }
    }
    Ok(())
}
