//! The messages for everything that is statically wrong in a feature.

use std::path::Path;

use super::*;

/// A scenario of these steps, each of which may have rows or a text below it.
fn feature(tags: &str, steps: &[&str]) -> Feature {
    let steps: Vec<_> = steps.iter().map(|step| format!("    {step}\n")).collect();
    let source = format!("Feature: f\n{tags}\n  Scenario: s\n{}", steps.concat());
    read_feature(&source)
}

fn read_feature(source: &str) -> Feature {
    let document = hil_gherkin::parse(source).unwrap_or_else(|faults| panic!("{faults:?}: {source}"));
    let feature = document.feature.expect("a feature");
    convert::feature(
        &feature,
        Path::new("f.feature"),
        &spot::selected(&feature, &[]),
        &super::composite::Composites::default(),
    )
}

fn check_in_english(feature: &Feature) -> Vec<Problem> {
    check(feature, hil_gherkin::Language::of("en").expect("English"))
}

fn shown(problems: Vec<Problem>) -> String {
    let text = PlanError::Invalid { problems }.to_string();
    text.replace("\n\nerror: ", "\n").replace(" at f.feature", "\n  at f.feature").replace("\nhint", "\n  hint")
}

fn wrong(steps: &[&str]) -> String {
    shown(check_in_english(&feature("", steps)))
}

/// The steps that take a topic or a filter, each with an invalid one.
#[test]
fn impossible_topics_and_filters_are_found_in_every_step() {
    let steps = [
        r##"Given "lamp" has subscribed to "t#""##,
        r##"Given the broker allows everybody to read "a#" only"##,
        r##"Given snapshots of the traffic leave out the topic "a+""##,
        r##"When I publish "on" to "a/+""##,
        r##"When I publish "on" to "" with QoS 1, retained"##,
        "When I publish to \"a/#\", one after another:\n      | on |",
        "When I publish to \"#\" the text:\n      \"\"\"\n      on\n      \"\"\"",
        r##"When the next PUBLISH on "a#" to "lamp" is dropped"##,
        r##"Then "lamp" publishes "on" to "t#" within 1 s"##,
        r##"Then "lamp" publishes "on" to "t#", retained, within 1 s"##,
        "Then \"lamp\" publishes to \"t#\" within 1 s with:\n      | QoS | 1 |",
        "Then \"lamp\" receives on \"$share/g\" in this order within 1 s:\n      | on |",
        r##"Then "lamp" publishes "on" to "a/#/b" exactly once within 1 s, settling for 1 s"##,
        r##"Then "lamp" publishes 2 messages to "a+/b" within 1 s"##,
        r##"Then "lamp" publishes "on" to "a+" 2 times, every 1 s ± 100 ms"##,
        r##"Then "lamp" does not publish to "a/b+" for 500 ms"##,
        r##"Then "lamp" receives "on" on "t#" within 1 s"##,
        r##"Then "lamp" receives nothing on "t#" for 500 ms"##,
        "Then \"lamp\" subscribes within 2 s to:\n      | t# | 0 | 0 |",
        r##"Then the subscription of "lamp" to "t#" is refused within 1 s"##,
        r##"Then "lamp" unsubscribes from "t#" within 1 s"##,
        r##"Then the will of "lamp" is published on "a/+""##,
        r##"Then a late subscriber to "t#" receives "x", retained"##,
        r##"Then nothing is retained on "t#""##,
        r##"Then a subscriber to "t#" receives "x" within 1 s"##,
        r##"Then nothing is published outside "a/#, b#, c" for 1 s"##,
    ];
    let found = check_in_english(&feature("", &steps));
    let mut lines: Vec<_> = found.iter().map(|problem| problem.line).collect();
    lines.dedup();
    assert_eq!(lines.len(), steps.len(), "a step accepts what it can't match: {}", shown(found.clone()));
    let text = shown(found);
    insta::assert_snapshot!(text);
}

#[test]
fn arguments_that_can_never_hold_are_found() {
    let text = wrong(&[
        r#"Given the broker requires the user "a" with the password "abc""#,
        r#"When the next CONNECT of "lamp" is answered with code 0"#,
        r#"When the next CONNECT of "lamp" is answered with code 300"#,
        r#"When the next PUBLSH from "lamp" is dropped"#,
        r#"When the next PUBACK on "t" from "lamp" is dropped"#,
        r#"When the next CONNECT to "lamp" is dropped"#,
        r#"When the network of "lamp" carries no more than 0 B/s"#,
        r#"When the network of "lamp" goes silent for 0 s"#,
        r#"Then "lamp" is refused with code 0x00 within 1 s"#,
        r#"Then a SUBACK from "lamp" is dropped within 1 s"#,
        r#"Then the console of "lamp" shows "" within 1 s"#,
        r#"Then the console of "lamp" shows "/x*/" within 1 s"#,
        r##"Then nothing is retained on "$share/g/x""##,
        r##"Then a late subscriber to "$share/g/x" receives "a", retained"##,
        r##"Then nothing is published outside "a, #" for 1 s"##,
        r#"Then the console of "lamp" shows "/(/" exactly once within 1 s, settling for 1 s"#,
        r#"Then "lamp" publishes "/[/" to "t" within 1 s"#,
        r#"Then "lamp" publishes "on" to "t" 1 times, every 1 s ± 100 ms"#,
        r#"Then "lamp" tries to connect 1 times, every 1 s ± 100 ms"#,
        r#"Then "lamp" tries to connect 2 times with growing pauses within 9 s"#,
        r#"Then "lamp" tries to connect no more than -1 times a minute for 9 s"#,
        r#"Then 0 percent of the acknowledgements of "lamp" take no more than 50 ms"#,
        r#"Then 101 percent of the acknowledgements of "lamp" take no more than 50 ms"#,
        r#"Then the program of "pi" ends with code 256 within 2 s"#,
        r#"Then the reset cause of "lamp" is "POWERON" within 5 s"#,
        r#"Then the reset cause of "lamp" is "bad luck" within 5 s"#,
        r#"Then the traffic of "lamp" matches the snapshot "../x""#,
        r#"Then "lamp" does not reboot for 100000 s"#,
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn tables_and_texts_that_can_never_hold_are_found() {
    let text = wrong(&[
        "When I publish to \"t\", one after another:\n      | a | b |",
        r#"When I publish to "t" the text:"#,
        "When I type at the console of \"lamp\":\n      | a |",
        "Then \"lamp\" publishes to \"t\" in this order within 1 s:\n      | a   |\n      | /(/ |",
        "Then \"lamp\" publishes to \"t\" within 1 s with:\n      | field  | value |",
        "Then \"lamp\" receives on \"t\" within 1 s with:\n      | paylod | x |\n      | QoS | 3 |\n      | size | two |\n      | size | 2 |",
        "Then \"lamp\" receives on \"t\" within 1 s with:\n      | json | {\"a\": } |\n      | json $.a | 1 |\n      | property content tipe | a |\n      | hex | f |",
        "Then \"lamp\" connects within 1 s with:\n      | colour | red |\n      | will | 1 |",
        "Then \"lamp\" connects within 1 s with:\n      | keep alive | 70000 s |\n      | keep alive | 05 s |\n      | will topic | a/# |\n      | property receive maximum | 0 |",
        "Then \"lamp\" receives on \"t\" within 1 s with:\n      | topic | a/# |\n      | property topic alias | 0 |\n      | property payload format indicator | 7 |\n      | hex | +1 |",
        "Then \"lamp\" connects within 1 s with:\n      | will |",
        "Then \"lamp\" subscribes within 1 s to:\n      | filter | QoS | granted |\n      | t | 3 | 0 |\n      | t | 0 | 7 |",
        "Then \"lamp\" publishes to \"t\" within 1 s the JSON:\n      \"\"\"\n      {\"a\": }\n      \"\"\"",
        "Then \"lamp\" connects within 1 s\n      | will | yes |",
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn what_can_hold_is_not_refused() {
    let steps = [
        "Given the broker allows everybody to read \"%c/#\" only",
        "When I publish \"/(/\" to \"/a/\"",
        "Then \"lamp\" receives on \"t\" within 1 s with:\n      | field | value |\n      | size | 2 |\n      | payload | /^on$/ |",
        "Then \"lamp\" subscribes within 1 s to:\n      | filter | QoS | granted |\n      | $share/g/t/+ | 1 | 0x87 |",
        "Then nothing is published outside \"sooko/#, loger\" for 1 s",
        "Then \"lamp\" connects within 1 s with:\n      | keep alive | 65535 s |\n      | property receive maximum | 1 |\n      | will topic | none |",
        "Then \"lamp\" receives on \"t\" within 1 s with:\n      | topic | /^t$/ |\n      | property topic alias | none |\n      | property message expiry interval | 60 |",
        "Then \"lamp\" publishes 0 messages to \"t\" within 1 s",
    ];
    assert_eq!(check_in_english(&feature("", &steps)), Vec::new());
}

#[test]
fn no_example_of_the_catalogue_is_refused() {
    for step in crate::catalogue::steps().filter(|step| !step.example.ends_with(':')) {
        // A gauge must be made before it is asked about.
        let steps = [
            "Given the gauge \"heap\" of \"lamp\" is \"/(?<heap>.)/\" on its console",
            "And the gauge \"temp\" of \"lamp\" is what it publishes to \"t\"",
            step.example,
            "Then nothing is retained on \"t\"",
        ];
        assert_eq!(check_in_english(&feature("", &steps)), Vec::new());
    }
}

const BENCH: &str = r#"
[broker]
kind = "external"
url = "mqtt://127.0.0.1:1"
[boards.lamp]
kind = "virtual"
tags = ["wifi"]
firmware = "lamp"
pins = { led = { line = "GPIO2" }, button = { line = "GPIO9", direction = "drive" } }
[boards.real]
kind = "esp"
chip = "esp32c3"
port = { path = "/dev/null" }
[boards.pi]
kind = "process"
[firmware.lamp]
image = "builtin:lamp"
[firmware.client]
kind = "process"
command = ["true"]
"#;

fn on_bench(tags: &str, steps: &[&str]) -> Vec<Problem> {
    on_bench::check(&feature(tags, steps), &bench())
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("bench.toml");
    std::fs::write(&path, BENCH).expect("write");
    let mut bench = Bench::from_file(&path, &crate::kinds()).expect("bench");
    bench.name = "bench.toml".to_owned();
    bench
}

const FOR_ANOTHER_BENCH: &[&str] = &[
    r#"Given the board "lmap" runs the firmware "lamp""#,
    r#"Given the board "xyz" runs the firmware "lamp""#,
    r#"Given the board "lamp" runs the firmware "lmap""#,
    r#"Given the board "lamp" runs the firmware "client""#,
    r#"Given the board "pi" is flashed with the firmware "lamp""#,
    r#"Given the broker requires the user "a" with the password "${secret:HIL_NEVER_SET}""#,
    "When the broker stops",
    "When the broker crashes",
    "When the broker is paused",
    r#"When the power of "real" is cut for 1 s"#,
    r#"When the program of "lamp" is killed"#,
    r#"When I press the button "led" of "lamp" for 1 s"#,
    r#"Then the pin "lde" of "lamp" is on within 1 s"#,
    r#"Then the pin "led" of "pi" is on within 1 s"#,
    r#"Then the flashing of "pi" was skipped"#,
    r#"Then the reset cause of "pi" is "power-on" within 5 s"#,
    r#"Then "pi" boot-loops within 5 s"#,
    r#"Then the console of "lamp" or "lmap" shows "x" exactly once within 1 s, settling for 1 s"#,
];

#[test]
fn what_the_bench_lacks_or_cannot_do_is_found() {
    let text = shown(on_bench("", FOR_ANOTHER_BENCH));
    insta::assert_snapshot!(text);
    // The password is needed only to run it.
    let unset = on_bench::unset(&feature("", FOR_ANOTHER_BENCH), &bench());
    let unset: Vec<_> = unset.iter().map(|problem| problem.what.as_str()).collect();
    assert_eq!(unset, ["environment variable `HIL_NEVER_SET` is not set"]);
    assert_eq!(on_bench::unset(&feature("@requires:mosquitto", FOR_ANOTHER_BENCH), &bench()), Vec::new());
    let fine = [
        r#"Given the board "lamp" runs the firmware "lamp""#,
        r#"Given the board "pi" runs the firmware "client""#,
        r#"When the power of "pi" is cut"#,
        r#"When the pin "button" of "lamp" is driven on"#,
        r#"Then the pin "button" of "lamp" stays on for 1 s"#,
    ];
    assert_eq!(on_bench("", &fine), Vec::new());
}

#[test]
fn skipped_scenarios_are_not_checked_on_the_bench() {
    assert_eq!(on_bench("@requires:mosquitto", FOR_ANOTHER_BENCH), Vec::new());
    assert_ne!(on_bench("@requires:wifi @requires:external", FOR_ANOTHER_BENCH), Vec::new());
}

#[test]
fn a_problem_in_a_background_is_shown_once() {
    let text = "Feature: f\n  Background:\n    Given the board \"lmap\" runs the firmware \"lmap\"\n  Scenario: a\n    Then nothing is retained on \"t\"\n  Scenario: b\n    Then nothing is retained on \"t\"\n";
    let feature = read_feature(text);
    let found = on_bench::check(&feature, &bench());
    let what: Vec<_> = found.iter().map(|problem| problem.what.as_str()).collect();
    let expected = ["the bench `bench.toml` has no board `lmap`", "the bench `bench.toml` has no firmware `lmap`"];
    assert_eq!(what, expected);
}

/// The steps about the access point of all boards, on each kind of bench.
#[test]
fn only_an_access_point_of_the_bench_or_of_a_virtual_board_can_change() {
    const AWAY: &str = "When the access point goes away";
    const PASSWORD: &str = "When the access point takes another password";
    const CHANNEL: &str = "When the access point is on channel 11";
    let boards = "[boards.lamp]\nkind = \"virtual\"\n[boards.real]\nkind = \"esp\"\nchip = \"esp32c3\"\nport = { usb-serial = \"A5\" }\n[roles.any]\nchip = \"esp32c3\"\n";
    let radio = "[access-point]\ndriver = \"hostapd\"\ninterface = \"wlan0\"\n";
    let bench = |wifi: &str, radio: &str| {
        let text = format!("{boards}[wifi]\nssid = \"lab\"\n{wifi}{radio}");
        Bench::from_text(&text, Path::new("bench.toml"), &crate::kinds()).expect("valid")
    };
    let password = "password = \"a good password\"\n";
    let (plain, with_radio, open) = (bench(password, ""), bench(password, radio), bench("", radio));
    let problems = |bench: &Bench, name: &str, step: &str| {
        let reset = format!("When the board \"{name}\" is reset");
        on_bench::check(&feature("", &[&reset, step]), bench)
    };
    let wrong = [
        problems(&plain, "real", AWAY),
        problems(&plain, "real", CHANNEL),
        problems(&plain, "lamp", PASSWORD),
        problems(&with_radio, "lamp", CHANNEL),
        problems(&open, "real", PASSWORD),
        on_bench::check(&feature("", &[AWAY]), &with_radio),
        on_bench::check(
            &feature("", &["When the board \"lamp\" is reset", "And the board \"real\" is reset", CHANNEL]),
            &with_radio,
        ),
    ];
    assert!(wrong.iter().all(|problems| problems.len() == 1), "{wrong:?}");
    insta::assert_snapshot!(shown(wrong.concat()));
    for (bench, name, step) in [
        (&plain, "lamp", AWAY),
        (&with_radio, "lamp", AWAY),
        (&with_radio, "real", AWAY),
        (&with_radio, "real", PASSWORD),
        (&with_radio, "real", CHANNEL),
        (&open, "real", CHANNEL),
        (&with_radio, "any", AWAY),
    ] {
        assert_eq!(problems(bench, name, step), Vec::new(), "{name}: {step}");
    }
    insta::assert_snapshot!("channels", wrong_channels());
}

fn wrong_channels() -> String {
    wrong(&[
        "When the access point is on channel 0",
        "When the access point is on channel 15",
        "Then nothing is retained on \"t\"",
    ])
}
