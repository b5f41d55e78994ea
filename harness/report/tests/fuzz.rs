//! Mutated run folders, baselines and histories: reports are written, or fail with an error. Nothing panics or hangs,
//! and only files of `hil` are written in the folder itself.

use std::collections::BTreeSet;
use std::path::Path;

use hil_fuzz::{Corpus, fuzz};
use hil_report::{
    History, Record, Traffic, Trend, compare, last_good, read_baseline, read_record, read_run, with_those_before,
};
use hil_timeline::read_events;

const EVENTS: &[u8] = include_bytes!("../../../fixtures/corpora/events.jsonl");
const BASELINE: &[u8] = include_bytes!("../../../fixtures/corpora/baseline.json");
const HISTORY: &[u8] = include_bytes!("../../../fixtures/corpora/history.jsonl");

/// Words of JSON, and texts that must be escaped.
fn words() -> Vec<&'static [u8]> {
    vec![
        b"{",
        b"[",
        b"null",
        b"\"",
        b"\\u0000",
        b"\\ud800",
        b"\n",
        b"../../out",
        b"/etc/passwd",
        b"</script>",
        b"\"board\":\"../x\"",
        b"1e999",
        b"\"seq\":0",
        b"\"at\":18446744073709551615",
        b"]]>",
        b"::error::",
        b"\x1b[2J",
    ]
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("list").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// What `hil report` may leave in a folder.
fn is_ours(name: &str) -> bool {
    let known = ["events.jsonl", "junit.xml", "cucumber.json", "summary.md", "report.html", "broker.log"];
    known.contains(&name) || (name.starts_with("console-") && name.ends_with(".log"))
}

#[test]
fn events_of_a_run_may_hold_any_bytes() {
    let outside = tempfile::tempdir().expect("folder");
    let run = outside.path().join("run");
    std::fs::create_dir(&run).expect("folder");
    let events = run.join("events.jsonl");
    fuzz("events", &Corpus::new([EVENTS.to_vec()]).with_words(words()), 1000, |bytes| {
        std::fs::write(&events, bytes).expect("write");
        if let Ok(read) = read_run(&run) {
            drop(read.write_reports());
            drop(compare(std::slice::from_ref(&read.record), std::slice::from_ref(&read.record)).map(|it| it.text()));
            drop(Trend::of(std::slice::from_ref(&read.record)));
        }
        drop(read_record(&run));
        let mut traffic = Traffic::default();
        read_events(&events).unwrap_or_default().iter().for_each(|event| traffic.take(event));
        drop(traffic.topics());
        assert_eq!(names(outside.path()), BTreeSet::from(["run".to_owned()]), "nothing is written outside");
        let strange: Vec<_> = names(&run).into_iter().filter(|name| !is_ours(name)).collect();
        assert!(strange.is_empty(), "{strange:?}");
    });
}

/// What `hil compare`, `hil history` and a run with `--baseline` do with records.
fn use_records(records: &[Record]) {
    let Some(newest) = records.last() else { return };
    drop(last_good(records, newest, &hil_report::Branch::OfTheRun));
    drop(with_those_before(records, newest, |_| true));
    drop(serde_json::to_string(&Trend::of(records)));
    if let Ok(comparison) = compare(records, std::slice::from_ref(newest)) {
        drop((comparison.text(), comparison.markdown(), serde_json::to_string(&comparison)));
    }
}

#[test]
fn a_baseline_may_hold_any_bytes() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("baseline.json");
    let ours = include_bytes!("../../../fixtures/baselines/lamp.json");
    fuzz("baseline", &Corpus::new([BASELINE.to_vec(), ours.to_vec()]).with_words(words()), 1000, |bytes| {
        std::fs::write(&path, bytes).expect("write");
        read_baseline(&path).iter().for_each(|records| use_records(records));
        assert_eq!(names(folder.path()).len(), 1, "nothing is written");
    });
}

#[test]
fn a_history_may_hold_any_bytes() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("history.jsonl");
    fuzz("history", &Corpus::new([HISTORY.to_vec()]).with_words(words()), 1000, |bytes| {
        std::fs::write(&path, bytes).expect("write");
        let history = History::at(&path);
        drop(history.check());
        history.read().iter().for_each(|records| use_records(records));
        assert_eq!(names(folder.path()).len(), 1, "nothing is written");
    });
}

/// Findings of the fuzz targets: times and counts near the ends of their types.
#[test]
fn numbers_at_the_ends_of_their_types_are_accepted() {
    let run = tempfile::tempdir().expect("folder");
    let text = String::from_utf8_lossy(EVENTS).into_owned();
    let far = with_number(&text, "\"took_us\":", "18446744073709551615");
    let later = with_number(&far, "\"at\":", "18446744073709551615");
    for events in [far, later] {
        std::fs::write(run.path().join("events.jsonl"), events).expect("write");
        read_run(run.path()).expect("read").write_reports().expect("written");
    }
    let path = run.path().join("baseline.json");
    let counts = String::from_utf8_lossy(BASELINE).replace("[1,1]", "[4294967295,4294967295]");
    assert_ne!(counts.as_bytes(), BASELINE, "there are counts");
    std::fs::write(&path, counts).expect("write");
    use_records(&read_baseline(&path).expect("a baseline"));
}

/// Another number behind each of these keys.
fn with_number(text: &str, key: &str, number: &str) -> String {
    let mut parts = text.split(key);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| whole + key + number + part.trim_start_matches(|char: char| char.is_ascii_digit()))
}
