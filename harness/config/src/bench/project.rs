//! `hil.toml`: the firmware of a project, and the roles of its scenarios, on a bench that is described elsewhere.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeValue;

use crate::bench::{BENCH, Bench, parse};
use crate::board::BOARD;
use crate::context::Context;
use crate::firmware::FIRMWARE;
use crate::firmware_tables::FirmwareTables;
use crate::kinds::Kinds;
use crate::names::FirmwareName;
use crate::problem::{ConfigError, Source};
use crate::role::{BoardRole, ROLE};
use crate::spec::{Key, Kind, TableSpec};
use crate::table::Table;

/// What a project file is called where none is named.
const USUAL: &str = "hil.toml";

pub(crate) static PROJECT: TableSpec = TableSpec {
    keys: &[
        Key::optional(
            "firmware",
            Kind::Map(&Kind::Table(&FIRMWARE)),
            "",
            "What is flashed, by name; replaces firmware of the same name of the bench file.",
        ),
        Key::optional(
            "roles",
            Kind::Map(&Kind::Table(&ROLE)),
            "",
            "What scenarios may call any board that fits, by name; replaces roles of the same name of the bench file.",
        ),
    ],
};

/// A project file whose firmware a bench has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// What reports call it: its path.
    pub name: String,
    /// Firmware of the bench file that it replaces.
    pub replaced: Vec<FirmwareName>,
}

impl Project {
    /// The project file named on the command line, else by the environment, else `hil.toml` in this folder if there is
    /// one.
    #[must_use]
    pub fn choose(flag: Option<&Path>) -> Option<PathBuf> {
        let named = flag
            .map(Path::to_owned)
            .or_else(|| std::env::var_os(crate::HIL_PROJECT).filter(|value| !value.is_empty()).map(PathBuf::from));
        named.or_else(|| Some(PathBuf::from(USUAL)).filter(|usual| usual.exists()))
    }

    /// Checks a project file whose bench is unknown. Returns the names of firmware that only a bench can complete: they
    /// extend firmware that is not in the file.
    ///
    /// # Errors
    /// If the file can't be read or has problems; the error lists each with its line.
    pub fn check_alone(path: &Path) -> Result<Vec<String>, ConfigError> {
        let nothing = Bench::from_text("", Path::new(""), &Kinds::default())?;
        let nothing = Bench { name: Bench::BUILTIN.to_owned(), ..nothing };
        let text = read(path)?;
        let bench = nothing.with_tables(&text, path, true)?;
        let document = parse(&text, path)?;
        let Some(DeValue::Table(described)) = document.get_ref().get("firmware").map(Spanned::get_ref) else {
            return Ok(Vec::new());
        };
        let names = described.iter().map(|(name, _)| name.get_ref().to_string());
        Ok(names.filter(|name| bench.firmware(name).is_none()).collect())
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { what: "project file", path: path.to_owned(), source };
    hil_files::read_text(path, hil_files::Links::Follow).map_err(unreadable)
}

impl Bench {
    /// The bench with the firmware and the roles of a project file. Those of the same name are replaced; relative paths in the file
    /// count from its folder.
    ///
    /// # Errors
    /// If the file can't be read or has problems; the error lists each with its line.
    pub fn with_project(self, path: &Path) -> Result<Self, ConfigError> {
        self.with_project_text(&read(path)?, path)
    }

    /// The same, from the text of a project file at `path`.
    ///
    /// # Errors
    /// If it has problems; the error lists each with its line.
    pub fn with_project_text(self, text: &str, path: &Path) -> Result<Self, ConfigError> {
        self.with_tables(text, path, false)
    }

    /// The same; `is_alone` if this is not the bench of the project, but stands for an unknown one.
    fn with_tables(mut self, text: &str, path: &Path, is_alone: bool) -> Result<Self, ConfigError> {
        let Source { path: bench_path, text: bench_text } = self.source.clone();
        let folder = |path: &Path| path.parent().unwrap_or(Path::new("")).to_owned();
        let (own_folder, bench_folder) = (folder(path), folder(&bench_path));
        let (document, bench_document) = (parse(text, path)?, parse(&bench_text, &bench_path)?);
        let context = Context::new(&own_folder, "project file");
        let bench_context = Context::new(&bench_folder, "bench file");
        let mut below = Table::root(&bench_context, &bench_document, &BENCH);
        let mut root = Table::root(&context, &document, &PROJECT);
        let (own, bench) = (root.map("firmware"), below.map("firmware"));
        let tables = match is_alone {
            true => FirmwareTables::without_bench(own.as_ref()),
            false => FirmwareTables::new(own.as_ref(), bench.as_ref()),
        };
        for name in tables.described() {
            self.unset.forget_firmware(name);
        }
        let contexts = [(0, &bench_context), (1, &context)];
        let read = own.map(|own| tables.read(&own, &contexts, &mut self.unset)).unwrap_or_default();
        let roles = BoardRole::read_all(&mut root);
        root.finish_with(&|key| wiring(key, &self.name));
        self.secrets.extend([&context, &bench_context].into_iter().flat_map(Context::secrets));
        self.variables.extend([&context, &bench_context].into_iter().flat_map(Context::variables));
        let blotted = |path: &Path, text: &str| Source { path: path.to_owned(), text: self.blotted(text) };
        let source = blotted(path, text);
        let problems = [bench_context, context].map(|context| self.blotted_problems(context.into_problems()));
        let [of_bench, own_problems] = problems;
        ConfigError::of(vec![(blotted(&bench_path, &bench_text), of_bench), (source.clone(), own_problems)])?;
        self.unset.add_source(source);
        self.blot_lacking();
        self.unset.name_project(path);
        let replaced = read.keys().filter(|name| self.firmware.contains_key(*name)).cloned().collect();
        self.project = Some(Project { name: crate::bench::path_from_here(path), replaced });
        self.firmware.extend(read);
        self.roles.extend(roles);
        Ok(self)
    }
}

/// What is wrong with a key of a project file that describes wiring, and where it belongs.
fn wiring(key: &str, bench: &str) -> Option<(String, String)> {
    let is_wiring = BENCH.keys.iter().chain(BOARD.keys).any(|known| known.name == key);
    is_wiring.then(|| {
        let hint = if bench == Bench::BUILTIN {
            "write it in a bench file; a project file describes firmware and roles".to_owned()
        } else {
            format!("write it in the bench file, `{bench}`; a project file describes firmware and roles")
        };
        (format!("`{key}` does not belong in a project file: it describes the bench"), hint)
    })
}
