//! What a coordinator says and what it is asked.

use std::collections::BTreeMap;

use hil_labgrid::{CoordinatorAddress, LabgridError, PlaceProblem, ReservationState, Session};

use crate::{lab_with, session};

fn tags(key: &str, value: &str) -> BTreeMap<String, String> {
    [(key.to_owned(), value.to_owned())].into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labgrids_own_client_sees_what_a_session_has() {
    let Some(lab) = lab_with(&["lamp"]).await else { return };
    let session = session(&lab, "ci/hil-1").await;
    assert_eq!(session.view().place("pi-a-lamp").unwrap().holder, None);
    session.acquire("pi-a-lamp").await.unwrap();
    assert_eq!(session.view().place("pi-a-lamp").unwrap().holder.as_deref(), Some("ci/hil-1"));
    assert!(lab.client(&["who"]).contains("hil-1"), "{}", lab.client(&["who"]));
    assert!(lab.client(&["-p", "pi-a-lamp", "show"]).contains("acquired: ci/hil-1"));
    let again = session.acquire("pi-a-lamp").await.expect_err("it is acquired");
    assert_eq!(
        again.to_string(),
        "the labgrid coordinator refuses `AcquirePlace`: Place pi-a-lamp is already acquired"
    );
    // As another user: nothing happens.
    session.release_from("pi-a-lamp", "desk/anna").await.unwrap();
    assert!(session.view().place("pi-a-lamp").unwrap().holder.is_some());
    session.release("pi-a-lamp").await.unwrap();
    assert_eq!(session.view().place("pi-a-lamp").unwrap().holder, None);
    assert!(lab.client(&["-p", "pi-a-lamp", "show"]).contains("acquired: None"));
}

/// labgrid 26 compares whole values: `TagFilter` is where expressions are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reservations_compare_whole_tags_and_know_names() {
    let Some(lab) = lab_with(&["lamp", "lamp-2"]).await else { return };
    let session = session(&lab, "ci/hil-1").await;
    let state = async |tags| {
        let made = session.reserve(&tags, 0.0).await.unwrap();
        session.cancel(&made.token).await.unwrap();
        (made.state, made.place)
    };
    assert_eq!(state(tags("hil_board", "lamp")).await, (ReservationState::Allocated, Some("pi-a-lamp".to_owned())));
    assert_eq!(state(tags("hil_board", "lam.")).await, (ReservationState::Waiting, None));
    assert_eq!(state(tags("name", "pi-a-lamp-2")).await.1.as_deref(), Some("pi-a-lamp-2"));
    assert!(session.poll("NOSUCHTOKEN").await.unwrap().is_none());
    session.cancel("NOSUCHTOKEN").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address: CoordinatorAddress = listener.local_addr().unwrap().to_string().parse().unwrap();
    drop(listener);
    let error = Session::open(&address, "ci/hil-1").await.expect_err("nothing listens");
    assert!(matches!(error, LabgridError::Unreachable { .. }), "{error:?}");
    let shown = format!("{error}\nCaused by: {}\nhint: {}", std::error::Error::source(&error).unwrap(), error.hint());
    insta::with_settings!({filters => [(r"127\.0\.0\.1:\d+", "ADDRESS")]}, { insta::assert_snapshot!(shown) });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_its_coordinator() {
    let Some(mut lab) = lab_with(&["lamp"]).await else { return };
    let session = session(&lab, "ci/hil-1").await;
    lab.kill_coordinator();
    let seen = session.view();
    let error = tokio::time::timeout(crate::PATIENCE, session.changed(&seen)).await.unwrap().expect_err("it is gone");
    assert!(error.is_connection(), "{error:?}");
    assert!(session.acquire("pi-a-lamp").await.expect_err("it is gone").is_connection());
    // The connection comes back by itself, the session does not.
    lab.start_coordinator();
    assert!(session.acquire("pi-a-lamp").await.expect_err("no session").is_connection());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_whose_exporter_is_gone_can_be_acquired_but_is_no_board() {
    let Some(mut lab) = lab_with(&["lamp"]).await else { return };
    let session = session(&lab, "ci/hil-1").await;
    lab.kill_exporter("pi-a");
    let mut view = session.view();
    while view.problem_of(view.place("pi-a-lamp").unwrap()).is_none() {
        tokio::time::timeout(crate::PATIENCE, session.changed(&view)).await.unwrap().unwrap();
        view = session.view();
    }
    let missing = vec!["pi-a/lamp/NetworkService".to_owned()];
    let problem = view.problem_of(view.place("pi-a-lamp").unwrap());
    assert_eq!(problem, Some(PlaceProblem::ExporterGone { missing }));
    // labgrid itself gives it away, without any resource.
    session.acquire("pi-a-lamp").await.unwrap();
    session.release("pi-a-lamp").await.unwrap();
}
