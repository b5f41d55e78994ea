//! The keeper: locks, waiting, and what it leaves behind.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hil_config::{Kinds, Rail};
use hil_power::keeper::{Claimed, Holder, KeeperError, Waiting, in_process};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags};
use tokio::sync::mpsc;

fn must_not_wait() -> Waiting {
    Arc::new(|board, _| panic!("{board} is waited for"))
}

fn claimed(board: &str, keys: &[&str]) -> Vec<Claimed> {
    vec![Claimed { board: board.to_owned(), keys: keys.iter().map(|key| (*key).to_owned()).collect() }]
}

/// A rail whose relay is a file; the scripts are run by a shell.
fn rail(folder: &Path, off: &str) -> Rail {
    let state = folder.join("state");
    rail_with(&format!("printf on > '{}'", state.display()), &off.replace("{state}", &state.display().to_string()))
}

fn rail_with(on: &str, off: &str) -> Rail {
    let shell = |script: &str| format!("[\"sh\", \"-c\", {script:?}]");
    let keys = format!("driver = \"command\", on = {}, off = {}", shell(on), shell(off));
    Rail::from_keys(&keys, &Kinds { rails: hil_power::kinds(), ..Kinds::default() }).expect("a rail")
}

#[tokio::test]
async fn a_second_keeper_waits_and_learns_the_holder() {
    let folder = tempfile::tempdir().expect("folder");
    let first = in_process::start(folder.path().to_owned(), must_not_wait()).expect("keeper");
    let holder = Holder::this_process("hil run");
    let user = holder.user.clone();
    first.lock(claimed("lamp", &["usb 1-1.2", "serial A"]), true, holder).await.expect("free");

    let (reported, mut waits) = mpsc::unbounded_channel();
    let waiting: Waiting =
        Arc::new(move |board, holder| drop(reported.send((board.to_owned(), holder.map(ToString::to_string)))));
    let second = Arc::new(in_process::start(folder.path().to_owned(), waiting).expect("keeper"));
    let me = || Holder::this_process("hil flash");
    let held = second.lock(claimed("other-name", &["usb 1-1.2"]), false, me()).await.expect_err("held");
    assert!(matches!(&held, KeeperError::Held { board, .. } if board == "other-name"), "{held}");
    assert!(held.to_string().contains(&format!("in use by `hil run` of {user} (pid ")), "{held}");

    let waiter = Arc::clone(&second);
    let waited = tokio::spawn(async move { waiter.lock(claimed("other-name", &["usb 1-1.2"]), true, me()).await });
    let (board, by) = waits.recv().await.expect("reported");
    assert_eq!(board, "other-name");
    assert!(by.is_some_and(|by| by.starts_with(&format!("`hil run` of {user}"))));
    assert!(!waited.is_finished());
    assert!(first.end().await);
    waited.await.expect("no panic").expect("free now");
}

#[tokio::test]
async fn rails_are_made_safe_before_the_lock_is_free_even_while_one_is_being_switched() {
    let folder = tempfile::tempdir().expect("folder");
    let keeper = in_process::start(folder.path().to_owned(), must_not_wait()).expect("keeper");
    keeper.lock(claimed("lamp", &["k"]), true, Holder::this_process("hil run")).await.expect("free");
    let off = "printf off > '{state}'";
    keeper.open("lamp", &[rail(folder.path(), off)]).await.expect("open");
    keeper.switch("lamp", true).await.expect("on");
    keeper
        .open(
            "slow",
            &[rail_with("exec sleep 30", &off.replace("{state}", &folder.path().join("state").display().to_string()))],
        )
        .await
        .expect("open");
    let keeper = Arc::new(keeper);
    let switching = Arc::clone(&keeper);
    let switched = tokio::spawn(async move { switching.switch("slow", true).await });
    // Asked and answered after it: the slow one is under way.
    keeper.switch("lamp", true).await.expect("on");
    let started = std::time::Instant::now();
    assert!(keeper.end().await);
    assert!(started.elapsed() < Duration::from_secs(10), "nothing waits for a command that hangs");
    assert!(matches!(switched.await.expect("no panic"), Err(KeeperError::Gone)));
    assert_eq!(std::fs::read_to_string(folder.path().join("state")).expect("state"), "off");
    let next = in_process::start(folder.path().to_owned(), must_not_wait()).expect("keeper");
    next.lock(claimed("lamp", &["k"]), false, Holder::this_process("hil run")).await.expect("free again");
}

#[tokio::test]
async fn the_next_holder_learns_what_could_not_be_made_safe() {
    let folder = tempfile::tempdir().expect("folder");
    let keeper = in_process::start(folder.path().to_owned(), must_not_wait()).expect("keeper");
    keeper.lock(claimed("lamp", &["k"]), true, Holder::this_process("hil run")).await.expect("free");
    keeper.open("lamp", &[rail(folder.path(), "echo the relay is stuck >&2; exit 1")]).await.expect("open");
    keeper.switch("lamp", true).await.expect("on");
    assert!(keeper.end().await);
    let next = in_process::start(folder.path().to_owned(), must_not_wait()).expect("keeper");
    let left = next.lock(claimed("lamp", &["k"]), false, Holder::this_process("hil run")).await.expect("free");
    assert_eq!(left.len(), 1);
    assert!(left[0].1.contains("the relay is stuck"), "{left:?}");
    assert!(next.end().await);
    let open = || in_process::start(folder.path().to_owned(), must_not_wait()).expect("keeper");
    let me = || Holder::this_process("hil run");
    let third = open();
    let left = third.lock(claimed("lamp", &["k"]), false, me()).await.expect("free");
    assert_eq!(left.len(), 1, "the previous holder has not switched it");
    third.open("lamp", &[rail(folder.path(), "printf off > '{state}'")]).await.expect("open");
    assert!(third.end().await);
    let left = open().lock(claimed("lamp", &["k"]), false, me()).await.expect("free");
    assert!(left.is_empty(), "it is safe now: {left:?}");
}

#[tokio::test]
async fn two_keepers_that_want_two_boards_never_wait_for_each_other() {
    let folder = tempfile::tempdir().expect("folder");
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..6 {
        let (folder, order) = (folder.path().to_owned(), Arc::clone(&order));
        tasks.spawn(async move {
            let keeper = in_process::start(folder, Arc::new(|_, _| {})).expect("keeper");
            let mut boards = [claimed("a", &["a"]), claimed("b", &["b"])].concat();
            if n % 2 == 0 {
                boards.reverse();
            }
            keeper.lock(boards, true, Holder::this_process("hil run")).await.expect("in the end");
            order.lock().push(n);
            assert!(keeper.end().await);
        });
    }
    let all = tokio::time::timeout(Duration::from_secs(20), tasks.join_all()).await;
    assert!(all.is_ok(), "they wait for each other; done: {:?}", order.lock());
}

/// A script's child that keeps running would switch the rail on after it was made safe.
#[tokio::test]
async fn cancelling_a_command_kills_its_children() {
    let folder = tempfile::tempdir().expect("folder");
    let keeper = Arc::new(in_process::start(folder.path().to_owned(), must_not_wait()).expect("keeper"));
    keeper.lock(claimed("lamp", &["k"]), true, Holder::this_process("hil run")).await.expect("free");
    let (state, begun) = (folder.path().join("state"), folder.path().join("begun"));
    let held = folder.path().join("held");
    rustix::fs::mkfifoat(rustix::fs::CWD, &held, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).expect("fifo");
    // The child that switches is not the shell, and would do so when it is let.
    let on = format!(
        "(exec 3<>'{}'; touch '{}'; read line <&3; printf on > '{state}') & wait",
        held.display(),
        begun.display(),
        state = state.display()
    );
    let rail = rail_with(&on, &format!("printf off > '{}'", state.display()));
    keeper.open("lamp", &[rail]).await.expect("open");
    let switching = Arc::clone(&keeper);
    let switched = tokio::spawn(async move { switching.switch("lamp", true).await });
    while !begun.exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
    let listening = rustix::fs::open(&held, flags, rustix::fs::Mode::empty()).expect("open");
    keeper.make_safe("lamp").await.expect("made safe at once");
    assert!(matches!(switched.await.expect("no panic"), Err(KeeperError::Power(_))), "cancelled");
    let patience = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
    let mut left = [PollFd::new(&listening, PollFlags::IN)];
    assert_eq!(rustix::event::poll(&mut left, Some(&patience)), Ok(1), "the child that waits to switch still runs");
    assert!(left[0].revents().contains(PollFlags::HUP), "it has exited without output");
    assert_eq!(std::fs::read_to_string(&state).expect("state"), "off");
    assert!(keeper.end().await);
    assert_eq!(keeper.shutdown_report(), Some(Vec::new()), "a clean shutdown");
}

#[tokio::test]
async fn a_keeper_that_does_not_get_all_boards_leaves_the_notes_unchanged() {
    let folder = tempfile::tempdir().expect("folder");
    let open = || in_process::start(folder.path().to_owned(), must_not_wait()).expect("keeper");
    let me = || Holder::this_process("hil run");
    let first = open();
    first.lock(claimed("a", &["a"]), true, me()).await.expect("free");
    first.open("a", &[rail(folder.path(), "exit 1")]).await.expect("open");
    assert!(first.end().await);
    assert_eq!(first.shutdown_report().map(|failures| failures.len()), Some(1), "it could not be made safe");
    let other = open();
    other.lock(claimed("b", &["b"]), true, me()).await.expect("free");
    let both = open();
    let boards = [claimed("a", &["a"]), claimed("b", &["b"])].concat();
    both.lock(boards, false, me()).await.expect_err("b is held");
    let left = open().lock(claimed("a", &["a"]), false, me()).await.expect("free");
    assert_eq!(left.len(), 1, "the note is still there: {left:?}");
}

/// Treated as one, both would be flashed, reset and cut together.
#[tokio::test]
async fn two_boards_of_one_run_on_one_device_are_refused_with_both_names() {
    let folder = tempfile::tempdir().expect("folder");
    let keeper = in_process::start(folder.path().to_owned(), must_not_wait()).expect("keeper");
    let me = || Holder::this_process("hil run");
    let boards = [claimed("lamp", &["port a", "usb 1-1.2"]), claimed("lamp-2", &["port b", "usb 1-1.2"])].concat();
    let refused = keeper.lock(boards, true, me()).await.expect_err("one device");
    let KeeperError::Shared { boards, key } = &refused else { panic!("{refused}") };
    assert_eq!((boards.0.as_str(), boards.1.as_str(), key.as_str()), ("lamp", "lamp-2", "usb 1-1.2"));
    // A claim in a later request is refused as well, and never waited for.
    keeper.lock(claimed("lamp", &["usb 1-1.2"]), true, me()).await.expect("free: nothing was kept of the refused one");
    let refused = keeper.lock(claimed("lamp-2", &["usb 1-1.2"]), true, me()).await.expect_err("one device");
    assert!(matches!(refused, KeeperError::Shared { .. }), "{refused}");
    // A board may claim its own key again.
    keeper.lock(claimed("lamp", &["usb 1-1.2"]), true, me()).await.expect("its own");
}

/// A keeper that waited for its own lock would wait forever.
#[tokio::test]
async fn two_keys_with_one_lock_file_are_one_lock() {
    let folder = tempfile::tempdir().expect("folder");
    let keeper = in_process::start(folder.path().to_owned(), must_not_wait()).expect("keeper");
    let keys = ["device /dev/serial/a b", "device /dev/serial/a_b"];
    keeper.lock(claimed("lamp", &keys), true, Holder::this_process("hil run")).await.expect("free");
}
