//! Comparisons of made-up runs; the program's tests compare real ones.

use std::collections::{BTreeMap, BTreeSet};

use hil_timeline::BoardInfo;

use super::*;
use crate::record::{Metric, MetricKind, RECORD_SCHEMA};

fn record(run: &str, verdicts: &[(&str, Verdict)]) -> Record {
    let board =
        BoardInfo { name: "lamp".into(), kind: "esp".into(), chip: "esp32c3".into(), simulated: false, emulator: None };
    let firmware = FirmwareInfo {
        board: "lamp".into(),
        firmware: "lamp".into(),
        hash: "aaaa".into(),
        size: 100,
        version: Some("1.0.0".into()),
        runs: None,
    };
    Record {
        schema: RECORD_SCHEMA,
        run: run.into(),
        unix_ms: 1_795_000_000_000,
        bench: "bench.toml".into(),
        provenance: hil_timeline::Provenance::default(),
        broker: "embedded".into(),
        boards: vec![board],
        firmware: vec![firmware],
        exit_code: Some(0),
        parts: Vec::new(),
        regressed: false,
        scenarios: verdicts.iter().map(|(name, verdict)| ((*name).to_owned(), *verdict)).collect(),
        failures: BTreeMap::new(),
        quarantined: BTreeSet::new(),
        times: BTreeMap::new(),
        metrics: BTreeMap::new(),
        traffic: BTreeMap::new(),
    }
}

fn boot() -> Metric {
    Metric { kind: MetricKind::Boot, subject: "lamp".into() }
}

/// Times that vary by a twentieth, but not randomly.
fn times(count: usize, centre: f64) -> Vec<f64> {
    (0..count).map(|n| centre * (0.95 + 0.1 * ((n * 7) % count) as f64 / count as f64)).collect()
}

#[test]
fn every_change_of_a_verdict_has_its_place() {
    use Verdict::{Errored, Failed, Flaky, Passed, Skipped};
    let base = record(
        "base",
        &[
            ("a fine", Passed),
            ("b breaks", Passed),
            ("c stays broken", Failed),
            ("d is fixed", Failed),
            ("e wavers", Passed),
            ("f bench", Passed),
            ("g gone", Passed),
            ("i was skipped", Skipped),
            ("j wavered", Flaky),
        ],
    );
    let mut head = record(
        "head",
        &[
            ("a fine", Passed),
            ("b breaks", Failed),
            ("c stays broken", Failed),
            ("d is fixed", Passed),
            ("e wavers", Flaky),
            ("f bench", Errored),
            ("h new", Failed),
            ("i was skipped", Failed),
            ("j wavered", Flaky),
        ],
    );
    head.failures.insert("b breaks".into(), "Then it shines: `\u{1b}[31mdark <b>`".into());
    head.firmware[0].hash = "bbbb".into();
    head.firmware[0].size = 120;
    let comparison = compare(&[base], &[head]).expect("comparable");
    assert!(comparison.regression);
    insta::assert_snapshot!(format!("{}\n{}", comparison.text(), comparison.markdown()));
}

#[test]
fn a_scenario_whose_verdict_flips_between_runs_of_one_firmware_is_flaky() {
    let (good, bad) = ([("a", Verdict::Passed)], [("a", Verdict::Failed)]);
    let base = [record("1", &good), record("2", &good)];
    let flips = [record("3", &good), record("4", &bad), record("5", &good)];
    assert_eq!(compare(&base, &flips).expect("comparable").scenarios.newly_flaky.len(), 1);
    // Runs of another firmware than the baseline's are kept apart by the caller.
    assert_eq!(compare(&flips, &base).expect("comparable").scenarios.fixed.len(), 0);
    // A change of the firmware is not a flip.
    let mut changed = flips;
    changed[2].firmware[0].hash = "bbbb".into();
    assert!(!compare(&base, &changed).expect("comparable").regression);
}

#[test]
fn a_time_changes_only_where_enough_is_known() {
    let with = |run: &str, values: Vec<f64>| {
        let mut record = record(run, &[("a", Verdict::Passed)]);
        record.metrics.insert(boot(), values);
        record
    };
    let changes = |base: &[Record], head: &[Record]| compare(base, head).expect("comparable").measurements;
    // Three and three are too few, however large the difference.
    let few = changes(&[with("b", times(3, 100.0))], &[with("h", times(3, 900.0))]);
    assert_eq!((few.changes.len(), few.compared, few.too_few), (0, 0, 1));
    let many = changes(&[with("b", times(10, 100.0))], &[with("h", times(10, 130.0))]);
    assert_eq!(many.changes.len(), 1);
    assert_eq!(many.changes[0].direction, TimeChange::Slower);
    let less = changes(&[with("b", times(10, 130.0))], &[with("h", times(10, 90.0))]);
    assert_eq!(less.changes[0].direction, TimeChange::Faster);
    // Significant, but too small to matter.
    assert!(changes(&[with("b", times(50, 100.0))], &[with("h", times(50, 108.0))]).changes.is_empty());
    assert!(changes(&[with("b", times(50, 2.0))], &[with("h", times(50, 4.0))]).changes.is_empty());
    // The baseline's own runs differ as much.
    let base = [100.0, 140.0, 101.0].map(|centre| with("b", times(20, centre)));
    assert!(changes(&base, &[with("h", times(20, 125.0))]).changes.is_empty());
    assert_eq!(changes(&base, &[with("h", times(60, 300.0))]).changes.len(), 1);
    let one = [with("b", times(10, 100.0))];
    let lines = compare(&one, &[with("h", times(10, 150.0))]).expect("comparable").text();
    insta::assert_snapshot!(lines);
    let silent = compare(&one, &[with("h", times(2, 150.0))]).expect("comparable").conclusion();
    assert_eq!(silent, "no regression in 1 scenario; not enough data on 1 measurement");
}

#[test]
fn without_data_there_is_no_conclusion() {
    use Verdict::{Aborted, Errored, Failed, Passed, Skipped};
    let conclude = |was, is| {
        let comparison = compare(&[record("b", &[("a", was)])], &[record("h", &[("a", is)])]).expect("comparable");
        assert!(!comparison.regression || is == Failed);
        comparison.conclusion()
    };
    for (was, is) in [(Passed, Aborted), (Passed, Skipped), (Passed, Errored), (Skipped, Passed), (Errored, Passed)] {
        let said = conclude(was, is);
        assert!(said.starts_with("not enough data: no scenario is known on both sides"), "{was:?} {is:?}: {said}");
    }
    assert!(conclude(Skipped, Failed).starts_with("regression: 1 newly failing"));
    // Times of another bench don't count; a partial run has only some of the boards.
    let mut base = record("b", &[("a", Passed)]);
    base.metrics.insert(boot(), times(50, 100.0));
    let mut head = record("h", &[("a", Passed)]);
    head.metrics.insert(boot(), times(50, 300.0));
    assert!(compare(std::slice::from_ref(&base), std::slice::from_ref(&head)).expect("comparable").regression);
    for elsewhere in [
        |record: &mut Record| record.broker = "mosquitto".into(),
        |record: &mut Record| {
            record.boards[0].chip = "esp32c6".into();
        },
    ] {
        let mut head = head.clone();
        elsewhere(&mut head);
        let comparison = compare(std::slice::from_ref(&base), &[head]).expect("comparable");
        assert!(!comparison.regression);
        assert!(comparison.conclusion().ends_with("times are not compared: another bench, broker or chip"));
    }
}

#[test]
fn traffic_is_compared_scenario_by_scenario() {
    let with = |run: &str, verdict, lines: &[(&str, u32)]| {
        let mut record = record(run, &[("a", verdict)]);
        let lines = lines.iter().map(|(line, count)| ((*line).to_owned(), *count)).collect();
        record.traffic.insert("a".into(), lines);
        record
    };
    let old = with(
        "b",
        Verdict::Passed,
        &[
            ("lamp publishes to `loger`, QoS 1", 2),
            ("lamp publishes to `heartbeat`, QoS 0", 10),
            ("lamp announces the will `off` on `loger`, QoS 1, retained", 1),
            ("lamp publishes to `gone`, QoS 0", 1),
        ],
    );
    let lines: &[(&str, u32)] = &[
        ("lamp publishes to `loger`, QoS 0", 2),
        ("lamp publishes to `heartbeat`, QoS 0", 40),
        ("lamp announces no will", 1),
        ("lamp publishes to `debug`, QoS 0", 1),
    ];
    let new = with("h", Verdict::Passed, lines);
    let comparison = compare(std::slice::from_ref(&old), &[new]).expect("comparable");
    insta::assert_snapshot!(comparison.text());
    // A scenario that failed lacks the later traffic.
    let cut = with("h", Verdict::Failed, &[("lamp publishes to `loger`, QoS 1", 1)]);
    assert!(compare(std::slice::from_ref(&old), &[cut]).expect("comparable").traffic.is_empty());
    // Traffic of the last step alone may have been cut off by chance.
    let (topic, late) = ("lamp publishes to `loger`, QoS 1", "lamp publishes to `late`, QoS 0");
    let (with_it, without) =
        (with("b", Verdict::Passed, &[(topic, 1), (late, 0)]), with("h", Verdict::Passed, &[(topic, 1)]));
    assert!(
        compare(std::slice::from_ref(&with_it), std::slice::from_ref(&without)).expect("comparable").traffic.is_empty()
    );
    assert!(compare(&[without], &[with_it]).expect("comparable").traffic.is_empty());
    // Traffic of only some runs is neither new nor missing.
    let some = with("b2", Verdict::Passed, lines);
    assert!(compare(&[old.clone(), some], &[old]).expect("comparable").traffic.is_empty());
}

#[test]
fn simulated_and_emulated_boards_and_silicon_are_never_compared() {
    let real = record("base", &[("a", Verdict::Passed)]);
    let mut simulated = real.clone();
    simulated.boards[0].simulated = true;
    let mut other = simulated.clone();
    other.boards[0].name = "lamp-2".into();
    let mut emulated = simulated.clone();
    emulated.boards[0].emulator = Some("QEMU emulator version 9.2.2".into());
    let pairs =
        [(&real, &simulated), (&simulated, &real), (&real, &other), (&emulated, &real), (&simulated, &emulated)];
    for (base, head) in pairs {
        let error = compare(std::slice::from_ref(base), std::slice::from_ref(head)).expect_err("mixed");
        assert!(error.to_string().ends_with("they are never compared"), "{error}");
    }
    assert_eq!(compare(&[], &[real]).expect_err("empty").to_string(), "there is no run to compare with");
}

/// A gauge that changed is shown in its own unit. Whether higher or lower is worse is not known, so it is not a regression.
#[test]
fn a_gauge_that_changed_is_not_a_time_and_not_a_regression() {
    let of = |run: &str, heap: f64, rssi: f64| {
        let mut record = record(run, &[("a", Verdict::Passed)]);
        let gauge = |subject: &str| Metric { kind: MetricKind::Gauge, subject: subject.into() };
        record.metrics.insert(gauge("heap of lamp"), times(40, heap));
        record.metrics.insert(gauge("rssi of lamp"), times(40, rssi));
        record
    };
    let compared = compare(&[of("base", 3.0, -50.0)], &[of("head", 1.5, -80.0)]).expect("comparable");
    let found: Vec<_> = compared
        .measurements
        .changes
        .iter()
        .map(|change| (change.metric.to_string(), change.direction, change.base.median_ms > change.head.median_ms))
        .collect();
    assert_eq!(
        found,
        [
            ("gauge: heap of lamp".to_owned(), TimeChange::Lower, true),
            ("gauge: rssi of lamp".to_owned(), TimeChange::Lower, true)
        ]
    );
    assert!(!compared.regression);
    insta::assert_snapshot!(compared.text());
    let same = compare(&[of("base", 3.0, -50.0)], &[of("head", 3.0, -50.0)]).expect("comparable");
    assert!(same.measurements.changes.is_empty() && same.measurements.compared == 2);
}
