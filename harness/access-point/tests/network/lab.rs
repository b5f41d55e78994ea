//! An access point, a station, and the air between them.

mod air;
mod echo;
pub(crate) mod frames;
mod station;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use hil_access_point::{AccessPoint, Config, Event, FlowId};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, State};

pub(crate) use self::air::{Air, Direction, Weather};
pub(crate) use self::echo::{Client, Echo, pattern};
pub(crate) use self::station::{MAC, Station};

/// What a connection may take: longer than any series of retransmissions in these tests.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Where the station's connections go; any address does.
pub(crate) const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 7), 1883);

pub(crate) struct Lab {
    pub(crate) ap: AccessPoint,
    pub(crate) station: Station,
    pub(crate) air: Air,
    pub(crate) events: VecDeque<Event>,
    origin: Instant,
    now: Instant,
}

impl Lab {
    /// A station with the first address, and air that loses nothing.
    pub(crate) fn new() -> Self {
        Self::with(Config::default(), Weather::fair())
    }

    pub(crate) fn with(config: Config, weather: Weather) -> Self {
        let origin = Instant::now();
        let station = Station::new(config.network.first_lease());
        let (ap, air) = (AccessPoint::new(config), Air::new(weather));
        Self { ap, station, air, events: VecDeque::new(), origin, now: origin }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.origin
    }

    /// Lets both ends do what is due, then time pass until something else is. Whether there is anything to wait for.
    pub(crate) fn step(&mut self) -> bool {
        self.step_to(None)
    }

    /// The same, but time passes at most to this instant.
    fn step_to(&mut self, end: Option<Instant>) -> bool {
        while let Some((direction, frame)) = self.air.arrived(self.now) {
            match direction {
                Direction::ToStation => self.station.receive(frame),
                Direction::ToAccessPoint => self.ap.receive(&frame),
            }
        }
        let known = self.events.len();
        let mut next = None;
        let mut busy = true;
        while std::mem::take(&mut busy) {
            let station_due = self.station.poll(self.elapsed()).map(|after| self.origin + after);
            let ap_due = self.ap.poll(self.now);
            while let Some(frame) = self.ap.next_frame() {
                self.air.send(self.now, Direction::ToStation, frame);
                busy = true;
            }
            while let Some(frame) = self.station.next_frame() {
                self.air.send(self.now, Direction::ToAccessPoint, frame);
                busy = true;
            }
            self.events.extend(std::iter::from_fn(|| self.ap.next_event()));
            next = [station_due, ap_due, self.air.due()].into_iter().flatten().min();
        }
        // What happened is seen before time passes.
        if self.events.len() == known
            && let Some(next) = next
        {
            self.now = self.now.max(end.map_or(next, |end| next.min(end)));
        }
        next.is_some() || self.events.len() > known
    }

    /// Steps until something holds.
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let end = self.now + PATIENCE;
        let mut idle = 0;
        while !holds(self) {
            assert!(self.now < end, "{what}: not within {PATIENCE:?}");
            idle = if self.step() { 0 } else { idle + 1 };
            assert!(idle < 3, "{what}: nothing happens any more");
        }
    }

    /// Steps for a time.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end && self.step_to(Some(end)) {}
        self.now = self.now.max(end);
        self.step_to(Some(end));
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Event {
        self.until("an event", |lab| !lab.events.is_empty());
        self.events.pop_front().expect("an event")
    }

    /// The next event asks for a connection.
    pub(crate) fn asked(&mut self) -> FlowId {
        match self.event() {
            Event::Connect { flow, .. } => flow,
            other => panic!("not a connection: {other:?}"),
        }
    }

    /// An established connection.
    pub(crate) fn connected(&mut self) -> (SocketHandle, FlowId) {
        let handle = self.station.connect(SERVER);
        let flow = self.asked();
        self.ap.accepted(flow);
        assert_eq!(self.event(), Event::Room { flow });
        assert_eq!(self.socket(handle).state(), State::Established);
        (handle, flow)
    }

    pub(crate) fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.station.socket(handle)
    }

    /// What the station's socket has received.
    pub(crate) fn read(&mut self, handle: SocketHandle) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        let length = self.socket(handle).recv_slice(&mut bytes).unwrap_or(0);
        bytes.truncate(length);
        bytes
    }

    /// All that a flow has received.
    pub(crate) fn take(&mut self, flow: FlowId) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = self.ap.received(flow).to_vec();
            if bytes.is_empty() {
                return all;
            }
            self.ap.take(flow, bytes.len());
            all.extend(bytes);
        }
    }
}
