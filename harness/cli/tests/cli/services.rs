//! What a stage offers besides the broker: messages of steps that fail, and clients of others.

use crate::support::{Outcome, Project, assert_snapshot, workspace};

/// Every step must fail here, or be an error of the bench, with a message that says why.
const FAILS: &str = r#"Feature: f
  Scenario: nothing is requested
    Given the board "pi" runs the firmware "downloader"
    And the update "lamp-native" is offered
    When I type "nothing" at the console of "pi"
    Then "pi" requests the update "lamp-native" within 300 ms

  Scenario: a request that must not be
    Given the board "pi" runs the firmware "downloader"
    And the update "lamp-native" is offered
    When I type "later get ${captured:update_path}" at the console of "pi"
    Then "pi" does not request the update "lamp-native" for 5 s

  Scenario: a load that is cut
    Given the board "pi" runs the firmware "downloader"
    And the update "lamp-native" is offered with:
      | option    | value |
      | closes at | 50 %  |
    When I type "get ${captured:update_path}" at the console of "pi"
    Then "pi" loads the update "lamp-native" within 2 s

  Scenario: no request is possible
    Given the board "pi" runs the firmware "downloader"
    And the update "lamp-native" is offered
    When the network of "pi" goes silent
    Then "pi" does not request the update "lamp-native" for 300 ms

  Scenario: no request can arrive
    Given the board "pi" runs the firmware "downloader"
    And the update "lamp-native" is offered
    When connections of "pi" are refused
    Then "pi" requests the update "lamp-native" within 300 ms

  Scenario: nothing can be loaded
    Given the board "pi" runs the firmware "downloader"
    And the update "lamp-native" is offered
    When the power of "pi" is cut
    Then "pi" loads the update "lamp-native" within 300 ms

  Scenario: no question can arrive
    Given the board "pi" runs the firmware "downloader"
    When the network of "pi" goes silent
    Then "pi" asks for the time within 300 ms

  Scenario: a misbehaviour that nothing meets
    Given the board "pi" runs the firmware "downloader"
    And the update "lamp-native" is offered with:
      | option | value |
      | ranges | no    |
    When I type "get ${captured:update_path}" at the console of "pi"
    Then "pi" loads the update "lamp-native" within 5 s

  Scenario: the time is not asked for
    Given the board "pi" runs the firmware "downloader"
    When I type "nothing" at the console of "pi"
    Then "pi" asks for the time within 300 ms

  Scenario: the time is asked for
    Given the board "pi" runs the firmware "downloader"
    When I type "later time" at the console of "pi"
    Then "pi" does not ask for the time for 5 s

  Scenario: a flawed certificate is accepted
    Given the certificate of the server has expired
    And the board "pi" runs the firmware "downloader-that-trusts"
    And the update "lamp-native" is offered to "pi"
    When I type "gets ${captured:update_path}" at the console of "pi"
    Then "pi" refuses the certificate of the server within 5 s

  Scenario: there is no handshake
    Given the certificate of the broker has expired
    And the board "pi" runs the firmware "downloader"
    When I type "nothing" at the console of "pi"
    Then "pi" refuses the certificate within 300 ms

  Scenario: the time was asked for before the clock changed
    Given the board "pi" runs the firmware "downloader"
    When I type "time" at the console of "pi"
    Then the console of "pi" shows "time" within 5 s
    When the clock of the network is silent
    Then "pi" asks for the time within 300 ms

  Scenario: the certificate before it expired is accepted
    Given the board "pi" runs the firmware "downloader"
    And the update "lamp-native" is offered to "pi"
    When I type "gets ${captured:update_path}" at the console of "pi"
    Then "pi" loads the update "lamp-native" within 5 s
    Given the certificate of the server has expired
    Then "pi" refuses the certificate of the server within 300 ms

  Scenario: nothing to close
    Given the board "pi" runs the firmware "downloader"
    When the connection of "pi" is closed
    Then "pi" requests the update "lamp-native" within 300 ms

  Scenario: two boards, and one address
    Given the board "pi" runs the firmware "downloader"
    And the board "lamp" runs the firmware "lamp-native"
    And the update "lamp-native" is offered
    Then "pi" requests the update "lamp-native" within 300 ms

  Scenario: a firmware that does not ask the network
    Given the board "lamp" runs the firmware "lamp-native"
    And the network of "lamp" does not know the name "broker.example"
    Then "lamp" asks for the name "broker.example" within 1 s
"#;

const BENCH: &str = r#"
[boards.lamp]
kind = "virtual"
[boards.pi]
kind = "process"
[firmware.lamp-native]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }
ready = "mqtt: starting"
[firmware.downloader]
kind = "process"
command = ["python3", "CLIENTS/downloader.py", "run", "{http.url}", "{https.url}", "{sntp.host}", "{sntp.port}", "--ca", "{tap.ca.file}"]
[firmware.downloader-that-trusts]
kind = "process"
command = ["python3", "CLIENTS/downloader.py", "run", "{http.url}", "{https.url}", "{sntp.host}", "{sntp.port}", "--ca", "none"]
"#;

fn bench() -> String {
    BENCH.replace("CLIENTS", &workspace().join("fixtures/clients").display().to_string())
}

#[test]
fn each_step_can_fail_and_says_why() {
    let project = Project::with_feature(FAILS);
    project.file("bench.toml", &bench());
    let outcome = project.hil(&["run", "--bench", "bench.toml", "--bench-retries", "0"]);
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d+ of \d+ bytes", "N of M bytes");
    // How far an exchange has come when the message is made depends on the machine.
    settings.add_filter(r"last exchange with a service: .*", "last exchange with a service: …");
    settings
        .bind(|| assert_snapshot("services-fail", &format!("exit code {}\n{}\n", outcome.code, outcome.in_order())));
}

/// A board whose firmware is executed reaches this machine at another address than one whose firmware is not.
#[test]
fn an_update_is_where_the_firmware_of_its_own_scenario_reaches_it() {
    let project = Project::with_feature(
        r#"Feature: f
  Scenario: one that is executed
    Given the board "lamp" runs the firmware "executed"
    Then "lamp" does not reboot for 100 ms
  Scenario: one that is not
    Given the update "native" is offered
    And the board "lamp" runs the firmware "native"
    Then the console of "lamp" shows "${captured:update_url}" within 300 ms
"#,
    );
    let firmware = |name: &str, image: &str| format!("[firmware.{name}]\nimage = \"builtin:{image}\"\n");
    let nvs = r#"nvs = { "wifi.ssid" = "{wifi.ssid}", "wifi.password" = "{wifi.password}", "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }"#;
    let (executed, native) = (firmware("executed", "lamp-esp32c3"), firmware("native", "lamp"));
    project.file("bench.toml", &format!("[boards.lamp]\nkind = \"virtual\"\n{executed}{nvs}\n{native}{nvs}\n"));
    let outcome = project.hil(&["run", "--bench", "bench.toml", "--bench-retries", "0"]);
    let words: Vec<_> = outcome.verdicts().into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, ["passed", "failed"], "{outcome:?}");
    assert!(outcome.stdout.contains("http://127.0.0.1:"), "{outcome:?}");
}

#[test]
fn wrong_steps_are_found_before_any_board_is_powered() {
    let option =
        |row: &str| format!("Given the update \"lamp-native\" is offered with:\n      | option | value |\n      {row}");
    let steps = [
        "Given the update \"lamp-nativ\" is offered".to_owned(),
        "Given the update \"downloader\" is offered".to_owned(),
        option("| stats | 404 |"),
        option("| status | 200 |"),
        option("| length | 1000 |"),
        option("| stalls at | 100 % |"),
        option("| times | 0 |"),
        option("| encoding | gzip |"),
        "Given the clock of the network says 2038-02-30".to_owned(),
        "Given the clock of the network says 2110-01-01".to_owned(),
        "Given the network of \"pi\" does not know the name \"broker.example\"".to_owned(),
        "When I type \"get ${captured:update_url}\" at the console of \"pi\"".to_owned(),
    ];
    let scenario = |(n, steps): (usize, &String)| {
        format!("  Scenario: {n}\n    {steps}\n    Then \"pi\" requests the update \"lamp-native\" within 1 s\n")
    };
    let feature: String = steps.iter().enumerate().map(scenario).collect();
    let project = Project::with_feature(&format!("Feature: f\n{feature}"));
    project.file("bench.toml", &bench());
    let outcome = project.hil(&["run", "--bench", "bench.toml"]);
    assert_eq!(outcome.code, 96, "{outcome:?}");
    assert_snapshot("services-wrong-steps", &outcome.stable());
}

#[test]
fn a_port_that_is_taken_is_an_error_of_the_bench_file() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = taken.local_addr().expect("address").port();
    let project = Project::with_feature(
        "Feature: f\n  Scenario: s\n    Given the board \"pi\" runs the firmware \"downloader\"\n    Then \"pi\" asks for the time within 1 s\n",
    );
    let bench = bench().replace(
        "kind = \"process\"\n[firmware.lamp",
        &format!("kind = \"process\"\nhttp-port = {port}\n[firmware.lamp"),
    );
    project.file("bench.toml", &bench);
    let outcome = project.hil(&["run", "--bench", "bench.toml"]);
    assert_eq!(outcome.code, 96, "{outcome:?}");
    assert_snapshot("services-port-taken", &outcome.stable());
}

/// MicroPython's own `requests`, on a virtual board with a real interpreter.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn micropython_loads_an_update_with_its_requests() {
    let micropython = workspace().join("target/parts/bin/micropython");
    if !micropython.exists() {
        assert!(std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "MicroPython is missing");
        eprintln!("skipped: `ci/install-parts` installs MicroPython");
        return;
    }
    let project = Project::with_feature(
        r#"Feature: f
  Scenario Outline: <option> <value>
    Given the update "app" is offered to "lamp" with:
      | option   | value   |
      | <option> | <value> |
    And the board "lamp" runs the firmware "<firmware>"
    Then "lamp" loads the update "app" within 20 s
    And the console of "lamp" shows "loaded <status> ${captured:update_size} ${captured:update_sha256}" within 20 s
    Examples:
      | option    | value | status | firmware |
      | ranges    | no    | 200    | resumer  |
      | redirect  | yes   | 200    | loader   |
  Scenario: a part
    Given the update "app" is offered to "lamp"
    And the board "lamp" runs the firmware "resumer"
    Then "lamp" loads the update "app" within 20 s
    And the console of "lamp" shows "loaded 206" within 20 s
"#,
    );
    let script = |headers: &str| {
        format!(
            "import hashlib, json, network, requests, time\n\
             settings = json.load(open('settings.json'))\n\
             station = network.WLAN(network.STA_IF)\n\
             station.active(True)\n\
             station.connect('any', 'any')\n\
             while not station.isconnected():\n    time.sleep_ms(10)\n\
             print('loading')\n\
             answer = requests.get(settings['url'] + '/app.bin', headers={headers})\n\
             content = answer.content\n\
             print('loaded', answer.status_code, len(content), ''.join('%02x' % b for b in hashlib.sha256(content).digest()))\n"
        )
    };
    project.file("loader/main.py", &script("{}"));
    project.file("resumer/main.py", &script("{'Range': 'bytes=100-'}"));
    let firmware = |name: &str| {
        format!(
            "[firmware.{name}]\nkind = \"micropython\"\nimage = \"builtin:micropython\"\nscripts = \"{name}\"\n\
             settings = {{ url = \"{{http.url}}\" }}\nready = \"loading\"\n"
        )
    };
    let app = "[firmware.app]\nimage = \"builtin:lamp\"\n";
    let bench = format!("[boards.lamp]\nkind = \"virtual\"\n{app}{}{}", firmware("loader"), firmware("resumer"));
    project.file("bench.toml", &bench);
    let mut command = project.command(&["run", "--bench", "bench.toml"]);
    let outcome: Outcome = command.env("HIL_MICROPYTHON", micropython).output().expect("hil runs").into();
    assert_eq!(outcome.code, 0, "{outcome:?}");
}
