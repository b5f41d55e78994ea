//! `hil run` as a command of a Jumpstarter exporter, as docs/how-to/lab.md describes it.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Outcome, Project, workspace};

/// Where Jumpstarter is installed; none if it is not.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn installed() -> Option<PathBuf> {
    let usual = workspace().join("target/parts/jumpstarter/bin");
    let folder = std::env::var_os("HIL_JUMPSTARTER").map_or(usual, PathBuf::from);
    let found = folder.join("jmp").exists() && folder.join("j").exists();
    assert!(found || std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "Jumpstarter is missing in {}", folder.display());
    if !found {
        eprintln!("skipped: Jumpstarter is missing in {}; `ci/install-parts` installs it", folder.display());
    }
    found.then_some(folder)
}

/// A project with a scenario that passes and one that fails, and an exporter that offers `hil run` on it.
fn project() -> Project {
    let feature = "Feature: f\n  Scenario: passes\n    Given the board \"lamp-native\" runs the firmware \"lamp-native\"\n    \
                   Then \"lamp-native\" connects within 5 s\n\n  Scenario: fails\n    Given the board \"lamp-native\" runs the firmware \
                   \"lamp-native\"\n    Then \"lamp-native\" publishes \"never\" to \"nowhere\" within 200 ms\n";
    let project = Project::with_feature(feature);
    let (hil, folder) = (env!("CARGO_BIN_EXE_hil"), project.path("").display().to_string());
    let exporter = format!(
        "apiVersion: jumpstarter.dev/v1alpha1\nkind: ExporterConfig\nmetadata:\n  namespace: default\n  name: pi-a\n\
         endpoint: \"\"\ntoken: \"\"\nexport:\n  hil:\n    type: jumpstarter_driver_shell.driver.Shell\n    config:\n      \
         timeout: 120\n      cwd: {folder}\n      methods:\n        \
         run: '{hil} run --bench builtin --out \"$1\" --name \"$2\"; echo \"exit code $?\"'\n"
    );
    project.file("exporter.yaml", &exporter);
    project
}

#[test]
fn an_exporter_offers_runs() {
    let Some(jumpstarter) = installed() else { return };
    let project = project();
    let run = |out: &str, name: &str| -> Outcome {
        let mut command = Command::new("timeout");
        command.arg("120").arg(jumpstarter.join("jmp")).args(["shell", "--exporter-config", "exporter.yaml", "--"]);
        command.arg(jumpstarter.join("j")).args(["hil", "run", out, name]);
        let path = format!("{}:/usr/bin:/bin", jumpstarter.display());
        command.current_dir(project.path("")).env("HOME", project.path("")).env("PATH", path).env_remove("HIL_BENCH");
        command.output().expect("jmp runs").into()
    };
    let (passes, fails) = (run("out-1", "passes"), run("out-2", "fails"));
    assert!(passes.stdout.contains("1 passed") && passes.stdout.contains("exit code 0"), "{passes:?}");
    assert!(fails.stdout.contains("1 failed") && fails.stdout.contains("exit code 100"), "{fails:?}");
    assert!(project.read("out-2/junit.xml").contains("failures=\"1\""));
    // Jumpstarter 0.9 loses the exit code, as the documentation says: once it does not, so must the documentation.
    assert_eq!([passes.code, fails.code], [0, 0], "{fails:?}");
}
