//! Files in the format of insta (`---`, YAML, `---`, text), so that `cargo insta review` and `INSTA_UPDATE` work.
//!
//! They are not written by insta's macros: those look for the workspace of the crate that they were compiled in, which
//! a Pi that runs `hil` does not have. A test checks that insta reads these files.

use std::io;
use std::path::{Path, PathBuf};

use hil_files::Links;
use similar::{ChangeTag, TextDiff};

/// What happens to a snapshot that differs: `INSTA_UPDATE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Update {
    /// It is kept.
    No,
    /// The new one is written beside it, for review.
    New,
    /// It is replaced.
    Always,
    /// A new snapshot is written; a changed one is written beside the old one, for review.
    Unseen,
}

impl Update {
    /// Reads the variable as insta does; `auto`, the default, is `no` in CI and `new` elsewhere.
    pub(crate) fn from_env() -> Result<Self, String> {
        let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0");
        Self::read(std::env::var("INSTA_UPDATE").unwrap_or_default().as_str(), in_ci)
    }

    fn read(text: &str, in_ci: bool) -> Result<Self, String> {
        match text {
            "" | "auto" if in_ci => Ok(Self::No),
            "" | "auto" | "new" => Ok(Self::New),
            "no" => Ok(Self::No),
            "always" | "1" | "force" => Ok(Self::Always),
            "unseen" => Ok(Self::Unseen),
            other => Err(format!("`INSTA_UPDATE` is `{other}`, not one of `auto`, `new`, `always`, `no`, `unseen`")),
        }
    }
}

/// A snapshot beside a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotFile {
    path: PathBuf,
    source: String,
}

impl SnapshotFile {
    /// The snapshot of a name for a feature file; none if the name is not valid.
    pub(crate) fn of(feature: &Path, name: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_name = !name.is_empty() && name.chars().all(plain) && !name.starts_with('.') && name.len() <= 100;
        let folder = feature.parent().unwrap_or(Path::new("")).join("snapshots");
        let source = feature.display().to_string();
        is_name.then(|| Self { path: folder.join(format!("{name}.snap")), source })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its text; none if the file does not exist.
    pub(crate) fn read(&self) -> io::Result<Option<String>> {
        match hil_files::read_text(&self.path, Links::Follow) {
            // As git leaves it on Windows.
            Ok(text) => Ok(Some(content(&text.replace("\r\n", "\n")).to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps a new text as `update` says. Returns true if it is now the snapshot.
    pub(crate) fn keep(&self, text: &str, board: &str, is_there: bool, update: Update) -> io::Result<bool> {
        let accepted = match update {
            Update::No => return Ok(false),
            Update::Always => true,
            Update::Unseen => !is_there,
            Update::New => false,
        };
        let path = if accepted { self.path.clone() } else { self.pending() };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let source = yaml(&self.source);
        let expression = yaml(&format!("the traffic of \"{board}\""));
        let text = format!("---\nsource: {source}\nexpression: {expression}\n---\n{}\n", text.trim_end());
        hil_files::write_whole(&path, text)?;
        if accepted {
            self.settle()?;
        }
        Ok(accepted)
    }

    /// Removes a pending snapshot that is out of date.
    pub(crate) fn settle(&self) -> io::Result<()> {
        match std::fs::remove_file(self.pending()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn pending(&self) -> PathBuf {
        self.path.with_extension("snap.new")
    }
}

/// A JSON string is a YAML string.
fn yaml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text below the header.
fn content(text: &str) -> &str {
    let body = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).map(|(_, body)| body);
    body.unwrap_or(text)
}

/// Lines that differ, with some context.
pub(crate) fn diff(old: &str, new: &str) -> Vec<String> {
    const AROUND: usize = 2;
    let (old, new) = (format!("{}\n", old.trim_end()), format!("{}\n", new.trim_end()));
    let diff = TextDiff::from_lines(&old, &new);
    let mut lines = Vec::new();
    for (n, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if n > 0 {
            lines.push("…".to_owned());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push(format!("{sign} {}", change.value().trim_end()));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insta_reads_what_is_written() {
        let folder = tempfile::tempdir().expect("folder");
        let file = SnapshotFile::of(&folder.path().join("lamp.feature"), "lamp-on").expect("a name");
        let text = "lamp sends\n  CONNECT `a\\\"b`\nlamp gets\n";
        assert!(file.read().expect("nothing yet").is_none());
        assert!(file.keep(text, "lamp", false, Update::Always).expect("written"));
        assert_eq!(file.read().expect("text").as_deref(), Some(text));
        // insta accepts this text, and rejects another.
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path(folder.path().join("snapshots"));
        settings.set_prepend_module_to_snapshot(false);
        settings.bind(|| insta::assert_snapshot!("lamp-on", text));
        let other = std::panic::catch_unwind(|| {
            let mut settings = insta::Settings::new();
            settings.set_snapshot_path(folder.path().join("snapshots"));
            settings.set_prepend_module_to_snapshot(false);
            settings.bind(|| insta::assert_snapshot!("lamp-on", "another"));
        });
        // While snapshots are updated it accepts any text.
        let updates = std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always");
        assert!(other.is_err() || updates);
    }

    #[test]
    fn each_update_mode_does_what_insta_does() {
        let folder = tempfile::tempdir().expect("folder");
        let file = SnapshotFile::of(&folder.path().join("f.feature"), "s").expect("a name");
        let pending = folder.path().join("snapshots/s.snap.new");
        assert!(!file.keep("a", "lamp", false, Update::No).expect("nothing") && !pending.exists());
        assert!(!file.keep("a", "lamp", false, Update::New).expect("beside") && pending.exists());
        assert!(file.keep("a", "lamp", false, Update::Unseen).expect("written") && !pending.exists());
        assert!(!file.keep("b", "lamp", true, Update::Unseen).expect("beside") && pending.exists());
        file.settle().expect("gone");
        assert!(!pending.exists() && file.settle().is_ok());
        let read = |text, in_ci| Update::read(text, in_ci);
        assert_eq!((read("", true), read("auto", false)), (Ok(Update::No), Ok(Update::New)));
        assert_eq!(
            read("yes", false).expect_err("no way"),
            "`INSTA_UPDATE` is `yes`, not one of `auto`, `new`, `always`, `no`, `unseen`"
        );
    }

    #[test]
    fn a_name_is_a_file_name_in_its_folder() {
        let of = |name: &str| SnapshotFile::of(Path::new("features/lamp.feature"), name);
        assert_eq!(of("lamp-on").expect("a name").path(), Path::new("features/snapshots/lamp-on.snap"));
        for name in ["", "../x", "a/b", ".hidden", "a b", &"x".repeat(101)] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn a_difference_is_shown_with_context() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = "a\nb\nc\nD\ne\nf\ng\nh\ni\n";
        assert_eq!(diff(old, new).join("\n"), "  b\n  c\n- d\n+ D\n  e\n  f\n  g\n  h\n+ i");
        assert!(diff(old, old).is_empty());
    }
}
