//! Which bench is used: one that is named, the one of the current folder, the one of this machine, or the built-in one.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Bench;
use crate::kinds::Kinds;
use crate::problem::ConfigError;

/// The bench file of the current folder.
const OF_FOLDER: &str = "bench.toml";
/// The bench file of this machine.
const OF_MACHINE: &str = "/etc/hil/bench.toml";

/// The built-in bench, or the one of a file.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    Builtin,
    File(PathBuf),
}

impl Choice {
    /// What a user named. A file with the name of the built-in bench can be named as `./builtin`.
    fn named(name: PathBuf) -> Self {
        if name.as_os_str() == Bench::BUILTIN_WORD { Self::Builtin } else { Self::File(name) }
    }

    /// What is named, else the first file that exists.
    fn of(flag: Option<PathBuf>, variable: Option<PathBuf>, files: &[&Path]) -> Option<Self> {
        let named = flag.or(variable).map(Self::named);
        named.or_else(|| files.iter().find(|path| exists(path)).map(|path| Self::File((*path).to_owned())))
    }

    fn read(self, kinds: &Kinds) -> Result<Bench, ConfigError> {
        match self {
            Self::Builtin => Ok(Bench::builtin()),
            Self::File(path) => Bench::from_file(&path, kinds),
        }
    }
}

/// A file that can't be examined counts as well: reading it reports why, and no other bench is used unnoticed.
fn exists(path: &Path) -> bool {
    let is_missing = |kind| matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory);
    !path.symlink_metadata().is_err_and(|error| is_missing(error.kind()))
}

fn variable() -> Option<PathBuf> {
    std::env::var_os(crate::HIL_BENCH).filter(|value| !value.is_empty()).map(PathBuf::from)
}

impl Bench {
    /// The word for the built-in bench, where a bench file can be named.
    pub const BUILTIN_WORD: &str = "builtin";

    /// The bench that the command line names, else the one that `HIL_BENCH` names, else `bench.toml` in the current
    /// folder, else `/etc/hil/bench.toml`, else the built-in bench.
    ///
    /// # Errors
    /// As [`Bench::from_file`].
    pub fn choose(flag: Option<PathBuf>, kinds: &Kinds) -> Result<Self, ConfigError> {
        let files = [Path::new(OF_FOLDER), Path::new(OF_MACHINE)];
        Choice::of(flag, variable(), &files).unwrap_or(Choice::Builtin).read(kinds)
    }

    /// The bench of a host that others use, from another folder than the current one; none if nothing names one and there
    /// is no file, since a run on a host is for its boards, not for simulated ones. A file's path is absolute, its name as
    /// seen from the folder.
    ///
    /// # Errors
    /// As [`Bench::from_file`].
    pub fn of_host(folder: &Path, flag: Option<PathBuf>, kinds: &Kinds) -> Result<Option<Self>, ConfigError> {
        let files = [folder.join(OF_FOLDER), PathBuf::from(OF_MACHINE)];
        let files: Vec<_> = files.iter().map(PathBuf::as_path).collect();
        match Choice::of(flag, variable(), &files) {
            None => Ok(None),
            Some(Choice::Builtin) => Choice::Builtin.read(kinds).map(Some),
            Some(Choice::File(path)) => {
                let path = folder.join(path);
                let mut bench = Choice::File(path.clone()).read(kinds)?;
                if bench.name == super::path_from_here(&path) {
                    let seen = path.strip_prefix(folder).unwrap_or(&path);
                    bench.name = seen.display().to_string();
                }
                Ok(Some(bench))
            }
        }
    }

    /// The bench that the command line names, else the one that `HIL_BENCH` names, else `bench.toml` in the current
    /// folder, else none: the features of this folder need not be for the bench of this machine.
    ///
    /// # Errors
    /// As [`Bench::from_file`].
    pub fn of_project(flag: Option<PathBuf>, kinds: &Kinds) -> Result<Option<Self>, ConfigError> {
        Choice::of(flag, variable(), &[Path::new(OF_FOLDER)]).map(|choice| choice.read(kinds)).transpose()
    }

    /// The bench in a sentence: "the bench `bench.toml`", or "the built-in virtual bench".
    #[must_use]
    pub fn title(&self) -> String {
        match self.name.as_str() {
            name if name == Self::BUILTIN => format!("the {name}"),
            name => format!("the bench `{name}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The choice with a flag, a variable, and files of which the existing ones are named.
    fn choice(flag: &str, variable: &str, existing: &[&str]) -> Option<Choice> {
        let folder = tempfile::tempdir().expect("folder");
        existing.iter().for_each(|name| std::fs::write(folder.path().join(name), "").expect("write"));
        let files = ["project", "machine"].map(|name| folder.path().join(name));
        let set = |value: &str| (!value.is_empty()).then(|| PathBuf::from(value));
        let chosen = Choice::of(set(flag), set(variable), &[&files[0], &files[1]]);
        chosen.map(|chosen| match chosen {
            Choice::File(path) => Choice::File(path.strip_prefix(folder.path()).map(Path::to_owned).unwrap_or(path)),
            Choice::Builtin => Choice::Builtin,
        })
    }

    #[test]
    fn flag_variable_folder_and_machine_decide_in_this_order() {
        let file = |name: &str| Some(Choice::File(name.into()));
        assert_eq!(choice("a.toml", "b.toml", &["project", "machine"]), file("a.toml"));
        assert_eq!(choice("", "b.toml", &["project", "machine"]), file("b.toml"));
        assert_eq!(choice("", "", &["project", "machine"]), file("project"));
        assert_eq!(choice("", "", &["machine"]), file("machine"));
        assert_eq!(choice("", "", &[]), None);
    }

    #[test]
    fn the_built_in_bench_has_a_word() {
        assert_eq!(choice("builtin", "b.toml", &["project"]), Some(Choice::Builtin));
        assert_eq!(choice("", "builtin", &["project"]), Some(Choice::Builtin));
        assert_eq!(choice("./builtin", "", &[]), Some(Choice::File("./builtin".into())));
    }

    /// A dangling link, for example: its target may be on a disk that is not mounted.
    #[test]
    fn a_file_that_is_there_but_can_not_be_read_is_not_passed_over() {
        let folder = tempfile::tempdir().expect("folder");
        let dangling = folder.path().join("bench.toml");
        std::os::unix::fs::symlink("nowhere", &dangling).expect("link");
        assert!(exists(&dangling));
        assert!(!exists(&folder.path().join("other.toml")));
        std::fs::write(folder.path().join("file"), "").expect("write");
        assert!(!exists(&folder.path().join("file/bench.toml")), "below a file there is nothing");
    }
}
