//! Reads features and finds everything wrong with them before any board has power.

mod arguments;
mod below;
mod check;
pub(crate) mod forms;
mod on_bench;
mod problem;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cucumber::feature::Ext as _;
use cucumber::gherkin::tagexpr::TagOperation;
use cucumber::gherkin::{Feature, GherkinEnv, Rule, Scenario, Step};
use cucumber::tag::Ext as _;
use hil_config::Bench;
use hil_files::{Links, guarded};
use hil_timeline::PlannedScenario;
use regex::Regex;

use self::check::check;
pub use self::problem::{PlanError, Problem};

/// Scenarios with this tag run only when they are asked for: by path or by tag.
pub(crate) const OPT_IN: &str = "opt-in";

/// Which scenarios shall run.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Feature files and folders were named: opt-in scenarios in them are asked for.
    pub paths_named: bool,
    /// A tag expression, such as `@wifi and not @slow`.
    pub tags: Option<TagOperation>,
    /// A regular expression on the scenario's name.
    pub name: Option<Regex>,
}

impl Filter {
    /// Reads a tag expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_tags(text: &str) -> Result<TagOperation, String> {
        text.parse().map_err(|error| format!("{error}"))
    }

    fn takes(&self, tags: &[String], scenario: &Scenario) -> bool {
        let tagged = self.tags.as_ref().is_none_or(|wanted| wanted.eval(tags));
        let named = self.name.as_ref().is_none_or(|name| name.is_match(&scenario.name));
        let mentioned = self.tags.as_ref().map(positive).unwrap_or_default();
        let asked_for = self.paths_named || tags.iter().any(|tag| mentioned.contains(&tag.as_str()));
        tagged && named && (asked_for || !tags.iter().any(|tag| tag == OPT_IN))
    }
}

/// The tags that an expression asks for; those behind a `not` are none.
fn positive(expression: &TagOperation) -> Vec<&str> {
    match expression {
        TagOperation::And(left, right) | TagOperation::Or(left, right) => [positive(left), positive(right)].concat(),
        TagOperation::Not(_) => Vec::new(),
        TagOperation::Tag(tag) => vec![tag],
    }
}

/// Every step of a feature.
fn all_steps(feature: &Feature) -> impl Iterator<Item = &Step> {
    let ruled = feature.rules.iter().flat_map(|rule| {
        rule.background.iter().flat_map(|b| &b.steps).chain(rule.scenarios.iter().flat_map(|s| &s.steps))
    });
    let plain = feature.background.iter().flat_map(|b| &b.steps).chain(feature.scenarios.iter().flat_map(|s| &s.steps));
    plain.chain(ruled)
}

/// Features that can run: parsed, expanded, filtered, every step known.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) features: Vec<Feature>,
}

impl Plan {
    /// Passwords that steps name: shown nowhere.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        static PASSWORD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"\bpassword "([^"]*)""#).ok());
        let steps = self.features.iter().flat_map(all_steps);
        let passwords = steps.flat_map(|step| {
            let found = PASSWORD.iter().flat_map(|regex| regex.captures_iter(&step.value));
            found.filter_map(|captures| Some(captures.get(1)?.as_str().to_owned())).collect::<Vec<_>>()
        });
        let expanded = passwords.flat_map(|text| match hil_config::expand(&text) {
            Ok(expanded) => [vec![expanded.text], expanded.secrets].concat(),
            // The step will say what is wrong with it.
            Err(_) => Vec::new(),
        });
        expanded.filter(|secret| secret.chars().count() >= hil_config::SHORTEST_SECRET).collect()
    }

    /// Reads feature files and folders. With a bench, their names of boards, firmware and pins must be its own, and its
    /// parts able to do what steps ask of them.
    ///
    /// # Errors
    /// When a path can't be read or a selected scenario has a problem.
    pub fn read(paths: &[PathBuf], filter: &Filter, bench: Option<&Bench>) -> Result<Self, PlanError> {
        let mut problems = Vec::new();
        let mut features = Vec::new();
        let (paths, lines): (Vec<_>, Vec<_>) = paths.iter().map(|path| split_line(path)).unzip();
        let lines: Vec<_> =
            paths.iter().cloned().zip(lines).filter_map(|(path, line)| Some((plain(&path), line?))).collect();
        for path in feature_files(&paths)? {
            match parse(&path)? {
                Ok(feature) => features.push(at_lines(select(feature, filter), &lines)),
                Err(problem) => problems.push(problem),
            }
        }
        features.retain(|feature| scenarios(feature).next().is_some());
        for feature in &features {
            let on_bench = bench.map(|bench| on_bench::check(feature, bench)).unwrap_or_default();
            let mut found = [check(feature), on_bench].concat();
            found.sort_by_key(|problem| problem.line);
            problems.extend(found);
        }
        if problems.is_empty() { Ok(Self { features }) } else { Err(PlanError::Invalid { problems }) }
    }

    /// Checks a plan that was read without a bench against the one it is to run on.
    ///
    /// # Errors
    /// When the bench lacks what a scenario names, or can't do what it asks.
    pub fn check_on(&self, bench: &Bench) -> Result<(), PlanError> {
        let problems: Vec<_> = self.features.iter().flat_map(|feature| on_bench::check(feature, bench)).collect();
        if problems.is_empty() { Ok(()) } else { Err(PlanError::Invalid { problems }) }
    }

    /// How many scenarios will run.
    #[must_use]
    pub fn count(&self) -> usize {
        self.features.iter().map(|feature| scenarios(feature).count()).sum()
    }

    /// Keeps the scenarios that `wanted` takes by the names of feature and scenario.
    pub fn retain(&mut self, wanted: impl Fn(&str, &str) -> bool) {
        for feature in &mut self.features {
            let name = feature.name.clone();
            feature.scenarios.retain(|scenario| wanted(&name, &scenario.name));
            for rule in &mut feature.rules {
                rule.scenarios.retain(|scenario| wanted(&name, &scenario.name));
            }
            feature.rules.retain(|rule| !rule.scenarios.is_empty());
        }
        self.features.retain(|feature| scenarios(feature).next().is_some());
    }

    /// Only the scenarios that `wanted` takes by path, line and name; none where it takes none.
    pub(crate) fn only(mut self, wanted: impl Fn(&str, usize, &str) -> bool) -> Option<Self> {
        for feature in &mut self.features {
            let path = feature.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            let keep = |scenario: &Scenario| wanted(&path, scenario.position.line, &scenario.name);
            feature.scenarios.retain(keep);
            for rule in &mut feature.rules {
                rule.scenarios.retain(keep);
            }
            feature.rules.retain(|rule| !rule.scenarios.is_empty());
        }
        self.features.retain(|feature| scenarios(feature).next().is_some());
        (!self.features.is_empty()).then_some(self)
    }

    /// Each scenario, in order.
    #[must_use]
    pub fn list(&self) -> Vec<PlannedScenario> {
        let of = |feature: &Feature| {
            let path = feature.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            let item = |scenario: &Scenario| PlannedScenario {
                feature: feature.name.clone(),
                path: path.clone(),
                line: scenario.position.line,
                name: scenario.name.clone(),
            };
            scenarios(feature).map(|(_, scenario)| item(scenario)).collect::<Vec<_>>()
        };
        self.features.iter().flat_map(of).collect()
    }
}

/// Splits `FILE:LINE`, the form in which scenarios are printed.
fn split_line(path: &Path) -> (PathBuf, Option<usize>) {
    let text = path.to_string_lossy();
    match text.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?))) {
        Some((file, line)) if !path.exists() => (PathBuf::from(file), Some(line)),
        _ => (path.to_owned(), None),
    }
}

/// Keeps the scenarios that stand at one of the lines asked for in their file, if any are.
fn at_lines(mut feature: Feature, lines: &[(PathBuf, usize)]) -> Feature {
    let path = feature.path.clone().unwrap_or_default();
    let mine: Vec<_> = lines.iter().filter(|(file, _)| *file == path).map(|(_, line)| *line).collect();
    let wanted = |scenario: &Scenario| {
        let stands_at = |line: &usize| {
            scenario.position.line == *line || scenario.steps.iter().any(|step| step.position.line == *line)
        };
        mine.is_empty() || mine.iter().any(stands_at)
    };
    feature.scenarios.retain(wanted);
    for rule in &mut feature.rules {
        rule.scenarios.retain(wanted);
    }
    feature.rules.retain(|rule| !rule.scenarios.is_empty());
    feature
}

fn feature_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, PlanError> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    let mut files: Vec<_> = files.iter().map(|path| plain(path)).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// A path as everybody writes it: reports of runs are compared by it.
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
        // Links are not followed: one that leads upwards would never end.
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if is_feature {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// The line that the parser's message names: it gives its position as text only.
fn line_in(message: &str) -> usize {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    message.find(|c: char| c.is_ascii_digit()).and_then(|at| digits(&message[at..])).unwrap_or(1)
}

fn parse(path: &Path) -> Result<Result<Feature, Problem>, PlanError> {
    let problem = |line, what: String, hint: Option<&str>| Problem {
        path: path.to_owned(),
        line,
        what,
        hint: hint.map(str::to_owned),
    };
    let source = hil_files::read_text(path, Links::Follow);
    let source = source.map_err(|source| PlanError::Unreadable { path: path.to_owned(), source })?;
    // Editors on some systems begin a file with a byte order mark.
    let source = source.trim_start_matches('\u{feff}');
    if let Some((line, what, hint)) = source::flaw(source) {
        return Ok(Err(problem(line, what, Some(&hint))));
    }
    match parsed(source) {
        Ok(feature) => {
            let feature = Feature { path: Some(path.to_owned()), ..feature };
            Ok(feature.expand_examples().map(name_rows).map_err(|error| {
                let hint = "each `<name>` in a step must be a column of the Examples table";
                problem(error.pos.line, format!("the Examples table has no column `{}`", error.name), Some(hint))
            }))
        }
        Err(error) => {
            let hint = "expected Gherkin: `Feature:`, `Background:`, `Scenario:`, steps, tables with rows of one length, or `\"\"\"`";
            let line = line_in(&error).min(source.lines().count().max(1));
            Ok(Err(problem(line, "this is no valid Gherkin".to_owned(), Some(hint))))
        }
    }
}

/// The crate panics on some texts that are no Gherkin.
fn parsed(source: &str) -> Result<Feature, String> {
    let parsed = guarded(|| Feature::parse(source, GherkinEnv::default()));
    parsed.map_err(|panicked| panicked.to_string())?.map_err(|error| error.to_string())
}

/// Rows of an outline that are called alike are told apart by their values.
fn name_rows(mut feature: Feature) -> Feature {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for (_, scenario) in scenarios(&feature) {
        *times.entry(scenario.name.clone()).or_default() += 1;
    }
    let rename = |scenario: &mut Scenario| {
        let row = scenario.examples.first().and_then(|example| example.table.as_ref()?.rows.get(1));
        if let Some(row) = row.filter(|_| times.get(&scenario.name).is_some_and(|times| *times > 1)) {
            scenario.name = format!("{} ({})", scenario.name, row.join(", "));
        }
    };
    feature.scenarios.iter_mut().for_each(rename);
    feature.rules.iter_mut().flat_map(|rule| &mut rule.scenarios).for_each(rename);
    feature
}

/// Each scenario with the rule that it stands in.
fn each_scenario(feature: &Feature) -> impl Iterator<Item = (Option<&Rule>, &Scenario)> {
    let plain = feature.scenarios.iter().map(|scenario| (None, scenario));
    plain.chain(feature.rules.iter().flat_map(|rule| rule.scenarios.iter().map(move |scenario| (Some(rule), scenario))))
}

/// The tags that a scenario has or inherits.
fn tags_of(feature: &Feature, rule: Option<&Rule>, scenario: &Scenario) -> Vec<String> {
    feature.tags.iter().chain(rule.iter().flat_map(|rule| &rule.tags)).chain(&scenario.tags).cloned().collect()
}

/// Each scenario with the tags that it has or inherits.
pub(crate) fn scenarios(feature: &Feature) -> impl Iterator<Item = (Vec<String>, &Scenario)> {
    each_scenario(feature).map(|(rule, scenario)| (tags_of(feature, rule, scenario), scenario))
}

fn select(mut feature: Feature, filter: &Filter) -> Feature {
    let tags = feature.tags.clone();
    let keep = |inherited: &[String], scenario: &Scenario| {
        let tags = [inherited, &scenario.tags].concat();
        filter.takes(&tags, scenario)
    };
    feature.scenarios.retain(|scenario| keep(&tags, scenario));
    for rule in &mut feature.rules {
        let inherited = [tags.clone(), rule.tags.clone()].concat();
        rule.scenarios.retain(|scenario| keep(&inherited, scenario));
    }
    feature.rules.retain(|rule| !rule.scenarios.is_empty());
    feature
}
