//! Every event of a run: the contract between the code that runs and the code that reports.

mod bench;
mod choice;
mod host;
mod network;
mod provenance;
mod quarantine;
mod scenario;
mod service;
mod stamps;
mod step;

use std::net::SocketAddr;

pub use bench::{Allowance, Edge, Evidence, Finding, FlashPhase, PinCause};
pub use choice::{Choice, Shard, shuffled_place};
pub use host::{HostName, HostNameError};
pub use network::{ConnectionChange, Disposition, FaultPhase};
pub use provenance::Provenance;
pub use quarantine::Quarantine;
pub use scenario::{RoleInfo, ScenarioInfo, ScenarioKey};
use serde::{Deserialize, Serialize};
pub use service::{Exchange, Service, percent};
pub use step::{PartOf, StepInfo, StepKind, StepOutcome};

use crate::{Direction, Packet, Payload, QoS, Runs, Stamp};

/// Version of the format of `events.jsonl`; written in its first line.
pub const SCHEMA: u32 = 4;

/// Number of a scenario within its run, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScenarioId(pub u32);

/// One record of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// Place in the order of the run, counted from 0.
    pub seq: u64,
    /// Time in microseconds since the run began.
    pub at: Stamp,
    /// The scenario it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<ScenarioId>,
    /// The host whose agent recorded it, in a run on several hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What a scenario's end means for the firmware and the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every step passed.
    Passed,
    /// The firmware failed.
    Failed,
    /// The bench or `hil` failed.
    Errored,
    /// The bench lacks what the scenario needs.
    Skipped,
    /// Ctrl-C, SIGTERM or the run's deadline.
    Aborted,
    /// It failed first and passed on a retry. Never recorded: reports derive it from the attempts.
    Flaky,
}

impl Verdict {
    /// The word that reports use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Errored => "errored",
            Self::Skipped => "skipped",
            Self::Aborted => "aborted",
            Self::Flaky => "flaky",
        }
    }
}

/// Why a step did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The message, without its verdict word.
    pub message: String,
    /// The closest match, the last packet, the last console line; one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// A hint on how to fix it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A board as a report shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardInfo {
    /// Its name in `bench.toml`.
    pub name: String,
    /// Its kind: `virtual`, `esp`, …
    pub kind: String,
    /// Its chip.
    pub chip: String,
    /// Whether it is simulated: its measurements are never compared with those of real chips.
    pub simulated: bool,
    /// The program that plays it, with its version, if it is emulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emulator: Option<String>,
    /// The host that it is attached to, in a run on several hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
}

impl BoardInfo {
    /// How it runs, in one word: only boards that run in the same way may be compared.
    #[must_use]
    pub fn way(&self) -> &'static str {
        match (self.simulated, &self.emulator) {
            (_, Some(_)) => "emulated",
            (true, None) => "simulated",
            (false, None) => "real",
        }
    }

    /// Its name, with the host if there are several.
    #[must_use]
    pub fn full_name(&self) -> String {
        self.host.as_ref().map_or_else(|| self.name.clone(), |host| format!("{host}/{}", self.name))
    }

    /// Kind, chip, and what is not real about it.
    #[must_use]
    pub fn description(&self) -> String {
        let Self { kind, chip, simulated, emulator, .. } = self;
        match emulator {
            Some(program) => format!("{kind} {chip}, emulated by {program}"),
            None if *simulated => format!("{kind} {chip}, simulated"),
            None => format!("{kind} {chip}"),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each field says what it is; the variants carry the documentation")]
pub enum What {
    /// First line of every run.
    RunStarted {
        schema: u32,
        version: String,
        /// Wall clock, milliseconds since 1970.
        unix_ms: u64,
        bench: String,
        /// The project file, whose firmware the bench has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project: Option<String>,
        broker: String,
        boards: Vec<BoardInfo>,
        /// The commit, the job and the computer.
        #[serde(default, skip_serializing_if = "Provenance::is_empty")]
        provenance: Provenance,
        /// The planned scenarios: a killed run shows which ones never began.
        plan: Vec<ScenarioInfo>,
        /// What was chosen of all scenarios, and how often it runs.
        #[serde(default, skip_serializing_if = "Choice::is_default")]
        choice: Choice,
    },
    /// A scenario has its boards and begins.
    ScenarioStarted {
        info: ScenarioInfo,
        /// The attempt, from 1; more than 1 for a retry.
        #[serde(default = "first", skip_serializing_if = "is_first")]
        attempt: u32,
        /// The repetition, from 1, if the run repeats its scenarios. A retry is an attempt of the same repetition.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repetition: Option<u32>,
    },
    /// A step begins.
    StepStarted(StepInfo),
    /// A step ended.
    StepFinished { outcome: StepOutcome },
    /// A step was not run because an earlier one did not pass.
    StepNotRun(StepInfo),
    /// A scenario ended.
    ScenarioFinished {
        verdict: Verdict,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// An MQTT packet passed the tap.
    Packet {
        board: String,
        connection: u32,
        direction: Direction,
        bytes: usize,
        /// What the tap did to it, unless it just forwarded it.
        #[serde(rename = "fate", default, skip_serializing_if = "Option::is_none")]
        disposition: Option<Disposition>,
        /// Time since the packet that it answers, in microseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer_us: Option<u64>,
        packet: Packet,
    },
    /// A connection through the tap changed.
    Connection {
        board: String,
        connection: u32,
        /// The peer address; missing in records of versions that did not write it, and if there was no connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<SocketAddr>,
        #[serde(flatten)]
        change: ConnectionChange,
    },
    /// Something between a board and a service of the stage.
    Service {
        board: String,
        service: Service,
        /// The number of the connection, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<u32>,
        #[serde(flatten)]
        exchange: Exchange,
    },
    /// A line of a board's console.
    Console { board: String, line: String },
    /// The console's port vanished: nothing more is captured until it is opened again.
    ConsoleLost { board: String },
    /// The console's port is back; the board's output in between is unknown.
    ConsoleOpened { board: String, gap_ms: u64 },
    /// A console detector found something.
    Found { board: String, finding: Finding, detail: String },
    /// The driver is asked to switch the rails: from here on, what the board does may be caused by it.
    PowerSwitching { board: String, on: bool },
    /// The rails are switched, as reported by the driver.
    Power { board: String, rail: String, on: bool },
    /// Evidence that a power cut removed the supply.
    PowerCut { board: String, evidence: Evidence, detail: String },
    /// The chip is held in reset; later events belong to its next boot.
    Reset { board: String, how: String },
    /// The chip runs again after a reset.
    ResetReleased { board: String },
    /// A text was written to the board's console.
    Typed { board: String, text: String },
    /// A signal was sent to the program that is the board.
    Signalled { board: String, signal: String },
    /// A pin changed, or its level was read.
    Pin {
        board: String,
        pin: String,
        on: bool,
        cause: PinCause,
        /// If the kernel reported the change: its time and number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        edge: Option<Edge>,
    },
    /// Changes of a pin were lost before they could be read.
    PinGap { board: String, pin: String, lost: u32 },
    /// A packet of the board violates the MQTT specification.
    ProtocolViolation {
        board: String,
        connection: u32,
        /// The rule, with its section of the specification.
        rule: String,
    },
    /// A step permits the board something that would otherwise fail the scenario.
    Allowed { board: String, allowance: Allowance },
    /// A named group of a step's pattern matched: later steps of the scenario may use the value.
    Captured { board: String, name: String, value: String },
    /// A value of a gauge: a number that a board prints or publishes again and again.
    Gauge {
        board: String,
        gauge: String,
        value: f64,
        /// When the line or the message with the value came.
        came: Stamp,
    },
    /// When the board's will is due, as computed by the step that waited for it.
    WillWindow {
        board: String,
        from: Stamp,
        until: Stamp,
        /// What the window counts from, as text.
        reason: String,
    },
    /// A network fault.
    Fault { board: String, fault: String, phase: FaultPhase },
    /// The firmware that a board runs.
    Firmware {
        board: String,
        firmware: String,
        /// Beginning of the SHA-256, in hex, of all bytes of its files, without the settings of the bench.
        hash: String,
        /// Bytes.
        size: usize,
        /// Its own version, if it has one: `esp_app_desc_t` of ESP-IDF.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// What runs it; missing in records of versions that did not write it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runs: Option<Runs>,
    },
    /// Progress of a flash.
    Flash {
        board: String,
        firmware: String,
        #[serde(flatten)]
        flash: FlashPhase,
    },
    /// The broker started or stopped.
    Broker { kind: String, running: bool, address: String },
    /// A line of the broker's log.
    BrokerLog { line: String },
    /// The broker exited without being asked to.
    BrokerDied { reason: String },
    /// The observer published.
    Published { topic: String, payload: Payload, qos: QoS, retain: bool },
    /// The observer received.
    Observed { observer: String, topic: String, payload: Payload, qos: QoS, retain: bool, dup: bool },
    /// The observer's subscription was granted.
    Subscribed { observer: String, filter: String },
    /// The observer lost its connection: messages from here on may be missing.
    ObserverLost { observer: String, reason: String },
    /// What the bench does about a problem.
    Bench { board: String, note: String },
    /// A board is set aside for the rest of the run: the bench failed on it again and again.
    SetAside {
        board: String,
        /// What failed, in the order of the scenarios.
        reasons: Vec<String>,
    },
    /// This machine stalled or was busy for this many milliseconds until now: events that were recorded late may have
    /// happened in time.
    Stalled { ms: u64 },
    /// The file has reached its limit in bytes: from here on it takes only the progress of scenarios and steps.
    RecordFull { limit: u64 },
    /// What was left out of the file because of its size: console lines, packets and other events.
    RecordDropped { lines: u64, packets: u64, others: u64 },
    /// A host takes part in the run.
    HostJoined {
        bench: String,
        /// Beginning of the SHA-256, in hex, of its bench file.
        bench_hash: String,
        boards: Vec<BoardInfo>,
    },
    /// A host does not take part any more, although it was to.
    HostLost { reason: String },
    /// The offset of a host's clock, as measured: its zero is so many microseconds after the run's.
    Clock {
        offset_us: i64,
        /// The measurement is at most so wrong.
        bound_us: u64,
    },
    /// Last line of a run that was not killed.
    RunFinished { exit_code: u8 },
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_first(attempt: &u32) -> bool {
    *attempt == 1
}

impl What {
    /// Whether a run's report needs it: the progress of the run, its scenarios and its steps.
    pub(crate) fn is_frame(&self) -> bool {
        matches!(
            self,
            Self::RunStarted { .. }
                | Self::ScenarioStarted { .. }
                | Self::StepStarted { .. }
                | Self::StepFinished { .. }
                | Self::StepNotRun { .. }
                | Self::ScenarioFinished { .. }
                | Self::SetAside { .. }
                | Self::RecordFull { .. }
                | Self::RecordDropped { .. }
                | Self::HostJoined { .. }
                | Self::HostLost { .. }
                | Self::RunFinished { .. }
        )
    }

    /// A packet that the board itself sent, even if the tap dropped it.
    #[must_use]
    pub fn sent_by_board(&self) -> Option<(&str, u32, &Packet)> {
        match self {
            Self::Packet { board, connection, direction: Direction::FromBoard, disposition, packet, .. }
                if *disposition != Some(Disposition::Injected) =>
            {
                Some((board, *connection, packet))
            }
            _ => None,
        }
    }

    /// A packet that reached the board.
    #[must_use]
    pub fn reached_board(&self) -> Option<(&str, u32, &Packet)> {
        match self {
            Self::Packet { board, connection, direction: Direction::ToBoard, disposition, packet, .. }
                if *disposition != Some(Disposition::Dropped) =>
            {
                Some((board, *connection, packet))
            }
            _ => None,
        }
    }

    /// Time between a packet and the one that it answers, in microseconds.
    #[must_use]
    pub fn answer_us(&self) -> Option<u64> {
        match self {
            Self::Packet { answer_us, .. } => *answer_us,
            _ => None,
        }
    }

    /// The board it is about, if any.
    #[must_use]
    pub fn board(&self) -> Option<&str> {
        match self {
            Self::Packet { board, .. }
            | Self::Connection { board, .. }
            | Self::Service { board, .. }
            | Self::Console { board, .. }
            | Self::Found { board, .. }
            | Self::ConsoleLost { board }
            | Self::ConsoleOpened { board, .. }
            | Self::PowerSwitching { board, .. }
            | Self::Power { board, .. }
            | Self::PowerCut { board, .. }
            | Self::Reset { board, .. }
            | Self::ResetReleased { board }
            | Self::Typed { board, .. }
            | Self::Signalled { board, .. }
            | Self::PinGap { board, .. }
            | Self::ProtocolViolation { board, .. }
            | Self::Allowed { board, .. }
            | Self::Captured { board, .. }
            | Self::Gauge { board, .. }
            | Self::WillWindow { board, .. }
            | Self::Pin { board, .. }
            | Self::Fault { board, .. }
            | Self::Firmware { board, .. }
            | Self::Flash { board, .. }
            | Self::SetAside { board, .. }
            | Self::Bench { board, .. } => Some(board),
            Self::RunStarted { .. }
            | Self::ScenarioStarted { .. }
            | Self::StepStarted { .. }
            | Self::StepFinished { .. }
            | Self::StepNotRun { .. }
            | Self::ScenarioFinished { .. }
            | Self::Broker { .. }
            | Self::BrokerLog { .. }
            | Self::BrokerDied { .. }
            | Self::Published { .. }
            | Self::Observed { .. }
            | Self::Subscribed { .. }
            | Self::ObserverLost { .. }
            | Self::Stalled { .. }
            | Self::RecordFull { .. }
            | Self::RecordDropped { .. }
            | Self::HostJoined { .. }
            | Self::HostLost { .. }
            | Self::Clock { .. }
            | Self::RunFinished { .. } => None,
        }
    }
}
