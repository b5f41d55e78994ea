//! Too few file descriptors are a bench fault, never a firmware fault.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Outcome, Project, assert_snapshot};

const FEATURE: &str = "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    \
    Then \"lamp\" connects within 3 s\n    Given \"lamp\" has subscribed to \"sooko/lampu\"\n    When I publish \"on\" to \"sooko/lampu\" with QoS 1\n    \
    Then \"lamp\" publishes \"saya hidup\" to \"loger\" within 2 s\n";

/// Runs the feature with this limit, soft and hard.
fn run_with(limit: u64) -> Outcome {
    let project = Project::with_feature(FEATURE);
    let program = env!("CARGO_BIN_EXE_hil");
    let script = format!("ulimit -n {limit}; exec \"$0\" run features");
    let mut hil = std::process::Command::new("sh");
    hil.current_dir(project.path("")).arg("-c").arg(script).arg(program).env_remove("HIL_BENCH").stdin(Stdio::null());
    let started = Instant::now();
    let outcome: Outcome = hil.output().expect("sh runs").into();
    assert!(started.elapsed() < Duration::from_secs(60), "{limit}: it took {:?}", started.elapsed());
    outcome
}

#[test]
fn a_low_limit_never_fails_the_firmware() {
    let mut named = 0;
    for limit in [20, 22, 24, 25, 26, 27, 28, 29, 30, 31, 32, 34, 36, 40, 48, 64] {
        let outcome = run_with(limit);
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!([0, 96, 102].contains(&outcome.code), "limit {limit}: exit {}\n{all}", outcome.code);
        assert!(!all.contains("panicked"), "limit {limit}\n{all}");
        named += u32::from(all.contains("file descriptor") || all.contains("Too many open files"));
        if outcome.code == 0 {
            assert!(all.contains("1 passed"), "limit {limit}\n{all}");
        }
    }
    assert!(named >= 5, "{named} runs name what is missing");
    assert_eq!(run_with(64).code, 0, "64 are enough");
}

#[test]
fn a_limit_with_which_nothing_works_is_a_set_up_error() {
    let outcome = run_with(20);
    assert_snapshot("descriptors-too-few", &format!("exit {}\n{}{}", outcome.code, outcome.stdout, outcome.stderr));
}
