//! Valid syntax is parsed with true line numbers, and errors are reported. Our own cases; `ci/soak/gherkin`
//! compares with the official test data.

use hil_gherkin::{Feature, StepKind, parse};

fn feature(source: &str) -> Feature {
    parse(source).unwrap_or_else(|faults| panic!("{faults:?}: {source}")).feature.expect("a feature")
}

fn faults(source: &str) -> Vec<String> {
    let faults = parse(source).err().unwrap_or_default();
    faults.iter().map(|fault| format!("{}: {fault}", fault.line)).collect()
}

/// The text below the only step of a scenario.
fn text(lines: &[&str]) -> String {
    let source = format!("Feature: f\n  Scenario: s\n    Given t\n{}\n", lines.join("\n"));
    feature(&source).scenarios[0].steps[0].doc.clone().expect("a text").content
}

#[test]
fn synonyms_stars_and_descriptions_are_gherkin() {
    let read = feature(
        "Ability: a\n  Role: operator\n  Examples: of prose\n  | not a table |\n\n  Given that it is prose\n\n  Example: one\n    # a comment\n    Some text:\n    and more\n\n    * first\n    But second\n  Scenario Template: two\n    * <x>\n    Scenarios: of it\n      Text above the table\n      | x |\n      | y |\n",
    );
    let described: Vec<_> = read.heading.description.iter().map(|(line, text)| (*line, text.trim())).collect();
    assert_eq!(
        described,
        [
            (2, "Role: operator"),
            (3, "Examples: of prose"),
            (4, "| not a table |"),
            (5, ""),
            (6, "Given that it is prose")
        ]
    );
    let [one, two] = &read.scenarios[..] else { panic!("{read:?}") };
    assert_eq!((one.heading.keyword.as_str(), one.outline, one.heading.description.len()), ("Example", false, 2));
    let kinds: Vec<_> = one.steps.iter().map(|step| (step.kind, step.line, step.text.as_str())).collect();
    assert_eq!(kinds, [(StepKind::Any, 13, "first"), (StepKind::And, 14, "second")]);
    assert_eq!((two.outline, two.examples[0].heading.name.as_str(), two.examples[0].rows[0].line), (true, "of it", 20));
}

#[test]
fn a_doc_string_keeps_text_beyond_the_indentation_of_its_quotes() {
    assert_eq!(
        text(&["   \"\"\"", "     two deeper", "   even", " shallower", "", "   \"\"\""]),
        "  two deeper\neven\nshallower\n"
    );
    assert_eq!(text(&["\"\"\"", "\"\"\""]), "");
    assert_eq!(text(&["\"\"\"", "", "\"\"\""]), "");
    assert_eq!(text(&["\"\"\"", "", "", "\"\"\""]), "\n");
    assert_eq!(text(&["\"\"\"json", "{}", "\"\"\""]), "{}");
    assert_eq!(text(&["```", "\"\"\"", "# no comment", "@no tag", "```"]), "\"\"\"\n# no comment\n@no tag");
    assert_eq!(text(&["\"\"\"", r#"say \"\"\"hi\"\"\" \n \`\`\`"#, "\"\"\""]), r#"say """hi""" \n \`\`\`"#);
    assert_eq!(text(&["```", r"a \`\`\` b", "```"]), "a ``` b");
    assert_eq!(text(&["\"\"\"\r", "a\r", "\"\"\"\r"]), "a");
    assert_eq!(text(&["\"\"\"", "blanks stay  ", "\"\"\""]), "blanks stay  ");
}

#[test]
fn comments_and_blank_lines_may_stand_anywhere() {
    let read = feature(
        "# first\n\n@a # why\n# between\n@b\nFeature: f\n# in the description\n\n  Background:\n    # above a step\n    Given g\n      # above a row\n      | 1 |\n\n      # between rows\n      | 2 |\n  # above\n  @c\n\n  # below a tag\n  Scenario Outline: s\n    Then t\n    # above examples\n    @d\n    Examples:\n      # above the header\n      | x |\n      # | off |\n      | y |\n      # last\n  # none\n",
    );
    assert_eq!(
        (read.heading.line, read.heading.tags.as_slice(), read.heading.description.len()),
        (6, &["a".to_owned(), "b".to_owned()][..], 0)
    );
    let step = &read.background.as_ref().expect("a background").steps[0];
    let rows: Vec<_> = step.table.iter().flatten().map(|row| (row.line, row.cells[0].as_str())).collect();
    assert_eq!((step.line, rows), (11, vec![(13, "1"), (16, "2")]));
    let scenario = &read.scenarios[0];
    assert_eq!((scenario.heading.start, scenario.heading.line, scenario.examples[0].heading.start), (18, 21, 24));
    let cases: Vec<_> = scenario.cases().map(|case| (case.line, case.tags, case.steps[0].line)).collect();
    assert_eq!(cases, [(29, vec!["c", "d"], 22)]);
}

#[test]
fn a_file_may_be_empty() {
    for source in ["", "\n\n", "# a comment\n# language: de\n", "\u{feff}# language: fr", "\r\n"] {
        assert_eq!(parse(source).expect("Gherkin").feature, None, "{source:?}");
    }
    assert_eq!(feature("\u{feff}Feature: f").heading.name, "f");
    assert!(feature("Feature:\n  Rule:\n  Rule:\n    Scenario:\n").rules[1].scenarios[0].heading.name.is_empty());
}

#[test]
fn values_replace_columns_and_nothing_else() {
    let read = feature(
        "Feature: f\n  Scenario: <a> and <the b>, <html>\n    Given <a><the b> <\n      \"\"\"<a>\n      <the b> <c\n      \"\"\"\n    Then t\n      | <a> | x<the b>y |\n    Examples:\n      | a | the b |\n      | <the b> | $1\\| |\n",
    );
    let cases: Vec<_> = read.scenarios[0].cases().collect();
    let [case] = &cases[..] else { panic!("{cases:?}") };
    assert_eq!(case.name, "<the b> and $1|, <html>");
    assert_eq!(case.steps[0].text, "<the b>$1| <");
    let doc = case.steps[0].doc.as_ref().expect("a text");
    assert_eq!((doc.content.as_str(), doc.media_type.as_str()), ("$1| <c", "<the b>"));
    assert_eq!(case.steps[1].table.as_ref().expect("a table")[0].cells, ["<the b>", "x$1|y"]);
    let plain = feature("Feature: f\n  Scenario Outline: o\n    Then <x>\n");
    assert_eq!(
        plain.scenarios[0].cases().map(|case| (case.line, case.steps[0].text.clone())).collect::<Vec<_>>(),
        [(2, "<x>".to_owned())]
    );
    let empty = feature("Feature: f\n  Scenario Outline: o\n    Then <x>\n    Examples:\n      | x |\n");
    assert_eq!(empty.scenarios[0].cases().count(), 0);
}

#[test]
fn syntax_errors_are_reported_with_their_line() {
    let step = "Feature: f\n  Scenario: s\n    Given a\n";
    let sources = [
        "not gherkin\n".to_owned(),
        "# language: no-such\nFeature: f\n".to_owned(),
        "\n@a b\nFeature: f\n".to_owned(),
        "@a\n".to_owned(),
        format!("{step}    \"\"\"\n    never\n"),
        format!("{step}    and so on\n"),
        format!("{step}    | 1 | 2 |\n\n    | 1 |\n    # c\n    | 1 | 2 | 3 |\n"),
        format!("{step}    \"\"\"\n    \"\"\"\n    \"\"\"\n    \"\"\"\n"),
        format!("{step}Feature: g\n"),
        format!("{step}  Background:\n"),
        format!("{step}  @t\n    Then b\n"),
        format!("{step}  @t\n"),
        format!("{step}    Examples:\n      | a |\n    Then b\n"),
        "Feature: f\n  Background:\n    Given a\n    Examples:\n".to_owned(),
        "Feature: f\n  Scenario: s\n    | a |\n    Given b\n      | a\\|\n      | b |\n".to_owned(),
    ];
    let shown: Vec<_> = sources.iter().map(|source| faults(source).join("\n")).collect();
    assert!(shown.iter().all(|shown| !shown.is_empty()), "{shown:#?}");
    insta::assert_snapshot!(shown.join("\n---\n"));
}

#[test]
fn a_thousand_rows_take_a_thousand_steps() {
    let rows: String = (0..1000).map(|n| format!("      | {n} |\n")).collect();
    let read = feature(&format!("Feature: f\n  Scenario: s <n>\n    Then <n>\n    Examples:\n      | n |\n{rows}"));
    let lines: Vec<_> = read.scenarios[0].cases().map(|case| case.line).collect();
    assert_eq!((lines.len(), lines[0], lines[999]), (1000, 6, 1005));
}
