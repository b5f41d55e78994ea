//! What this machine lacks for a part of a bench, such as an environment variable that is not set or a file that is not
//! built yet: it stops only what needs it.

use std::path::Path;

use crate::problem::{ConfigError, Problem, Source};

/// A part of a bench that may need what this machine lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// The broker: for scenarios, and whatever else starts it.
    Broker,
    /// The tap: for whatever a board connects to.
    Tap,
    /// The access point: to run it.
    AccessPoint,
    /// A firmware: to put it on a board.
    Firmware(&'a str),
    /// A board: to open it and to switch its power.
    Board(&'a str),
}

/// Whose value needs what is lacking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    Broker,
    Tap,
    /// The Wi-Fi network: needed by what mentions it.
    Wifi,
    AccessPoint,
    Firmware(String),
    Board(String),
}

impl From<Part<'_>> for Owner {
    fn from(part: Part<'_>) -> Self {
        match part {
            Part::Broker => Self::Broker,
            Part::Tap => Self::Tap,
            Part::AccessPoint => Self::AccessPoint,
            Part::Firmware(name) => Self::Firmware(name.to_owned()),
            Part::Board(name) => Self::Board(name.to_owned()),
        }
    }
}

/// Something that is lacking.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lack {
    owner: Owner,
    /// The file of the value, by its place in `Unset::sources`.
    source: usize,
    problem: Problem,
    /// The board whose firmware no table describes.
    undescribed: Option<String>,
}

/// What is lacking, of all parts of a bench.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unset {
    /// The bench file, then the project file, with their secrets blotted out.
    sources: Vec<Source>,
    lacks: Vec<Lack>,
}

impl Unset {
    pub(crate) fn add_source(&mut self, source: Source) {
        self.sources.push(source);
    }

    /// Notes what a part lacks, from the file at that place in the order of [`Unset::add_source`].
    pub(crate) fn add(&mut self, owner: &Owner, source: usize, problems: Vec<Problem>) {
        let lack = |problem| Lack { owner: owner.clone(), source, problem, undescribed: None };
        self.lacks.extend(problems.into_iter().map(lack));
    }

    /// Hides secrets in the texts of what is lacking.
    pub(crate) fn blot(&mut self, blot: impl Fn(String) -> String) {
        for Problem { what, hint, .. } in self.lacks.iter_mut().map(|lack| &mut lack.problem) {
            *what = blot(std::mem::take(what));
            *hint = hint.take().map(&blot);
        }
    }

    /// Notes that a board of the bench file names a firmware that no table describes.
    pub(crate) fn add_undescribed(&mut self, board: &str, firmware: &str, problem: Problem) {
        let (owner, undescribed) = (Owner::Firmware(firmware.to_owned()), Some(board.to_owned()));
        self.lacks.push(Lack { owner, source: 0, problem, undescribed });
    }

    /// Says that a project file does not describe them either.
    pub(crate) fn name_project(&mut self, project: &Path) {
        for lack in &mut self.lacks {
            let (Some(board), Owner::Firmware(firmware)) = (&lack.undescribed, &lack.owner) else { continue };
            lack.problem.what = format!(
                "board `{board}` names the firmware `{firmware}`, which is neither in this file nor in the project file `{}`",
                project.display()
            );
        }
    }

    /// Forgets what a firmware lacks that is replaced.
    pub(crate) fn forget_firmware(&mut self, name: &str) {
        self.lacks.retain(|lack| !matches!(&lack.owner, Owner::Firmware(owner) if owner == name));
    }

    /// Forgets that a firmware lacks its image.
    pub(crate) fn forget_image(&mut self, name: &str) {
        let is_image = |key: &str| key.split(['.', '[']).nth(2) == Some("image");
        self.lacks.retain(|lack| {
            !(lack.owner == Owner::Firmware(name.to_owned())
                && (lack.undescribed.is_some() || is_image(&lack.problem.key)))
        });
    }

    /// Firmware that boards name and no table describes.
    pub(crate) fn undescribed(&self) -> impl Iterator<Item = &str> {
        self.lacks.iter().filter_map(|lack| match &lack.owner {
            Owner::Firmware(name) if lack.undescribed.is_some() => Some(name.as_str()),
            _ => None,
        })
    }

    /// All of it, each with its file, once.
    pub(crate) fn all(&self) -> Vec<(&Path, &Problem)> {
        let mut all: Vec<(usize, &Problem)> = Vec::new();
        for lack in &self.lacks {
            if !all.iter().any(|(source, problem)| *source == lack.source && problem.is_same(&lack.problem)) {
                all.push((lack.source, &lack.problem));
            }
        }
        let path = |source: usize| self.sources.get(source).map_or(Path::new(""), |source| source.path.as_path());
        all.into_iter().map(|(source, problem)| (path(source), problem)).collect()
    }

    /// An error, where one of these owners lacks something.
    pub(crate) fn check(&self, owners: &[Owner]) -> Result<(), ConfigError> {
        let of = |source: usize| {
            let all = self.lacks.iter().filter(move |lack| lack.source == source && owners.contains(&lack.owner));
            all.map(|lack| lack.problem.clone()).collect::<Vec<_>>()
        };
        let files = self.sources.iter().enumerate().map(|(place, source)| (source.clone(), of(place)));
        ConfigError::of(files.collect())
    }
}
