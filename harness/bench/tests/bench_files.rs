//! Bench files of real boards, read with every kind of driver.

use std::path::Path;

use hil_config::{Bench, ConfigError};

fn read(text: &str) -> Result<Bench, ConfigError> {
    Bench::from_text(text, Path::new("bench.toml"), &hil_bench::kinds())
}

#[test]
fn every_problem_of_real_boards_is_shown_with_its_place() {
    let error = read(include_str!("many-problems-real.toml")).expect_err("problems");
    insta::assert_snapshot!(format!("error: {error}"));
}

#[test]
fn every_key_of_real_boards_is_read() {
    let bench = read(include_str!("real-bench.toml")).expect("valid");
    insta::assert_debug_snapshot!(bench.boards.values().collect::<Vec<_>>());
}

/// What two boards have the same of, as the file of both says.
fn shared(first: &str, second: &str) -> String {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("bench.toml");
    let board = |name: &str, keys: &str| format!("[boards.{name}]\nkind = \"esp\"\nchip = \"esp32c3\"\n{keys}\n");
    std::fs::write(&path, board("one", first) + &board("two", second)).expect("write");
    match Bench::from_file(&path, &hil_bench::kinds()) {
        Ok(_) => "nothing".to_owned(),
        // Without the place in the file.
        Err(error) => error.to_string().split(" at /").next().unwrap_or_default().to_owned(),
    }
}

#[test]
fn two_boards_on_one_device_are_named() {
    let port = |key: &str| format!("port = {{ {key} }}");
    let rail = |n: u8, keys: &str| port(&format!("usb-serial = \"{n}\"")) + &format!("\nrails = [{{ {keys} }}]");
    let cases = [
        (port("path = \"/dev/ttyUSB0\""), port("path = \"/dev/../dev//ttyUSB0\"")),
        (port("topology = \"1-1.2:1.0\""), port("topology = \"1-1.2\"")),
        (port("usb-serial = \"A\""), port("usb-serial = \"A\", topology = \"1-1.2\"")),
        (port("usb-serial = \"A\", topology = \"1-1.3\""), port("usb-serial = \"A\", topology = \"1-1.2\"")),
        (
            rail(1, "driver = \"usb-port\", topology = \"1-1.2\""),
            rail(2, "driver = \"usb-port\", topology = \"1-1.2\""),
        ),
        (
            rail(1, "driver = \"shelly\", address = \"plug.local\""),
            rail(2, "driver = \"shelly\", address = \"PLUG.local.:80\""),
        ),
        (
            rail(1, "driver = \"shelly\", address = \"plug.local\""),
            rail(2, "driver = \"shelly\", address = \"plug.local\", output = 1"),
        ),
        (
            rail(1, "driver = \"tasmota\", broker = \"localhost:1883\", topic = \"p\""),
            rail(2, "driver = \"tasmota\", broker = \"127.0.0.1:1883\", topic = \"p\""),
        ),
        (
            rail(1, "driver = \"command\", on = [\"r\", \"1\"], off = [\"r\", \"0\"]"),
            rail(2, "driver = \"command\", on = [\"r\", \"1\"], off = [\"r\", \"0\"]"),
        ),
        (
            rail(1, "driver = \"gpio\", line = { chip = \"gpiochip0\", offset = 17 }"),
            rail(2, "driver = \"gpio\", line = { chip = \"/dev/gpiochip0\", offset = 17 }"),
        ),
    ];
    let hub = |place: &str, switched: &str| {
        port(&format!("topology = \"{place}\""))
            + &format!("\nrails = [{{ driver = \"usb-port\", topology = \"{switched}\" }}]")
    };
    let cases = cases.into_iter().chain([
        (hub("1-1.2", "1-1.3"), port("topology = \"1-1.3:1.0\"")),
        (port("topology = \"1-1.3\""), hub("1-1.2", "1-1")),
        (hub("1-1.2", "1-1.2"), hub("1-1.20", "1-1.20")),
    ]);
    let said: Vec<_> = cases.into_iter().map(|(first, second)| shared(&first, &second)).collect();
    insta::assert_snapshot!(said.join("\n"));
}
