//! A board of one host at which the bench fails: as on one host, another board is used, and the report names the suspect.

use hil_timeline::{Verdict, What};

use super::fleet::Fleet;
use super::{events, verdicts};

/// Scenarios that all name one board, which both hosts have.
const ON_LAMP: &str = r#"Feature: f
  Scenario Outline: it connects, <n>
    Given the board "lamp" runs the firmware "lamp"
    Then "lamp" connects within 5 s
    And "lamp" does not reboot for 500 ms

    Examples:
      | n |
      | 1 |
      | 2 |
      | 3 |
      | 4 |
      | 5 |
      | 6 |
      | 7 |
      | 8 |
      | 9 |
      | 10 |
"#;

/// Its rail can't be switched on.
#[test]
fn a_board_on_which_the_bench_fails_is_suspect_and_set_aside() {
    let fleet = Fleet::new(ON_LAMP, &["pi-a", "pi-b"]);
    let bench = fleet.host("pi-a").folder.join("lab/bench.toml");
    let text = std::fs::read_to_string(&bench).expect("a bench");
    // The first board is `lamp`.
    let (before, rest) = text.split_once("\non = [").expect("a rail");
    let (_, after) = rest.split_once('\n').expect("a line");
    std::fs::write(&bench, format!("{before}\non = [\"false\"]\n{after}")).expect("write");
    let run = fleet.hil(&["--out", "run"]);
    assert_eq!((run.code, verdicts(&run).len()), (0, 10), "{run:?}");
    fleet.wait_until_safe("after the run");
    let recorded = events(&fleet.project, "run");
    let errored = |event: &&hil_timeline::RunEvent| {
        matches!(event.what, What::ScenarioFinished { verdict: Verdict::Errored, .. })
    };
    assert_eq!(recorded.iter().filter(errored).count(), 2, "two faults, and no more: {run:?}");
    let on_pi_a = recorded.iter().filter(|event| event.host.as_ref().is_some_and(|host| host.as_str() == "pi-a"));
    let said: Vec<_> = on_pi_a
        .filter_map(|event| match &event.what {
            What::Bench { board, note } if note.starts_with("suspect") => Some(format!("{board}: {note}")),
            What::SetAside { board, .. } => Some(format!("{board}: set aside")),
            _ => None,
        })
        .collect();
    assert_eq!(
        said.iter().filter(|line| line.ends_with("; the retry prefers another board that fits")).count(),
        2,
        "{said:?}"
    );
    assert_eq!(said.iter().filter(|line| *line == "lamp: set aside").count(), 1, "{said:?}");
}
