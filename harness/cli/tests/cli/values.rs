//! Numbers, every message, captured values and waiting: what must fail says why. `features/mqtt/values.feature` has what
//! passes.

use std::time::{Duration, Instant};

use crate::support::{Project, assert_snapshot};
use crate::verdicts::all_fail;

/// Steps after `CLIENT` that connect and publish.
fn after(commands: &str, then: &str) -> String {
    format!(
        "CLIENT\nWhen I type \"connect id=a\" at the console of \"client\"\nThen \"client\" connects within 10 s\nTYPE {commands}\nThen {then}"
    )
}

#[test]
fn a_payload_that_is_not_the_number_fails_and_is_shown() {
    let number = "\"client\" publishes to \"t\" a number above 15 within 300 ms";
    let cases = [
        ("too small", after("publish t 14.9", number)),
        ("with a unit", after("publish t \"21.5 °C\"", number)),
        ("not a number", after("publish t NaN", number)),
        ("infinity", after("publish t inf", number)),
        ("nothing", after("publish t ''", number)),
        ("bytes", after("publish t x hex=ff00", number)),
        ("no message", after("publish u 20", number)),
        (
            "a text in JSON",
            after(
                "publish t '{\"t\": \"21\"}'",
                "\"client\" publishes to \"t\" within 300 ms with:\n  | json $.t | is above 15 |",
            ),
        ),
        (
            "a number beyond all floats in JSON",
            after(
                "publish t '{\"t\": 1e400}'",
                "\"client\" publishes to \"t\" within 300 ms with:\n  | json $.t | is above 15 |",
            ),
        ),
        (
            "a field that is there",
            after(
                "publish t '{\"t\": null}'",
                "\"client\" publishes to \"t\" within 300 ms with:\n  | json $.t | is absent |",
            ),
        ),
    ];
    let cases: Vec<_> = cases.iter().map(|(name, steps)| (*name, steps.as_str())).collect();
    all_fail("not-the-number", &cases);
}

#[test]
fn one_wrong_message_of_many_fails_and_so_do_too_few() {
    // Wrong messages come well after the mark: a stall must not put them before it.
    let cases = [
        (
            "one is too large",
            after(
                "repeat 8 150 publish t 2{n}",
                "every message that \"client\" publishes to \"t\" for 10 s is a number below 23",
            ),
        ),
        (
            "one does not match",
            after("repeat 8 150 publish t on{n}", "every message on \"t\" for 10 s matches \"/^on[0-3]$/\""),
        ),
        (
            "one has another field",
            after(
                "repeat 8 150 publish t '{\"a\": {n}}'",
                "every message that \"client\" publishes to \"t\" for 10 s matches:\n  | json $.a | is below 3 |",
            ),
        ),
        (
            "none of the board",
            after("publish u 1", "every message that \"client\" publishes to \"t\" for 300 ms is a number"),
        ),
        ("none on the topic", after("publish u 1", "every message on \"t\" for 300 ms is a number")),
        ("nothing at all", after("publish u 1", "\"client\" publishes to \"t\" within 300 ms")),
        ("too few", after("publish t 1; publish t 2", "\"client\" publishes to \"t\" at least 3 times within 300 ms")),
        (
            "not the captured value",
            after(
                "publish t id:a.7; publish t ack_aX7",
                "\"client\" publishes \"/id:(?<id>.+)/\" to \"t\" within 5 s\nAnd \"client\" publishes \"/ack_${captured:id}/\" to \"t\" within 300 ms",
            ),
        ),
    ];
    let cases: Vec<_> = cases.iter().map(|(name, steps)| (*name, steps.as_str())).collect();
    all_fail("not-every-message", &cases);
}

/// A board that was not connected could not have sent a wrong message.
#[test]
fn a_board_that_lost_its_connection_proves_nothing_about_every_message() {
    let steps = after("publish t 1; drop", "every message that \"client\" publishes to \"t\" for 500 ms is a number");
    let steps = steps.replace("CLIENT", "Given the board \"client\" runs the firmware \"mqtt-client\"").replace(
        "TYPE publish t 1; drop",
        "When I type at the console of \"client\":\n  \"\"\"\n  publish t 1\n  drop\n  \"\"\"",
    );
    let feature = format!("Feature: f\n  Scenario: s\n{steps}\n");
    let outcome = Project::with_feature(&feature).hil(&["run", "--bench-retries", "0"]);
    assert_eq!(outcome.code, 102, "{outcome:?}");
    assert!(outcome.stdout.contains("`client` was not connected all the time"), "{}", outcome.stdout);
}

#[test]
fn a_value_that_nothing_captured_is_an_error_before_anything_runs() {
    let publish = "When I publish \"${captured:id}\" to \"t\"";
    let capture = "Then \"lamp\" publishes \"/id=(?<id>\\w+)/\" to \"loger\" within 1 s";
    let lamp = "Given the board \"lamp\" runs the firmware \"lamp\"";
    let cases = [
        ("nothing captures it", format!("{lamp}\n{publish}\nThen \"lamp\" connects within 1 s")),
        ("a later step captures it", format!("{lamp}\n{publish}\n{capture}")),
        ("a similar name", format!("{lamp}\n{capture}\nWhen I publish \"${{captured:idd}}\" to \"t\"")),
        (
            "a step that does not capture",
            format!(
                "{lamp}\nThen \"lamp\" publishes to \"loger\" in this order within 1 s:\n  | /(?<id>.)/ |\n{publish}"
            ),
        ),
        (
            "a condition that nothing meets",
            format!("{lamp}\nThen \"lamp\" publishes to \"t\" a number between 5 and 1 within 1 s"),
        ),
        (
            "a misspelt condition",
            format!("{lamp}\nThen \"lamp\" publishes to \"t\" within 1 s with:\n  | json $.a | is above x |"),
        ),
        ("no times", format!("{lamp}\nThen \"lamp\" publishes to \"t\" at least 0 times within 1 s")),
    ];
    let mut shown = String::new();
    for (name, steps) in cases {
        let outcome = Project::with_feature(&format!("Feature: f\n  Scenario: s\n{steps}\n")).hil(&["lint"]);
        assert_eq!(outcome.code, 96, "{name}: {outcome:?}");
        shown += &format!("# {name}\n{}\n", outcome.stderr.trim_end());
    }
    assert_snapshot("not-captured", &shown);
    let valid = format!("Feature: f\n  Scenario: s\n{lamp}\n{capture}\n{publish}\n");
    assert_eq!(Project::with_feature(&valid).hil(&["lint"]).code, 0);
}

/// A group that takes no part in a match has no value; the bench file of the feature is not to blame, nor the firmware.
#[test]
fn a_group_without_a_match_is_an_error_of_the_feature() {
    let steps = after(
        "publish t on",
        "\"client\" publishes \"/on|(?<id>off)/\" to \"t\" within 5 s\nWhen I publish \"${captured:id}\" to \"u\"",
    );
    let steps = steps
        .replace("CLIENT", "Given the board \"client\" runs the firmware \"mqtt-client\"")
        .replace("TYPE publish t on", "When I type \"publish t on\" at the console of \"client\"");
    let outcome = Project::with_feature(&format!("Feature: f\n  Scenario: s\n{steps}\n")).hil(&["run"]);
    assert_eq!(outcome.code, 102, "{outcome:?}");
    assert!(outcome.stdout.contains("`id` was not captured"), "{}", outcome.stdout);
}

/// A wait ends when the board's trouble ends the scenario.
#[test]
fn a_wait_ends_with_the_board() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario: s\n    Given the board \"x\" runs the firmware \"x\"\n    When I wait 2 min\n    Then \"x\" connects within 1 s\n",
    );
    project.file(
        "bench.toml",
        "[boards.x]\nkind = \"process\"\n\n[firmware.x]\nkind = \"process\"\ncommand = [\"sh\", \"-c\", \"echo ready; sleep 1; exit 3\"]\nready = \"ready\"\n",
    );
    let start = Instant::now();
    let outcome = project.hil(&["run", "--bench", "bench.toml"]);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert_eq!(outcome.code, 100, "{outcome:?}");
    assert!(outcome.stdout.contains("with code 3"), "{}", outcome.stdout);
}
