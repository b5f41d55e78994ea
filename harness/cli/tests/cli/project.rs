//! The firmware of a project on a bench that is described elsewhere.

use crate::support::{Outcome, Project, assert_snapshot};

/// A shared bench with two virtual boards, which describes no firmware of the project.
const BENCH: &str = r#"[boards.lamp]
kind = "virtual"
firmware = "app"

[boards.lamp-2]
kind = "virtual"
firmware = "app"

[firmware.wiring-test]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }
ready = "mqtt: starting"
"#;

const PROJECT: &str = r#"[firmware.app]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }
ready = "mqtt: starting"
"#;

/// The bench in `etc/hil`, the project in `work`, and a feature in it for each of these firmware.
fn project(toml: &str, firmware: &[&str]) -> Project {
    let project = Project::new();
    project.file("etc/hil/bench.toml", BENCH);
    project.file("work/README", "");
    if !toml.is_empty() {
        project.file("work/hil.toml", toml);
    }
    for name in firmware {
        let feature = format!(
            "Feature: {name}\n  Scenario: it connects\n    Given the board \"lamp\" runs the firmware \"{name}\"\n    Then \"lamp\" connects within 5 s\n"
        );
        project.file(&format!("work/features/{name}.feature"), &feature);
    }
    project
}

/// `hil` in the folder of the project, on the shared bench.
fn hil(project: &Project, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = project.command(arguments);
    command.current_dir(project.path("work")).env_remove("HIL_PROJECT").env_remove("HIL_FIRMWARE");
    command.env("HIL_BENCH", "../etc/hil/bench.toml").envs(variables.iter().copied());
    command.output().expect("hil runs").into()
}

#[test]
fn a_run_takes_the_firmware_of_the_project() {
    let project = project(PROJECT, &["app"]);
    let run = hil(&project, &["run", "-v", "--out", "out"], &[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("project file hil.toml"), "{run:?}");
    assert!(project.read("work/out/events.jsonl").contains(r#""project":"hil.toml""#));
    assert!(project.read("work/out/junit.xml").contains(r#"name="hil.project" value="hil.toml""#));
    // Another file, by the flag and by the environment.
    std::fs::rename(project.path("work/hil.toml"), project.path("other.toml")).expect("rename");
    let none = hil(&project, &["run"], &[]);
    let flag = hil(&project, &["run", "--project", "../other.toml"], &[]);
    let variable = hil(&project, &["run"], &[("HIL_PROJECT", "../other.toml")]);
    assert_eq!([none.code, flag.code, variable.code], [96, 0, 0], "{none:?} {flag:?} {variable:?}");
}

#[test]
fn an_image_of_the_command_line_replaces_the_one_of_the_project() {
    let toml = PROJECT.replace("builtin:lamp", "build/app.elf");
    let project = project(&toml, &["app"]);
    let unbuilt = hil(&project, &["run"], &[]);
    let flag = hil(&project, &["run", "--firmware", "app=builtin:lamp"], &[]);
    let variable = hil(&project, &["run"], &[("HIL_FIRMWARE", "app=builtin:lamp")]);
    let both = hil(&project, &["run", "--firmware", "app=builtin:lamp"], &[("HIL_FIRMWARE", "app=nowhere.elf")]);
    let codes = [&unbuilt, &flag, &variable, &both].map(|outcome| outcome.code);
    assert_eq!(codes, [96, 0, 0, 0], "{unbuilt:?} {flag:?} {variable:?} {both:?}");
    let flash = hil(&project, &["flash", "lamp", "--firmware", "app=builtin:lamp"], &[]);
    assert_eq!(flash.code, 0, "{flash:?}");
}

#[test]
fn the_name_of_the_board_is_filled_in() {
    let program = "[firmware.app]\nkind = \"process\"\ncommand = [\"sh\", \"-c\", \"echo I am {board.name}; sleep 60\"]\n\
                   ready = \"I am (pi|zero)$\"\n";
    let project = project(program, &[]);
    project.file("etc/hil/bench.toml", "[boards.pi]\nkind = \"process\"\n[boards.zero]\nkind = \"process\"\n");
    let scenario = |board: &str| {
        format!(
            "  Scenario: {board}\n    Given the board \"{board}\" runs the firmware \"app\"\n    Then the console of \"{board}\" shows \"I am {board}\" within 5 s\n"
        )
    };
    project.file("work/features/names.feature", &format!("Feature: f\n{}{}", scenario("pi"), scenario("zero")));
    let run = hil(&project, &["run"], &[]);
    assert_eq!(run.code, 0, "{run:?}");
}

/// A project that is not right stops what needs its firmware, never a board's power.
#[test]
fn what_a_project_lacks_stops_only_what_needs_it() {
    let toml = format!(
        "{PROJECT}\n[firmware.secret]\nextends = \"app\"\nnvs = {{ \"app.key\" = \"${{secret:HIL_TEST_KEY}}\" }}\n"
    );
    let project = project(&toml, &["app", "secret"]);
    for works in [&["boards"][..], &["lint"], &["run", "features/app.feature"]] {
        let outcome = hil(&project, works, &[]);
        assert_eq!(outcome.code, 0, "{outcome:?}");
    }
    let stopped = hil(&project, &["run", "features/secret.feature"], &[]);
    let doctor = hil(&project, &["doctor"], &[]);
    assert_eq!([stopped.code, doctor.code], [96, 96], "{stopped:?} {doctor:?}");
    assert!(doctor.stdout.contains("HIL_TEST_KEY") && doctor.stdout.contains("project file"), "{}", doctor.stdout);
    let hidden = hil(&project, &["run", "features/secret.feature", "-vv"], &[("HIL_TEST_KEY", "rabbit-hole")]);
    assert!(hidden.code == 0 && !hidden.stdout.contains("rabbit-hole"), "{hidden:?}");
    project.file("work/hil.toml", "[firmware");
    assert_eq!(hil(&project, &["boards"], &[]).code, 0);
    assert_eq!(hil(&project, &["run"], &[]).code, 96);
}

#[test]
fn what_does_not_fit_is_shown_with_its_file() {
    let none = project("", &[]);
    let wrong = project("[boards.lamp]\nkind = \"virtual\"\n[firmware.app]\nextends = \"wiring-tset\"\n", &[]);
    let other = project("[firmware.other]\nimage = \"builtin:lamp\"\n", &["app"]);
    let shown = [
        hil(&none, &["flash", "lamp"], &[]),
        hil(&none, &["run", "--project", "nowhere.toml"], &[]),
        hil(&wrong, &["doctor"], &[]),
        hil(&other, &["flash", "lamp"], &[]),
        hil(&other, &["run"], &[]),
        hil(&other, &["flash", "lamp", "--firmware", "otter=builtin:lamp"], &[]),
        hil(&other, &["doctor", "--firmware", "other"], &[]),
        hil(&other, &["doctor"], &[("HIL_FIRMWARE", "other")]),
    ];
    assert!(shown.iter().all(|outcome| outcome.code == 96), "{shown:?}");
    let shown: Vec<_> = shown.iter().map(|outcome| outcome.stderr.trim_end()).collect();
    assert_snapshot("project-errors", &shown.join("\n---\n"));
}

#[test]
fn the_schema_of_a_project_has_no_wiring() {
    let schema = Project::new().hil(&["schema", "--project"]);
    let schema: serde_json::Value = serde_json::from_str(&schema.stdout).expect("JSON");
    let keys: Vec<_> = schema["properties"].as_object().expect("keys").keys().collect();
    assert_eq!(keys, ["firmware", "fleet", "roles"]);
}

/// A feature needs no bench to be checked, nor does the project file.
#[test]
fn lint_checks_a_project_file_without_a_bench() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"app\"\n    Then \"lamp\" connects within 5 s\n",
    );
    project.file(
        "hil.toml",
        "[firmware.app]\nimage = \"builtin:lamp\"\nraedy = \"up\"\n[boards.lamp]\nkind = \"virtual\"\n",
    );
    let wrong = project.hil(&["lint"]);
    assert_eq!(wrong.code, 96, "{wrong:?}");
    project.file(
        "hil.toml",
        "[firmware.app]\nimage = \"build/app.elf\"\n[firmware.other]\nextends = \"of-the-bench\"\nraedy = \"up\"\n\
         [firmware.heir]\nextends = \"other\"\n[firmware.of-the-bench]\nextends = \"of-the-bench\"\n",
    );
    let open = project.hil(&["lint"]);
    assert_eq!(open.code, 0, "an image need not be built, and the bench may have the rest: {open:?}");
    let missing = project.hil(&["lint", "--project", "nowhere.toml"]);
    assert_eq!(missing.code, 96, "{missing:?}");
    assert_snapshot("project-lint", &[wrong.stable(), open.stable(), missing.stable()].join("\n"));
}
