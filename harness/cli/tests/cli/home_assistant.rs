//! Announcements to Home Assistant: what must fail says why. `features/home-assistant` has what passes.

use crate::support::{Project, assert_snapshot};
use crate::verdicts::{all_fail, all_pass};

/// A client that connects with a will and then does this.
fn light(commands: &str, component: &str) -> String {
    format!(
        "CLIENT\nWhen I type \"connect id=a will-topic=k/status will-payload=offline\" at the console of \"client\"\nThen \"client\" connects within 10 s\nTYPE {commands}\nThen \"client\" announces itself to Home Assistant as {component} within 500 ms"
    )
}

const CONFIG: &str = r#"publish homeassistant/light/k/config '{"~": "k", "cmd_t": "~/set", "avty_t": "~/status"}'"#;

#[test]
fn a_complete_announcement_passes_before_the_mark_too() {
    let complete = format!("subscribe k/set; publish k/status online; {CONFIG} retain=yes");
    let later = format!(
        "{}\nWhen I wait 100 ms\nThen \"client\" announces itself to Home Assistant as a \"light\" within 5 s",
        light(&complete, "a \"light\"")
    );
    let elsewhere = complete.replace("homeassistant/", "ha/");
    all_pass(&[("complete", &later), ("elsewhere", &light(&elsewhere, "a \"light\" below \"ha\""))]);
}

#[test]
fn what_is_wrong_with_an_announcement_is_shown() {
    let cases = [
        ("nothing", light("publish k/status online", "a \"light\"")),
        ("another component", light(&format!("{CONFIG} retain=yes"), "an \"event\"")),
        ("not retained", light(&format!("subscribe k/set; publish k/status online; {CONFIG}"), "a \"light\"")),
        ("topics that it does not use", light(&format!("{CONFIG} retain=yes"), "a \"light\"")),
    ];
    let cases: Vec<_> = cases.iter().map(|(name, steps)| (*name, steps.as_str())).collect();
    all_fail("home-assistant", &cases);
}

#[test]
fn an_unknown_component_is_an_error_before_anything_runs() {
    let steps = |component: &str| {
        format!(
            "  Scenario: {component}\n    Given the board \"client\" runs the firmware \"mqtt-client\"\n    Then \"client\" announces itself to Home Assistant as a \"{component}\" within 1 s\n"
        )
    };
    let project = Project::with_feature(&format!("Feature: f\n{}{}", steps("lihgt"), steps("toaster")));
    let outcome = project.hil(&["run"]);
    assert_eq!(outcome.code, 96, "{outcome:?}");
    assert_snapshot("home-assistant-component", &outcome.stderr);
}
