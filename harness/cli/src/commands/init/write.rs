//! Writes the files of a project: all of them or none, and never over an existing one.

use std::io;
use std::path::{Path, PathBuf};

/// A file to write, from the folder of the project.
pub(super) struct NewFile {
    pub(super) name: String,
    pub(super) content: Content,
}

/// What a file gets.
pub(super) enum Content {
    /// The whole file.
    Text(String),
    /// Lines that it must have: a file that exists is extended.
    Lines(Vec<&'static str>),
}

/// What was done.
pub(super) enum Written {
    New(String),
    Extended(String, Vec<&'static str>),
}

/// What is wrong, and a hint.
type Refused = (String, String);

/// Writes the files. Nothing is written if one is in the way, unless `force` overwrites it.
pub(super) fn all(folder: &Path, files: &[NewFile], force: bool) -> Result<Vec<Written>, Refused> {
    check(folder, files, force)?;
    let failed = |path: &Path, error: &io::Error| {
        (format!("can't write `{}`: {error}", path.display()), "name a folder that you can write to".to_owned())
    };
    let mut written = Vec::new();
    for file in files {
        let path = folder.join(&file.name);
        let done = write(&path, file, force).map_err(|error| failed(&path, &error))?;
        written.extend(done);
    }
    Ok(written)
}

fn check(folder: &Path, files: &[NewFile], force: bool) -> Result<(), Refused> {
    let blocked = files.iter().flat_map(|file| parents(folder, &file.name)).find(|path| is_not_a_folder(path));
    if let Some(path) = blocked {
        let error = format!("`{}` is not a folder: nothing was written", path.display());
        return Err((error, "remove it, or name another folder".to_owned()));
    }
    for file in files.iter().filter(|file| matches!(file.content, Content::Lines(_))) {
        let path = folder.join(&file.name);
        if let Err(error) = found(&path) {
            let error = format!("can't read `{}`: {error}: nothing was written", path.display());
            return Err((error, "remove it, or name another folder".to_owned()));
        }
    }
    let is_whole = |file: &&NewFile| matches!(file.content, Content::Text(_));
    let taken = files.iter().filter(is_whole).filter(|file| folder.join(&file.name).symlink_metadata().is_ok());
    let taken: Vec<_> = taken.map(|file| format!("`{}`", folder.join(&file.name).display())).collect();
    if taken.is_empty() || force {
        return Ok(());
    }
    let verb = if taken.len() == 1 { "exists" } else { "exist" };
    let hint = "name another folder, or overwrite with `--force`".to_owned();
    Err((format!("{} already {verb}: nothing was written", taken.join(", ")), hint))
}

/// The folders above a file of the project, the project's included.
fn parents(folder: &Path, name: &str) -> Vec<PathBuf> {
    let inner = Path::new(name).ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
    inner.map(|parent| folder.join(parent)).chain([folder.to_owned()]).collect()
}

fn is_not_a_folder(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_dir())
}

fn write(path: &Path, file: &NewFile, force: bool) -> io::Result<Option<Written>> {
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    match &file.content {
        Content::Text(text) if force => hil_files::write_whole(path, text)?,
        // Another program may have made the file since the check.
        Content::Text(text) => {
            std::fs::File::create_new(path).and_then(|mut new| io::Write::write_all(&mut new, text.as_bytes()))?;
        }
        Content::Lines(lines) => return extend(path, file, lines),
    }
    Ok(Some(Written::New(file.name.clone())))
}

/// The text of a file, if it exists.
fn found(path: &Path) -> io::Result<Option<String>> {
    match hil_files::read_text(path, hil_files::Links::Follow) {
        Ok(text) => Ok(Some(text)),
        Err(_) if path.symlink_metadata().is_err() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Adds the lines that a file does not have.
fn extend(path: &Path, file: &NewFile, lines: &[&'static str]) -> io::Result<Option<Written>> {
    let found = found(path)?;
    let before = found.clone().unwrap_or_default();
    let bare = |line: &str| line.trim().trim_matches('/').to_owned();
    let has = |line: &str| before.lines().any(|other| bare(other) == bare(line));
    let missing: Vec<_> = lines.iter().copied().filter(|line| !has(line)).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    hil_files::write_whole(path, format!("{before}{gap}{}\n", missing.join("\n")))?;
    Ok(Some(match found {
        Some(_) => Written::Extended(file.name.clone(), missing),
        None => Written::New(file.name.clone()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignore(lines: &[&'static str]) -> NewFile {
        NewFile { name: ".gitignore".to_owned(), content: Content::Lines(lines.to_vec()) }
    }

    #[test]
    fn a_list_is_extended_once() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(".gitignore");
        std::fs::write(&path, "*.o\n/target/hil").expect("write");
        let lines = ["/target/hil/", "/.venv/"];
        all(folder.path(), &[ignore(&lines)], false).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "*.o\n/target/hil\n/.venv/\n");
        let again = all(folder.path(), &[ignore(&lines)], false).expect("written");
        assert!(again.is_empty(), "it has all lines");
    }

    #[test]
    fn nothing_is_written_if_a_file_is_where_a_folder_must_be() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("features"), "").expect("write");
        let text = |name: &str| NewFile { name: name.to_owned(), content: Content::Text("x".to_owned()) };
        let refused = all(folder.path(), &[text("bench.toml"), text("features/a.feature")], true);
        assert!(refused.is_err_and(|(error, _)| error.contains("is not a folder")));
        assert!(!folder.path().join("bench.toml").exists());
    }
}
