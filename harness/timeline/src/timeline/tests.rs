use std::time::Duration;

use super::*;
use crate::Stamp;
use crate::read_events;

fn line(text: &str) -> What {
    What::Console { board: "lamp".into(), line: text.into() }
}

fn text(event: &RunEvent) -> Option<String> {
    match &event.what {
        What::Console { line, .. } => Some(line.clone()),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_wakes_the_waiting_step_at_once() {
    let timeline = Timeline::in_memory(Epoch::start());
    let writer = timeline.clone();
    let start = Instant::now();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        writer.record(None, line("late"));
    });
    let found = timeline.wait_for(timeline.end(), start + Duration::from_secs(10), text).await;
    assert_eq!(found.as_deref(), Ok("late"));
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_wait_that_nothing_matches() {
    let timeline = Timeline::in_memory(Epoch::start());
    timeline.record(None, line("other"));
    let start = Instant::now();
    let found = timeline
        .wait_for(Cursor::default(), start + Duration::from_secs(2), |event| text(event).filter(|t| t == "mine"))
        .await;
    assert_eq!(found, Err(TimedOut));
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn records_before_the_cursor_do_not_match() {
    let timeline = Timeline::in_memory(Epoch::start());
    let first = timeline.record(None, line("old"));
    let past = Instant::now();
    assert_eq!(timeline.wait_for(Cursor::after(&first), past, text).await, Err(TimedOut));
    assert_eq!(timeline.wait_for(Cursor::default(), past, text).await.as_deref(), Ok("old"));
}

#[tokio::test]
async fn a_line_with_a_secret_is_found_however_old_it_is() {
    let folder = tempfile::tempdir().expect("folder");
    let timeline = Timeline::in_memory(Epoch::start());
    let path = folder.path().join("events.jsonl");
    timeline.write_to(&path, Mask::new(["wonderland".to_owned()]), RECORD_LIMIT).expect("new file");
    timeline.lock().keep(100, usize::MAX);
    timeline.record(None, line("key: wonderland"));
    (0..500).for_each(|n| drop(timeline.record(None, line(&format!("line {n}")))));
    assert!(timeline.lock().in_memory() < 110);
    let is_it = |event: &RunEvent| text(event).filter(|text| text == "key: wonderland");
    assert!(timeline.wait_for(Cursor::default(), Instant::now(), is_it).await.is_ok());
    let written = std::fs::read_to_string(&path).expect("record");
    assert!(!written.contains("wonderland") && written.contains("key: ••••"));
}

#[tokio::test]
async fn many_writers_get_one_order() {
    let timeline = Timeline::in_memory(Epoch::start());
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let timeline = timeline.clone();
            std::thread::spawn(move || {
                for i in 0..500 {
                    timeline.record(Some(ScenarioId(n)), line(&i.to_string()));
                }
            })
        })
        .collect();
    let mut follower = timeline.follow(Cursor::default());
    let mut last = Stamp::default();
    for seq in 0..2000 {
        let event = follower.next().await;
        assert_eq!(event.seq, seq);
        assert!(event.at >= last);
        last = event.at;
    }
    for thread in threads {
        thread.join().expect("writer");
    }
}

#[tokio::test]
async fn old_console_lines_are_read_from_the_disk() {
    let folder = tempfile::tempdir().expect("folder");
    let timeline = Timeline::in_file(Epoch::start(), &folder.path().join("events.jsonl")).expect("new file");
    timeline.lock().keep(100, usize::MAX);
    let start = timeline.end();
    timeline.record(None, What::RunFinished { exit_code: 7 });
    for n in 0..5000 {
        timeline.record(None, line(&n.to_string()));
    }
    let in_memory = timeline.since(start);
    assert_eq!(in_memory.len(), 101, "the newest lines, and everything that is not a line");
    assert_eq!(in_memory[0].what, What::RunFinished { exit_code: 7 });
    let mut follower = timeline.follow(start);
    for seq in 0..5001 {
        assert_eq!(follower.next().await.seq, seq);
    }
    let past = Instant::now();
    let old = timeline.wait_for(start, past, |event| text(event).filter(|text| text == "17")).await;
    assert_eq!(old.as_deref(), Ok("17"));
}

#[tokio::test]
async fn simultaneous_records_are_found_by_number_in_memory_and_on_disk() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("events.jsonl");
    let timeline = Timeline::in_file(Epoch::start(), &path).expect("new file");
    timeline.lock().keep(100, usize::MAX);
    let mut next = 0;
    for size in (0..40).cycle().take(200) {
        let all = (next..next + size).map(|n| line(&n.to_string())).collect();
        let events = timeline.record_all(Some(ScenarioId(1)), all);
        assert!(events.iter().map(|event| event.seq).eq(next..next + size));
        next += size;
    }
    let mut follower = timeline.follow(Cursor::default());
    for seq in 0..next {
        let event = follower.next().await;
        assert_eq!((event.seq, text(&event)), (seq, Some(seq.to_string())));
    }
    assert_eq!(read_events(&path).expect("readable").len() as u64, next);
}

#[tokio::test]
async fn a_forgetful_timeline_keeps_the_newest_lines_only() {
    let timeline = Timeline::in_memory(Epoch::start());
    timeline.forget_after(10);
    for n in 0..50 {
        timeline.record(None, line(&n.to_string()));
    }
    let first = timeline.follow(Cursor::default()).next().await;
    assert_eq!(text(&first).as_deref(), Some("40"));
}

fn packet(size: usize) -> What {
    let packet = crate::Packet::Pingreq;
    let board = "lamp".into();
    let direction = crate::Direction::FromBoard;
    What::Packet { board, connection: 1, direction, bytes: size, disposition: None, answer_us: None, packet }
}

#[tokio::test]
async fn a_record_at_its_limit_reports_what_it_leaves_out_and_continues_with_the_progress_of_scenarios() {
    const LIMIT: u64 = 20_000;
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("events.jsonl");
    let timeline = Timeline::in_memory(Epoch::start());
    timeline.write_to(&path, Mask::default(), LIMIT).expect("new file");
    timeline.lock().keep(100, usize::MAX);
    let follower = timeline.clone();
    for n in 0..1000 {
        timeline.record(Some(ScenarioId(1)), line(&n.to_string()));
        timeline.record(Some(ScenarioId(1)), packet(2));
    }
    assert!(timeline.is_full());
    tokio::time::timeout(Duration::from_secs(5), timeline.full()).await.expect("at once");
    timeline.record(Some(ScenarioId(1)), What::ScenarioFinished { verdict: crate::Verdict::Errored, failure: None });
    timeline.record(None, What::RunFinished { exit_code: 101 });
    assert!(std::fs::metadata(&path).expect("file").len() < LIMIT + 1000);
    let events = read_events(&path).expect("readable");
    let count = |is: fn(&What) -> bool| events.iter().filter(|event| is(&event.what)).count() as u64;
    let lines = count(|what| matches!(what, What::Console { .. }));
    let packets = count(|what| matches!(what, What::Packet { .. }));
    assert_eq!(count(|what| *what == What::RecordFull { limit: LIMIT }), 1);
    let last: Vec<_> = events.iter().rev().take(3).rev().map(|event| event.what.clone()).collect();
    let dropped = What::RecordDropped { lines: 1000 - lines, packets: 1000 - packets, others: 0 };
    assert!(lines > 50 && matches!(last[0], What::ScenarioFinished { .. }), "{last:?}");
    assert_eq!(last[1..], [dropped, What::RunFinished { exit_code: 101 }]);
    // A follower gets all that there is, in order, and reaches the end.
    let mut follower = follower.follow(Cursor::default());
    let mut seen = 0;
    let end = loop {
        let event = follower.next().await;
        assert!(event.seq >= seen);
        seen = event.seq + 1;
        if matches!(event.what, What::RunFinished { .. }) {
            break event.seq;
        }
    };
    assert_eq!(Cursor(end + 1), timeline.end());
}

#[test]
fn memory_of_a_run_is_bounded_except_for_packets_of_running_scenarios() {
    const BYTES: usize = 100_000;
    let folder = tempfile::tempdir().expect("folder");
    let timeline = Timeline::in_file(Epoch::start(), &folder.path().join("events.jsonl")).expect("new file");
    timeline.lock().keep(100, BYTES);
    let finished = || What::ScenarioFinished { verdict: crate::Verdict::Passed, failure: None };
    for scenario in (1..=20).map(ScenarioId) {
        for _ in 0..500 {
            timeline.record(Some(scenario), packet(100));
            timeline.record(Some(scenario), line("a line"));
        }
        let mine = timeline.since(Cursor::default());
        let mine = mine.iter().filter(|event| event.scenario == Some(scenario));
        assert_eq!(mine.filter(|event| matches!(event.what, What::Packet { .. })).count(), 500, "steps look back");
        timeline.record(Some(scenario), finished());
    }
    // 500 bytes per packet, 100 lines, and the progress of scenarios.
    assert_eq!(timeline.lock().in_memory(), BYTES / 500 + 100 + 20);
    let packets = read_events(&folder.path().join("events.jsonl")).expect("readable");
    assert_eq!(packets.len(), 20 * 1001, "nothing is lost");
}

#[test]
fn a_forgetful_timeline_is_bounded_in_number_and_bytes_for_any_events() {
    let timeline = Timeline::in_memory(Epoch::start());
    timeline.forget_after(100);
    for n in 0..1000 {
        timeline.record(None, line("a line"));
        timeline.record(None, packet(100));
        timeline.record(None, What::Bench { board: "lamp".into(), note: n.to_string() });
    }
    assert_eq!(timeline.lock().in_memory(), 200);
    timeline.lock().keep(100, 50_000);
    for _ in 0..1000 {
        timeline.record(None, line(&"x".repeat(4096)));
        timeline.record(None, packet(20_000));
    }
    assert_eq!(timeline.lock().in_memory(), 50_000 / 4496 + 50_000 / 20_400);
}

#[test]
fn an_incomplete_last_line_is_left_out() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("events.jsonl");
    let timeline = Timeline::in_file(Epoch::start(), &path).expect("new file");
    timeline.record(Some(ScenarioId(1)), line("whole"));
    timeline.record(None, What::RunFinished { exit_code: 0 });
    let whole = std::fs::read(&path).expect("read");
    std::fs::write(&path, &whole[..whole.len() - 5]).expect("tear");
    let events = read_events(&path).expect("readable");
    assert_eq!(events.len(), 1);
    assert_eq!(text(&events[0]).as_deref(), Some("whole"));
    assert_eq!(events[0].scenario, Some(ScenarioId(1)));
    assert!(Timeline::in_file(Epoch::start(), &path).is_err(), "an earlier run is never overwritten");
}

/// The verdict is the last record of its scenario.
#[test]
fn what_is_recorded_behind_a_verdict_belongs_to_no_scenario() {
    let timeline = Timeline::in_memory(Epoch::start());
    let id = |number| Some(crate::ScenarioId(number));
    let line = || What::BrokerLog { line: "closed".to_owned() };
    let ended = || What::ScenarioFinished { verdict: crate::Verdict::Passed, failure: None };
    let recorder = timeline.recorder(id(1));
    let of = [
        recorder.record(line()).scenario,
        recorder.record_all(vec![line(), ended()]).pop().and_then(|event| event.scenario),
        recorder.record(line()).scenario,
        timeline.record(id(2), line()).scenario,
    ];
    assert_eq!(of, [id(1), id(1), None, id(2)]);
}
