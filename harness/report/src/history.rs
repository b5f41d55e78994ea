//! The history of a bench: one record per line, appended by each run.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use hil_files::Links;

use crate::baseline::RecordError;
use crate::record::Record;

/// So many runs of one firmware make one side of a comparison.
const POOL: usize = 20;

/// So many good runs are considered as the one to compare with.
const LOOKED_AT: usize = 50;

/// So many of its runs are read.
const READ: usize = 200;

/// A history of this size is renamed (to `history.1.jsonl`), and a new one begun.
const LARGEST: u64 = 64 << 20;

/// A file of records.
#[derive(Debug, Clone)]
pub struct History {
    path: PathBuf,
}

impl History {
    /// The history in a file, which need not exist.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record. Runs that end at the same time wait for each other; a run that is killed leaves at most an
    /// incomplete last line, which the next run ends.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn append(&self, record: &Record) -> Result<(), RecordError> {
        let io = |source| RecordError::Io { verb: "write", path: self.path.clone(), source };
        let line = serde_json::to_string(record).map_err(|error| io(error.into()))?;
        self.append_line(&line).map_err(io)
    }

    fn append_line(&self, line: &str) -> std::io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // Separate from the history, which may be renamed.
        let lock = hil_files::open_to_append(&self.sibling("lock"), Links::Refuse)?;
        lock.lock()?;
        let open = || hil_files::open_to_append(&self.path, Links::Follow);
        let mut file = open()?;
        if !is_history(&file)? {
            return Err(no_history());
        }
        if file.metadata()?.len() > LARGEST {
            std::fs::rename(&self.path, self.older())?;
            file = open()?;
        }
        let torn = is_torn(&file)?;
        file.write_all(format!("{}{line}\n", if torn { "\n" } else { "" }).as_bytes())
    }

    /// Whether a run can be appended, as far as that can be checked without doing so.
    ///
    /// # Errors
    /// When the file is not a history, or can't be read.
    pub fn check(&self) -> Result<(), RecordError> {
        let io = |source| RecordError::Io { verb: "write", path: self.path.clone(), source };
        match hil_files::open(&self.path, Links::Follow) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io(error)),
            Ok(file) if is_history(&file).map_err(io)? => Ok(()),
            Ok(_) => Err(io(no_history())),
        }
    }

    fn sibling(&self, end: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".");
        name.push(end);
        name.into()
    }

    fn older(&self) -> PathBuf {
        self.path.with_extension("1.jsonl")
    }

    /// The newest records, oldest first. Lines that are not records (incomplete, or from a newer `hil`) are skipped.
    ///
    /// # Errors
    /// When it exists but can't be read, or contains no record at all.
    pub fn read(&self) -> Result<Vec<Record>, RecordError> {
        let mut lines: VecDeque<Vec<u8>> = VecDeque::new();
        // It must not be renamed meanwhile. If it can't be locked, no other process appends to it.
        let lock = hil_files::open(&self.sibling("lock"), Links::Refuse).ok().filter(|lock| lock.lock_shared().is_ok());
        for path in [self.older(), self.path.clone()] {
            let file = match open_bounded(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                other => other.map_err(|source| RecordError::Io { verb: "read", path: path.clone(), source })?,
            };
            for line in BufReader::new(file).split(b'\n') {
                let line = line.map_err(|source| RecordError::Io { verb: "read", path: path.clone(), source })?;
                if lines.len() == READ {
                    lines.pop_front();
                }
                if !line.is_empty() {
                    lines.push_back(line);
                }
            }
        }
        drop(lock);
        let read = |line: &Vec<u8>| serde_json::from_slice::<Record>(line);
        let mut records: Vec<Record> = lines.iter().filter_map(|line| read(line).ok()).collect();
        if let (true, Some(Err(source))) = (records.is_empty(), lines.back().map(read)) {
            return Err(RecordError::Malformed { path: self.path.clone(), source });
        }
        leave_out_parts(&mut records);
        // Runs may have ended in another order than they began: sort by time.
        records.sort_by_key(|record| record.unix_ms);
        Ok(records)
    }
}

/// Leaves out runs that are in the history again as parts of a merged one: nothing counts twice.
fn leave_out_parts(records: &mut Vec<Record>) {
    let is_again = |place: usize, record: &Record| {
        let others = records.iter().enumerate().filter(|(other, _)| *other != place);
        // Of two that were merged from the same runs, the newer one stays.
        others
            .filter(|(_, other)| record.is_merged_into(other))
            .any(|(at, other)| at > place || record.parts != other.parts)
    };
    let again: Vec<bool> = records.iter().enumerate().map(|(place, record)| is_again(place, record)).collect();
    let mut again = again.into_iter();
    records.retain(|_| !again.next().unwrap_or(false));
}

/// A history is renamed before it is much larger than [`LARGEST`]: a larger file is not a history, and one line of it
/// could fill the memory.
fn open_bounded(path: &Path) -> std::io::Result<std::io::Take<File>> {
    const MOST: u64 = 2 * LARGEST;
    let file = hil_files::open(path, Links::Follow)?;
    let length = file.metadata()?.len();
    if length > MOST {
        return Err(std::io::Error::other(format!("it has {length} bytes, and at most {MOST} are read")));
    }
    Ok(file.take(MOST))
}

fn no_history() -> std::io::Error {
    std::io::Error::other("it is not a history of `hil` and is not changed")
}

/// Whether it may be appended to: it is empty, or begins with a record, complete or not.
fn is_history(file: &File) -> std::io::Result<bool> {
    const TORN: &[u8] = b"{\"schema\":";
    for line in BufReader::new(file.take(LARGEST)).split(b'\n') {
        let line = line?;
        if !line.trim_ascii().is_empty() {
            let known = &TORN[..TORN.len().min(line.len())];
            return Ok(line.starts_with(known) || serde_json::from_slice::<Record>(&line).is_ok());
        }
    }
    Ok(true)
}

fn is_torn(file: &File) -> std::io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    Ok(last != [b'\n'])
}

/// The branches whose runs may be the last good one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Branch {
    /// That of the run, else the branch that it goes to, else an unknown one. Any, if the run's is unknown.
    OfTheRun,
    /// This one only.
    Named(String),
}

impl Branch {
    /// Names of branches, in the order in which they are looked at; `None` for runs whose branch is unknown.
    fn in_order(&self, head: &Record) -> Vec<Option<String>> {
        let (own, base) = (&head.provenance.branch, &head.provenance.base_branch);
        match (self, own, base) {
            (Self::Named(name), ..) => vec![Some(name.clone())],
            (Self::OfTheRun, None, _) => Vec::new(),
            (Self::OfTheRun, Some(own), Some(base)) => vec![Some(own.clone()), Some(base.clone()), None],
            // The usual names of a default branch.
            (Self::OfTheRun, Some(own), None) => {
                vec![Some(own.clone()), Some("main".to_owned()), Some("master".to_owned()), None]
            }
        }
    }
}

/// The newest good run that ran most of these scenarios on such boards, and earlier runs of the same firmware; empty if
/// there is none.
#[must_use]
pub fn last_good(history: &[Record], head: &Record, branch: &Branch) -> Vec<Record> {
    let branches = branch.in_order(head);
    if branches.is_empty() {
        return last_good_of(history, head, |_| true);
    }
    let found = branches.iter().map(|branch| last_good_of(history, head, |it| it.provenance.branch == *branch));
    found.into_iter().find(|runs| !runs.is_empty()).unwrap_or_default()
}

fn last_good_of(history: &[Record], head: &Record, wanted: impl Fn(&Record) -> bool) -> Vec<Record> {
    let comparable = |record: &&Record| {
        let kinds = record.board_key();
        let agrees = head.board_key().iter().all(|(board, way)| kinds.get(board).is_none_or(|it| it == way));
        record.id() != head.id() && record.unix_ms <= head.unix_ms && agrees && record.is_good() && wanted(record)
    };
    let shared = |record: &Record| record.scenarios.keys().filter(|name| head.scenarios.contains_key(*name)).count();
    let good = history.iter().rev().filter(comparable).take(LOOKED_AT).filter(|record| shared(record) > 0);
    // The first of the best is the newest.
    let best = good.fold(None, |best: Option<&Record>, record| match best {
        Some(best) if shared(best) >= shared(record) => Some(best),
        _ => Some(record),
    });
    best.map_or_else(Vec::new, |newest| with_those_before(history, newest, Record::is_good))
}

/// A run and the earlier ones of the same firmware, oldest first.
#[must_use]
pub fn with_those_before(history: &[Record], newest: &Record, wanted: impl Fn(&Record) -> bool) -> Vec<Record> {
    let same = |record: &&Record| {
        record.unix_ms <= newest.unix_ms
            && record.id() != newest.id()
            && record.is_of_firmware(newest)
            && record.board_key() == newest.board_key()
            && record.is_of_place(newest)
            && wanted(record)
    };
    if newest.firmware.is_empty() {
        // The firmware is unknown, so it may be any.
        return vec![newest.clone()];
    }
    let mut pool: Vec<Record> = history.iter().rev().filter(same).take(POOL - 1).cloned().collect();
    pool.reverse();
    pool.push(newest.clone());
    pool
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::{sample, tried};
    use crate::record::RecordBuilder;
    use crate::result::RunSummary;
    use hil_timeline::Verdict;

    fn record(name: &str, at: u64) -> Record {
        let events = tried(&[Verdict::Passed]);
        let mut record = RecordBuilder::default().finish(name, &RunSummary::of(&events));
        record.unix_ms = at;
        record.exit_code = Some(0);
        record.firmware = vec![crate::result::FirmwareInfo {
            board: "lamp".into(),
            firmware: "lamp".into(),
            hash: "aaaa".into(),
            size: 1,
            version: None,
            runs: None,
        }];
        record
    }

    #[test]
    fn runs_that_end_at_the_same_time_lose_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let history = History::at(&folder.path().join("deep/history.jsonl"));
        assert!(history.read().expect("none yet").is_empty());
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let history = &history;
                scope.spawn(move || {
                    for n in 0..25 {
                        history.append(&record(&format!("{thread}-{n}"), thread * 100 + n)).expect("appended");
                    }
                });
            }
        });
        assert_eq!(history.read().expect("readable").len(), 200);
    }

    #[test]
    fn the_parts_of_a_merged_run_count_once() {
        let folder = tempfile::tempdir().expect("folder");
        let history = History::at(&folder.path().join("history.jsonl"));
        let merged = |name: &str, parts: &[u64]| Record { parts: parts.to_vec(), ..record(name, parts[0]) };
        let names = || history.read().expect("readable").into_iter().map(|record| record.run).collect::<Vec<_>>();
        for part in [record("part-1", 1), record("part-2", 2), record("other", 3), merged("half", &[1])] {
            history.append(&part).expect("appended");
        }
        assert_eq!(names(), ["half", "part-2", "other"]);
        history.append(&merged("whole", &[1, 2])).expect("appended");
        assert_eq!(names(), ["whole", "other"]);
        history.append(&merged("again", &[1, 2])).expect("appended");
        assert_eq!(names(), ["again", "other"]);
        // By chance at the same moment, of other scenarios.
        let mut twin = record("twin", 2);
        twin.scenarios = std::iter::once(("other".to_owned(), Verdict::Passed)).collect();
        history.append(&twin).expect("appended");
        assert_eq!(names(), ["again", "twin", "other"]);
    }

    #[test]
    fn an_incomplete_line_loses_no_other() {
        let folder = tempfile::tempdir().expect("folder");
        let history = History::at(&folder.path().join("history.jsonl"));
        history.append(&record("a", 1)).expect("appended");
        let whole = std::fs::read(history.path()).expect("read");
        std::fs::write(history.path(), [&whole[..], &whole[..whole.len() / 2]].concat()).expect("tear");
        history.append(&record("b", 2)).expect("appended");
        let names: Vec<_> = history.read().expect("readable").into_iter().map(|record| record.run).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn the_last_good_run_is_of_the_same_branch_else_of_the_branch_that_it_goes_to() {
        let of = |name: &str, at, branch: Option<&str>, base: Option<&str>| {
            let mut record = record(name, at);
            record.provenance.branch = branch.map(str::to_owned);
            record.provenance.base_branch = base.map(str::to_owned);
            // Firmware of its own: earlier runs of the same one are not added.
            record.firmware[0].hash = name.to_owned();
            record
        };
        let history = [
            of("before branches", 10, None, None),
            of("on main", 20, Some("main"), None),
            of("on trunk", 30, Some("trunk"), None),
            of("on quiet", 40, Some("quiet"), None),
            of("on loud", 50, Some("loud"), None),
        ];
        let last = |head: &Record, branch: &Branch| {
            last_good(&history, head, branch).last().map_or("none", |record| match record.unix_ms {
                10 => "before branches",
                20 => "main",
                30 => "trunk",
                40 => "quiet",
                _ => "loud",
            })
        };
        let own = |branch, base| last(&of("head", 60, branch, base), &Branch::OfTheRun);
        assert_eq!(own(Some("quiet"), Some("trunk")), "quiet");
        assert_eq!(own(Some("new"), Some("trunk")), "trunk");
        assert_eq!(own(Some("new"), None), "main", "the usual name of a default branch");
        assert_eq!(own(Some("new"), Some("gone")), "before branches", "written by an earlier `hil`");
        assert_eq!(own(None, None), "loud", "any");
        let named = |name: &str| last(&of("head", 60, Some("quiet"), None), &Branch::Named(name.to_owned()));
        assert_eq!((named("loud"), named("absent")), ("loud", "none"));
    }

    #[test]
    fn the_last_good_run_is_one_that_can_be_compared() {
        let head = record("head", 100);
        let mut failed = record("failed", 90);
        failed.exit_code = Some(100);
        let mut partial = record("partial", 80);
        partial.scenarios = std::iter::once(("other".to_owned(), Verdict::Passed)).collect();
        let (good, older) = (record("good", 70), record("older", 60));
        let mut simulated = record("simulated", 95);
        let info = RunSummary::of(sample()).info.expect("it began");
        simulated.boards = info.boards;
        let mut real = head.clone();
        real.boards.clone_from(&simulated.boards);
        real.boards[0].simulated = false;
        let history = [older, good, partial, failed, simulated];
        let names = |head: &Record| {
            last_good(&history, head, &Branch::OfTheRun).into_iter().map(|it| it.run).collect::<Vec<_>>()
        };
        assert_eq!(names(&head), ["simulated"]);
        assert_eq!(names(&real), ["older", "good"]);
        // Run folders of one name may be different runs; runs of unknown firmware never match.
        let twins = [record("report", 1), record("report", 2)];
        let last: Vec<_> =
            last_good(&twins, &record("report", 3), &Branch::OfTheRun).iter().map(|it| it.unix_ms).collect();
        assert_eq!(last, [1, 2]);
        let unknown = twins.map(|twin| Record { firmware: vec![], ..twin });
        assert_eq!(last_good(&unknown, &record("report", 3), &Branch::OfTheRun).len(), 1);
        // A run with a regression is not a baseline.
        let worse = Record { regressed: true, ..record("worse", 80) };
        assert!(last_good(&[worse], &head, &Branch::OfTheRun).is_empty());
    }
}
