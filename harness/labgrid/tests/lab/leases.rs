//! Boards of runs.

use std::sync::Arc;
use std::time::Duration;

use hil_labgrid::{LabEvent, LabgridError, Leases, Place, PlaceProblem, Want};

use crate::support::Lab;
use crate::{PATIENCE, Run, add_host, lab_with, owner, places, session, want};

/// Waits until this many reservations of places are there: the coordinator has no event for that.
async fn queued(lab: &Lab, many: usize) {
    let session = session(lab, "desk/look").await;
    let queued = async {
        let of_places =
            async || session.reservations().await.unwrap().iter().filter(|it| it.tags.contains_key("name")).count();
        while of_places().await < many {}
    };
    tokio::time::timeout(PATIENCE, queued).await.expect("they wait");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_begins_with_one_board_and_others_join() {
    let Some(lab) = lab_with(&["lamp", "lamp-2"]).await else { return };
    lab.client(&["-p", "pi-a-lamp", "acquire"]);
    let mut run = Run::begin(&lab, "1", want(1, 4)).await;
    let first = run.joined().await;
    assert_eq!((first.host.as_str(), first.board.as_str()), ("pi@pi-a", "lamp-2"));
    assert_eq!(first.tags["hil_chip"], "esp32c3");
    assert!(matches!(run.any().await, LabEvent::Begun));
    lab.client(&["-p", "pi-a-lamp", "release"]);
    let second = run.joined().await;
    assert_eq!(places(&[&first.note, &second.note]), ["pi-a-lamp", "pi-a-lamp-2"]);
    run.leases.give_back("pi-a-lamp");
    run.leases.end().await;
    let left = lab.client(&["reservations"]);
    assert!(left.is_empty(), "{left}");
    let session = session(&lab, "desk/look").await;
    assert!(session.view().places().all(|place| place.holder.is_none()));
}

/// Each keeps asking for two of two: one has both, then the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_that_need_two_of_two_boards_do_not_wait_for_each_other() {
    let Some(lab) = lab_with(&["lamp", "lamp-2"]).await else { return };
    let turn = async |name: &str| {
        let mut run = Run::begin(&lab, name, want(2, 2)).await;
        let pair = [run.joined().await, run.joined().await];
        assert_eq!(places(&[&pair[0].note, &pair[1].note]), ["pi-a-lamp", "pi-a-lamp-2"]);
        run.leases.end().await;
    };
    tokio::join!(turn("1"), turn("2"), turn("3"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_higher_priority_comes_first() {
    let Some(lab) = lab_with(&["lamp"]).await else { return };
    let mut first = Run::begin(&lab, "first", want(1, 1)).await;
    first.joined().await;
    let mut usual = Run::begin(&lab, "usual", want(1, 1)).await;
    let mut urgent = Run::begin(&lab, "urgent", Want { priority: 5.0, ..want(1, 1) }).await;
    // Both wait in the coordinator's queue.
    queued(&lab, 3).await;
    first.leases.end().await;
    urgent.joined().await;
    urgent.leases.end().await;
    usual.joined().await;
    usual.leases.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_board_whose_exporter_is_gone_is_skipped_for_another() {
    let Some(mut lab) = lab_with(&["lamp"]).await else { return };
    add_host(&mut lab, "pi-b", &["lamp"]).await;
    lab.kill_exporter("pi-a");
    let mut run = Run::begin(&lab, "1", want(1, 1)).await;
    let mut skipped = None;
    let joined = loop {
        match run.next().await {
            LabEvent::Joined(lease) => break lease,
            LabEvent::Skipped { place, problem } => skipped = Some((place, problem.to_string())),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(joined.note.place, "pi-b-lamp");
    // If the coordinator has not noticed yet, it refuses after 10 s.
    let (place, problem) = skipped.expect("a reason");
    assert!(place == "pi-a-lamp" && problem.contains("its exporter is gone"), "{place} {problem}");
    run.leases.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_had_in_time_is_listed_with_the_reason() {
    let Some(lab) = lab_with(&["lamp", "lamp-2"]).await else { return };
    lab.client(&["-p", "pi-a-lamp", "acquire"]);
    lab.client(&["-p", "pi-a-lamp-2", "del-match", "pi-a/lamp-2/NetworkService"]);
    let mut run = Run::begin(&lab, "1", Want { wait: Duration::from_millis(1), ..want(1, 1) }).await;
    let skipped = run.next().await;
    assert!(matches!(&skipped, LabEvent::Skipped { problem: PlaceProblem::NoResources, .. }), "{skipped:?}");
    let LabEvent::Failed(error) = run.next().await else { panic!("it can't begin") };
    insta::assert_snapshot!(format!("{error}\nhint: {}", error.hint()));
    run.leases.end().await;
    assert!(lab.client(&["reservations"]).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lab_without_a_board_that_fits_is_an_error_at_once() {
    let Some(lab) = lab_with(&["lamp"]).await else { return };
    lab.client(&["-p", "bare", "create"]);
    let none = Want { fits: Arc::new(|_: &Place| false), words: " with hil_chip = esp32".to_owned(), ..want(1, 1) };
    let error = |want| async { Leases::begin(&lab.address().parse().unwrap(), &owner("1"), want).await.err().unwrap() };
    let errors = [error(none).await, error(want(2, 4)).await];
    assert!(errors.iter().all(|error| matches!(error, LabgridError::TooFew { .. })));
    let shown = errors.map(|error| format!("{error}\nhint: {}", error.hint()));
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_refuses_its_board_is_left_alone() {
    let Some(lab) = lab_with(&["lamp", "lamp-2"]).await else { return };
    let mut run = Run::begin(&lab, "1", want(1, 1)).await;
    let first = run.joined().await;
    run.leases.refuse(&first.note.place, "`lamp` is in use by hil monitor (pid 7)");
    let second = run.joined().await;
    assert_ne!(first.note.place, second.note.place);
    run.leases.end().await;
}

/// A person takes the place away, or deletes it: the run hears of it and gets another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_that_are_taken_away_are_left() {
    let Some(lab) = lab_with(&["lamp", "lamp-2"]).await else { return };
    let mut run = Run::begin(&lab, "1", want(1, 1)).await;
    let first = run.joined().await;
    lab.client(&["-p", &first.note.place, "release", "--kick"]);
    let LabEvent::Left { place, problem: PlaceProblem::Released } = run.next().await else { panic!("it is released") };
    assert_eq!(place, first.note.place);
    assert_eq!(run.joined().await.note.place, "pi-a-lamp-2");
    // labgrid's own client deletes only what is idle; the coordinator does it always.
    session(&lab, "desk/anna").await.delete_place("pi-a-lamp-2").await.unwrap();
    let LabEvent::Left { problem: PlaceProblem::NotThere, .. } = run.next().await else { panic!("it is deleted") };
    run.leases.end().await;
}

/// A place that was deleted while a run waited for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_deleted_while_a_run_waits_for_it_is_skipped() {
    let Some(lab) = lab_with(&["lamp", "lamp-2"]).await else { return };
    lab.client(&["-p", "pi-a-lamp", "acquire"]);
    lab.client(&["-p", "pi-a-lamp-2", "acquire"]);
    let mut run = Run::begin(&lab, "1", want(1, 1)).await;
    queued(&lab, 2).await;
    session(&lab, "desk/anna").await.delete_place("pi-a-lamp").await.unwrap();
    let LabEvent::Skipped { place, problem: PlaceProblem::NotThere } = run.next().await else {
        panic!("it was deleted")
    };
    assert_eq!(place, "pi-a-lamp");
    lab.client(&["-p", "pi-a-lamp-2", "release"]);
    assert_eq!(run.joined().await.note.place, "pi-a-lamp-2");
    run.leases.end().await;
}
