//! Against the kernel's own interfaces: gpio-sim for lines, the cp210x driver for a serial port, mac80211_hwsim for radios.
//!
//! They run in a User-Mode Linux kernel, which `ci/uml/build-kernel` builds and which needs no root: this target boots it
//! and runs itself in there. Without the kernel it says so and passes; with `HIL_REQUIRE_PARTS` it fails.

mod adapter;
mod air;
mod board_lines;
mod lab;
mod ports;
mod program;
mod rails;
mod relays;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};

/// Set inside the kernel, to the group of tests that runs there.
const INSIDE: &str = "HIL_INSIDE_KERNEL";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if let Ok(group) = std::env::var(INSIDE) {
        let trials = match group.as_str() {
            "ports" => on_ports(),
            "air" => on_air(),
            _ => on_lines(),
        };
        return libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, trials).exit_code();
    }
    // Several kernels at once: each has one processor.
    let trials = vec![
        Trial::test("in_a_kernel_with_simulated_lines", || boot("lines")),
        Trial::test("in_a_kernel_with_simulated_ports", || boot("ports")),
        Trial::test("in_a_kernel_with_simulated_radios", || {
            let missing = ["hostapd", "wpa_supplicant"].into_iter().find(|part| !air::has_part(part));
            missing
                .map_or_else(|| boot("air"), |part| skip(&format!("this needs {part}; `ci/install-parts` installs it")))
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn on_lines() -> Vec<Trial> {
    vec![
        test("rails", rails::rails_on_lines),
        test("rails_that_can_not_be_opened", rails::rails_that_can_not_be_opened),
        test("two_rails_in_one_switch", rails::two_rails_in_one_switch),
        test("pins", board_lines::pins_are_sensed_by_edges_and_driven),
        test("edges", board_lines::edges_are_kept_numbered_and_stamped_by_the_kernel),
        test("reset_lines", board_lines::en_and_the_strapping_pin_on_lines),
        test("power_cycle", board_lines::the_rails_reset_with_the_strapping_pin_on_a_line),
        test("killed", board_lines::the_relay_falls_after_any_kill),
    ]
}

fn on_ports() -> Vec<Trial> {
    vec![
        test("sequences", ports::each_sequence_enters_the_loader_on_its_circuit),
        test("mac", ports::a_board_behind_an_adapter_is_found_by_its_mac),
        test("cable", ports::a_cable_plugged_in_elsewhere_is_survived),
    ]
}

fn on_air() -> Vec<Trial> {
    vec![
        test("changes", air::the_station_notices_every_change),
        test("killed_on_air", air::nothing_is_left_on_air_after_a_kill),
        test("hostapd_killed", air::a_hostapd_that_is_killed_is_an_error_of_the_bench),
        test("channel", air::a_channel_that_is_not_allowed_is_an_error_of_the_bench),
    ]
}

/// A test that fails by a panic.
fn test(name: &str, body: fn()) -> Trial {
    Trial::test(name, move || {
        body();
        Ok(())
    })
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

fn skip(why: &str) -> Result<(), libtest_mimic::Failed> {
    if std::env::var_os("HIL_REQUIRE_PARTS").is_some() {
        return Err(why.into());
    }
    writeln!(std::io::stderr(), "skipped: {why}").map_err(|error| error.to_string().into())
}

fn boot(group: &str) -> Result<(), libtest_mimic::Failed> {
    if !workspace().join("target/parts/uml/linux").is_file() {
        return skip("there is no kernel to boot; `ci/uml/build-kernel` builds it");
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let filter: Vec<_> = std::env::var("HIL_KERNEL_TESTS").into_iter().collect();
    let status = Command::new(workspace().join("ci/uml/boot"))
        .arg(own)
        .args(filter)
        .env(INSIDE, group)
        .env("HIL_UML_ENV", format!("{INSIDE} RUST_BACKTRACE INSTA_UPDATE"))
        .env("HIL_UML_TIMEOUT", "180")
        .status()
        .map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("inside the kernel: {status}").into()) }
}
