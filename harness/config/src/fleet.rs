//! `[fleet]` of the project file: which boards of a lab a run uses.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;

use crate::spec::{Key, Kind, TableSpec, words};
use crate::table::{Table, Value};
use crate::values::is_address;

/// Who decides which run has which board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FleetEngine {
    /// The coordinator of a labgrid.
    Labgrid,
}

impl FleetEngine {
    const WORDS: &[(&'static str, Self)] = &[("labgrid", Self::Labgrid)];
}

/// Which boards of a lab a run uses.
///
/// # Example
/// ```
/// let text = "[fleet]\nengine = \"labgrid\"\nboards = { at-most = 2 }\n";
/// let fleet = hil_config::Fleet::from_project(text, std::path::Path::new("hil.toml")).expect("valid").expect("a fleet");
/// assert_eq!((fleet.at_least, fleet.at_most), (1, 2));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    /// Who decides.
    pub engine: FleetEngine,
    /// Where its coordinator is: `host:port`. None: as the environment says.
    pub coordinator: Option<String>,
    /// With how many boards a run begins, 1 to 1000.
    pub at_least: usize,
    /// How many it uses at most, `at_least` to 1000.
    pub at_most: usize,
    /// How long it waits for the first ones.
    pub wait: Duration,
    /// A run with a higher priority gets a board first, −1000 to 1000.
    pub priority: i32,
    /// Tags that the boards must have; each value is a regular expression for the whole value.
    pub tags: BTreeMap<String, String>,
}

static BOARDS: TableSpec = TableSpec {
    keys: &[
        Key::optional("at-least", Kind::Integer(1, MOST), "`1`", "The run begins with this many boards, 1 to 1000."),
        Key::optional(
            "at-most",
            Kind::Integer(1, MOST),
            "`at-least`, or `4` if that is more",
            "It uses this many, 1 to 1000; those above `at-least` join when they are free.",
        ),
    ],
};

pub(crate) static FLEET: TableSpec = TableSpec {
    keys: &[
        Key::required("engine", Kind::Word(|| words(FleetEngine::WORDS)), "Who decides which run has which board."),
        Key::optional("coordinator", Kind::Text, "`LG_COORDINATOR`", "The coordinator: `lab:20408`."),
        Key::optional("boards", Kind::Table(&BOARDS), "", "How many boards a run uses."),
        Key::optional(
            "wait",
            Kind::Duration,
            "`\"10 min\"`",
            "How long a run waits for its first boards, and for others that its last scenarios need.",
        ),
        Key::optional(
            "priority",
            Kind::Integer(-1000, 1000),
            "`0`",
            "A waiting run with a higher priority gets a board first, −1000 to 1000.",
        ),
        Key::optional(
            "tags",
            Kind::Map(&Kind::Text),
            "any board",
            "Tags that boards must have. Each value is a regular expression for the whole value: `{ hil_board = \"lamp.*\" }`.",
        ),
    ],
};

const MOST: i64 = 1000;
const USUAL_MOST: usize = 4;
const USUAL_WAIT: Duration = Duration::from_secs(600);

impl Fleet {
    pub(crate) fn read(mut table: Table<'_, '_>) -> Option<Self> {
        let engine = table.required("engine", "example: `engine = \"labgrid\"`");
        let engine = engine.and_then(|value| value.one_of("engine", FleetEngine::WORDS));
        let coordinator = table.value("coordinator").and_then(|value| {
            let is_one = |text: &str| is_address(text, false).then(|| text.to_owned());
            value.parsed("the address of a coordinator", "example: `lab:20408`", is_one)
        });
        let (at_least, at_most) = table.value("boards").map_or((1, USUAL_MOST), |value| counts(&value));
        let wait = table.value("wait").and_then(|value| value.duration_above_zero()).unwrap_or(USUAL_WAIT);
        let priority = table.value("priority").and_then(|value| value.integer(-1000..=1000)).unwrap_or(0);
        let tags =
            table.map("tags").map(|map| map.entries().filter_map(|(name, _, value)| tag(name, &value)).collect());
        table.finish();
        Some(Self {
            engine: engine?,
            coordinator,
            at_least,
            at_most,
            wait,
            priority: i32::try_from(priority).unwrap_or(0),
            tags: tags.unwrap_or_default(),
        })
    }
}

fn counts(value: &Value<'_, '_>) -> (usize, usize) {
    let Some(mut table) = value.table(&BOARDS) else { return (1, USUAL_MOST) };
    let mut count = |key| {
        let number = table.value(key).and_then(|value| value.integer(1..=MOST));
        number.and_then(|number| usize::try_from(number).ok())
    };
    let (at_least, at_most) = (count("at-least"), count("at-most"));
    table.finish();
    let at_least = at_least.unwrap_or(1);
    let usual = USUAL_MOST.max(at_least);
    if at_most.is_some_and(|at_most| at_most < at_least) {
        let hint = "a run begins with `at-least` boards, and others join up to `at-most`".to_owned();
        value.problem("`at-most` is less than `at-least`", hint);
    }
    (at_least, at_most.unwrap_or(usual))
}

/// The name of a tag and the expression for its value.
fn tag(name: &str, value: &Value<'_, '_>) -> Option<(String, String)> {
    let mut chars = name.chars();
    let begins = chars.next().is_some_and(|c| c.is_ascii_lowercase());
    if !begins || name.len() < 2 || !chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        let hint = "a tag has small letters, digits and `_`, and begins with a letter: `hil_chip`".to_owned();
        value.problem(format!("`{name}` is not a tag of labgrid"), hint);
        return None;
    }
    let hint = "the syntax is that of the Rust crate `regex`";
    let expression =
        value.parsed("a regular expression", hint, |text| Regex::new(text).ok().map(|_| text.to_owned()))?;
    Some((name.to_owned(), expression))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::problem::ConfigError;

    fn read(text: &str) -> Result<Option<Fleet>, ConfigError> {
        Fleet::from_project(text, Path::new("hil.toml"))
    }

    #[test]
    fn a_fleet_has_defaults() {
        let fleet = read("[fleet]\nengine = \"labgrid\"\n").expect("valid").expect("a fleet");
        assert_eq!((fleet.at_least, fleet.at_most, fleet.wait, fleet.priority), (1, 4, USUAL_WAIT, 0));
        assert_eq!(fleet.coordinator, None);
        let many = read("[fleet]\nengine = \"labgrid\"\nboards = { at-least = 6 }\n").expect("valid").expect("a fleet");
        assert_eq!((many.at_least, many.at_most), (6, 6));
        assert_eq!(read("[firmware.app]\nimage = 7\n").expect("only the fleet is read"), None);
    }

    #[test]
    fn every_key_is_read() {
        let text = "[fleet]\nengine = \"labgrid\"\ncoordinator = \"lab:20408\"\nboards = { at-least = 2, at-most = 3 }\n\
                    wait = \"90s\"\npriority = -5\ntags = { hil_chip = \"esp32c[36]\" }\n";
        let fleet = read(text).expect("valid").expect("a fleet");
        let expected = Fleet {
            engine: FleetEngine::Labgrid,
            coordinator: Some("lab:20408".to_owned()),
            at_least: 2,
            at_most: 3,
            wait: Duration::from_secs(90),
            priority: -5,
            tags: [("hil_chip".to_owned(), "esp32c[36]".to_owned())].into(),
        };
        assert_eq!(fleet, expected);
    }

    #[test]
    fn every_problem_has_its_place() {
        let text = "[fleet]\nengine = \"labgird\"\ncoordinator = \"http://lab\"\nboards = { at-least = 3, at-most = 2 }\n\
                    wait = \"soon\"\npriority = 5000\ntags = { Chip = \"x\", hil_chip = \"(\" }\nhosts = []\n";
        let error = read(text).expect_err("invalid");
        insta::assert_snapshot!(format!("error: {error}"));
    }

    #[test]
    fn counts_are_numbers_of_boards() {
        let error = read("[fleet]\nboards = { at-least = 0, most = 2 }\nwait = \"0s\"\n").expect_err("invalid");
        insta::assert_snapshot!(format!("error: {error}"));
    }
}
