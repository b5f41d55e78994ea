//! A run folder of another user: only regular files are read, and nothing is written through links in it.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use hil_report::{History, read_baseline, read_run, write_baseline};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

/// Bounds the time of a test that hangs if a FIFO is opened as a file.
fn within_10_s<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    is_done.recv_timeout(Duration::from_secs(10)).expect("it ends at once")
}

/// A run with a line of a console, and one of the broker.
fn foreign_run() -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let events = [
        r#"{"seq":0,"at":1,"event":"run-started","schema":1,"version":"0.1.0","unix_ms":1,"bench":"b","broker":"embedded","boards":[],"plan":[]}"#,
        r#"{"seq":1,"at":2,"event":"console","board":"lamp","line":"hello"}"#,
        r#"{"seq":2,"at":3,"event":"console","board":"../lamp","line":"hello"}"#,
        r#"{"seq":3,"at":4,"event":"broker-log","line":"hello"}"#,
        r#"{"seq":4,"at":5,"event":"run-finished","exit_code":0}"#,
    ];
    std::fs::write(folder.path().join("events.jsonl"), events.join("\n") + "\n").expect("write");
    folder
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("fifo");
}

fn report(folder: PathBuf) -> Result<(), String> {
    within_10_s(move || read_run(&folder).and_then(|run| run.write_reports()).map_err(|error| chain(&error)))
}

fn chain(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(chain);
    [Some(error.to_string()), cause].into_iter().flatten().collect::<Vec<_>>().join(": ")
}

const WRITTEN: [&str; 6] =
    ["report.html", "junit.xml", "cucumber.json", "summary.md", "console-lamp.log", "broker.log"];

#[test]
fn reports_replace_links_and_fifos_and_never_write_through_them() {
    for lay in [|path: &Path, other: &Path| symlink(other, path).expect("link"), |path: &Path, _: &Path| fifo(path)] {
        let (run, outside) = (foreign_run(), tempfile::tempdir().expect("folder"));
        let other = outside.path().join("precious");
        std::fs::write(&other, "precious").expect("write");
        for name in WRITTEN {
            lay(&run.path().join(name), &other);
            // Temporary files of an older `hil`, whose names were predictable.
            lay(&run.path().join(format!("{name}.part")), &other);
        }
        report(run.path().to_owned()).expect("written");
        assert_eq!(std::fs::read_to_string(&other).expect("read"), "precious");
        for name in WRITTEN {
            let found = std::fs::symlink_metadata(run.path().join(name)).expect("there");
            assert!(found.is_file() && found.len() > 0, "{name}: {found:?}");
        }
    }
}

#[test]
fn a_folder_in_place_of_a_report_is_an_error_and_leaves_no_partial_file() {
    let run = foreign_run();
    std::fs::create_dir(run.path().join("report.html")).expect("folder");
    let error = report(run.path().to_owned()).expect_err("a folder is in the way");
    let shown = error.replace(&run.path().display().to_string(), "RUN");
    assert_eq!(shown, "can't write `RUN/report.html`: Is a directory (os error 21)");
    let names = std::fs::read_dir(run.path()).expect("list").flatten().map(|it| it.file_name());
    let halves: Vec<_> = names.filter(|name| name.to_string_lossy().ends_with(".part")).collect();
    assert!(halves.is_empty(), "{halves:?}");
}

#[test]
fn events_are_read_from_a_regular_file_of_the_folder_only() {
    let elsewhere = foreign_run();
    let run = tempfile::tempdir().expect("folder");
    let events = run.path().join("events.jsonl");
    let refused = || {
        let error = report(run.path().to_owned()).expect_err("refused");
        std::fs::remove_file(&events).expect("removed");
        error.replace(&run.path().display().to_string(), "RUN")
    };
    fifo(&events);
    assert_eq!(refused(), "can't read `RUN/events.jsonl`: it is not a regular file but a FIFO");
    symlink(elsewhere.path().join("events.jsonl"), &events).expect("link");
    assert_eq!(refused(), "can't read `RUN/events.jsonl`: it is not a regular file but a symbolic link");
    symlink("/dev/zero", &events).expect("link");
    assert_eq!(refused(), "can't read `RUN/events.jsonl`: it is not a regular file but a symbolic link");
}

#[test]
fn stored_comparisons_and_trends_are_read_from_regular_files_only() {
    let run = foreign_run();
    fifo(&run.path().join("comparison.json"));
    fifo(&run.path().join("trend.json"));
    report(run.path().to_owned()).expect("written without them");
}

#[test]
fn events_that_name_many_boards_open_a_limited_number_of_files() {
    let run = tempfile::tempdir().expect("folder");
    let line = |n: u32| format!(r#"{{"seq":{n},"at":{n},"event":"console","board":"b{n}","line":"x"}}"#) + "\n";
    std::fs::write(run.path().join("events.jsonl"), (0..5000).map(line).collect::<String>()).expect("write");
    let error = report(run.path().to_owned()).expect_err("refused");
    assert!(error.ends_with("its events name more than 200 boards with a console"), "{error}");
    let left = std::fs::read_dir(run.path()).expect("list").count();
    assert_eq!(left, 1, "nothing but the events");
}

#[test]
fn baselines_and_histories_are_regular_files() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("fifo");
    fifo(&path);
    let (for_baseline, for_history, for_append) = (path.clone(), History::at(&path), History::at(&path));
    let refused = "it is not a regular file but a FIFO";
    let baseline = within_10_s(move || chain(&read_baseline(&for_baseline).expect_err("refused")));
    assert!(baseline.ends_with(refused), "{baseline}");
    let read = within_10_s(move || chain(&for_history.read().expect_err("refused")));
    assert!(read.ends_with(refused), "{read}");
    let checked = within_10_s(move || chain(&for_append.check().expect_err("refused")));
    assert!(checked.ends_with(refused), "{checked}");
    // If a FIFO is in place of the lock, nothing is appended, and nothing hangs.
    let locked = folder.path().join("history.jsonl");
    fifo(&folder.path().join("history.jsonl.lock"));
    let run = foreign_run();
    let record = hil_report::read_record(run.path()).expect("a record");
    let appended = within_10_s(move || chain(&History::at(&locked).append(&record).expect_err("refused")));
    assert!(appended.ends_with(refused), "{appended}");
    // A new baseline takes its place.
    write_baseline(&path, &[]).expect("written");
    assert!(path.is_file());
}

#[test]
fn a_file_that_is_not_a_history_does_not_fill_the_memory() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("history.jsonl");
    std::fs::File::create(&path).expect("create").set_len(1 << 40).expect("sparse");
    let history = History::at(&path);
    let error = within_10_s(move || chain(&history.read().expect_err("refused")));
    assert!(error.ends_with("it has 1099511627776 bytes, and at most 134217728 are read"), "{error}");
}
