//! With labgrid's own coordinator, exporters and client on loopback.

#![expect(clippy::unwrap_used, reason = "tests")]

mod kills;
mod leases;
mod publishing;
mod sessions;
mod stale;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use hil_labgrid::{LabEvent, Lease, LeaseNote, Leases, Owner, Place, Publication, PublishedBoard, Session, Want};
use support::Lab;
use tokio::sync::mpsc::UnboundedReceiver;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn publication(host: &str, boards: &[&str]) -> Publication {
    let board = |name: &&str| PublishedBoard {
        name: (*name).to_owned(),
        chip: "esp32c3".to_owned(),
        kind: "esp".to_owned(),
        tags: vec!["wifi".to_owned()],
        failed_checks: 0,
    };
    Publication {
        host: host.to_owned(),
        exporter: host.to_owned(),
        version: "0.1.0".to_owned(),
        boards: boards.iter().map(board).collect(),
    }
}

/// A lab with a host `pi-a` of these boards, published and exported.
async fn lab_with(boards: &[&str]) -> Option<Lab> {
    let mut lab = Lab::start()?;
    add_host(&mut lab, "pi-a", boards).await;
    Some(lab)
}

async fn add_host(lab: &mut Lab, host: &str, boards: &[&str]) {
    let publication = publication(host, boards);
    if !boards.is_empty() {
        lab.start_exporter(host, &publication.exporter_config("pi"));
    }
    let session = session(lab, "desk/publish").await;
    publication.publish(&session).await.unwrap();
    // The exporter is ready before it has said what it exports.
    let mut view = session.view();
    while view
        .places()
        .any(|place| place.tags.get("hil_host").is_some_and(|it| it == host) && view.problem_of(place).is_some())
    {
        tokio::time::timeout(PATIENCE, session.changed(&view)).await.unwrap().unwrap();
        view = session.view();
    }
}

async fn session(lab: &Lab, name: &str) -> Session {
    Session::open(&lab.address().parse().unwrap(), name).await.unwrap()
}

fn owner(run: &str) -> Owner {
    Owner::new("ci", run)
}

fn want(at_least: usize, at_most: usize) -> Want {
    Want { fits: Arc::new(|_: &Place| true), words: String::new(), at_least, at_most, wait: PATIENCE, priority: 0.0 }
}

/// A run and what happens to its boards.
struct Run {
    leases: Leases,
    events: UnboundedReceiver<LabEvent>,
}

impl Run {
    async fn begin(lab: &Lab, run: &str, want: Want) -> Self {
        let (leases, events) = Leases::begin(&lab.address().parse().unwrap(), &owner(run), want).await.unwrap();
        Self { leases, events }
    }

    /// The next event, but for the one that the run has begun.
    async fn next(&mut self) -> LabEvent {
        loop {
            let event = self.any().await;
            if !matches!(event, LabEvent::Begun) {
                return event;
            }
        }
    }

    async fn any(&mut self) -> LabEvent {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("an event")
    }

    /// The next board that joins; other events in between don't matter.
    async fn joined(&mut self) -> Lease {
        loop {
            match self.next().await {
                LabEvent::Joined(lease) => return lease,
                LabEvent::Failed(error) => panic!("{error}"),
                _ => {}
            }
        }
    }
}

fn places(notes: &[&LeaseNote]) -> Vec<String> {
    let mut places: Vec<_> = notes.iter().map(|note| note.place.clone()).collect();
    places.sort();
    places
}
