//! Wi-Fi, cut at the driver's C interface.
//!
//! The driver below `esp_wifi_*` is closed and waits for hardware that is not described. So the functions that programs
//! call are trapped by their symbols and answered here; the driver itself never runs. Events and received frames go
//! into the program by the call-backs that it has registered, when it has interrupts on, as from an interrupt.
//!
//! The station is judged as Espressif's "Wi-Fi Driver" guide describes it ("Wi-Fi Reason Code"), with its numbers:
//! see [`station`].

mod functions;
mod guest;
mod station;

use std::collections::VecDeque;

pub(super) use functions::{Function, Reply, function};
pub(super) use guest::Guest;
use station::{Outcome, StationConfig};

use super::device::SECOND;
use super::events::{AccessPoint, Output};
use super::hardware::{GIVEN, GIVEN_LEN};

/// The upper part of the memory that the chip doesn't have is the call-backs' stack.
const STACK: u32 = 16 * 1024;
/// Where event data is, at the stack's lower end.
const EVENT: u32 = GIVEN + GIVEN_LEN - STACK;
pub(super) const STACK_TOP: u32 = GIVEN + GIVEN_LEN - 16;
/// A received frame's place.
const SLOT: u32 = 2048;
const SLOTS: u32 = (GIVEN_LEN - STACK) / SLOT;
/// Frames that wait for the program; more are lost, as in the air.
const WAITING: usize = 256;

/// How long a join takes.
const JOIN: u64 = SECOND / 10;
/// How long a scan of all channels takes, and of one.
const SCAN: u64 = SECOND;
const SCAN_CHANNEL: u64 = SECOND / 10;
/// The driver's time without beacons after which a station leaves, unless the program sets another.
const BEACON_PATIENCE: u64 = 6 * SECOND;

/// Numbers of the driver's events.
mod event {
    pub(super) const SCAN_DONE: u32 = 1;
    pub(super) const STARTED: u32 = 2;
    pub(super) const STOPPED: u32 = 3;
    pub(super) const CONNECTED: u32 = 4;
    pub(super) const DISCONNECTED: u32 = 5;
}

/// Something that the program is to be given.
#[derive(Debug)]
enum Event {
    ScanDone,
    Joined(AccessPoint),
    Left(u8),
    Sent(bool),
}

/// What a call into the program was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An event that the program expects before the trapped function returns.
    Within,
    /// An event or a sent frame.
    Event,
    /// A received frame, in this slot.
    Frame(u32),
}

/// A call into the program.
#[derive(Debug)]
pub(super) struct Callback {
    pub(super) function: u32,
    pub(super) arguments: [u32; 5],
    pub(super) purpose: Purpose,
}

/// What the driver would keep.
#[derive(Debug)]
pub(super) struct Wifi {
    air: Vec<AccessPoint>,
    mac: [u8; 6],
    /// The program's functions for events, sent frames and received ones; 0 until they are known.
    event_post: u32,
    sent: u32,
    receive: u32,
    mode: u32,
    config: StationConfig,
    joined: Option<AccessPoint>,
    /// Since when the joined access point can't be heard.
    silent: Option<u64>,
    patience: u64,
    /// Whether a join is under way, so that an outcome waits in the queue.
    joining: bool,
    events: VecDeque<(u64, Event)>,
    found: VecDeque<AccessPoint>,
    frames: VecDeque<Vec<u8>>,
    newest_frame: Vec<u8>,
    slots: Vec<u32>,
    /// The program's queue of received frames is full until it frees one.
    full: bool,
}

impl Wifi {
    pub(super) fn new(air: Vec<AccessPoint>, mac: [u8; 6]) -> Self {
        Self {
            air,
            mac,
            event_post: 0,
            sent: 0,
            receive: 0,
            mode: 0,
            config: StationConfig::default(),
            joined: None,
            silent: None,
            patience: BEACON_PATIENCE,
            joining: false,
            events: VecDeque::new(),
            found: VecDeque::new(),
            frames: VecDeque::new(),
            newest_frame: Vec::new(),
            slots: (0..SLOTS).map(|slot| GIVEN + slot * SLOT).collect(),
            full: false,
        }
    }

    /// A frame arrives from the network.
    pub(super) fn receive(&mut self, frame: Vec<u8>) {
        let fits = frame.len() <= SLOT as usize;
        if self.joined.is_some() && self.silent.is_none() && fits && self.frames.len() < WAITING {
            self.frames.push_back(frame);
        }
    }

    /// From now on these access points can be heard.
    pub(super) fn set_air(&mut self, air: Vec<AccessPoint>, now: u64) {
        self.air = air;
        let Some(joined) = &self.joined else { return };
        let same = |point: &&AccessPoint| point.bssid == joined.bssid && point.ssid == joined.ssid;
        if let Some(point) = self.air.iter().find(same) {
            self.joined = Some(point.clone());
            self.silent = None;
        } else {
            self.silent.get_or_insert(now);
        }
    }

    /// When something is to be given to the program next; now or earlier when something waits.
    pub(super) fn due(&self) -> u64 {
        if self.event_post == 0 {
            return u64::MAX;
        }
        let events = self.events.iter().map(|(due, _)| *due).min().unwrap_or(u64::MAX);
        let beacons = self.silent.map_or(u64::MAX, |since| since.saturating_add(self.patience));
        let frames = if self.can_receive() { 0 } else { u64::MAX };
        events.min(beacons).min(frames)
    }

    fn can_receive(&self) -> bool {
        !self.frames.is_empty() && !self.full && self.receive != 0 && self.joined.is_some() && !self.slots.is_empty()
    }

    /// The next call into the program, if something is due.
    pub(super) fn next(&mut self, guest: &mut Guest<'_>) -> Option<Callback> {
        let now = guest.hardware.now();
        if self.silent.is_some_and(|since| now >= since.saturating_add(self.patience)) {
            self.leave(station::BEACON_TIMEOUT, now);
        }
        if let Some(index) = self.events.iter().position(|(due, _)| *due <= now) {
            let (_, event) = self.events.remove(index)?;
            return Some(self.event(event, guest));
        }
        if self.can_receive() { self.frame(guest) } else { None }
    }

    /// A call into the program has returned.
    pub(super) fn returned(&mut self, purpose: Purpose, value: u32) {
        if let Purpose::Frame(_) = purpose
            && value != 0
        {
            // The call-back has freed the slot; the frame goes again after the next one that is freed.
            self.frames.push_front(std::mem::take(&mut self.newest_frame));
            self.full = true;
        }
    }

    fn event(&mut self, event: Event, guest: &mut Guest<'_>) -> Callback {
        let (number, data) = match event {
            Event::Sent(sent) => {
                let arguments = [0, 0, 0, u32::from(sent), 0];
                return Callback { function: self.sent, arguments, purpose: Purpose::Event };
            }
            Event::ScanDone => (event::SCAN_DONE, station::scan_done(self.found.len())),
            Event::Joined(point) => {
                let data = station::connected(&point);
                let ssid = String::from_utf8_lossy(&point.ssid).into_owned();
                guest.hardware.output(Output::Joined { ssid, bssid: point.bssid });
                (self.joined, self.silent, self.joining) = (Some(point), None, false);
                (event::CONNECTED, data)
            }
            Event::Left(reason) => {
                self.joining = false;
                guest.hardware.output(Output::Left { reason });
                (event::DISCONNECTED, station::disconnected(&self.config, self.bssid(), reason))
            }
        };
        guest.write(EVENT, &data);
        let len = u32::try_from(data.len()).unwrap_or_default();
        let arguments = [0, number, EVENT, len, 0];
        Callback { function: self.event_post, arguments, purpose: Purpose::Event }
    }

    fn frame(&mut self, guest: &mut Guest<'_>) -> Option<Callback> {
        let slot = self.slots.pop()?;
        self.newest_frame = self.frames.pop_front()?;
        guest.write(slot, &self.newest_frame);
        let len = u32::try_from(self.newest_frame.len()).unwrap_or_default();
        let arguments = [slot, len, slot, 0, 0];
        Some(Callback { function: self.receive, arguments, purpose: Purpose::Frame(slot) })
    }

    fn bssid(&self) -> [u8; 6] {
        let named = self.air.iter().find(|point| point.ssid == self.config.ssid);
        self.joined.as_ref().or(named).map_or([0; 6], |point| point.bssid)
    }

    /// Begins to join the network that the program has configured.
    fn join(&mut self, now: u64) {
        self.forget_join();
        self.joining = true;
        let (after, event) = match station::judge(&self.config, &self.air) {
            Outcome::Joins(point) => (JOIN, Event::Joined(point)),
            Outcome::Fails { reason, after } => (after, Event::Left(reason)),
        };
        self.events.push_back((now.saturating_add(after), event));
    }

    /// Leaves the network, or ends a join that is under way; whether there was one.
    fn leave(&mut self, reason: u8, now: u64) -> bool {
        let was = self.joining || self.joined.is_some();
        self.forget_join();
        (self.joined, self.silent) = (None, None);
        self.frames.clear();
        if was {
            self.events.push_back((now, Event::Left(reason)));
        }
        was
    }

    fn forget_join(&mut self) {
        self.joining = false;
        self.events.retain(|(_, event)| !matches!(event, Event::Joined(_) | Event::Left(_)));
    }
}
