//! Verdicts that were wrong once, by kind: what must pass passes, and what must fail says why.

use std::collections::BTreeMap;

use crate::support::{Project, assert_snapshot};

/// A client that is controlled through its console.
const CLIENT: &str = r#"Given the board "client" runs the firmware "mqtt-client""#;

/// A feature of scenarios by name; `CLIENT` is the client's first step, `TYPE` types what follows.
fn feature(scenarios: &[(&str, &str)]) -> String {
    let mut text = "Feature: verdicts\n".to_owned();
    for (name, steps) in scenarios {
        let steps = steps.replace("CLIENT", CLIENT);
        let steps: Vec<_> = steps.lines().map(|line| format!("    {}", typed(line.trim()))).collect();
        text.push_str(&format!("  Scenario: {name}\n{}\n", steps.join("\n")));
    }
    text
}

/// `TYPE connect id=a; ping` types these two lines.
fn typed(line: &str) -> String {
    let Some(commands) = line.strip_prefix("TYPE ") else { return line.to_owned() };
    let lines: Vec<_> = commands.split("; ").map(|command| format!("      {command}")).collect();
    format!("When I type at the console of \"client\":\n      \"\"\"\n{}\n      \"\"\"", lines.join("\n"))
}

fn verdicts(project: &Project, arguments: &[&str]) -> (BTreeMap<String, String>, crate::support::Outcome) {
    let outcome = project.hil(&[&["run", "--bench-retries", "0"], arguments].concat());
    (outcome.verdicts().into_iter().map(|(word, name)| (name, word)).collect(), outcome)
}

/// Runs scenarios that must pass.
pub(crate) fn all_pass(scenarios: &[(&str, &str)]) {
    let (verdicts, outcome) = verdicts(&Project::with_feature(&feature(scenarios)), &[]);
    assert_eq!(verdicts.len(), scenarios.len(), "{outcome:?}");
    assert!(verdicts.values().all(|word| word == "passed"), "{}", outcome.stdout);
}

/// Runs scenarios that must fail, and compares their messages.
pub(crate) fn all_fail(name: &str, scenarios: &[(&str, &str)]) {
    let (verdicts, outcome) = verdicts(&Project::with_feature(&feature(scenarios)), &[]);
    assert_eq!(verdicts.len(), scenarios.len(), "{outcome:?}");
    assert!(verdicts.values().all(|word| word == "failed"), "{}", outcome.stdout);
    let shown: Vec<_> = outcome.stdout.lines().filter(|line| !line.starts_with("reports:")).collect();
    assert_snapshot(name, &shown.join("\n"));
}

#[test]
fn a_will_is_what_the_broker_publishes_for_a_client_and_nothing_else() {
    let will = "will-topic=s/w will-payload=off";
    all_pass(&[
        (
            "a message of the device with the text of its will is not a will",
            &format!(
                "CLIENT\nTYPE connect id=a keep-alive=30 {will} will-qos=1 will-retain=yes\nThen \"client\" connects within 5 s\nTYPE publish s/w off qos=1 retain=yes; disconnect\nThen no will of \"client\" is published for 1 s"
            ),
        ),
        (
            "a device that says the same and is then cut off has a will",
            &format!(
                "CLIENT\nTYPE connect id=b keep-alive=30 {will}; publish s/w off\nThen \"client\" publishes \"off\" to \"s/w\" within 5 s\nWhen the connection of \"client\" is reset\nThen the will of \"client\" is published exactly once on \"s/w\", settling for 1 s"
            ),
        ),
        (
            "a connection that the device closes without DISCONNECT ends at once",
            &format!(
                "CLIENT\nTYPE connect id=c keep-alive=60 {will}\nThen \"client\" connects within 5 s\nTYPE drop\nThen the will of \"client\" is published on \"s/w\""
            ),
        ),
        (
            "a keep alive of zero does not hide a connection that ends",
            &format!(
                "CLIENT\nTYPE connect id=d keep-alive=0 {will}\nThen \"client\" connects within 5 s\nTYPE drop\nThen the will of \"client\" is published on \"s/w\""
            ),
        ),
    ]);
    all_fail(
        "verdicts-wills",
        &[
            (
                "a device that said DISCONNECT has no will any more",
                &format!(
                    "CLIENT\nTYPE connect id=a keep-alive=2 {will}\nThen \"client\" connects within 5 s\nTYPE disconnect\nThen the will of \"client\" is published on \"s/w\""
                ),
            ),
            (
                "a will that comes back before its delay is over",
                &format!(
                    "CLIENT\nTYPE connect id=b version=5 clean=no keep-alive=30 session-expiry=60 {will} will-delay=5\nThen \"client\" connects within 5 s\nTYPE drop; connect id=b version=5 clean=no keep-alive=30 session-expiry=60\nThen the will of \"client\" is published on \"s/w\""
                ),
            ),
        ],
    );
}

#[test]
fn one_message_that_is_sent_again_is_one_message() {
    all_pass(&[(
        "DUP with the same packet identifier",
        "CLIENT\nTYPE connect id=a; publish t x qos=1 id=7; publish t x qos=1 id=7 dup=yes\nThen \"client\" publishes \"x\" to \"t\" exactly once within 2 s, settling for 500 ms",
    )]);
    all_fail(
        "verdicts-twice",
        &[(
            "another packet identifier is another message",
            "CLIENT\nTYPE connect id=a; publish t x qos=1 id=7; publish t x qos=1 id=8\nThen \"client\" publishes \"x\" to \"t\" exactly once within 2 s, settling for 500 ms",
        )],
    );
}

#[test]
fn looking_for_what_is_retained_sends_nothing_to_a_board() {
    all_pass(&[(
        "a board that is subscribed to everything",
        "CLIENT\nTYPE connect id=a; subscribe #\nGiven \"client\" has subscribed to \"#\"\nTYPE ping\nThen nothing is retained on \"x\"\nAnd \"client\" receives nothing on \"#\" for 1 s\nAnd nothing is published outside \"none\" for 1 s",
    )]);
}

#[test]
fn a_failure_names_what_came_closest_and_where_it_stopped() {
    all_fail(
        "verdicts-closest",
        &[
            (
                "the delivery that set the mark",
                "CLIENT\nTYPE connect id=a; subscribe t\nGiven \"client\" has subscribed to \"t\"\nWhen I publish \"on\" to \"t\" with QoS 1\nThen \"client\" receives on \"t\" within 500 ms with:\n  | QoS | 1 |",
            ),
            (
                "a message that reaches no board",
                "CLIENT\nTYPE connect id=b; subscribe t\nGiven \"client\" has subscribed to \"t\"\nWhen I publish \"on\" to \"other\"\nThen \"client\" receives \"on\" on \"t\" within 500 ms",
            ),
            (
                "the nearest line of the console",
                "CLIENT\nTYPE ping\nThen the console of \"client\" shows \"client: not conected\" within 500 ms",
            ),
            (
                "the number of a text",
                "CLIENT\nTYPE connect id=c; publish t '{\"t\":\"21\"}'\nThen \"client\" publishes to \"t\" within 1 s with:\n  | json $.t | 21 |",
            ),
        ],
    );
}

#[test]
fn a_device_whose_connection_never_comes_may_have_no_network() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    And \"lamp\" is connected\n    Then \"lamp\" does not reboot for 1 s\n",
    );
    let bench = r#"
        [boards.lamp]
        kind = "virtual"
        connects-within = "1s"
        [firmware.lamp]
        image = "builtin:lamp"
        nvs = { "mqtt.host" = "127.0.0.1", "mqtt.port" = 9 }
    "#;
    project.file("bench.toml", bench);
    let (_, outcome) = verdicts(&project, &["--bench", "bench.toml"]);
    assert_eq!(outcome.code, 100, "{outcome:?}");
    assert_snapshot("verdicts-unreached", &outcome.stable());
}

#[test]
fn a_program_that_ends_by_itself_fails_the_scenario_that_uses_it() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario: it ends\n    Given the board \"pi\" runs the firmware \"short\"\n    Then the console of \"pi\" shows \"end\" within 5 s\n    And the console of \"pi\" shows \"never\" within 5 s\n\n  Scenario: it may\n    Given the board \"pi\" runs the firmware \"short\"\n    Then the console of \"pi\" shows \"end\" within 5 s\n    And the program of \"pi\" ends with code 3 within 5 s\n",
    );
    let bench = r#"
        [boards.pi]
        kind = "process"
        [firmware.short]
        kind = "process"
        command = ["sh", "-c", "sleep 0.2; echo end; exit 3"]
    "#;
    project.file("bench.toml", bench);
    let (verdicts, outcome) = verdicts(&project, &["--bench", "bench.toml"]);
    assert_eq!((verdicts["it ends"].as_str(), verdicts["it may"].as_str()), ("failed", "passed"), "{outcome:?}");
    assert!(outcome.stdout.contains("the program of `pi` ended with code 3, and no step asked for it"), "{outcome:?}");
}

#[test]
fn silence_proves_nothing_if_no_board_was_connected() {
    let run = |step: &str| {
        let scenario = format!(
            "Feature: f\n  Scenario: s\n    Given the board \"client\" runs the firmware \"mqtt-client\"\n    {step}\n"
        );
        Project::with_feature(&scenario).hil(&["run", "--bench-retries", "0"])
    };
    for step in [r#"Then nothing is retained on "t""#, r#"Then nothing is published outside "t" for 100 ms"#] {
        let outcome = run(step);
        assert_eq!(outcome.code, 102, "{step}: {}", outcome.stdout);
        assert!(
            outcome.stdout.contains("no board has been connected to the broker since it was started"),
            "{step}: {}",
            outcome.stdout
        );
    }
    let by_step = run("When I publish \"\" to \"t\" with QoS 1, retained\n    Then nothing is retained on \"t\"");
    assert_eq!(by_step.code, 0, "a step could have left it there: {}", by_step.stdout);
}

#[test]
fn a_connection_from_elsewhere_is_not_the_boards() {
    let feature = "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    \
        Then \"lamp\" connects within 1 s\n";
    let project = Project::with_feature(feature);
    let bench = |from: &str| {
        let settings = "{ \"mqtt.host\" = \"{tap.host}\", \"mqtt.port\" = \"{tap.port}\" }";
        let board = format!("[boards.lamp]\nkind = \"virtual\"\nfrom = \"{from}\"\n");
        project.file("bench.toml", &format!("{board}[firmware.lamp]\nimage = \"builtin:lamp\"\nnvs = {settings}\n"));
        project.hil(&["run", "--bench", "bench.toml", "--out", &format!("run-{from}")])
    };
    let elsewhere = bench("127.0.0.9");
    assert_eq!(elsewhere.code, 102, "the bench file may be wrong: {elsewhere:?}");
    let said = "the tap rejected a connection from 127.0.0.1, which is not the board's address";
    assert!(elsewhere.stdout.contains(said) && elsewhere.stdout.contains("hint: "), "{}", elsewhere.stdout);
    let events = project.read("run-127.0.0.9/events.jsonl");
    let turned_away = events.lines().filter(|line| line.contains("\"change\":\"turned-away\"")).count();
    assert_eq!(turned_away, 1, "each address once");
    assert!(events.contains("\"peer\":\"127.0.0.1:") && !events.contains("\"change\":\"opened\""), "{events}");
    let here = bench("127.0.0.0/8");
    assert_eq!(here.code, 0, "{here:?}");
}

/// Text typed at a program that does not run would be lost, or reach the program after its restart.
#[test]
fn a_text_for_a_program_that_does_not_run_is_not_typed() {
    let project = Project::with_feature(
        "Feature: f\n  Background:\n    Given the board \"pi\" runs the firmware \"reads\"\n\n  Scenario: ended\n    When the program of \"pi\" is killed\n    And I type \"hello\" at the console of \"pi\"\n    Then the program of \"pi\" ends with code 0 within 1 s\n\n  Scenario: cut\n    When the power of \"pi\" is cut\n    And I type \"hello\" at the console of \"pi\"\n    And the power of \"pi\" is restored\n    Then the console of \"pi\" shows \"got\" within 1 s\n",
    );
    project.file(
        "bench.toml",
        "[boards.pi]\nkind = \"process\"\n[firmware.reads]\nkind = \"process\"\ncommand = [\"sh\", \"-c\", \"echo up; while read line; do echo got $line; done\"]\nready = \"up\"\n[firmware.gathers]\nkind = \"process\"\ncommand = [\"sh\", \"-c\", \"stty icanon; echo up; read line; echo got $line; sleep 9\"]\nready = \"up\"\n",
    );
    project.file(
        "features/long.feature",
        &format!(
            "Feature: g\n  Scenario: long\n    Given the board \"pi\" runs the firmware \"gathers\"\n    When I type \"{}\" at the console of \"pi\"\n    Then the console of \"pi\" shows \"got 6000\" within 2 s\n",
            "x".repeat(6000)
        ),
    );
    let outcome = project.hil(&["run", "--bench", "bench.toml", "--bench-retries", "0"]);
    assert_eq!(outcome.code, 102, "{}", outcome.stdout);
    assert_eq!(outcome.stdout.matches("its program is not running").count(), 2, "{}", outcome.stdout);
    assert!(outcome.stdout.contains("in which a line has at most 4095 bytes"), "{}", outcome.stdout);
}
