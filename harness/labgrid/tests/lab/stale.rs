//! What ended runs leave behind.

use hil_labgrid::{LabEvent, give_back, held_by_runs, release_all};

use crate::{Run, lab_with, session, want};

/// A run whose process is killed: its session ends, and labgrid keeps its place for ever.
async fn abandoned(lab: &crate::Lab, name: &str) -> hil_labgrid::Lease {
    let session = session(lab, &crate::owner(name).to_string()).await;
    let tags = [("name".to_owned(), "pi-a-lamp".to_owned())].into();
    let token = session.reserve(&tags, 0.0).await.unwrap().token;
    session.acquire("pi-a-lamp").await.unwrap();
    let view = session.view();
    let place = view.place("pi-a-lamp").unwrap();
    let note = hil_labgrid::LeaseNote {
        coordinator: lab.address(),
        owner: session.name().to_owned(),
        place: place.name.clone(),
        token: Some(token),
    };
    hil_labgrid::Lease { host: "pi-a".to_owned(), board: "lamp".to_owned(), tags: place.tags.clone(), note }
}

/// What the agent on the board's host does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_gives_back_what_a_killed_run_had() {
    let Some(lab) = lab_with(&["lamp"]).await else { return };
    let lease = abandoned(&lab, "killed").await;
    assert!(lab.client(&["-p", "pi-a-lamp", "show"]).contains("acquired: ci/hil-killed"));
    let note = serde_json::to_string(&lease.note).unwrap();
    give_back(&serde_json::from_str(&note).unwrap()).await.unwrap();
    let shown = lab.client(&["-p", "pi-a-lamp", "show"]);
    assert!(shown.contains("acquired: None") && !shown.contains("reservation:"), "{shown}");
    assert!(lab.client(&["reservations"]).is_empty());
    // Again, and when another session has it, it changes nothing.
    lab.client(&["-p", "pi-a-lamp", "acquire"]);
    give_back(&lease.note).await.unwrap();
    assert!(lab.client(&["-p", "pi-a-lamp", "show"]).contains("acquired: desk/anna"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_shows_no_presence_is_stale_and_one_that_does_is_not() {
    let Some(lab) = lab_with(&["lamp", "lamp-2"]).await else { return };
    let mut alive = Run::begin(
        &lab,
        "alive",
        crate::Want { fits: std::sync::Arc::new(|place| place.name == "pi-a-lamp-2"), ..want(1, 1) },
    )
    .await;
    alive.joined().await;
    abandoned(&lab, "killed").await;
    let session = session(&lab, "desk/look").await;
    let held = held_by_runs(&session).await.unwrap();
    let found: Vec<_> = held.iter().map(|held| (held.place.as_str(), held.owner.run(), held.is_alive)).collect();
    assert_eq!(found, [("pi-a-lamp", "killed", false), ("pi-a-lamp-2", "alive", true)]);
    let stale: Vec<_> = held.into_iter().filter(|held| !held.is_alive).collect();
    release_all(&session, &stale).await.unwrap();
    assert_eq!(held_by_runs(&session).await.unwrap().len(), 1);
    alive.leases.end().await;
}

/// No process was left to clean up: the next run does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_run_frees_what_a_killed_run_has() {
    let Some(lab) = lab_with(&["lamp"]).await else { return };
    abandoned(&lab, "killed").await;
    let mut run = Run::begin(&lab, "next", want(1, 1)).await;
    let LabEvent::Freed(held) = run.next().await else { panic!("it was stale") };
    assert_eq!((held.place.as_str(), held.owner.run()), ("pi-a-lamp", "killed"));
    run.joined().await;
    run.leases.end().await;
    assert!(lab.client(&["reservations"]).is_empty());
}
