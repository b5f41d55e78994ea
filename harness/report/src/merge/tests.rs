//! Made-up runs; the program's tests merge real ones.

use hil_timeline::{Choice, ConnectionChange, Provenance, ScenarioId, ScenarioInfo, Shard, StepOutcome, Verdict};

use super::*;
use crate::{read_run, read_summary};

/// Writes a run with one scenario, whose board has one connection.
fn run(folder: &Path, unix_ms: u64, line: usize, exit_code: Option<u8>, choice: Choice) -> PathBuf {
    run_of(folder, unix_ms, line, exit_code, choice, Provenance::default())
}

fn run_of(
    folder: &Path,
    unix_ms: u64,
    line: usize,
    exit_code: Option<u8>,
    choice: Choice,
    provenance: Provenance,
) -> PathBuf {
    let run = folder.join(format!("run-{line}"));
    std::fs::create_dir_all(&run).expect("folder");
    let info = ScenarioInfo {
        feature: "f".into(),
        path: "features/a.feature".into(),
        line,
        name: format!("on line {line}"),
        boards: vec!["lamp".into()],
        ..ScenarioInfo::default()
    };
    let (schema, version, bench, broker) = (3, "0.1.0".into(), "bench.toml".into(), "embedded".into());
    let plan = vec![info.clone()];
    let (project, boards) = (None, vec![]);
    let started =
        What::RunStarted { schema, version, unix_ms, bench, project, broker, boards, provenance, plan, choice };
    let outcome = StepOutcome {
        verdict: Verdict::Passed,
        took_us: 5,
        mark: Some(Stamp(1_000_000)),
        deadline: None,
        failure: None,
    };
    let change = ConnectionChange::Refused { reason: "none".into() };
    let id = Some(ScenarioId(1));
    let mut events = vec![
        (0, None, started),
        (1_000_000, id, What::ScenarioStarted { info, attempt: 1, repetition: None }),
        (1_500_000, id, What::Connection { board: "lamp".into(), connection: 1, peer: None, change }),
        (2_000_000, id, What::StepFinished { outcome }),
        (3_000_000, id, What::ScenarioFinished { verdict: Verdict::Passed, failure: None }),
    ];
    events.extend(exit_code.map(|exit_code| (3_100_000, None, What::RunFinished { exit_code })));
    let lines = (0..).zip(events).map(|(seq, (at, scenario, what))| {
        serde_json::to_string(&RunEvent { seq, at: Stamp(at), scenario, what }).expect("JSON") + "\n"
    });
    std::fs::write(run.join("events.jsonl"), lines.collect::<String>()).expect("written");
    run
}

fn shard(index: u32) -> Choice {
    Choice { shard: Some(Shard { index, of: 3, selected: 2 }), ..Choice::default() }
}

fn merged(runs: &[PathBuf], folder: &Path) -> Result<(Merged, crate::RunSummary), MergeError> {
    let out = folder.join("merged");
    std::fs::create_dir_all(&out).expect("folder");
    let merged = Merge::open(runs)?.write(&out)?;
    read_run(&out).expect("a run").write_reports().expect("reports");
    Ok((merged, read_summary(&out).expect("a run")))
}

#[test]
fn each_run_is_placed_by_its_start_and_numbers_stay_unique() {
    let folder = tempfile::tempdir().expect("folder");
    // The later one is named first, and begins while the other one runs.
    let runs = [run(folder.path(), 5_500, 9, Some(0), shard(3)), run(folder.path(), 5_000, 4, Some(0), shard(1))];
    let (found, summary) = merged(&runs, folder.path()).expect("merged");
    let whole = Merged { parts: vec![5_000, 5_500], incomplete: Vec::new() };
    assert_eq!(found, whole, "part 2 is empty, and nothing is missing");
    let info = summary.info.expect("it began");
    assert_eq!((info.unix_ms, info.planned, summary.exit_code, summary.took_us), (5_000, 2, Some(0), 3_500_000));
    assert_eq!(info.choice.merged, ["run-4", "run-9"]);
    let events = hil_timeline::read_events(&folder.path().join("merged/events.jsonl")).expect("events");
    let order: Vec<_> =
        events.iter().map(|event| (event.seq, event.at.0 / 1000, event.scenario.map(|id| id.0))).collect();
    let expected = [
        (0, 0, None),
        (1, 1000, Some(1)),
        (2, 1500, Some(1)),
        (3, 1500, Some(2)),
        (4, 2000, Some(2)),
        (5, 2000, Some(1)),
        (6, 2500, Some(2)),
        (7, 3000, Some(1)),
        (8, 3500, Some(2)),
        (9, 3500, None),
    ];
    let (mut order, mut expected) = (order, expected.to_vec());
    order.sort_by_key(|(_, at, id)| (*at, *id));
    expected.sort_by_key(|(_, at, id)| (*at, *id));
    let without_seq =
        |all: Vec<(u64, u64, Option<u32>)>| all.into_iter().map(|(_, at, id)| (at, id)).collect::<Vec<_>>();
    assert_eq!(without_seq(order), without_seq(expected));
    let marks = events.iter().filter_map(|event| match &event.what {
        What::StepFinished { outcome } => outcome.mark.map(|mark| mark.0),
        _ => None,
    });
    assert_eq!(marks.collect::<Vec<_>>(), [1_000_000, 1_500_000], "times within events move too");
    let connections = events.iter().filter_map(|event| match &event.what {
        What::Connection { connection, .. } => Some(*connection),
        _ => None,
    });
    assert_eq!(connections.collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_missing_part_is_not_green() {
    let folder = tempfile::tempdir().expect("folder");
    let runs = [run(folder.path(), 5_000, 4, Some(0), shard(2))];
    let (found, summary) = merged(&runs, folder.path()).expect("merged");
    assert_eq!(found.incomplete, ["1 of 2 scenarios are here: 1/3, 3/3 missing"]);
    assert_eq!(summary.exit_code, Some(102));
    let other = tempfile::tempdir().expect("folder");
    let runs = [runs[0].clone(), run(other.path(), 5_000, 5, Some(0), Choice::default())];
    let (found, _) = merged(&runs, other.path()).expect("merged");
    let why = "these runs are not parts of one selection: 2/3 of 2 scenarios, a whole run";
    assert_eq!(found.incomplete, [why]);
}

#[test]
fn runs_of_different_commits_are_no_whole() {
    let folder = tempfile::tempdir().expect("folder");
    let from = |commit: &str, host: &str| Provenance {
        commit: Some(commit.into()),
        branch: Some("main".into()),
        host: Some(host.into()),
        ..Provenance::default()
    };
    let part = |line, index, from| run_of(folder.path(), 5_000, line, Some(0), shard(index), from);
    let same = [part(4, 1, from("aa11", "pi-1")), part(5, 2, from("aa11", "pi-2"))];
    let (found, _) = merged(&same, folder.path()).expect("merged");
    assert!(found.incomplete.is_empty(), "{:?}", found.incomplete);
    let summary = read_summary(&folder.path().join("merged")).expect("read");
    assert_eq!(summary.info.expect("it began").provenance, from("aa11", "pi-1, pi-2"));
    let other = tempfile::tempdir().expect("folder");
    let mixed = [same[0].clone(), part(6, 2, from("bb22", "pi-1"))];
    let (found, _) = merged(&mixed, other.path()).expect("merged");
    assert_eq!(found.incomplete, ["these runs are of different commits: aa11, bb22"]);
}

#[test]
fn a_scenario_of_two_runs_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let one = run(folder.path(), 5_000, 4, Some(0), shard(1));
    let error = merged(&[one.clone(), one], folder.path()).expect_err("refused");
    assert!(matches!(error, MergeError::Twice { .. }), "{error}");
    assert!(!folder.path().join("merged/events.jsonl").exists());
}

#[test]
fn the_worst_exit_code_counts() {
    for (codes, expected) in [
        (&[Some(0), Some(4)][..], 0),
        (&[Some(4)], 4),
        (&[Some(0), Some(102)], 102),
        (&[Some(102), Some(100)], 100),
        (&[Some(100), Some(130)], 130),
        (&[Some(0), None], 130),
        (&[Some(0), Some(77)], 102),
    ] {
        assert_eq!(exit_code(codes, false), expected, "{codes:?}");
    }
    assert_eq!((exit_code(&[Some(0)], true), exit_code(&[Some(100)], true)), (102, 100));
}
