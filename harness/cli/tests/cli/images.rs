//! Images that can't run are refused before a run begins, and only where they are used.

use hil_virtual_board::image::builtin;

use crate::real_bench::Lab;
use crate::support::{Project, assert_snapshot};

const FEATURE: &str = "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"good\"\n    Then \"lamp\" connects within 10 s\n";

const BENCH: &str = r#"
[boards.lamp]
kind = "virtual"
firmware = "bad"

[firmware.good]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = { u16 = "{tap.port}" } }
ready = "mqtt: starting"

[firmware.bad]
image = "bad.bin"
"#;

fn project(feature: &str) -> Project {
    let project = Project::with_feature(feature);
    project.file("bench.toml", BENCH);
    project.file("bad.bin", "<html>404 not found</html>\n");
    project
}

#[test]
fn a_firmware_that_cant_run_is_refused_by_every_command_before_a_board_is_touched() {
    let feature = format!(
        "{FEATURE}  Scenario: t\n    Given the board \"lamp\" runs the firmware \"bad\"\n    Then \"lamp\" connects within 10 s\n"
    );
    let project = project(&feature);
    let mut said = String::new();
    for words in [&["run"][..], &["flash", "lamp"], &["virtual"]] {
        let outcome = project.hil(&[words, &["--bench", "bench.toml"]].concat());
        assert_eq!(outcome.code, 96, "{outcome:?}");
        said.push_str(&format!("{words:?}\n{}", outcome.stable()));
    }
    assert!(!project.path("target").exists(), "a run that can't begin leaves no folder");
    let doctor = project.hil(&["doctor", "--bench", "bench.toml"]);
    assert_eq!(doctor.code, 96, "{doctor:?}");
    let of_image = |line: &&str| line.contains("bad") || line.contains("e9");
    let doctor: Vec<_> = doctor.stdout.lines().skip_while(|line| !of_image(line)).take(2).collect();
    said.push_str(&format!("doctor\n{}\n", doctor.join("\n")));
    assert_snapshot("image-refused", &said);
}

#[test]
fn a_broken_firmware_that_the_plan_does_not_use_stops_nothing() {
    let run = project(FEATURE).hil(&["run", "--bench", "bench.toml"]);
    assert_eq!(run.code, 0, "{run:?}");
}

/// The flash size of a real chip is known only after asking the chip, before anything is written.
#[test]
fn an_image_for_a_larger_flash_than_the_chip_has_is_not_written() {
    let lab = Lab::open(Some(BENCH_OF_LAB));
    let bench = format!("{}\n[firmware.large]\nimage = \"large.bin\"\n", lab.project.read("lab/bench.toml"));
    lab.project.file("lab/bench.toml", &bench);
    let mut image = builtin("lamp").expect("built in");
    // 16 MiB.
    image[3] = 0x4f;
    std::fs::write(lab.project.path("lab/large.bin"), image).expect("write");
    let outcome = lab.hil(&["flash", "lamp", "--firmware", "large"]);
    assert_eq!(outcome.code, 102, "{outcome:?}");
    assert_snapshot("image-for-a-larger-flash", &outcome.stderr);
    let first = lab.hil(&["flash", "lamp", "--firmware", "lamp"]);
    let erased = "131152 bytes written, 24576 unchanged";
    assert!(first.stdout.contains(erased), "nothing was written before, and NVS is blank in the image: {first:?}");
}

const BENCH_OF_LAB: &str = "[boards.lamp]\nkind = \"virtual\"\n[firmware.lamp]\nimage = \"builtin:lamp\"\n";
