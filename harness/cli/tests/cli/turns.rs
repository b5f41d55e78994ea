//! What holds for the record of every run, whatever a test is about.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hil_timeline::{HostName, RunEvent, ScenarioId, What, read_events};

/// The records of a scenario: from its start to the last one.
struct Span {
    name: String,
    host: Option<HostName>,
    boards: Vec<String>,
    first: u64,
    last: u64,
    /// Where its verdict is.
    finished: Option<u64>,
    /// More happened than its steps: a scenario that is skipped has no broker, and waits for no board.
    has_begun: bool,
}

/// Checks all runs in a folder.
pub(crate) fn check_runs(folder: &Path) {
    for run in records(folder, 3) {
        // Some tests leave damaged records there.
        let Ok(events) = read_events(&run) else { continue };
        let is_merged = events
            .first()
            .is_some_and(|event| matches!(&event.what, What::RunStarted { choice, .. } if !choice.merged.is_empty()));
        // Boards of several benches may have the same name.
        if !is_merged && let Err(broken) = check(&events) {
            panic!("{}: {broken}", run.display());
        }
    }
}

/// The records in a folder and the folders in it.
fn records(folder: &Path, depth: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // `latest` is a link to a run.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => found.extend(records(&entry.path(), depth - 1)),
            Ok(kind) if kind.is_file() && entry.file_name() == "events.jsonl" => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// Scenarios on one board never overlap, and the verdict of each is its last record.
fn check(events: &[RunEvent]) -> Result<(), String> {
    let mut spans: BTreeMap<ScenarioId, Span> = BTreeMap::new();
    for event in events {
        let Some(id) = event.scenario else { continue };
        if let What::ScenarioStarted { info, .. } = &event.what {
            let (name, boards) = (info.name.clone(), info.boards.clone());
            let (first, last) = (event.seq, event.seq);
            let host = event.host.clone();
            spans.insert(id, Span { name, host, boards, first, last, finished: None, has_begun: false });
        }
        let Some(span) = spans.get_mut(&id) else { continue };
        span.last = event.seq;
        match &event.what {
            What::ScenarioFinished { .. } => span.finished = Some(event.seq),
            What::ScenarioStarted { .. } | What::StepStarted(_) | What::StepFinished { .. } | What::StepNotRun(_) => {}
            _ => span.has_begun = true,
        }
    }
    for span in spans.values() {
        if span.finished.is_some_and(|finished| finished < span.last) {
            return Err(format!("`{}` has a record behind its verdict, number {}", span.name, span.last));
        }
    }
    let mut latest: BTreeMap<(Option<&HostName>, &str), &Span> = BTreeMap::new();
    let mut begun: Vec<_> = spans.values().filter(|span| span.has_begun).collect();
    begun.sort_by_key(|span| span.first);
    for span in begun {
        for board in &span.boards {
            if let Some(before) =
                latest.insert((span.host.as_ref(), board), span).filter(|before| before.last > span.first)
            {
                let (number, other) = (span.first, &before.name);
                return Err(format!(
                    "`{}` begins at record {number} on `{board}`, before the end of `{other}`",
                    span.name
                ));
            }
        }
    }
    Ok(())
}

#[test]
fn runs_that_break_the_rules_are_found() {
    let record = |steps: &[(&str, u32)]| {
        let line = |(seq, (what, id)): (usize, &(&str, u32))| {
            let more = match *what {
                "scenario-started" => format!(
                    r#","info":{{"feature":"f","path":"f.feature","line":{id},"name":"s{id}","tags":[],"boards":["lamp"]}}"#
                ),
                "step-started" => r#","keyword":"Given","text":"x","line":3"#.to_owned(),
                "scenario-finished" => r#","verdict":"passed""#.to_owned(),
                _ => r#","board":"lamp","line":"x""#.to_owned(),
            };
            let text = format!(r#"{{"seq":{seq},"at":{seq},"scenario":{id},"event":"{what}"{more}}}"#);
            serde_json::from_str::<RunEvent>(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
        };
        check(&steps.iter().enumerate().map(line).collect::<Vec<_>>())
    };
    let (start, step, line, end) = ("scenario-started", "step-started", "console", "scenario-finished");
    assert_eq!(record(&[(start, 1), (line, 1), (end, 1), (start, 2), (line, 2), (end, 2)]), Ok(()));
    let overlaps = record(&[(start, 1), (line, 1), (start, 2), (end, 1), (line, 2), (end, 2)]);
    assert_eq!(overlaps.expect_err("overlaps"), "`s2` begins at record 2 on `lamp`, before the end of `s1`");
    assert_eq!(record(&[(start, 1), (line, 1), (start, 2), (step, 2), (end, 2), (end, 1)]), Ok(()), "a skipped one");
    let late = record(&[(start, 1), (step, 1), (end, 1), (line, 1)]);
    assert_eq!(late.expect_err("late"), "`s1` has a record behind its verdict, number 3");
}
