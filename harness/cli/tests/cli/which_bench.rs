//! Which bench is used, and that messages say which one they speak of.

use crate::support::{Project, assert_snapshot};

fn bench(board: &str) -> String {
    format!(
        "[boards.{board}]\nkind = \"virtual\"\n[firmware.lamp]\nimage = \"builtin:lamp\"\nready = \"mqtt: starting\"\n"
    )
}

#[test]
fn the_flag_the_variable_and_the_folder_decide_in_this_order() {
    let project = Project::new();
    for (file, board) in [("bench.toml", "here"), ("variable.toml", "by-variable"), ("flag.toml", "by-flag")] {
        project.file(file, &bench(board));
    }
    let said = |flag: Option<&str>, variable: Option<&str>| {
        let mut command = project.command(&["boards"]);
        command.args(flag.map(|flag| ["--bench", flag]).into_iter().flatten());
        command.envs(variable.map(|variable| ("HIL_BENCH", variable)));
        String::from_utf8(command.output().expect("hil runs").stdout).expect("text")
    };
    assert!(said(None, None).starts_with("bench bench.toml\nhere "), "{}", said(None, None));
    assert!(said(None, Some("")).starts_with("bench bench.toml\n"), "an empty variable names nothing");
    assert!(said(None, Some("variable.toml")).starts_with("bench variable.toml\nby-variable "));
    assert!(said(Some("flag.toml"), Some("variable.toml")).starts_with("bench flag.toml\nby-flag "));
    assert!(said(None, Some("builtin")).starts_with("bench built-in virtual bench\n"));
    assert!(said(Some("builtin"), Some("variable.toml")).starts_with("bench built-in virtual bench\n"));
}

#[test]
fn a_run_and_lint_use_the_bench_of_the_folder() {
    let feature = "Feature: f\n  Scenario: s\n    Given the board \"here\" runs the firmware \"lamp\"\n    Then the console of \"here\" shows \"mqtt\" within 5 s\n";
    let project = Project::with_feature(feature);
    project.file("bench.toml", &bench("here"));
    let run = project.hil(&["run"]);
    assert_eq!(run.code, 0, "{run:?}");
    let lint = project.hil(&["lint"]);
    assert_eq!(lint.stdout, "1 scenario, no errors on the bench `bench.toml`\n", "{lint:?}");
    let lint = project.hil(&["lint", "--bench", "builtin"]);
    assert!(lint.stderr.contains("the built-in virtual bench has neither a board nor a role `here`"), "{lint:?}");
}

/// It is not passed over: another bench would be used unnoticed.
#[test]
fn a_wrong_bench_file_in_the_folder_is_an_error() {
    let project = Project::new();
    project.file("bench.toml", "[boards.lamp]\nkind = \"virtuel\"\n");
    let mut text = project.hil(&["run"]).stable();
    std::fs::remove_file(project.path("bench.toml")).expect("remove");
    std::os::unix::fs::symlink("nowhere", project.path("bench.toml")).expect("link");
    text.push_str(&project.hil(&["run"]).stable());
    assert_snapshot("which-bench-wrong", &text);
}

#[test]
fn every_message_about_a_missing_name_says_on_which_bench() {
    let project = Project::new();
    project.file("bench.toml", &bench("here"));
    let here = [
        &["flash", "gone"][..],
        &["flash", "here"],
        &["flash", "here", "--firmware", "gone"],
        &["monitor", "gone"],
        &["power", "gone", "on"],
        &["reset", "gone"],
        &["doctor", "--power", "gone"],
        &["virtual", "--loader", "gone"],
        &["reset", "gone", "--bench", "builtin"],
    ];
    let mut text = String::new();
    let mut note = |words: &[&str]| {
        let outcome = project.hil(words);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (96, ""), "{words:?}: {outcome:?}");
        text.push_str(&format!("$ hil {}\n{}\n", words.join(" "), outcome.stderr));
    };
    here.into_iter().for_each(&mut note);
    project.file("empty.toml", "");
    note(&["reset", "gone", "--bench", "empty.toml"]);
    assert_snapshot("which-bench-messages", &text);
    let boards = project.hil(&["boards", "--bench", "empty.toml"]);
    assert_snapshot("which-bench-empty", &boards.stable());
}

#[test]
fn a_skipped_scenario_says_which_bench_lacks_something() {
    let project =
        Project::with_feature("Feature: f\n  @requires:relay\n  Scenario: s\n    Then \"here\" connects within 1 s\n");
    project.file("bench.toml", &bench("here"));
    let run = project.hil(&["run"]);
    assert!(
        run.stdout.contains("skipped: the bench `bench.toml` has no `relay`, which the scenario requires"),
        "{run:?}"
    );
}

/// Rails of a lab are switched with it: it must work in any folder.
#[test]
fn telling_a_lab_something_needs_no_bench_file() {
    let project = Project::new();
    project.file("bench.toml", "this is not a bench file");
    let outcome = project.hil(&["virtual", "--tell", "nowhere.sock", "power", "lamp", "off"]);
    assert!(!outcome.stderr.contains("bench.toml"), "{outcome:?}");
}
