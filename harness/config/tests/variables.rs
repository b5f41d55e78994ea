//! Variables in what a bench file says about a board.

use std::path::Path;

use hil_config::{Bench, Kinds, Part, PinLine};

fn bench(port: &str, watch: &str) -> Bench {
    let text = format!(
        "[tap]\naddress = \"127.0.0.1\"\n[boards.lamp]\nkind = \"esp\"\nchip = \"esp32c3\"\nport = {{ {port} }}\npins = {{ led = {{ watch = [{watch}] }} }}\n\
         [boards.other]\nkind = \"virtual\"\n"
    );
    Bench::from_text(&text, Path::new("bench.toml"), &Kinds::default()).expect("a valid bench")
}

#[test]
fn variables_are_filled_in_in_ports_and_command_lines() {
    // A variable that is set wherever tests run: by cargo.
    let here = env!("CARGO_MANIFEST_DIR");
    let bench = bench(
        "path = \"${CARGO_MANIFEST_DIR}/tty\", usb-serial = \"${HIL_TEST_UNSET:-A50285BI}\"",
        "\"${CARGO_MANIFEST_DIR}/sense\", \"${HIL_TEST_UNSET:-17}\", \"$plain\"",
    );
    assert_eq!(bench.unset(), Vec::new());
    let lamp = bench.board("lamp").expect("lamp");
    let port = lamp.port.as_ref().expect("a port");
    assert_eq!(port.path.as_deref(), Some(Path::new(here).join("tty").as_path()));
    assert_eq!(port.usb_serial.as_deref(), Some("A50285BI"));
    let words = [format!("{here}/sense"), "17".to_owned(), "$plain".to_owned()];
    assert_eq!(lamp.pins["led"].line, PinLine::Watched(words.into()));
}

/// The rest of the bench can be used.
#[test]
fn a_variable_that_is_not_set_stops_only_its_board() {
    let bench = bench("path = \"/dev/serial/by-id/${HIL_TEST_UNSET}\"", "\"sense\", \"${HIL_TEST_UNSET}\"");
    for part in [Part::Board("other"), Part::Tap, Part::Broker] {
        bench.check_set(part).expect("needs no variable");
    }
    insta::assert_snapshot!(bench.check_set(Part::Board("lamp")).expect_err("not set"));
}
