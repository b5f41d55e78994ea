//! Reads `.steps` files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hil_files::{LARGEST_TEXT, Links};
use hil_gherkin::{Headline, Language, Scenario, StepKind};

use super::super::grammar::{english, grammatical};
use super::super::problem::{PlanError, Problem, Wrong};
use super::super::suspect::headline;
use super::super::swallowed;
use super::{Composite, Composites};
use crate::registry::is_step;

/// The headline of a definition.
const STEP: &str = "Step:";

/// Lines that are put before a file, so that the Gherkin reader takes it.
const BEFORE: usize = 2;

/// A composite step, as `hil steps` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompositeStep {
    /// Its text, with `<name>` for each argument.
    pub text: String,
    /// A regular expression for its text.
    pub pattern: String,
    /// Names of its arguments.
    pub arguments: Vec<String>,
    /// What the file says about it.
    pub about: String,
    /// Its steps.
    pub parts: Vec<String>,
    /// The file that defines it.
    pub path: PathBuf,
    /// Its line.
    pub line: usize,
}

/// The composite steps that a feature may use: of the `.steps` files in its folder, and in the folders above it up to one
/// with the name `features`.
pub(in super::super) fn read(feature: &Path) -> Result<Result<Composites, Vec<Problem>>, PlanError> {
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for folder in folders(feature) {
        for path in files_in(&folder)? {
            match read_file(&path)? {
                Ok(mut found) => all.append(&mut found),
                Err(mut found) => problems.append(&mut found),
            }
        }
    }
    let composites =
        Composites { all: all.into_iter().map(|(composite, _)| composite).collect(), ..Composites::default() };
    problems.extend(check(&composites));
    Ok(if problems.is_empty() { Ok(composites) } else { Err(problems) })
}

/// The composite steps that features may use: of all `.steps` files in a folder and below it, and in the folders above it
/// up to one with the name `features`; or those that one feature may use. Files that can't be read are left out: `hil
/// lint` reports them.
#[must_use]
pub fn composite_steps(features: &Path) -> Vec<CompositeStep> {
    let is_folder = features.is_dir();
    // As if there were a feature in the folder.
    let feature = if is_folder { features.join("any.feature") } else { features.to_owned() };
    let above = folders(&feature).into_iter().skip(usize::from(is_folder));
    let mut found: Vec<_> = above.flat_map(|folder| of_folder(&folder)).collect();
    if is_folder {
        found.extend(below(features));
    }
    found
}

fn of_folder(folder: &Path) -> Vec<CompositeStep> {
    let mut found = Vec::new();
    for path in files_in(folder).unwrap_or_default() {
        if let Ok(Ok(composites)) = read_file(&path) {
            found.extend(composites.into_iter().map(|(composite, about)| listed(composite, about)));
        }
    }
    found
}

/// Those of a folder and of all folders in it.
fn below(folder: &Path) -> Vec<CompositeStep> {
    let mut found = of_folder(folder);
    let folders = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<_> =
        folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect();
    folders.sort();
    found.extend(folders.iter().flat_map(|folder| below(folder)));
    found
}

fn listed(composite: Composite, about: String) -> CompositeStep {
    CompositeStep {
        pattern: composite.pattern.as_str().to_owned(),
        arguments: composite.arguments.into_iter().map(|(name, _)| name).collect(),
        parts: composite.parts.iter().map(|part| format!("{}{}", part.keyword, part.text)).collect(),
        text: composite.text,
        about,
        path: composite.path,
        line: composite.line,
    }
}

fn folders(feature: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let is_top = |folder: &Path| folder.file_name().is_some_and(|name| name == "features");
    for folder in feature.ancestors().skip(1) {
        folders.push(folder.to_owned());
        if is_top(folder) {
            return folders;
        }
    }
    // No folder has that name.
    folders.truncate(1);
    folders
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, PlanError> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let unreadable = |source| PlanError::Unreadable { path: here.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(here).map_err(unreadable)? {
        let path = folder.join(entry.map_err(unreadable)?.file_name());
        if path.extension().is_some_and(|extension| extension == "steps") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

type WithAbout = (Composite, String);

fn read_file(path: &Path) -> Result<Result<Vec<WithAbout>, Vec<Problem>>, PlanError> {
    let bytes = hil_files::read(path, Links::Follow, LARGEST_TEXT)
        .map_err(|source| PlanError::Unreadable { path: path.to_owned(), source })?;
    let Ok(source) = String::from_utf8(bytes) else {
        return Ok(Err(vec![Wrong::new("this file is not UTF-8", "save it as UTF-8").at(path, 1)]));
    };
    let language = hil_gherkin::language_of(&source).unwrap_or_else(english);
    let as_feature = as_feature(&source, language);
    let document = match hil_gherkin::parse(&as_feature) {
        Ok(document) => document,
        Err(faults) => {
            let mut problems = grammatical(path, &faults, &as_feature);
            problems.iter_mut().for_each(|problem| problem.line = problem.line.saturating_sub(BEFORE).max(1));
            return Ok(Err(problems));
        }
    };
    let Some(feature) = &document.feature else { return Ok(Ok(Vec::new())) };
    let mut problems: Vec<_> = swallowed::swallowed(feature, language)
        .into_iter()
        .filter(|swallowed| swallowed.is_certain)
        .map(|swallowed| swallowed.wrong.at(path, swallowed.line - BEFORE))
        .collect();
    if let Some(other) =
        feature.background.iter().map(|it| it.heading.line).chain(feature.rules.iter().map(|it| it.heading.line)).next()
    {
        problems.push(
            Wrong::new("a `.steps` file has steps only", format!("begin each with `{STEP}`")).at(path, other - BEFORE),
        );
    }
    let mut found = Vec::new();
    for scenario in &feature.scenarios {
        match definition(scenario, path) {
            Ok(composite) => found.push(composite),
            Err(wrong) => problems.push(wrong.at(path, scenario.heading.line - BEFORE)),
        }
    }
    Ok(if problems.is_empty() { Ok(found) } else { Err(problems) })
}

/// The file as a feature: each step that it defines is a scenario. Texts between quotes are left alone.
fn as_feature(source: &str, language: &Language) -> String {
    let (feature, scenario) = (headline(Headline::Feature, language), headline(Headline::Scenario, language));
    let mut text = format!("# language: {}\n{feature}: steps\n", language.code());
    let mut delimiter = None;
    for line in source.lines() {
        let begin = line.trim_start();
        let quotes = ["\"\"\"", "```"].into_iter().find(|quotes| begin.starts_with(quotes));
        match (delimiter, quotes) {
            (None, Some(_)) => delimiter = quotes,
            (Some(open), Some(quotes)) if open == quotes => delimiter = None,
            _ => {}
        }
        match begin.strip_prefix(STEP).filter(|_| delimiter.is_none()) {
            Some(name) => text.push_str(&format!("{scenario}:{name}\n")),
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

fn definition(scenario: &Scenario, path: &Path) -> Result<WithAbout, Wrong> {
    let text = &scenario.heading.name;
    if text.is_empty() {
        return Err(Wrong::new("this step has no text", format!("write it after `{STEP}`")));
    }
    if !scenario.examples.is_empty() || !scenario.heading.tags.is_empty() {
        let hint = "tags and examples belong to the scenarios that use it";
        return Err(Wrong::new(format!("the step `{text}` has tags or examples"), hint));
    }
    if scenario.steps.is_empty() {
        return Err(Wrong::new(
            format!("the step `{text}` has no steps"),
            "write the steps that it is made of below it",
        ));
    }
    let mut parts = scenario.steps.clone();
    for part in &mut parts {
        part.line -= BEFORE;
    }
    let about: Vec<_> = scenario.heading.description.iter().map(|(_, line)| line.trim()).collect();
    let composite = Composite::new(text, parts, path, scenario.heading.line - BEFORE)?;
    Ok((composite, about.join(" ").trim().to_owned()))
}

/// What is wrong with the definitions together.
fn check(composites: &Composites) -> Vec<Problem> {
    let each = composites.all.iter().enumerate();
    each.flat_map(|(n, composite)| {
        let own = check_one(composites, n, composite).map(|wrong| wrong.at(&composite.path, composite.line));
        own.into_iter().chain(undefined(composites, composite)).collect::<Vec<_>>()
    })
    .collect()
}

fn check_one(composites: &Composites, n: usize, composite: &Composite) -> Option<Wrong> {
    let (text, sample) = (&composite.text, composite.sample());
    if is_step(&sample) {
        return Some(Wrong::new(
            format!("the step `{text}` is defined already"),
            "`hil steps` lists all steps; use another text",
        ));
    }
    let same = composites.all[..n].iter().find(|other| other.pattern.is_match(&sample));
    if let Some(other) = same {
        let hint = format!("the other one is at {}:{}; use another text", other.path.display(), other.line);
        return Some(Wrong::new(format!("the step `{text}` is defined twice"), hint));
    }
    let mut chain = vec![composite];
    uses_itself(composites, &mut chain, &mut BTreeSet::new()).then(|| {
        let names: Vec<_> = chain.iter().chain(chain.first()).map(|step| format!("`{}`", step.text)).collect();
        let [first, rest @ ..] = names.as_slice() else { return Wrong::new("no step", "") };
        Wrong::new(format!("the step `{text}` uses itself"), format!("{first} uses {}", rest.join(", which uses ")))
    })
}

/// Whether the first step of the chain is reached again from the last one; the chain is then the way.
fn uses_itself<'a>(
    composites: &'a Composites,
    chain: &mut Vec<&'a Composite>,
    seen: &mut BTreeSet<(PathBuf, usize)>,
) -> bool {
    let (Some(first), Some(last)) = (chain.first().copied(), chain.last().copied()) else { return false };
    for part in &last.parts {
        let Some(inner) = composites.of(&part.text) else { continue };
        if std::ptr::eq(inner, first) {
            return true;
        }
        if seen.insert((inner.path.clone(), inner.line)) {
            chain.push(inner);
            if uses_itself(composites, chain, seen) {
                return true;
            }
            chain.pop();
        }
    }
    false
}

/// Parts that are not steps. Arguments outside of quotes are filled in first.
fn undefined(composites: &Composites, composite: &Composite) -> Vec<Problem> {
    let sampled = |text: &str| {
        let bare = composite.arguments.iter().filter(|(_, quoted)| !quoted);
        let samples = ["1 s", "1"];
        samples.map(|sample| {
            bare.clone().fold(text.to_owned(), |text, (name, _)| text.replace(&format!("<{name}>"), sample))
        })
    };
    let is_defined = |text: &str| {
        composites.of(text).is_some() || sampled(text).iter().any(|text| is_step(text) || composites.of(text).is_some())
    };
    let wrong = composite.parts.iter().filter(|part| !is_defined(&part.text)).map(|part| {
        let word = if part.kind == StepKind::And { "And" } else { part.keyword.trim() };
        let what = format!("undefined step `{word} {}` in the step `{}`", part.text, composite.text);
        Wrong::new(what, "`hil steps` lists all steps").at(&composite.path, part.line)
    });
    wrong.collect()
}
