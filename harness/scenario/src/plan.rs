//! Reads features and finds everything wrong with them before any board has power.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cucumber::feature::Ext as _;
use cucumber::gherkin::tagexpr::TagOperation;
use cucumber::gherkin::{self, Feature, GherkinEnv, Scenario, Step, StepType};
use cucumber::tag::Ext as _;
use hil_timeline::PlannedScenario;
use regex::Regex;

use crate::dispatch::STEPS;
use crate::suggest::nearest_steps;

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

/// One thing that is wrong with a feature file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// Its line.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What may help.
    pub hint: Option<String>,
}

/// Why nothing can run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A path leads nowhere.
    #[error("can't read `{}`", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Features say something wrong; the text shows every problem with its line.
    #[error("{}", Listing(problems))]
    Invalid {
        /// What is wrong, in the order of the files.
        problems: Vec<Problem>,
    },
}

struct Listing<'a>(&'a [Problem]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n\nerror: ")?;
            }
            write!(f, "{} at {}:{}", problem.what, problem.path.display(), problem.line)?;
            if let Some(hint) = &problem.hint {
                write!(f, "\nhint: {hint}")?;
            }
        }
        Ok(())
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

    /// Reads feature files and folders.
    ///
    /// # Errors
    /// When a path can't be read or a selected scenario has a problem.
    pub fn read(paths: &[PathBuf], filter: &Filter) -> Result<Self, PlanError> {
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
        problems.extend(features.iter().flat_map(check));
        if problems.is_empty() { Ok(Self { features }) } else { Err(PlanError::Invalid { problems }) }
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
    let source =
        std::fs::read_to_string(path).map_err(|source| PlanError::Unreadable { path: path.to_owned(), source })?;
    // Editors on some systems begin a file with a byte order mark.
    let source = source.trim_start_matches('\u{feff}');
    if let Some((line, what, hint)) = swallowed(source) {
        return Ok(Err(problem(line, what, Some(&hint))));
    }
    match Feature::parse(source, GherkinEnv::default()) {
        Ok(feature) => {
            let feature = Feature { path: Some(path.to_owned()), ..feature };
            Ok(feature.expand_examples().map(name_rows).map_err(|error| {
                let hint = "each `<name>` in a step must be a column of the Examples table";
                problem(error.pos.line, format!("the Examples table has no column `{}`", error.name), Some(hint))
            }))
        }
        Err(error) => {
            let hint = "expected Gherkin: `Feature:`, `Background:`, `Scenario:`, steps, tables with rows of one length, or `\"\"\"`";
            let line = line_in(&error.to_string()).min(source.lines().count().max(1));
            Ok(Err(problem(line, "this is no valid Gherkin".to_owned(), Some(hint))))
        }
    }
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

/// A line with a misspelt keyword: Gherkin takes it for a description where it follows a headline, and the step or
/// scenario vanishes without a word.
fn swallowed(source: &str) -> Option<(usize, String, String)> {
    const HEADLINES: [&str; 8] =
        ["Feature", "Background", "Scenario", "Scenario Outline", "Scenarios", "Examples", "Example", "Rule"];
    const STEPS: [&str; 6] = ["Given", "When", "Then", "And", "But", "*"];
    let mut in_docstring = false;
    for (n, line) in source.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("\"\"\"") || line.starts_with("```") {
            in_docstring = !in_docstring;
        }
        if in_docstring || line.starts_with(['|', '@', '#', '"', '`']) {
            continue;
        }
        let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if !STEPS.contains(&first) && is_step(rest) {
            let hint = format!("begin it with one of `{}`", STEPS.join("`, `"));
            return Some((n + 1, format!("`{first}` is no keyword of a step"), hint));
        }
        if let Some((headline, _)) = line.split_once(':')
            && !HEADLINES.contains(&headline)
            && let Some(near) = hil_config::nearest(headline, HEADLINES)
        {
            return Some((n + 1, format!("`{headline}:` is no keyword"), format!("did you mean `{near}:`?")));
        }
    }
    None
}

/// Whether a text is a step of any kind.
fn is_step(text: &str) -> bool {
    let step = |ty| Step {
        keyword: String::new(),
        ty,
        value: text.trim().to_owned(),
        docstring: None,
        table: None,
        span: gherkin::Span { start: 0, end: 0 },
        position: gherkin::LineCol { line: 0, col: 0 },
    };
    [StepType::Given, StepType::When, StepType::Then].into_iter().any(|ty| !matches!(STEPS.find(&step(ty)), Ok(None)))
}

/// Each scenario with the tags that it has or inherits.
pub(crate) fn scenarios(feature: &Feature) -> impl Iterator<Item = (Vec<String>, &Scenario)> {
    let with_tags = |inherited: Vec<String>, scenario: &Scenario| {
        let mut tags = inherited;
        tags.extend(scenario.tags.iter().cloned());
        tags
    };
    let plain = feature.scenarios.iter().map(move |scenario| (with_tags(feature.tags.clone(), scenario), scenario));
    let ruled = feature.rules.iter().flat_map(move |rule| {
        let inherited = [feature.tags.clone(), rule.tags.clone()].concat();
        rule.scenarios.iter().map(move |scenario| (with_tags(inherited.clone(), scenario), scenario))
    });
    plain.chain(ruled)
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

fn check(feature: &Feature) -> Vec<Problem> {
    let path = feature.path.clone().unwrap_or_default();
    let mut problems = Vec::new();
    let backgrounds = feature.background.iter().chain(feature.rules.iter().filter_map(|rule| rule.background.as_ref()));
    for step in backgrounds.flat_map(|background| &background.steps) {
        problems.extend(check_step(&path, step));
    }
    for (tags, scenario) in scenarios(feature) {
        if let Some(tag) = tags.iter().find(|tag| crate::retry::is_misspelt(tag)) {
            let what = format!("the tag `@{tag}` is no number of retries");
            let hint = Some("write `@retry(2)`, or `@retry` for one".to_owned());
            problems.push(Problem { path: path.clone(), line: scenario.position.line, what, hint });
        }
        problems.extend(scenario.steps.iter().filter_map(|step| check_step(&path, step)));
        if !scenario.steps.iter().any(|step| step.ty == StepType::Then) {
            let what = format!("the scenario `{}` has no Then: it can't fail, so it must not pass", scenario.name);
            let hint = Some("say what should happen, or delete it".to_owned());
            problems.push(Problem { path: path.clone(), line: scenario.position.line, what, hint });
        }
    }
    problems.sort_by_key(|problem| problem.line);
    problems.dedup();
    problems
}

fn check_step(path: &Path, step: &Step) -> Option<Problem> {
    let problem = |what, hint| Problem { path: path.to_owned(), line: step.position.line, what, hint };
    match STEPS.find(step) {
        Ok(Some((_, _, location, _))) => {
            let ours = location.is_some_and(|location| location.path.starts_with(OUR_STEPS));
            check_content(step, ours).map(|(what, hint)| problem(what, hint))
        }
        Ok(None) if step.keyword.trim() == "*" => {
            let hint = "`*` is read as Given; write `And` behind the step that it continues".to_owned();
            Some(problem(format!("undefined step `* {}`", step.value), Some(hint)))
        }
        Ok(None) => {
            let near = nearest_steps(&step.value, 2);
            let hint = match near.as_slice() {
                [] => "`hil steps` prints all there are".to_owned(),
                near => format!("did you mean `{}`?", near.join("` or `")),
            };
            Some(problem(format!("undefined step `{:?} {}`", step.ty, step.value), Some(hint)))
        }
        Err(error) => {
            let matches: Vec<_> =
                error.possible_matches.iter().map(|(regex, _)| format!("`{}`", regex.as_str())).collect();
            Some(problem(
                format!("ambiguous step `{}`", step.value),
                Some(format!("it matches {}", matches.join(" and "))),
            ))
        }
    }
}

/// Where our own steps stand: what they take is known.
const OUR_STEPS: &str = "harness/scenario/src/steps/";

/// What is wrong with what stands below a step of ours.
fn check_argument(step: &Step) -> Option<&'static str> {
    let wants_text = ["the text:", "the JSON:"].iter().any(|end| step.value.ends_with(end))
        || (step.value.starts_with("I type at ") && step.value.ends_with(':'));
    let wants_table = step.value.ends_with(':') && !wants_text;
    match (step.table.is_some(), step.docstring.is_some()) {
        (true, _) if !wants_table => Some("takes no table: it would be ignored"),
        (false, _) if wants_table => Some("needs a table below it"),
        (_, true) if !wants_text => Some("takes no text: it would be ignored"),
        (_, false) if wants_text => Some("needs a text below it"),
        _ => None,
    }
}

/// What is wrong with a step that is defined, as far as its text tells.
fn check_content(step: &Step, ours: bool) -> Option<(String, Option<String>)> {
    if ours && let Some(what) = check_argument(step) {
        let hint = "steps that end with `:` take a table, or a text between two lines of \"\"\"".to_owned();
        return Some((format!("the step `{}` {what}", step.value), Some(hint)));
    }
    let outside = step.value.split('"').step_by(2);
    for duration in outside.flat_map(crate::dispatch::durations_written) {
        match hil_config::parse_duration(duration) {
            Err(_) => {
                return Some((format!("`{duration}` is too long"), Some("durations go up to 24 hours".to_owned())));
            }
            Ok(zero) if zero.is_zero() => {
                return Some((format!("a step that lasts `{duration}` can't fail"), Some("name a time".to_owned())));
            }
            Ok(_) => {}
        }
    }
    let mut quoted = step.value.split('"').skip(1).step_by(2);
    let wrong = quoted.find_map(|text| Some((text, hil_verdict::TextPattern::parse(text).err()?)));
    wrong.map(|(text, error)| {
        let reason = error.to_string().lines().last().unwrap_or_default().to_owned();
        (format!("`{text}` is not a regular expression"), Some(reason))
    })
}
