//! Steps about pins.

use rustix::process::Pid;

use crate::real_bench::Lab;
use crate::support::{Project, assert_snapshot, ends};

const BENCH: &str = r#"
[boards.lamp]
kind = "virtual"
pins = { led = { line = "GPIO2", active-low = true }, button = { line = "GPIO5", direction = "drive" } }
[firmware.lamp]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }
ready = "mqtt: starting"
"#;

/// The lamp of the bench has one pin, which a shell script watches.
fn watch_the_led_with(lab: &Lab, script: &str) {
    let bench = lab.project.read("lab/bench.toml");
    let begin = bench.find("[boards.lamp]").expect("the lamp");
    let pins = bench[begin..].find("pins = ").expect("its pins") + begin;
    let end = bench[pins..].find('\n').expect("a line") + pins;
    let pin = format!("pins = {{ led = {{ watch = [\"sh\", \"-c\", \"{script}\"] }} }}");
    lab.project.file("lab/bench.toml", &format!("{}{pin}{}", &bench[..pins], &bench[end..]));
}

#[test]
fn pulses_are_counted_and_buttons_pressed() {
    let project = Project::with_feature(
        r#"Feature: f
  Background:
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" has subscribed to "sooko/lampu"

  Scenario Outline: <count> pulses
    When I publish to "sooko/lampu" with QoS 1, one after another:
      | on  |
      | off |
      | on  |
      | off |
    Then the pin "led" of "lamp" pulses <count> times within 1 s
    Examples:
      | count |
      | 2     |
      | 3     |

  Scenario: button
    When I press the button "button" of "lamp" for 50 ms
    And the pin "button" of "lamp" is driven on
    Then the pin "button" of "lamp" is on within 1 s
"#,
    );
    project.file("bench.toml", BENCH);
    let run = project.hil(&["run", "--bench", "bench.toml"]);
    assert_snapshot("pins", &run.stable());
}

/// The lamp is lit by its first message. A dead board's pins float high, so that the LED, which is lit by a low level, is
/// off without supply.
const CUT: &str = "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    And \"lamp\" has subscribed to \"sooko/lampu\"\n    \
     When I publish \"on\" to \"sooko/lampu\" with QoS 1\n    Then the pin \"led\" of \"lamp\" is on within 5 s\n    \
     When the power of \"lamp\" is cut for 200 ms\n    Then \"lamp\" connects within 10 s\n";

fn cut(feature: &str, active_low: bool) -> crate::support::Outcome {
    let project = Project::with_feature(feature);
    project.file(
        "bench.toml",
        &BENCH
            .replace("active-low = true }", &format!("active-low = {active_low} }}"))
            .replace("[firmware", "power-pin = \"led\"\n[firmware"),
    );
    project.hil(&["run", "--bench", "bench.toml", "-vv"])
}

#[test]
fn a_pin_that_was_on_and_goes_off_proves_a_cut() {
    let run = cut(CUT, true);
    assert_eq!(run.code, 0, "{}", run.stdout);
    let said = "lamp power cut sensed: its pin `led` was on before the cut and is off after it";
    assert!(run.stdout.contains(said), "{}", run.stdout);
}

/// It is off whether there is supply or not.
#[test]
fn a_pin_that_was_never_on_proves_no_cut() {
    let never_lit = CUT.lines().filter(|line| !line.contains("sooko/lampu") && !line.contains("the pin"));
    let run = cut(
        &never_lit
            .collect::<Vec<_>>()
            .join("\n")
            .replace("    When the power", "    And \"lamp\" is connected\n    When the power"),
        true,
    );
    assert_eq!(run.code, 0, "{}", run.stdout);
    let said = "lamp power cut unproven: its pin `led` was off before the cut already";
    assert!(run.stdout.contains(said), "{}", run.stdout);
}

#[test]
fn a_pin_that_stays_on_contradicts_a_cut() {
    let run = cut(&CUT.replace("is on within", "is off within"), false);
    assert_eq!(run.code, 102, "{}", run.stdout);
    assert!(run.stdout.contains("lamp power cut contradicted: its pin `led` is still on"), "{}", run.stdout);
    let said = "the power of board `lamp` was cut, but it still has supply: its pin `led` is still on";
    assert!(run.stdout.contains(said), "{}", run.stdout);
}

/// Another `hil` senses and drives them by programs, as on a real bench whose pins are not on GPIO lines.
#[test]
fn virtual_boards_described_as_real_ones_keep_their_pins() {
    let lab = Lab::open(Some(BENCH));
    lab.project.file(
        "features/pins.feature",
        "Feature: f\n  Background:\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    And \"lamp\" has subscribed to \"sooko/lampu\"\n\
         \n  Scenario: a lamp\n    When I publish \"on\" to \"sooko/lampu\" with QoS 1\n    Then the pin \"led\" of \"lamp\" is on within 2 s\n\
         \n  Scenario: pulses\n    When I publish to \"sooko/lampu\" with QoS 1, one after another:\n      | on |\n      | off |\n      | on |\n      | off |\n    \
         Then the pin \"led\" of \"lamp\" pulses 2 times within 2 s\n\
         \n  Scenario: a button\n    When the pin \"button\" of \"lamp\" is driven on\n    Then the pin \"led\" of \"lamp\" stays off for 200 ms\n",
    );
    let outcome = lab.hil(&["run", "features/pins.feature"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stdout);
    assert!(outcome.stdout.contains("3 passed"), "{}", outcome.stdout);
}

/// Neither the program nor its children are left after the run.
#[test]
fn a_program_that_watches_a_pin_ends_with_the_run_and_so_do_its_children() {
    let lab = Lab::open(None);
    watch_the_led_with(&lab, "echo off; sleep 1234.5 & echo $! > child; exec sleep 1234.5");
    assert_eq!(lab.hil(&["run", "features/short.feature"]).code, 0);
    let child = lab.project.read("child");
    let pid = child.trim().parse().ok().and_then(Pid::from_raw).expect("a process");
    assert!(ends(pid), "{child}");
}

/// A line that is on before the scenario and never changes has only its level at the begin.
#[test]
fn a_pin_that_never_changes_has_the_level_of_the_begin() {
    let lab = Lab::open(None);
    let steps = |step: &str| {
        format!(
            "  Scenario: {step}\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    And \"lamp\" is connected\n    When I publish \"x\" to \"nowhere\"\n    Then the pin \"led\" of \"lamp\" {step}\n"
        )
    };
    let all = [
        "stays LEVEL for 200 ms",
        "is LEVEL within 200 ms",
        "pulses 0 times within 200 ms",
        "stays OTHER for 200 ms",
        "is OTHER within 200 ms",
    ];
    for (level, other) in [("on", "off"), ("off", "on")] {
        watch_the_led_with(&lab, &format!("echo {level}; exec sleep 60"));
        let feature: String =
            all.iter().map(|step| steps(&step.replace("LEVEL", level).replace("OTHER", other))).collect();
        lab.project.file("features/pin.feature", &format!("Feature: f\n{feature}"));
        let outcome = lab.hil(&["run", "features/pin.feature", "--retries", "0", "--bench-retries", "0"]);
        assert_eq!(outcome.code, 100, "{outcome:?}");
        let verdicts: Vec<_> = outcome.verdicts().into_iter().map(|(verdict, _)| verdict).collect();
        assert_eq!(verdicts, ["passed", "passed", "passed", "failed", "failed"], "{}", outcome.stdout);
        for said in [format!("was not {other} to begin with"), format!("was not {other} within 0.2 s")] {
            assert!(outcome.stdout.contains(&said), "{}", outcome.stdout);
        }
    }
}

/// The keys are for real boards, so this is an error of the file.
#[test]
fn programs_for_the_pins_of_a_virtual_board_are_refused() {
    let project = Project::new();
    for keys in ["watch = [\"a\"]", "on = [\"a\"], off = [\"b\"]", "line = \"GPIO2\", off = [\"b\"]"] {
        project.file("bench.toml", &format!("[boards.lamp]\nkind = \"virtual\"\npins = {{ x = {{ {keys} }} }}\n"));
        let outcome = project.hil(&["boards", "--bench", "bench.toml"]);
        assert_eq!(outcome.code, 96, "{outcome:?}");
        assert!(outcome.stderr.contains("only pins of real boards can be programs"), "{}", outcome.stderr);
    }
}

/// A program that watches a pin may print only two words, and must not end before the run.
#[test]
fn a_program_that_watches_a_pin_and_prints_something_else_is_a_bench_fault() {
    let lab = Lab::open(None);
    let ended = "is no longer sensed: `sh` ended: the line is gone";
    for (name, script, code, why) in [
        ("watch-prints-nothing", "exec sleep 60", 96, "`sh` printed nothing within 5 s"),
        ("watch-complains", "echo no line GPIO17 >&2; exit 3", 96, "`sh` ended without a level: no line GPIO17"),
        ("watch-prints-else", "echo 1", 96, "`sh` printed `1`, not `on` or `off`"),
        ("watch-ends", "echo off; IN_STEP; echo the line is gone >&2; exit 3", 102, ended),
        ("watch-babbles", "echo off; IN_STEP; echo perhaps; exec sleep 60", 102, "`sh` printed `perhaps`"),
    ] {
        // The step looks at the pin from its beginning on.
        let in_step = format!("until grep -qs 'step-started.*stays off' {name}/events.jsonl; do sleep 0.02; done");
        watch_the_led_with(&lab, &script.replace("IN_STEP", &in_step));
        lab.project.file(
            "features/pin.feature",
            "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    And \"lamp\" is connected\n    When I publish \"x\" to \"nowhere\"\n    Then the pin \"led\" of \"lamp\" stays off for 3 s\n\
             \n  Scenario: its level is no longer known\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    Then the pin \"led\" of \"lamp\" is off within 200 ms\n",
        );
        let outcome = lab.hil(&["run", "features/pin.feature", "--bench-retries", "0", "-vv", "--out", name]);
        assert_eq!(outcome.code, code, "{name}: {outcome:?}");
        let said = [outcome.stdout.as_str(), &outcome.stderr].concat();
        assert!(said.contains(why), "{name}: {said}");
        let doubts = said.matches("error: the pin `led` of `lamp` is no longer sensed: `sh` ").count();
        assert_eq!(doubts, if code == 102 { 2 } else { 0 }, "{name}: {said}");
    }
}
