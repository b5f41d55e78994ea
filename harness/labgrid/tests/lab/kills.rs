//! The coordinator and exporters are killed at random moments. `HIL_KILLS` sets how often.

use std::time::Duration;

use hil_labgrid::{LabEvent, LabgridError, Leases};

use crate::support::Lab;
use crate::{Run, add_host, lab_with, session, want};

/// How often each is killed.
fn rounds() -> usize {
    std::env::var("HIL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// The places as a coordinator saves them: this one is killed before it saves.
const PLACES: &str = "pi-a-lamp:\n  aliases: []\n  comment: ''\n  tags: {hil_host: pi-a, hil_board: lamp}\n  matches:\n  - {exporter: pi-a, group: lamp, cls: NetworkService, name: null, rename: null}\n  acquired: null\n  acquired_resources: []\n  allowed: []\n  created: 1.0\n  changed: 1.0\n  reservation: null\n";

/// A run that begins, has its board for a while, and ends; whatever happens meanwhile.
async fn short_run(address: String, name: String, kept: Duration) -> Result<(), LabgridError> {
    let (leases, mut events) = Leases::begin(&address.parse()?, &crate::owner(&name), want(1, 2)).await?;
    let joined = async {
        loop {
            match events.recv().await {
                Some(LabEvent::Joined(_)) => return Ok(()),
                Some(LabEvent::Failed(error)) => return Err(error),
                Some(_) => {}
                None => panic!("the engine ended without a word"),
            }
        }
    };
    let joined = tokio::time::timeout(2 * crate::PATIENCE, joined).await.expect("in time");
    tokio::time::sleep(kept).await;
    leases.end().await;
    joined
}

async fn all_is_free(lab: &Lab) {
    let session = session(lab, "desk/look").await;
    let held: Vec<_> = session.view().places().filter_map(|place| place.holder.clone()).collect();
    assert!(held.is_empty(), "{held:?}");
    let left = session.reservations().await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_coordinator_takes_no_board_away() {
    let Some(mut lab) = lab_with(&["lamp"]).await else { return };
    for round in 0..rounds() {
        let mut run = Run::begin(&lab, &format!("kept-{round}"), want(1, 1)).await;
        run.joined().await;
        lab.kill_coordinator();
        let LabEvent::Lost(_) = run.next().await else { panic!("it is gone") };
        // It may also have forgotten the place itself, which its host then describes again.
        if round % 2 == 0 {
            lab.save_places(PLACES);
        }
        lab.start_coordinator();
        lab.kill_exporter("pi-a");
        add_host(&mut lab, "pi-a", &["lamp"]).await;
        let LabEvent::Back = run.next().await else { panic!("it is back") };
        // It has forgotten who has the place; the run takes it again.
        let look = session(&lab, "desk/look").await;
        let mut view = look.view();
        while view.place("pi-a-lamp").is_none_or(|place| place.holder.is_none()) {
            tokio::time::timeout(crate::PATIENCE, look.changed(&view)).await.unwrap().unwrap();
            view = look.view();
        }
        assert_eq!(view.place("pi-a-lamp").unwrap().holder, Some(crate::owner(&format!("kept-{round}")).to_string()));
        run.leases.end().await;
        all_is_free(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_nothing_is_held_afterwards_and_the_next_run_begins() {
    let Some(mut lab) = lab_with(&["lamp"]).await else { return };
    for round in 0..rounds() {
        let kills_coordinator = round % 2 == 0;
        let moment = Duration::from_millis(fastrand::u64(0..400));
        let kept = Duration::from_millis(fastrand::u64(0..200));
        let case = format!("round {round}: coordinator {kills_coordinator}, after {moment:?}, kept {kept:?}");
        let run = tokio::spawn(short_run(lab.address(), format!("round-{round}"), kept));
        tokio::time::sleep(moment).await;
        if kills_coordinator {
            lab.kill_coordinator();
            lab.save_places(PLACES);
            lab.start_coordinator();
        }
        lab.kill_exporter("pi-a");
        add_host(&mut lab, "pi-a", &["lamp"]).await;
        match run.await.unwrap() {
            Ok(()) => {}
            // It began just when there was no coordinator.
            Err(error) => assert!(kills_coordinator && error.is_connection(), "{case}: {error:?}"),
        }
        all_is_free(&lab).await;
        short_run(lab.address(), format!("next-{round}"), Duration::ZERO).await.expect("the next run begins");
        all_is_free(&lab).await;
    }
}
