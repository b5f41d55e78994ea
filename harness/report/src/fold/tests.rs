//! Made-up runs, used by other tests as well, and their results.

use std::time::Duration;

use hil_timeline::{
    BoardInfo, Choice, Direction, Failure, Packet, Payload, Provenance, QoS, StepInfo, StepOutcome, Timeline,
};

use super::*;
use crate::result::Counts;

/// One scenario whose attempts ended like this.
pub(crate) fn tried(verdicts: &[Verdict]) -> Vec<RunEvent> {
    let info = ScenarioInfo {
        feature: "The lamp".into(),
        path: "features/lamp/on-off.feature".into(),
        line: 7,
        name: "on and off".into(),
        rule: None,
        tags: vec!["wifi".into()],
        boards: vec!["lamp".into()],
        roles: Vec::new(),
        quarantine: None,
    };
    let mut events: Vec<RunEvent> = Vec::new();
    for (n, verdict) in (1..).zip(verdicts) {
        let failure = (*verdict != Verdict::Passed).then(|| Failure {
            message: format!("attempt {n} {}", verdict.word()),
            details: vec![],
            hint: None,
        });
        let outcome =
            StepOutcome { verdict: *verdict, took_us: 5000, mark: None, deadline: None, failure: failure.clone() };
        for what in [
            What::ScenarioStarted { info: info.clone(), attempt: n, repetition: None },
            What::StepStarted(StepInfo {
                keyword: "Then".into(),
                text: "it shines".into(),
                line: 9,
                ..StepInfo::default()
            }),
            What::StepFinished { outcome },
            What::ScenarioFinished { verdict: *verdict, failure },
        ] {
            let seq = events.len() as u64;
            events.push(RunEvent { seq, at: Stamp(seq * 10_000), scenario: Some(ScenarioId(n)), host: None, what });
        }
    }
    events
}

/// A small run with one scenario of each verdict, the last one unfinished before its last two events.
pub(crate) fn sample() -> Vec<RunEvent> {
    let mut events = Vec::new();
    let mut push = |at: u64, scenario: Option<u32>, what: What| {
        let seq = events.len() as u64;
        events.push(RunEvent { seq, at: Stamp(at * 1000), scenario: scenario.map(ScenarioId), host: None, what });
    };
    let board = BoardInfo {
        name: "lamp".into(),
        kind: "virtual".into(),
        chip: "esp32c3".into(),
        simulated: true,
        emulator: None,
        host: None,
    };
    push(
        0,
        None,
        What::RunStarted {
            schema: 1,
            version: "0.1.0".into(),
            unix_ms: 1_795_000_000_000,
            bench: "bench.toml".into(),
            project: None,
            broker: "embedded".into(),
            boards: vec![board],
            provenance: Provenance::default(),
            plan: vec![],
            choice: Choice::default(),
        },
    );
    let started = |name: &str, line| What::ScenarioStarted {
        attempt: 1,
        repetition: None,
        info: ScenarioInfo {
            feature: "The lamp".into(),
            path: "features/lamp/on-off.feature".into(),
            line,
            name: name.into(),
            rule: None,
            tags: vec![],
            boards: vec!["lamp".into()],
            roles: Vec::new(),
            quarantine: None,
        },
    };
    let step = |text: &str, line| {
        What::StepStarted(StepInfo { keyword: "Then".into(), text: text.into(), line, ..StepInfo::default() })
    };
    let failure = |message: &str| Failure {
        message: message.into(),
        details: vec!["closest: `saya mati` on `loger` at +0.31 s".into()],
        hint: Some("look at the \u{1}lamp <b>".into()),
    };
    let ends = [
        (1, Verdict::Passed, None),
        (2, Verdict::Failed, Some(failure("`lamp` published nothing"))),
        (3, Verdict::Errored, Some(failure("board `lamp` does not answer"))),
        (
            4,
            Verdict::Skipped,
            Some(Failure { message: "this bench has no `relay`".into(), details: vec![], hint: None }),
        ),
    ];
    for (id, verdict, failure) in ends {
        let n = Some(id);
        let at = u64::from(id) * 1000;
        push(at, n, started(if id < 3 { "on and off" } else { "others" }, id as usize * 10));
        push(at + 10, n, step("\"lamp\" publishes", id as usize * 10 + 2));
        let packet = Packet::Publish {
            topic: "loger".into(),
            payload: Payload::from("<script>alert(1)</script>"),
            qos: QoS::AtLeastOnce,
            retain: false,
            dup: false,
            packet_id: Some(1),
            aliased: false,
            properties: Vec::new(),
        };
        let direction = Direction::FromBoard;
        push(
            at + 20,
            n,
            What::Packet {
                board: "lamp".into(),
                connection: 1,
                direction,
                bytes: 30,
                disposition: None,
                answer_us: None,
                packet,
            },
        );
        push(at + 30, n, What::Console { board: "lamp".into(), line: "\u{1b}[31mred".into() });
        let outcome = StepOutcome { verdict, took_us: 20_000, mark: None, deadline: None, failure: failure.clone() };
        push(at + 40, n, What::StepFinished { outcome });
        push(at + 50, n, What::ScenarioFinished { verdict, failure });
    }
    push(9000, None, What::RunFinished { exit_code: 100 });
    events
}

#[test]
fn verdicts_are_counted() {
    let run = RunSummary::of(sample());
    let expected = Counts { passed: 1, failed: 1, errored: 1, skipped: 1, aborted: 0, flaky: 0, quarantined: 0 };
    assert_eq!((run.counts(), run.exit_code), (expected, Some(100)));
    assert_eq!(run.scenarios[1].telling().failed_step().map(|step| step.info.line), Some(22));
    assert_eq!(run.scenarios[0].took(), Duration::from_millis(50));
}

/// The verdict of several attempts, and the attempt that decides it.
#[test]
fn only_a_pass_undoes_a_failure() {
    use Verdict::{Aborted, Errored, Failed, Flaky, Passed, Skipped};
    for (attempts, verdict, telling) in [
        (&[Passed][..], Passed, 0),
        (&[Errored, Passed], Flaky, 0),
        (&[Failed, Errored, Passed], Flaky, 1),
        (&[Failed, Errored], Failed, 0),
        (&[Errored, Failed], Failed, 1),
        (&[Failed, Failed], Failed, 1),
        (&[Errored, Errored], Errored, 1),
        (&[Failed, Aborted], Failed, 0),
        (&[Errored, Skipped], Errored, 0),
        (&[Aborted], Aborted, 0),
    ] {
        let run = RunSummary::of(tried(attempts));
        assert_eq!(run.scenarios.len(), 1, "{attempts:?}");
        let scenario = &run.scenarios[0];
        assert_eq!(scenario.verdict, verdict, "{attempts:?}");
        assert!(std::ptr::eq(scenario.telling(), &raw const scenario.attempts[telling]), "{attempts:?}");
    }
}

#[test]
fn a_retry_that_is_cut_off_leaves_the_verdict_of_the_attempt_before() {
    let mut events = tried(&[Verdict::Errored, Verdict::Passed]);
    events.truncate(events.len() - 1);
    let run = RunSummary::of(&events);
    assert_eq!((run.scenarios[0].verdict, run.scenarios[0].attempts[1].verdict), (Verdict::Errored, Verdict::Aborted));
}

#[test]
fn events_survive_the_trip_through_their_file() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("events.jsonl");
    let timeline = Timeline::in_file(hil_timeline::Epoch::start(), &path).expect("file");
    let written: Vec<_> = sample().into_iter().map(|event| timeline.record(event.scenario, event.what)).collect();
    let read = hil_timeline::read_events(&path).expect("readable");
    assert_eq!(read.iter().collect::<Vec<_>>(), written.iter().map(AsRef::as_ref).collect::<Vec<_>>());
}
