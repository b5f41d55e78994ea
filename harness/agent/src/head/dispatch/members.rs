//! The hosts of a run.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use hil_schedule::{Place, PlaceId, Scheduler};
use hil_timeline::{BoardInfo, HostName, ScenarioKey, Timeline, What};
use tokio::sync::mpsc;

use super::super::connection::FromHost;
use super::super::host::{Host, HostEnd};
use super::super::record::{HostCapture, HostRecord};
use super::{Dispatch, Joining};
use crate::clock::Offset;
use crate::protocol::{Fit, ToAgent};

/// How many scenarios without a board run on a host at the same time, where only some hosts can run them.
const SPARE: usize = 2;

/// A host of a run.
pub(super) struct Member {
    pub(super) name: HostName,
    host: Option<Host>,
    pub(super) record: HostRecord,
    /// Its boards in the scheduler.
    pub(super) places: BTreeMap<String, PlaceId>,
    /// Places without a board, for scenarios that need none but not any host.
    pub(super) spare: Vec<PlaceId>,
    pub(super) fits: BTreeMap<ScenarioKey, Fit>,
    /// How much later the times of its capture are on the clock of the whole, in microseconds.
    pub(super) capture_shift: i64,
    pub(super) end: Option<HostEnd>,
    /// It was asked to end.
    pub(super) is_ending: bool,
    /// All of its boards have left the run.
    pub(super) has_left: bool,
}

impl Member {
    pub(super) async fn send(&self, message: ToAgent) {
        if let Some(host) = &self.host {
            host.connection.send(message).await;
        }
    }

    pub(super) fn measured(&self, offset: Offset) {
        self.record.note(What::Clock { offset_us: offset.us, bound_us: offset.bound_us });
    }

    pub(super) fn says(&self, line: String) {
        if let Some(host) = &self.host {
            host.says(line);
        }
    }

    /// Whether scenarios can run there.
    pub(super) fn is_here(&self) -> bool {
        self.end.is_none() && !self.has_left
    }

    /// Closes the connection.
    pub(super) fn close(&mut self) -> Option<impl Future<Output = ()> + use<>> {
        /// An agent that has said its last word only has to exit.
        const PATIENCE: Duration = Duration::from_secs(2);
        self.host.take().map(|host| host.connection.close(PATIENCE))
    }
}

impl Dispatch {
    pub(super) fn take_joining(&mut self, joining: Option<Joining>) {
        match joining {
            Some(Joining::Busy) => self.is_connecting = true,
            Some(Joining::Host(host)) => self.join(*host),
            Some(Joining::Idle) => self.is_connecting = false,
            None => {
                (self.is_joining_open, self.is_connecting) = (false, false);
                self.wait_for_no_host();
            }
        }
    }

    /// A host takes part from now on.
    pub(super) fn join(&mut self, mut host: Host) {
        let name = host.name().clone();
        let offset = host.offset.unwrap_or(Offset { us: 0, bound_us: 0 });
        let timeline = &self.running.timeline;
        let capture = HostCapture::new(&self.running.folder, &name, self.running.max_record);
        let record = HostRecord::new(timeline, &name, offset, capture);
        let boards = host.boards();
        let (bench, bench_hash) = (host.hello.bench.clone(), host.hello.bench_hash.clone());
        record.note(What::HostJoined { bench, bench_hash, boards: boards.clone() });
        let (places, spare) = add_places(&mut self.scheduler, &host, &boards);
        let member = Member {
            record,
            places,
            spare,
            fits: host.fits.drain(..).map(|fit| (fit.key.clone(), fit)).collect(),
            capture_shift: capture_shift(timeline, &host, offset),
            end: None,
            is_ending: false,
            has_left: false,
            name,
            host: None,
        };
        member.measured(offset);
        forward(host.connection.take_events(), self.members.len(), self.events.clone());
        self.members.push(Member { host: Some(host), ..member });
        self.use_new_boards();
    }
}

/// Adds the boards of a host to the scheduler.
fn add_places(
    scheduler: &mut Scheduler,
    host: &Host,
    boards: &[BoardInfo],
) -> (BTreeMap<String, PlaceId>, Vec<PlaceId>) {
    let name = host.name().as_str();
    let described = hil_schedule::Host { one_at_a_time: host.hello.broker_shared, ..hil_schedule::Host::new(name) };
    scheduler.add_host(described);
    let places = boards.iter().map(|board| (board.name.clone(), scheduler.add_place(Place::new(name, &board.name))));
    let places = places.collect();
    let spare = (0..SPARE).map(|n| scheduler.add_place(Place::new(name, format!("no board, {}", n + 1)))).collect();
    (places, spare)
}

/// The capture counts from the wall clock of its host; the whole from the wall clock here.
fn capture_shift(timeline: &Timeline, host: &Host, offset: Offset) -> i64 {
    let signed = |us: u64| i64::try_from(us).unwrap_or(i64::MAX);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let began = signed(u64::try_from(now.as_micros()).unwrap_or(u64::MAX)) - signed(timeline.epoch().now().0);
    let theirs = host.opened.as_ref().map_or(0, |opened| signed(opened.unix_us));
    began.saturating_add(offset.us).saturating_sub(theirs)
}

/// Passes on what comes from a host, with its number.
fn forward(from: Option<mpsc::Receiver<FromHost>>, member: usize, to: mpsc::Sender<(usize, FromHost)>) {
    let Some(mut from) = from else { return };
    tokio::spawn(async move {
        while let Some(event) = from.recv().await {
            if to.send((member, event)).await.is_err() {
                return;
            }
        }
    });
}
