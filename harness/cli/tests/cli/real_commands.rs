//! Commands about real boards on a machine that has none.

use crate::support::{Project, assert_snapshot};

const BENCH: &str = r#"
[tap]
address = "192.0.2.1"
[boards.lamp]
kind = "esp"
chip = "esp32c3"
port = { usb-serial = "NO-SUCH-BOARD" }
flasher = "esptool"
reset = { strategy = "gpio", en = "NO-EN", boot = "NO-BOOT" }
pins = { led = { line = "NO-LED" } }
rails = [
  { driver = "gpio", line = "NO-RELAY" },
  { driver = "usb-port", topology = "9-9.9" },
  { driver = "command", on = ["no-such-program"], off = ["no-such-program"] },
  { driver = "tasmota", broker = "127.0.0.1:1", topic = "plug" },
  { driver = "shelly", address = "127.0.0.1:1" },
]
[firmware.lamp]
image = "builtin:lamp"
"#;

fn nothing_attached() -> Project {
    let project = Project::new();
    project.file("bench.toml", BENCH);
    project.file("features/one.feature", "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    Then \"lamp\" connects within 5 s\n");
    project
}

fn stable(project: &Project, arguments: &[&str]) -> String {
    let mut command = project.command(arguments);
    command.env("HIL_LOCKS", project.path("locks")).env("HIL_ESPTOOL", "no-such-esptool");
    command.env("HIL_MICROPYTHON", "no-such-micropython");
    let outcome: crate::support::Outcome = command.output().expect("hil runs").into();
    let text = outcome.stable().replace(&project.path("").display().to_string(), "FOLDER/");
    // What the machine has, and how full its disk is.
    let text = regex::Regex::new(r"\d+ GB free").expect("pattern").replace_all(&text, "N GB free").into_owned();
    let text = regex::Regex::new(r"(?m)^.* (clock +)set, .* synchronized with the network(\n +hint: .* TLS .*)?$")
        .expect("pattern")
        .replace_all(&text, "CLOCK ${1}SYNCHRONIZED OR NOT")
        .into_owned();
    regex::Regex::new(r"this machine has no GPIO chip|there is no GPIO line `NO-[A-Z]+`")
        .expect("pattern")
        .replace_all(&text, "NO LINE")
        .replace("on a Raspberry Pi there is `/dev/gpiochip0`; a container needs access to it", "LINE HINT")
        .replace("`gpioinfo` lists chips and lines", "LINE HINT")
}

#[test]
fn doctor_finds_two_boards_that_are_one_device() {
    let project = Project::new();
    std::os::unix::fs::symlink("/dev/null", project.path("one")).expect("link");
    std::os::unix::fs::symlink("/dev/null", project.path("two")).expect("link");
    let board = |name: &str| {
        let port = project.path(name);
        format!("[boards.{name}]\nkind = \"esp\"\nchip = \"esp32c3\"\nport = {{ path = \"{}\" }}\n", port.display())
    };
    project.file("bench.toml", &(board("one") + &board("two")));
    let doctor = project.hil(&["doctor", "--bench", "bench.toml"]);
    assert_eq!(doctor.code, 96, "{doctor:?}");
    let shared = doctor.stdout.lines().find(|line| line.contains("both use the serial port `/dev/null`"));
    assert!(shared.is_some(), "{}", doctor.stdout);
}

#[test]
fn doctor_names_each_missing_part() {
    let project = nothing_attached();
    assert_snapshot("doctor-nothing", &stable(&project, &["doctor", "--bench", "bench.toml"]));
}

#[test]
fn doctor_passes_on_the_virtual_bench() {
    let project = Project::new();
    assert_snapshot("doctor-virtual", &stable(&project, &["doctor"]));
    let tried = project.hil(&["doctor", "--power", "lamp", "--format", "json"]);
    assert_eq!(tried.code, 0, "{tried:?}");
    assert!(tried.stdout.contains(r#""ok":true"#) && tried.stdout.contains("silent without"), "{tried:?}");
}

#[test]
fn doctor_fails_on_a_bench_without_boards() {
    let project = Project::new();
    project.file("bench.toml", "[tap]\naddress = \"127.0.0.1\"\n");
    let looked = project.hil(&["doctor", "--bench", "bench.toml"]);
    assert_eq!(looked.code, 96, "{looked:?}");
    assert!(looked.stdout.contains("boards: 0") && !looked.stdout.contains("all checks passed"), "{looked:?}");
    assert!(looked.stdout.contains("hint: add `[boards.NAME]`"), "{looked:?}");
}

#[test]
fn doctor_finds_a_board_that_runs_without_power() {
    let project = Project::new();
    project.file("bench.toml", "[boards.lamp]\nkind = \"virtual\"\nmisbehaves = [\"never-powers-off\"]\n");
    let tried = project.hil(&["doctor", "--bench", "bench.toml", "--power", "lamp"]);
    assert_eq!(tried.code, 96, "{tried:?}");
    assert!(
        tried.stdout.contains("it still prints on the console without power") && tried.stdout.contains("Back-powering"),
        "{tried:?}"
    );
}

#[test]
fn commands_on_an_absent_board_say_what_is_missing() {
    let project = nothing_attached();
    for (name, arguments) in [
        ("absent-boards", &["boards", "--bench", "bench.toml"][..]),
        ("absent-boards-json", &["boards", "--bench", "bench.toml", "--format", "json"]),
        ("absent-run", &["run", "--bench", "bench.toml"]),
        ("absent-power", &["power", "lamp", "on", "--bench", "bench.toml"]),
        ("unknown-board-power", &["power", "lmap", "on", "--bench", "bench.toml"]),
        ("unknown-board-monitor", &["monitor", "lmap"]),
        ("monitor-no-elf", &["monitor", "lamp", "--elf", "bench.toml"]),
    ] {
        assert_snapshot(name, &stable(&project, arguments));
    }
}

#[test]
fn a_bench_file_is_never_overwritten() {
    let project = Project::new();
    project.file("bench.toml", "# mine\n");
    let outcome = project.hil(&["boards", "discover", "--write", "bench.toml"]);
    assert_eq!(outcome.code, 96);
    assert!(outcome.stderr.contains("can't write `bench.toml`: File exists"), "{outcome:?}");
    assert_eq!(project.read("bench.toml"), "# mine\n");
    assert_eq!(project.hil(&["boards", "discover", "--write", "new.toml"]).code, 0);
    assert_eq!(project.hil(&["lint", "--help"]).code, 0);
    let made = project.hil(&["boards", "--bench", "new.toml"]);
    assert_eq!(made.code, 0, "{made:?}");
}

#[test]
fn the_schema_is_json() {
    let schema = Project::new().hil(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema.stdout).expect("JSON");
    assert_eq!(schema["title"], "hil bench file");
}
