//! A run in parts, merged, is the run of the whole.

use std::collections::BTreeSet;

use hil_timeline::What;

use crate::support::{Outcome, Project};

/// 46 scenarios on four boards: most pass, some fail, some are skipped. Names repeat in features, rules and rows.
fn project() -> Project {
    let project = Project::new();
    for (file, board, firmware) in
        [("one", "lamp", "lamp"), ("two", "lamp-2", "lamp"), ("three", "client", "mqtt-client")]
    {
        let on = format!("Given the board \"{board}\" runs the firmware \"{firmware}\"");
        let then = format!("Then \"{board}\" does not reboot for 1 ms");
        let rows: String = (1..=12).map(|n| format!("      | {n} |\n")).collect();
        project.file(
            &format!("features/{file}.feature"),
            &format!(
                "Feature: of {file}\n\n  Scenario Outline: boots\n    {on}\n    Then \"{board}\" does not reboot for <n> ms\n    \
                 Examples:\n      | n |\n{rows}\n  Scenario: fails\n    {on}\n    \
                 Then the console of \"{board}\" shows \"no such line\" within 50 ms\n\n  \
                 @requires:relay\n  Scenario: has no relay\n    {on}\n    {then}\n\n  Rule: at night\n    \
                 Scenario: boots\n      {on}\n      {then}\n"
            ),
        );
    }
    project.file(
        "features/four.feature",
        "Feature: of one\n  Scenario: fails\n    Given the board \"client-2\" runs the firmware \"mqtt-client\"\n    Then \"client-2\" does not reboot for 1 ms\n");
    project
}

/// Each case of a report without its times: name, class, file, and what it says about the verdict.
fn cases(project: &Project, run: &str) -> BTreeSet<String> {
    let xml = project.read(&format!("{run}/junit.xml"));
    let case = |text: &str| {
        let attributes = text.split(" time=").next().unwrap_or_default().to_owned();
        let element = ["<failure message=", "<error message=", "<skipped message="].iter().find_map(|element| {
            let (_, rest) = text.split_once(element)?;
            Some(format!("{element}{}", rest.split('"').nth(1).unwrap_or_default()))
        });
        format!("{attributes} {}", element.unwrap_or_default())
    };
    xml.split("<testcase ").skip(1).map(case).collect()
}

/// The heading and the sections of the summary, in any order, without times.
fn summary(project: &Project, run: &str) -> (String, BTreeSet<String>) {
    let text = project.read(&format!("{run}/summary.md"));
    let heading = text.lines().next().unwrap_or_default().split(" in ").next().unwrap_or_default().to_owned();
    let sections = text.split("### ").skip(1).map(|section| section.lines().take(3).collect::<String>());
    (heading, sections.collect())
}

fn verdicts(outcome: &Outcome) -> BTreeSet<(String, String)> {
    outcome.verdicts().into_iter().collect()
}

#[test]
fn five_parts_merged_equal_the_whole() {
    let project = project();
    let whole = project.hil(&["run", "--out", "whole"]);
    assert_eq!(whole.code, 100, "{whole:?}");
    let parts: Vec<String> = (1..=5).map(|part| format!("part-{part}")).collect();
    let mut all = 0;
    for (part, out) in (1..).zip(&parts) {
        let outcome = project.hil(&["run", "--shard", &format!("{part}/5"), "--out", out]);
        assert!(matches!(outcome.code, 0 | 100), "{outcome:?}");
        all += outcome.verdicts().len();
    }
    assert_eq!(all, 46);
    let mut arguments = vec!["report", "merge", "--out", "merged"];
    arguments.extend(parts.iter().rev().map(String::as_str));
    let merged = project.hil(&arguments);
    assert_eq!((merged.code, verdicts(&merged)), (whole.code, verdicts(&whole)), "{merged:?}");
    assert_eq!(merged.stderr, "");
    assert_eq!(cases(&project, "merged"), cases(&project, "whole"));
    assert_eq!(cases(&project, "merged").len(), 46);
    assert_eq!(summary(&project, "merged"), summary(&project, "whole"));
    whole_folder(&project, &parts);
}

/// The folder is one that every command reads.
fn whole_folder(project: &Project, parts: &[String]) {
    for file in ["report.html", "cucumber.json", "console-lamp.log", "traffic.pcapng"] {
        assert!(!project.read_bytes(&format!("merged/{file}")).is_empty(), "{file}");
    }
    let size = |run: &str| project.read_bytes(&format!("{run}/traffic.pcapng")).len();
    assert_eq!(size("merged"), parts.iter().map(|part| size(part)).sum::<usize>());
    let again = project.hil(&["report", "merged"]);
    assert_eq!(again.code, 100);
    let compared = project.hil(&["compare", "whole", "merged"]);
    assert!(compared.stdout.contains("no regression"), "{compared:?}");
    let events = hil_timeline::read_events(&project.path("merged/events.jsonl")).expect("events");
    assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at && pair[0].seq + 1 == pair[1].seq));
    let begun = events.iter().filter(|event| matches!(event.what, What::ScenarioStarted { .. }));
    let ids: BTreeSet<_> = begun.filter_map(|event| event.scenario).collect();
    assert_eq!(ids.len(), 46);
}

/// A scenario keeps its part when others are added, and a part that is missing is not green.
#[test]
fn parts_are_stable_and_complete() {
    let project = project();
    let list = |more: &[&str]| {
        let outcome = project.hil(&[&["run", "--list"], more].concat());
        let name = |line: &str| {
            line.split_once(".feature:").and_then(|(file, rest)| Some(format!("{file}{}", rest.split_once("  ")?.1)))
        };
        outcome.stdout.lines().filter_map(name).collect::<BTreeSet<_>>()
    };
    let before: Vec<_> = (1..=5).map(|part| list(&["--shard", &format!("{part}/5")])).collect();
    assert_eq!(before.iter().map(BTreeSet::len).sum::<usize>(), 46);
    let old = project.read("features/one.feature");
    project.file(
        "features/one.feature",
        &old.replace(
            "Feature: of one\n",
            "Feature: of one\n\n  Scenario: new\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    Then \"lamp\" does not reboot for 1 ms\n",
        ),
    );
    let after: Vec<_> = (1..=5).map(|part| list(&["--shard", &format!("{part}/5")])).collect();
    let added: Vec<_> = before.iter().zip(&after).map(|(before, after)| after.difference(before).count()).collect();
    assert_eq!(added.iter().sum::<usize>(), 1);
    assert!(before.iter().zip(&after).all(|(before, after)| before.is_subset(after)));
    // Other options select first; then the parts are cut.
    let boots =
        |part: &str| project.hil(&["run", "--name", "^boots$", "--shard", part, "--out", &part.replace('/', "-")]);
    let codes: Vec<_> = ["1/2", "2/2"].iter().map(|part| boots(part).code).collect();
    assert!(codes.iter().all(|code| matches!(code, 0 | 4)), "{codes:?}");
    let made: Vec<_> = ["1-2", "2-2"].into_iter().filter(|run| project.path(run).exists()).collect();
    let merged = project.hil(&[&["report", "merge", "--out", "merged"], made.as_slice()].concat());
    assert_eq!((merged.code, merged.verdicts().len()), (0, 3), "an empty part is not missing: {merged:?}");
    if let [first, _] = made.as_slice() {
        let merged = project.hil(&["report", "merge", "--out", "half", first]);
        assert_eq!(merged.code, 102, "{merged:?}");
        assert!(merged.stderr.contains("of 3 scenarios are here: 2/2 missing"), "{merged:?}");
    }
}

#[test]
fn what_can_not_be_merged_is_refused() {
    let project = project();
    assert_eq!(project.hil(&["run", "--name", "at night|boots$", "--out", "run"]).code, 0);
    let mut text = String::new();
    for arguments in [
        &["report", "merge"][..],
        &["report", "merge", "nowhere"],
        &["report", "merge", "run", "run", "--out", "twice"],
        &["report", "merge", "run", "--out", "run"],
    ] {
        let outcome = project.hil(arguments);
        assert_eq!(outcome.code, 96, "{outcome:?}");
        text.push_str(&format!("{}\n{}", arguments.join(" "), outcome.stderr));
    }
    crate::support::assert_snapshot("merge-refused", &text);
}

/// The whole is appended, and its parts no longer count; nothing is compared with itself.
#[test]
fn a_merged_run_is_in_the_history_instead_of_its_parts() {
    let project = project();
    let boots = |part: &str| {
        let ran =
            project.hil(&["run", "--name", "boots|has no relay", "--shard", part, "--out", &part.replace('/', "-")]);
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    boots("1/2");
    boots("2/2");
    let runs = || {
        let history = project.hil(&["history", "--format", "json"]);
        let json: serde_json::Value = serde_json::from_str(&history.stdout).expect("JSON");
        let runs = json.as_array().expect("runs").clone();
        runs.iter().map(|run| run["run"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(runs(), ["1-2", "2-2"]);
    let merged = project.hil(&["report", "merge", "1-2", "2-2", "--out", "whole"]);
    assert_eq!(merged.code, 0, "{merged:?}");
    assert_eq!(runs(), ["whole"]);
    let elsewhere = project.hil(&["report", "merge", "1-2", "2-2", "--out", "again", "--history", "h/other.jsonl"]);
    assert_eq!((elsewhere.code, runs()), (0, vec!["whole".to_owned()]), "{elsewhere:?}");
    let line = project.read("h/other.jsonl");
    assert!(line.lines().count() == 1 && line.contains(r#""run":"again""#), "{line}");
    // Nothing is left behind where the history can't be written.
    let refused =
        project.hil(&["report", "merge", "1-2", "2-2", "--out", "third", "--history", "features/one.feature"]);
    assert_eq!(refused.code, 96, "{refused:?}");
    assert!(refused.stderr.contains("it is not a history of `hil`") && !project.path("third").exists(), "{refused:?}");
}
