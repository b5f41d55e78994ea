//! `hil init`: what it writes passes at once, and nothing is overwritten.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::real_bench::Lab;
use crate::support::{Outcome, Project, assert_snapshot, workspace};
use crate::terminal::Terminal;

/// The files below a folder, sorted.
fn files(folder: &Path) -> Vec<String> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("folder").flatten() {
            let path = entry.path();
            if path.is_dir() { collect(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    collect(folder, &mut found);
    let mut names: Vec<_> =
        found.iter().map(|path| path.strip_prefix(folder).expect("below").display().to_string()).collect();
    names.sort();
    names
}

/// Runs `hil` in a folder of the project.
fn hil_in(project: &Project, folder: &str, arguments: &[&str]) -> Outcome {
    project.command(arguments).current_dir(project.path(folder)).output().expect("hil runs").into()
}

fn script(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
    std::fs::write(path, text).expect("write");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("executable");
}

/// The scenarios of the folder are valid and pass.
fn passes(project: &Project, folder: &str) {
    let lint = hil_in(project, folder, &["lint"]);
    assert_eq!(lint.stdout, "1 scenario, no errors on the bench `bench.toml`\n", "{lint:?}");
    let run = hil_in(project, folder, &["run", "--strict"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("1 passed"), "{run:?}");
}

#[test]
fn a_virtual_board_passes_at_once() {
    let project = Project::new();
    let made = project.hil(&["init", "lamp", "--kind", "virtual", "--yes"]);
    assert_snapshot("init-virtual", &format!("{}\n{}", made.stable(), project.read("lamp/bench.toml")));
    assert_eq!(
        files(&project.path("lamp")),
        [".github/workflows/hil.yml", ".gitignore", "bench.toml", "features/lamp.feature"]
    );
    passes(&project, "lamp");
}

#[test]
fn a_virtual_board_executes_an_image_of_ones_own() {
    let project = Project::new();
    let image = std::fs::read(workspace().join("fixtures/images/lamp-esp32c3")).expect("an image");
    std::fs::write(project.path("app.elf"), image).expect("write");
    let made = project.hil(&["init", "own", "--kind", "virtual", "--image", "../app.elf", "--ci", "none", "--yes"]);
    assert_eq!(made.code, 0, "{made:?}");
    passes(&project, "own");
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_python_device_passes_once_its_library_is_installed() {
    let Some(python) = std::env::var_os("HIL_PYTHON") else {
        assert!(std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "Python is missing");
        return eprintln!("skipped: `ci/install-parts` installs what this test needs");
    };
    let project = Project::new();
    let made = project.hil(&["init", "plant", "--kind", "process", "--yes"]);
    let written =
        ["bench.toml", "features/plant.feature"].map(|name| project.read(&format!("plant/{name}"))).join("\n");
    assert_snapshot("init-process", &format!("{}\n{written}", made.stable()));
    script(&project.path("plant/.venv/bin/python3"), "#!/bin/sh\nexit 1\n");
    let without = hil_in(&project, "plant", &["run"]);
    assert!(without.stdout.contains("run `python3 -m venv .venv && .venv/bin/pip install paho-mqtt`"), "{without:?}");
    let python = format!("#!/bin/sh\nexec '{}' \"$@\"\n", Path::new(&python).display());
    script(&project.path("plant/.venv/bin/python3"), &python);
    passes(&project, "plant");
    let workflow = project.read("plant/.github/workflows/hil.yml");
    assert!(workflow.contains("pip install paho-mqtt"), "{workflow}");
}

/// Espressif's QEMU is not among the parts: a stand-in says that it has the machine.
#[test]
fn an_emulated_board_is_in_order_where_its_emulator_is() {
    let project = Project::new();
    let made = project.hil(&["init", "emu", "--kind", "emulator", "--ci", "gitlab", "--yes"]);
    assert_snapshot("init-emulator", &format!("{}\n{}", made.stable(), project.read("emu/bench.toml")));
    let answers = "#!/bin/sh\n[ \"$1\" = --version ] && echo 'QEMU emulator version 9.2'\n[ \"$1\" = -M ] && echo 'esp32c3  Espressif ESP32-C3 machine'\nexit 0\n";
    script(&project.path("bin/qemu-system-riscv32"), answers);
    let path = format!("{}:/usr/bin:/bin", project.path("bin").display());
    let mut doctor = project.command(&["doctor"]);
    let doctor: Outcome = doctor.current_dir(project.path("emu")).env("PATH", path).output().expect("hil runs").into();
    assert_eq!(doctor.code, 0, "{doctor:?}");
    assert_eq!(hil_in(&project, "emu", &["lint"]).code, 0);
    assert!(!project.read("emu/.gitlab-ci.yml").contains("paho"), "a Python device is not a part of it");
}

/// A pseudo-terminal has no reset line: the lab's commands stand for DTR and RTS.
#[test]
fn a_real_board_passes_with_the_firmware_that_it_has() {
    let lab = Lab::open(Some("[boards.desk]\nkind = \"virtual\"\n[firmware.lamp]\nimage = \"builtin:lamp\"\n"));
    lab.tell(&["power", "desk", "on"]);
    let arguments = ["init", "desk", "--kind", "esp", "--chip", "esp32c3", "--port", "lab/port-desk", "--yes"];
    let made = lab.project.hil(&arguments);
    assert_eq!(made.code, 0, "{made:?}");
    let bench = lab.project.read("desk/bench.toml");
    let shown = bench.lines().map(|line| match line.split_once(" = ") {
        Some(("address", _)) => "address = \"ADDRESS\"".to_owned(),
        Some(("port", _)) => "port = …".to_owned(),
        _ => line.to_owned(),
    });
    assert_snapshot("init-esp", &shown.collect::<Vec<_>>().join("\n"));
    let of_lab = lab.project.read("lab/bench.toml");
    let reset = of_lab.lines().find(|line| line.starts_with("reset = ")).expect("commands");
    lab.project.file("desk/bench.toml", &bench.replace("\nport = ", &format!("\n{reset}\nport = ")));
    passes(&lab.project, "desk");
}

#[test]
fn existing_files_are_named_and_nothing_is_written() {
    let project = Project::new();
    project.file("plant/bench.toml", "mine");
    project.file("plant/plant.py", "mine");
    project.file("plant/.gitignore", "*.o");
    let refused = project.hil(&["init", "plant", "--kind", "process", "--yes"]);
    assert_eq!(refused.code, 96, "{refused:?}");
    assert_snapshot("init-exists", &refused.stable());
    assert_eq!(files(&project.path("plant")), [".gitignore", "bench.toml", "plant.py"]);
    assert_eq!(project.read("plant/bench.toml") + &project.read("plant/.gitignore"), "mine*.o");
    let forced = project.hil(&["init", "plant", "--kind", "process", "--yes", "--force"]);
    assert_snapshot("init-force", &forced.stable());
    assert!(project.read("plant/bench.toml").contains("[boards.plant]"));
    assert_eq!(project.read("plant/.gitignore"), "*.o\n/target/hil/\n/.venv/\n");
}

#[test]
fn wrong_arguments_of_init_are_explained() {
    let project = Project::new();
    project.file("taken", "a file");
    let cases = [
        &["init", "p", "--kind", "virtual", "--name", "my board"][..],
        &["init", "p", "--kind", "virtual", "--image", "nowhere.elf"],
        &["init", "p", "--kind", "process", "--image", "nowhere.elf"],
        &["init", "p", "--kind", "virtual", "--port", "/dev/ttyUSB0"],
        &["init", "p", "--kind", "esp", "--preset", "qemu-esp32"],
        &["init", "p", "--kind", "emulator", "--preset", "qemu"],
        &["init", "p", "--kind", "virtual", "--own-steps=taken"],
        &["init", "taken", "--kind", "virtual"],
        &["init", "p", "--chip", "esp99"],
    ];
    let mut text = String::new();
    for words in cases {
        let outcome = project.hil(words);
        assert_eq!(outcome.code, 96, "{words:?}: {outcome:?}");
        text.push_str(&format!("$ hil {}\n{}\n", words.join(" "), outcome.stderr));
    }
    assert_snapshot("init-wrong", &text);
    assert_eq!(files(&project.path("")), ["taken"], "nothing was written");
}

#[test]
fn a_set_variable_and_a_workflow_below_the_root_are_noted() {
    let project = Project::new();
    std::fs::create_dir(project.path(".git")).expect("folder");
    let made = project.command(&["init", "lamp", "--kind", "virtual"]).env("HIL_BENCH", "other.toml").output();
    let made = Outcome::from(made.expect("hil runs"));
    assert!(made.stderr.contains("note: HIL_BENCH is set: `hil` uses `other.toml`"), "{made:?}");
    assert!(made.stderr.contains("counts only at the root of the repository"), "{made:?}");
}

/// The package is valid; its step is the one of the example crate, which is compiled and run.
#[test]
fn own_steps_are_a_package_with_a_step_of_the_example() {
    let project = Project::new();
    let checkout = workspace().canonicalize().expect("the checkout");
    std::os::unix::fs::symlink(&checkout, project.path("hil")).expect("link");
    let made = project.hil(&["init", "lamp", "--kind", "virtual", "--yes", "--own-steps"]);
    assert_eq!(made.code, 0, "{made:?}");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut metadata = std::process::Command::new(cargo);
    metadata.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(project.path("lamp"));
    let output = metadata.output().expect("cargo runs");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a valid manifest");
    let package = &json["packages"][0];
    assert_eq!(package["name"], "lamp-tests");
    assert_eq!(package["targets"][0]["name"], "features");
    let step = |text: &str| {
        let from = text.find("async fn sends_small_messages").expect("the step");
        text[from..].split("\n}\n").next().expect("its end").to_owned()
    };
    let example = std::fs::read_to_string(checkout.join("harness/cli/examples/own-steps/src/lib.rs")).expect("example");
    assert_eq!(step(&project.read("lamp/tests/features.rs")), step(&example));
    assert_eq!(project.read("lamp/.gitignore"), "/target/\n");
}

#[test]
fn at_a_terminal_it_asks_for_what_no_flag_says() {
    let project = Project::new();
    let mut terminal = Terminal::open();
    let mut child = terminal.start(&mut project.command(&["init", "plant"]));
    let answers = [
        ("What kind of board?", "washing machine"),
        ("answer with a number from 1 to 4, or a word", "3"),
        ("Name of the board? [plant]", "my board"),
        ("a name consists of", ""),
        ("Where does CI run?", "none"),
    ];
    for (question, answer) in answers {
        terminal.wait_for(question);
        terminal.said.clear();
        terminal.press(format!("{answer}\n").as_bytes());
    }
    terminal.wait_for("list what features can say");
    assert_eq!(child.wait().expect("ends").code(), Some(0), "{}", terminal.said);
    assert_eq!(files(&project.path("plant")), [".gitignore", "bench.toml", "features/plant.feature", "plant.py"]);
}

/// The end of the input (Ctrl-D) is no answer.
#[test]
fn a_user_who_leaves_finds_nothing_written() {
    let project = Project::new();
    let mut terminal = Terminal::open();
    let mut child = terminal.start(&mut project.command(&["init", "plant"]));
    terminal.wait_for("Which?");
    terminal.press(b"\x04");
    terminal.wait_for("nothing was written");
    assert_eq!(child.wait().expect("ends").code(), Some(130), "{}", terminal.said);
    assert!(!project.path("plant").exists());
}
