//! One suite for every flasher, on virtual boards in another process. No real chip is involved, and only the loader of the
//! ESP32-C3 is simulated.

use crate::real_bench::Lab;
use crate::support::assert_snapshot;

/// The program and whether the tests may run without it.
fn esptool() -> Option<String> {
    let named = std::env::var("HIL_ESPTOOL").ok().filter(|path| !path.is_empty());
    assert!(named.is_some() || std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "HIL_ESPTOOL names no esptool");
    named
}

/// What every flasher must do.
fn check_contract(flasher: &str, skips: bool, name: &str) {
    let bench = |misbehaves: &str| {
        format!(
            "[boards.lamp]\nkind = \"virtual\"\nmisbehaves = [{misbehaves}]\n[firmware.lamp]\nimage = \"builtin:lamp\"\nready = \"mqtt: starting\"\n\
             nvs = {{ \"mqtt.host\" = \"{{tap.host}}\", \"mqtt.port\" = \"1884\" }}\n"
        )
    };
    let with_flasher = |lab: &Lab| {
        let text = lab.project.read("lab/bench.toml");
        let text =
            text.replacen("kind = \"esp\"", &format!("kind = \"esp\"\nflasher = {flasher}\nflash-baud = 460800"), 1);
        lab.project.file("lab/bench.toml", &text);
    };
    let lab = Lab::open(Some(&bench("")));
    with_flasher(&lab);
    let flash = || lab.hil(&["flash", "lamp", "--firmware", "lamp"]);
    let first = flash();
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.stdout.contains("runs on `lamp`: ") && !first.stdout.contains(": 0 bytes written"), "{first:?}");
    let second = flash();
    assert_eq!(second.code, 0, "{second:?}");
    assert_eq!(
        second.stdout.contains(": 0 bytes written"),
        skips,
        "what the flash holds is not written again: {second:?}"
    );
    assert_eq!(lab.tell(&["state", "lamp"]), "off");
    drop(lab);

    let mut text = String::new();
    for misbehaviour in ["wrong-chip", "mute"] {
        let lab = Lab::open(Some(&bench(&format!("\"{misbehaviour}\""))));
        with_flasher(&lab);
        let outcome = lab.hil(&["flash", "lamp", "--firmware", "lamp"]);
        assert_eq!(outcome.code, 102, "{outcome:?}");
        let said = outcome.stderr.replace(esptool().as_deref().unwrap_or("esptool"), "ESPTOOL");
        text.push_str(&format!("{misbehaviour}: {said}"));
    }
    assert_snapshot(name, &text);
}

#[test]
fn espflash_fulfils_the_contract() {
    check_contract("\"espflash\"", true, "flasher-espflash");
}

#[test]
fn the_esptool_program_fulfils_the_contract() {
    if esptool().is_some() {
        check_contract("\"esptool\"", true, "flasher-esptool");
    }
}

/// Any program works; this one is also esptool.
#[test]
fn a_command_fulfils_the_contract() {
    let Some(program) = esptool() else { return };
    let words = format!(
        "{{ command = [\"{program}\", \"--chip\", \"{{chip}}\", \"--port\", \"{{port}}\", \"--baud\", \"{{baud}}\", \"--before\", \"no-reset\", \"--after\", \"no-reset\", \"write-flash\", \"0x0\", \"{{image}}\"] }}"
    );
    check_contract(&words, false, "flasher-command");
}
