//! Features and bench files in the documentation.

use std::path::Path;

use hil_config::{Bench, ConfigError, Problem};
use hil_scenario::{Filter, Plan};
use tempfile::TempDir;

use crate::markdown::{Block, pages};
use crate::root;

#[test]
fn every_feature_is_valid() {
    let folder = TempDir::new().expect("folder");
    let mut wrong = Vec::new();
    for block in blocks("gherkin") {
        let path = folder.path().join("example.feature");
        std::fs::write(&path, whole_feature(&block)).expect("write");
        let filter = Filter { paths_named: true, ..Filter::default() };
        if let Err(error) = Plan::read(&[path], &filter, None) {
            wrong.push(format!("{}: {error}\n{}", block.place, block.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An excerpt with what a feature needs around it.
fn whole_feature(block: &Block) -> String {
    let text = block.text();
    let begins = |word: &str| block.lines.iter().any(|line| line.trim_start().starts_with(word));
    if begins("Feature:") || begins("# language") {
        return text;
    }
    let scenario = if begins("Scenario") || begins("Background") { "" } else { "  Scenario: one\n" };
    // A gauge must be made before it is asked about.
    let made =
        |name: &str| format!("    Given the gauge \"{name}\" of \"lamp\" is \"/(?<{name}>.)/\" on its console\n");
    let gauges = if begins("Then the gauge") { made("heap") + &made("temp") } else { String::new() };
    let end = if begins("Then") { "" } else { "\n    Then \"lamp\" connects within 1 s\n" };
    format!("Feature: an excerpt\n{scenario}{gauges}{text}{end}")
}

#[test]
fn every_bench_file_is_valid() {
    let folder = TempDir::new().expect("folder");
    let mut wrong = Vec::new();
    for block in blocks("toml").filter(is_bench_file) {
        let path = folder.path().join("bench.toml");
        std::fs::write(&path, whole_bench(&block)).expect("write");
        for problem in problems(&path) {
            wrong.push(format!("{}: {problem}", block.place));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fleet_is_valid() {
    let fleets = blocks("toml").filter(|block| block.lines.iter().any(|line| line == "[fleet]"));
    let mut count = 0;
    for block in fleets {
        let fleet = hil_config::Fleet::from_project(&block.text(), Path::new("hil.toml"));
        assert!(matches!(fleet, Ok(Some(_))), "{}: {fleet:?}", block.place);
        count += 1;
    }
    assert!(count > 0, "the documentation shows one");
}

fn is_bench_file(block: &Block) -> bool {
    let tables = ["[broker", "[tap", "[boards", "[[boards", "[firmware"];
    block.lines.iter().any(|line| tables.iter().any(|table| line.starts_with(table)))
}

/// An excerpt with the boards and firmware that it refers to.
fn whole_bench(block: &Block) -> String {
    let text = block.text();
    let lamp = "\n[boards.lamp]\nkind = \"virtual\"\n";
    let has_boards = block.lines.iter().any(|line| line.starts_with("[boards") || line.starts_with("[[boards"));
    if has_boards { text } else { format!("{text}{lamp}") }
}

/// What is wrong with a bench file, except variables that are not set here. Files that it names are made.
fn problems(path: &Path) -> Vec<String> {
    let folder = path.parent().expect("a folder");
    let found = read(path);
    let missing = found.iter().filter_map(|problem| problem.what.strip_prefix("there is no file `")?.split('`').next());
    for name in missing {
        make(&folder.join(name));
    }
    let is_wrong = |problem: &Problem| !problem.what.ends_with("is not set");
    read(path).into_iter().filter(is_wrong).map(|problem| format!("{}: {}", problem.key, problem.what)).collect()
}

fn read(path: &Path) -> Vec<Problem> {
    match Bench::from_file(path, &hil_scenario::kinds()) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Invalid { problems, .. }) => problems,
        Err(error) => panic!("{error}"),
    }
}

fn make(path: &Path) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
    std::fs::write(path, "").expect("write");
}

fn blocks(language: &'static str) -> impl Iterator<Item = Block> {
    pages().into_iter().flat_map(|page| page.blocks()).filter(move |block| block.language == language)
}

/// The page shows the files of the example, which is compiled and run; only the name of the crate differs.
#[test]
fn the_page_about_own_steps_shows_the_example() {
    let page = pages().into_iter().find(|page| page.name == "docs/how-to/own-steps.md").expect("the page");
    let shown: Vec<_> = page.blocks().into_iter().filter(|block| block.language == "rust").collect();
    let example = root().join("harness/cli/examples/own-steps");
    for (block, name) in shown.iter().zip(["src/lib.rs", "src/main.rs", "tests/features.rs"]) {
        let code = std::fs::read_to_string(example.join(name)).expect("a file of the example");
        assert_eq!(block.text(), code.replace("own_steps", "lamp_tests"), "{}: {name}", block.place);
    }
}
