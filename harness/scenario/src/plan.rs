//! Reads features and finds everything wrong with them before any board has power.

mod arguments;
mod below;
mod captures;
mod check;
mod composite;
mod convert;
mod files;
mod grammar;
mod inputs;
mod needs;
mod on_air;
mod on_bench;
mod on_board;
mod problem;
mod read;
mod reading;
mod roles;
mod spot;
mod suspect;
mod swallowed;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;

use cucumber::gherkin::tagexpr::TagOperation;
use cucumber::gherkin::{Feature, Rule, Scenario, Step};
use cucumber::tag::Ext as _;
use hil_config::Bench;
use hil_timeline::{ScenarioInfo, shuffled_place};
use regex::Regex;

use self::check::check;
pub use self::composite::{CompositeStep, composite_steps};
pub use self::inputs::Inputs;
pub use self::needs::{boards_of, firmware_names, firmware_of, lacking};
pub(crate) use self::needs::{firmware_named, names_firmware, on_each, steps_of};
pub(crate) use self::on_air::changes_access_point;
pub use self::problem::{PlanError, Problem};
pub(crate) use self::reading::reading;
use crate::forms;
use crate::spec::Kind;
use crate::tags::OPT_IN;
use crate::wanted::Wanted;

/// Which scenarios to run.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Feature files or folders were named: their opt-in scenarios run.
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

    /// Whether a scenario is selected; counts how far it gets.
    fn takes(&self, tags: &[String], scenario: &Scenario, found: &mut Found) -> bool {
        let tagged = self.tags.as_ref().is_none_or(|wanted| wanted.eval(tags));
        let named = self.name.as_ref().is_none_or(|name| name.is_match(&scenario.name));
        let mentioned = self.tags.as_ref().map(positive).unwrap_or_default();
        let asked_for = self.paths_named || tags.iter().any(|tag| mentioned.contains(&tag.as_str()));
        found.all += 1;
        found.tagged += usize::from(tagged);
        found.named += usize::from(tagged && named);
        tagged && named && (asked_for || !tags.iter().any(|tag| tag == OPT_IN))
    }
}

/// How many scenarios there are, and how many of them each filter leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// In the named files, at the named lines.
    pub all: usize,
    /// Those that match the tag expression.
    pub tagged: usize,
    /// Those of them whose name matches. Of these, opt-in scenarios may be left out.
    pub named: usize,
}

/// The tags that an expression asks for; those after a `not` don't count.
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
    warnings: Vec<Problem>,
    files: usize,
    found: Found,
    /// Boards that play a role if they can, in place of others.
    preferred: BTreeSet<String>,
}

impl Plan {
    /// What Gherkin allows but is rarely intended: an outline without examples, a scenario without a name.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Whether there was a feature file at all, even one with comments only.
    #[must_use]
    pub fn has_files(&self) -> bool {
        self.files > 0
    }

    /// How many scenarios there were before each filter.
    #[must_use]
    pub fn found(&self) -> Found {
        self.found
    }

    /// Passwords in steps, to be hidden in all output.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let readings = self.features.iter().flat_map(all_steps).filter_map(forms::read);
        let passwords: Vec<_> =
            readings.flat_map(|reading| reading.all(Kind::Password).map(str::to_owned).collect::<Vec<_>>()).collect();
        let expanded = passwords.iter().flat_map(|text| match hil_config::expand(text) {
            Ok(expanded) => [vec![expanded.text], expanded.secrets].concat(),
            // The step reports what is wrong with it.
            Err(_) => Vec::new(),
        });
        expanded.filter(|secret| secret.chars().count() >= hil_config::SHORTEST_SECRET).collect()
    }

    /// Reads feature files and folders. With a bench, checks that it has the boards, firmware and pins that steps name,
    /// and that these support what steps ask of them.
    ///
    /// # Errors
    /// When a path can't be read or a selected scenario has a problem.
    pub fn read(paths: &[PathBuf], filter: &Filter, bench: Option<&Bench>) -> Result<Self, PlanError> {
        let (mut features, mut problems, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        let files = files::named(paths)?;
        let mut found = Found::default();
        for file in &files {
            match read::read(file)? {
                Ok(mut read) => {
                    let language = read.language;
                    features.extend(read.feature.map(|feature| (select(feature, filter, &mut found), language)));
                    warnings.append(&mut read.warnings);
                }
                Err(mut faults) => problems.append(&mut faults),
            }
        }
        features.retain(|(feature, _)| scenarios(feature).next().is_some());
        for (feature, language) in &features {
            let on_bench = bench.map(|bench| on_bench::check(feature, bench)).unwrap_or_default();
            let mut wrong = [check(feature, language), on_bench].concat();
            wrong.sort_by_key(|problem| problem.line);
            problems.extend(wrong);
        }
        let features = features.into_iter().map(|(feature, _)| feature).collect();
        // A file of composite steps is read for each feature that may use it.
        let mut seen = BTreeSet::new();
        problems.retain(|problem: &Problem| seen.insert((problem.path.clone(), problem.line, problem.what.clone())));
        if problems.is_empty() {
            Ok(Self { features, warnings, files: files.len(), found, preferred: BTreeSet::new() })
        } else {
            Err(PlanError::Invalid { problems })
        }
    }

    /// Checks a plan that was read without a bench against a bench.
    ///
    /// # Errors
    /// When the bench lacks what a scenario names, or does not support what it asks.
    pub fn check_on(&self, bench: &Bench) -> Result<(), PlanError> {
        self.checked(|feature| on_bench::check(feature, bench))
    }

    /// Checks that the environment variables for the passwords in steps are set, before anything runs.
    ///
    /// # Errors
    /// When a variable is not set.
    pub fn check_passwords(&self, bench: &Bench) -> Result<(), PlanError> {
        self.checked(|feature| on_bench::unset(feature, bench))
    }

    fn checked(&self, check: impl Fn(&Feature) -> Vec<Problem>) -> Result<(), PlanError> {
        let problems: Vec<_> = self.features.iter().flat_map(check).collect();
        if problems.is_empty() { Ok(()) } else { Err(PlanError::Invalid { problems }) }
    }

    /// How many scenarios will run.
    #[must_use]
    pub fn count(&self) -> usize {
        self.features.iter().map(|feature| scenarios(feature).count()).sum()
    }

    /// Keeps the scenarios for which `wanted` is true, given the names of feature and scenario.
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

    /// Keeps the scenarios for which `wanted` is true; with a bench, it sees the boards that their steps name.
    pub fn keep(&mut self, bench: Option<&Bench>, wanted: impl Fn(&ScenarioInfo) -> bool) {
        let kept: BTreeSet<_> = self.list(bench).iter().filter(|info| wanted(info)).map(ScenarioInfo::key).collect();
        let features = std::mem::take(&mut self.features);
        let plan = Self { features, ..self.clone() };
        let left = plan.only(|path, line, name| kept.contains(&(path.to_owned(), line, name.to_owned())));
        self.features = left.map(|plan| plan.features).unwrap_or_default();
    }

    /// The same scenarios in the order of a seed, each in a feature of its own.
    pub(crate) fn shuffled(self, seed: u32) -> Self {
        let single = |feature: &Feature| {
            let split = each_scenario(feature).map(|(rule, scenario)| {
                let place = shuffled_place(seed, &info(feature, rule, scenario, &[]));
                let ruled = rule.map(|rule| Rule { scenarios: vec![scenario.clone()], ..rule.clone() });
                let scenarios = if rule.is_none() { vec![scenario.clone()] } else { Vec::new() };
                let rules = ruled.into_iter().collect();
                (place, Feature { scenarios, rules, ..feature.clone() })
            });
            split.collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.features.iter().flat_map(single).collect();
        all.sort_by_key(|(place, _)| *place);
        Self { features: all.into_iter().map(|(_, feature)| feature).collect(), ..self }
    }

    /// Its features, and the rest of it.
    pub(crate) fn take_features(mut self) -> (Vec<Feature>, Self) {
        (std::mem::take(&mut self.features), self)
    }

    /// The same with other features.
    pub(crate) fn with_features(&self, features: Vec<Feature>) -> Self {
        Self { features, ..self.clone() }
    }

    /// Keeps the scenarios for which `wanted` is true, given path, line and name; none if no scenario is left.
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

    /// Lets these boards play the roles that they fit, in place of others.
    pub fn prefer(&mut self, boards: impl IntoIterator<Item = String>) {
        self.preferred.extend(boards);
    }

    /// The boards that a scenario with these steps may run on.
    pub(crate) fn wanted(&self, bench: &Bench, steps: &[&Step]) -> Vec<Wanted> {
        roles::wanted(bench, steps, &self.preferred)
    }

    /// Each scenario, in order; with a bench, including the boards that its steps name and those that may play its roles.
    #[must_use]
    pub fn list(&self, bench: Option<&Bench>) -> Vec<ScenarioInfo> {
        let of = |feature: &Feature| {
            let each = each_scenario(feature).map(|(rule, scenario)| {
                let wanted = bench.map(|bench| self.wanted(bench, &steps_of(feature, rule, scenario)));
                info(feature, rule, scenario, &wanted.unwrap_or_default())
            });
            each.collect::<Vec<_>>()
        };
        self.features.iter().flat_map(of).collect()
    }
}

/// A feature for each scenario of a feature.
pub(crate) fn single_features(mut feature: Feature) -> Vec<Feature> {
    let (scenarios, rules) = (std::mem::take(&mut feature.scenarios), std::mem::take(&mut feature.rules));
    let plain = scenarios.into_iter().map(|scenario| Feature { scenarios: vec![scenario], ..feature.clone() });
    let mut singles: Vec<_> = plain.collect();
    for mut rule in rules {
        let scenarios = std::mem::take(&mut rule.scenarios);
        let ruled = scenarios.into_iter().map(|scenario| Rule { scenarios: vec![scenario], ..rule.clone() });
        singles.extend(ruled.map(|rule| Feature { rules: vec![rule], ..feature.clone() }));
    }
    singles
}

/// A scenario as reports show it.
pub(crate) fn info(feature: &Feature, rule: Option<&Rule>, scenario: &Scenario, wanted: &[Wanted]) -> ScenarioInfo {
    let (roles, named): (Vec<_>, Vec<_>) = wanted.iter().partition(|wanted| wanted.is_role());
    ScenarioInfo {
        feature: feature.name.clone(),
        rule: rule.map(|rule| rule.name.clone()).filter(|name| !name.is_empty()),
        path: feature.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        line: scenario.position.line,
        name: scenario.name.clone(),
        tags: tags_of(feature, rule, scenario),
        boards: named.into_iter().map(|wanted| wanted.name.clone()).collect(),
        roles: roles.into_iter().map(Wanted::info).collect(),
        quarantine: None,
    }
}

/// Each scenario with its rule.
pub(crate) fn each_scenario(feature: &Feature) -> impl Iterator<Item = (Option<&Rule>, &Scenario)> {
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

fn select(mut feature: Feature, filter: &Filter, found: &mut Found) -> Feature {
    let tags = feature.tags.clone();
    let mut keep = |inherited: &[String], scenario: &Scenario| {
        let tags = [inherited, &scenario.tags].concat();
        filter.takes(&tags, scenario, found)
    };
    feature.scenarios.retain(|scenario| keep(&tags, scenario));
    for rule in &mut feature.rules {
        let inherited = [tags.clone(), rule.tags.clone()].concat();
        rule.scenarios.retain(|scenario| keep(&inherited, scenario));
    }
    feature.rules.retain(|rule| !rule.scenarios.is_empty());
    feature
}
