//! A board behind a USB serial adapter.

use rustix::process::{Signal, kill_process};

use crate::adapter::{Adapter, wait_for_tty};
use crate::program::Project;

fn serial_bench(reset: &str) -> String {
    format!(
        "[boards.lamp]\nkind = \"esp\"\nchip = \"esp32c3\"\nport = {{ usb-serial = \"0001\" }}\nreset = \"{reset}\"\nfirmware = \"lamp\"\n\
         [firmware.lamp]\nimage = \"builtin:lamp\"\nready = \"mqtt: starting\"\n\
         nvs = {{ \"mqtt.host\" = \"{{tap.host}}\", \"mqtt.port\" = \"{{tap.port}}\" }}\n"
    )
}

/// Which sequence enters the loader depends on the capacitor at EN: 10 kΩ and 1 µF make 10 ms.
pub(crate) fn each_sequence_enters_the_loader_on_its_circuit() {
    // Circuit, strategy, whether the first attempt enters the loader.
    let cases =
        [(10, "classic", true), (0, "classic", false), (0, "tight", true), (100, "tight", false), (0, "auto", false)];
    let mut plugged: Option<(u32, Adapter)> = None;
    for (time_constant, strategy, enters) in cases {
        if plugged.as_ref().is_none_or(|(ms, _)| *ms != time_constant) {
            drop(plugged.take());
            plugged = Some((time_constant, Adapter::plug(time_constant)));
        }
        let (_, adapter) = plugged.as_mut().expect("plugged");
        adapter.boots();
        let project = Project::new(&serial_bench(strategy), "");
        let run = project.start(&["flash", "lamp"]);
        let first = adapter.next_boot();
        let wanted = if enters { "boots into its loader" } else { "boots into its app" };
        assert_eq!(first, wanted, "{strategy} with {time_constant} ms");
        if !enters && strategy != "auto" {
            // It would retry without success.
            kill_process(run.pid(), Signal::INT).expect("Ctrl-C");
            let (code, said) = run.end();
            assert_eq!(code, 130, "{strategy} with {time_constant} ms: {said}");
            continue;
        }
        // `auto` continues with the other sequence.
        let (code, said) = run.end();
        assert_eq!(code, 0, "{strategy} with {time_constant} ms: {said}");
        assert!(said.contains("`lamp` runs on `lamp`"), "{said}");
        assert!(adapter.boots().trim_end().ends_with("boots into its app"), "the app runs in the end");
    }
}

pub(crate) fn a_cable_plugged_in_elsewhere_is_survived() {
    let mut adapter = Adapter::plug(10);
    let feature = r#"Feature: f
  Scenario: cable
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "lamp" publishes "saya hidup" to "loger" within 5 s
    And "lamp" does not publish to "loger" for 3 s
    When the board "lamp" is reset
    Then the console of "lamp" shows "mqtt: starting" within 10 s
"#;
    let project = Project::new(&serial_bench("auto"), feature);
    let mut run = project.start(&["run", "-vv", "--out", "out"]);
    run.wait_for("saya hidup");
    // While a program has the old device open, its number is not reused.
    let holds = std::fs::File::open("/dev/ttyUSB0").expect("open");
    adapter.send("unplug");
    adapter.send("plug");
    wait_for_tty("ttyUSB1");
    let (code, said) = run.end();
    assert_eq!(code, 0, "{said}{}", adapter.boots());
    drop(holds);
    let log = std::fs::read_to_string(project.0.path().join("out/console-lamp.log")).expect("log");
    assert!(log.contains("(console lost)") && log.contains("(console back;"), "{log}");
}

pub(crate) fn a_board_behind_an_adapter_is_found_by_its_mac() {
    let mut adapter = Adapter::plug(10);
    let mac = hil_config::mac_text(hil_virtual_board::Options::named("lamp", &[]).mac);
    let bench = |mac: &str| serial_bench("auto").replace("usb-serial = \"0001\"", &format!("mac = \"{mac}\""));
    let (code, said) = Project::new(&bench(&mac), "").start(&["flash", "lamp"]).end();
    assert_eq!(code, 0, "{said}{}", adapter.boots());
    let (code, said) = Project::new(&bench("02:00:00:00:00:99"), "").start(&["flash", "lamp"]).end();
    assert!(code == 96 || code == 102, "{code}");
    assert!(said.contains("no serial port with MAC `02:00:00:00:00:99` is attached"), "{said}");
    let found = Project::new("", "").start(&["boards", "discover", "--probe"]).end().1;
    assert!(found.contains("10c4:ea60") && found.contains(&format!("esp32c3 {mac}")), "{found}");
}
