//! Features as people write them: every language, every form, and the messages about the rest.

use hil_gherkin::{Headline, Language, StepKind};

use crate::support::{Project, assert_snapshot};

/// No board, and so nothing but the broker and the harness itself.
const BENCH: &str = "[broker]\nkind = \"embedded\"\n";

/// A feature in a language, with all of its keywords; of those for features and rules only the first.
fn in_language(language: &Language) -> String {
    let words = |wanted: Headline| language.headlines().filter(move |(_, of)| *of == wanted).map(|(word, _)| word);
    let first = |wanted: Headline| words(wanted).next().unwrap_or_default();
    let of = |wanted: StepKind| language.steps().filter(move |(_, kind)| *kind == wanted).map(|(word, _)| word);
    let code = language.code();
    let given = "snapshots of the traffic leave out the topic \"x\"";
    let steps = |words: &dyn Fn(StepKind) -> Vec<&'static str>| {
        let step = |word: &&str, text: &str| format!("      {word}{text}\n");
        let when = format!("I publish \"<v>\" to '{code}', retained");
        let then = format!("a late subscriber to \"{code}\" receives \"<v>\", retained");
        let kinds =
            [(StepKind::Given, given), (StepKind::When, &when), (StepKind::Then, &then), (StepKind::And, &then)];
        kinds.iter().flat_map(|(kind, text)| words(*kind).iter().map(|word| step(word, text)).collect::<Vec<_>>()).collect::<String>()
            // The meaning of `*` depends on the step.
            + &step(&"* ", &when) + &step(&"* ", &then)
    };
    let all = steps(&|kind| of(kind).collect());
    let few = steps(&|kind| of(kind).take(1).collect());
    let mut text = format!("# language: {code}\n{}: {}\n", first(Headline::Feature), language.name());
    for (n, word) in words(Headline::Scenario).enumerate() {
        text += &format!("    {word}: plain {n}\n{}", if n == 0 { &all } else { &few });
    }
    text += &format!("  {}: r\n", first(Headline::Rule));
    text += &format!(
        "    {}:\n      {}{given}\n",
        first(Headline::Background),
        of(StepKind::Given).next().unwrap_or_default()
    );
    let examples: String =
        words(Headline::Examples).map(|word| format!("      {word}:\n        | v |\n        | {word} |\n")).collect();
    for (n, word) in words(Headline::Outline).enumerate() {
        text += &format!("    {word}: <v> {n}\n{few}{examples}");
    }
    text
}

#[test]
fn a_feature_in_every_language_is_run_and_reported() {
    let project = Project::new();
    project.file("bench.toml", BENCH);
    let mut planned = 0;
    for language in Language::all() {
        let count = |wanted: Headline| language.headlines().filter(|(_, of)| *of == wanted).count();
        planned += count(Headline::Scenario) + count(Headline::Outline) * count(Headline::Examples);
        project.file(&format!("features/{}.feature", language.code()), &in_language(language));
    }
    let outcome = project.hil(&["run", "--bench", "bench.toml", "--out", "out"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.stdout.contains(&format!("{planned} passed")), "{}", outcome.stdout);
    let junit = project.read("out/junit.xml");
    assert_eq!(junit.matches("<testcase ").count(), planned);
    let cucumber: serde_json::Value = serde_json::from_str(&project.read("out/cucumber.json")).expect("JSON");
    assert_eq!(cucumber.as_array().map(Vec::len), Some(Language::all().count()));
    for language in Language::all() {
        assert!(
            junit.contains(&format!("classname=\"{}\"", language.name().replace('\'', "&apos;"))),
            "{}",
            language.name()
        );
    }
}

/// Each rejected construct is reported with its line and a hint.
#[test]
fn invalid_gherkin_is_explained() {
    let given = "Given \"lamp\" is connected";
    let cases = [
        ("no feature", "Some text\nmore of it\n".to_owned()),
        ("another language", "Funktionalität: Lampe\n  Szenario: an\n".to_owned()),
        ("an unknown language", "# language: dee\nFeature: f\n".to_owned()),
        ("a language in capitals", "# language: DE\nFeature: f\n".to_owned()),
        ("a step of another language", format!("Feature: f\n  Scenario: s\n    {given}\n    Dann nothing is retained on \"t\"\n")),
        ("a misspelt headline", format!("Feature: f\n  Scenario: s\n    {given}\n  Scenaro: t\n")),
        ("a headline that is text", format!("Feature: f\n  Backgrund:\n    {given}\n  Scenario: s\n")),
        ("a step in a description", format!("Feature: f\n  {given}\n  Scenario: s\n    {given}\n")),
        ("a misspelt keyword", "Feature: f\n  Scenario: s\n    Whn \"lamp\" is connected\n    Then nothing is retained on \"t\"\n".to_owned()),
        ("no keyword", format!("Feature: f\n  Scenario: s\n    {given}\n    nothing is retained on \"t\"\n")),
        ("two features", format!("Feature: f\n  Scenario: s\n    {given}\nFeature: g\n")),
        ("a late background", format!("Feature: f\n  Scenario: s\n    {given}\n  Background:\n")),
        ("examples of a background", format!("Feature: f\n  Background:\n    {given}\n    Examples:\n")),
        ("steps behind examples", format!("Feature: f\n  Scenario: s\n    {given}\n    Examples:\n      | a |\n    {given}\n")),
        ("an open text", format!("Feature: f\n  Scenario: s\n    {given}\n      \"\"\"\n      text\n")),
        ("two tables", format!("Feature: f\n  Scenario: s\n    {given}\n      | a |\n      \"\"\"\n      \"\"\"\n      | b |\n")),
        ("rows", format!("Feature: f\n  Scenario: s\n    {given}\n    Examples:\n      | a | b |\n      | 1 |\n      | 1 | 2 | 3 |\n")),
        ("tags", format!("Feature: f\n  @a b\n  Scenario: s\n    {given}\n  @c\n")),
        ("a wrong keyword", "Feature: f\n  Scenario: s\n    Given I publish \"x\" to \"t\"\n    Then nothing is retained on \"t\"\n".to_owned()),
        ("quotes in quotes", "Feature: f\n  Scenario: s\n    When I publish \"{\"a\": 1}\" to \"t\"\n    Then nothing is retained on \"t\"\n".to_owned()),
        ("no such line", String::new()),
    ];
    let mut shown = String::new();
    for (name, feature) in cases {
        let (feature, path) = match name {
            "no such line" => ("Feature: f\n".to_owned(), "features/one.feature:7"),
            _ => (feature, "features/one.feature"),
        };
        let outcome = Project::with_feature(&feature).hil(&["lint", path]);
        assert_eq!(outcome.code, 96, "{name}: {outcome:?}");
        shown += &format!("# {name}\n{}\n", outcome.stderr.trim_end());
    }
    assert_snapshot("no-gherkin", &shown);
}

/// What Gherkin allows but is rarely intended causes a warning, not an error.
#[test]
fn unusual_gherkin_is_a_warning() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario:\n    Then nothing is retained on \"t\"\n  Scenario Outline: no examples\n    Then nothing is retained on \"<t>\"\n  Scenario Outline: no rows\n    Then nothing is retained on \"<t>\"\n    Examples:\n      | t |\n  Scenario Outline: a misspelt column of <html>\n    Then nothing is retained on \"<tpic>\"\n    Examples:\n      | topic | other\n      | a     |\n",
    );
    project.file("features/none.feature", "# Nothing yet.\n\n# language: de\n");
    project.file("features/prose.feature", "Feature: g\n  Scenaro: lost\n");
    let outcome = project.hil(&["lint"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_snapshot("odd-features", &outcome.stable());
    std::fs::write(project.path("features/latin.feature"), b"Feature: f\n  Scenario: L\xe4mp\n").expect("write");
    let latin = project.hil(&["lint"]);
    assert!(latin.stderr.contains("not UTF-8: the byte 0xe4 is invalid at features/latin.feature:2"), "{latin:?}");
    let only = project.hil(&["lint", "features/none.feature"]);
    assert_eq!((only.code, only.stdout.as_str()), (0, "0 scenarios, no errors\n"));
    let named = project.hil(&["lint", "features/none.feature", "--name", "x"]);
    assert_ne!(named.code, 0, "a filter that takes nothing is a mistake");
}

#[test]
fn a_line_of_a_file_selects_what_is_on_it() {
    let project = Project::with_feature(
        "# first\nFeature: f\n\n  Scenario Outline: say <word>\n    Then nothing is retained on \"<word>\"\n    # a comment\n    Examples: some\n      | word |\n      # between\n      | a |\n\n      | b |\n  Rule: r\n    Scenario: plain\n      Then nothing is retained on \"t\"\n",
    );
    for (line, expected) in [
        (2, &["10  say a", "12  say b", "14  plain"][..]),
        (4, &["10  say a", "12  say b"]),
        (5, &["10  say a", "12  say b"]),
        (8, &["10  say a", "12  say b"]),
        (12, &["12  say b"]),
        (13, &["14  plain"]),
        (15, &["14  plain"]),
    ] {
        let outcome = project.hil(&["run", "--list", &format!("features/one.feature:{line}")]);
        let expected: String = expected.iter().map(|line| format!("features/one.feature:{line}\n")).collect();
        assert_eq!(outcome.stdout, expected, "{line}: {outcome:?}");
    }
    let none = project.hil(&["run", "--list", "--format", "json", "--name", "nothing is called so"]);
    assert_eq!((none.code, none.stdout.trim()), (4, "[]"));
    let json = project.hil(&["run", "--list", "--format", "json", "features/one.feature:13"]);
    let listed: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(
        listed,
        serde_json::json!([{ "feature": "f", "rule": "r", "path": "features/one.feature", "line": 14, "name": "plain" }])
    );
}

/// A mistake in an outline is the same mistake in every row.
#[test]
fn a_mistake_in_every_row_is_shown_a_limited_number_of_times() {
    let rows: String = (0..3000).map(|n| format!("      | {n} |\n")).collect();
    let project = Project::with_feature(&format!(
        "Feature: f\n  Scenario Outline: s\n    When I publich \"<n>\" to \"t\"\n    Then nothing is retained on \"t\"\n    Examples:\n      | n |\n{rows}"
    ));
    let outcome = project.hil(&["lint"]);
    assert_eq!(outcome.code, 96);
    assert_eq!(outcome.stderr.matches("undefined step").count(), 100);
    assert!(outcome.stderr.contains("2900 more problems"), "{}", &outcome.stderr[outcome.stderr.len() - 300..]);
}

#[test]
fn a_password_without_its_second_quote_hides_no_place() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario: s\n    Given the broker requires the user \"lamp\" with the password \"wonderland\n    Then nothing is retained on \"t\"\n",
    );
    let outcome = project.hil(&["lint"]);
    assert!(
        !outcome.stderr.contains("wonderland") && outcome.stderr.contains("features/one.feature:3"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("\nhint: "), "{}", outcome.stderr);
}

/// A scenario has the same name whatever else runs: baselines and CI servers identify it by that name.
#[test]
fn scenarios_of_rules_of_one_name_keep_their_names_in_every_run() {
    let then = "Then nothing is retained on \"t\"";
    let project = Project::with_feature(&format!(
        "Feature: f\n  Rule: night\n    Scenario: on\n      {then}\n  Rule: night\n    Scenario: on\n      {then}\n    Scenario: on #2\n      {then}\n  Rule:\n    Scenario: on\n      {then}\n"
    ));
    let listed = |place: &str| project.hil(&["run", "--list", place]).stdout;
    let all = listed("features/one.feature");
    let names: Vec<_> = all.lines().filter_map(|line| Some(line.split_once("  ")?.1)).collect();
    assert_eq!(names, ["on", "on #2", "on #2 #2", "on"], "{all}");
    assert_eq!(listed("features/one.feature:6"), "features/one.feature:6  on #2\n");
}
