//! What head and agent say to each other: one JSON text a line, in both directions.
//!
//! Both begin with [`ToAgent::Hello`] and [`ToHead::Hello`], and neither waits for the other's. Versions are compared
//! before anything else is understood, so these two messages never change; all others may, with [`PROTOCOL`].

use std::collections::{BTreeMap, BTreeSet};

use hil_timeline::{BoardInfo, RoleInfo, RunEvent, ScenarioId, ScenarioKey, Verdict};
use serde::{Deserialize, Serialize};

/// Version of the messages.
pub const PROTOCOL: u32 = 1;

/// Bytes of the longest message of a head: its list of files and scenarios.
pub const LONGEST_TO_AGENT: u64 = 32 << 20;

/// Bytes of the longest message of an agent: an event with the largest payload.
pub const LONGEST_TO_HEAD: u64 = 64 << 20;

/// Bytes in a [`ToAgent::Chunk`] and a [`ToHead::Capture`], before they are encoded.
pub const CHUNK: usize = 48 << 10;

/// A message of the head.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToAgent {
    /// The first message.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// Version of `hil`.
        version: String,
    },
    /// Asks for the agent's clock; it is also a sign of life.
    Ping {
        /// Comes back in the answer.
        n: u64,
    },
    /// What is to run.
    Work(Box<Work>),
    /// A file that the agent lacks follows in chunks.
    File {
        /// SHA-256 of its bytes, in hex.
        sha256: String,
        /// Bytes.
        size: u64,
    },
    /// The next bytes of that file, in base64.
    Chunk(String),
    /// Claim these boards and open them; nothing has power afterwards.
    Open {
        /// Their names on the agent's bench.
        boards: BTreeSet<String>,
    },
    /// Run a scenario.
    Run(Assignment),
    /// Nothing else is to run: make the boards safe, write the reports, and end.
    Finish,
    /// End in order, whatever runs.
    Abort,
}

/// What is to run on a host.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Work {
    /// What it is for, as a process that waits for one of the boards shows it.
    pub what: String,
    /// The files of the project: features, snapshots, firmware.
    pub files: Vec<FileEntry>,
    /// The feature files among them.
    pub features: Vec<String>,
    /// The scenarios that may run.
    pub scenarios: Vec<ScenarioKey>,
    /// The text of a project file that describes the firmware among the files.
    pub project: Option<String>,
    /// What reports call the project file.
    pub project_name: Option<String>,
    /// Other images: names of firmware, each with its file or `builtin:NAME`.
    pub images: Vec<(String, String)>,
    /// Environment variables that the project and the features name, for those that the agent's host does not set.
    pub variables: BTreeMap<String, String>,
    /// Time limit of a step in milliseconds, in addition to the durations that it names.
    pub step_ms: u64,
    /// Time limit of a scenario in milliseconds.
    pub scenario_ms: u64,
    /// What the run has of a lab on this host, as its engine writes it. When the head is gone, the agent gives it back.
    #[serde(default)]
    pub leases: Vec<String>,
    /// Wait for boards that are in use.
    pub wait: bool,
    /// Do not mask passwords in the capture.
    pub unmask: bool,
    /// Bytes of the record and of the capture.
    pub max_record: u64,
}

/// A file of the project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path in the project, with `/`.
    pub path: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// An attempt at a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The number of its events, unique in the whole run.
    pub id: ScenarioId,
    /// The scenario.
    pub key: ScenarioKey,
    /// From 1.
    pub attempt: u32,
    /// From 1, if the run repeats its scenarios.
    pub repetition: Option<u32>,
    /// The board of each name in its steps.
    pub bound: BTreeMap<String, String>,
}

/// A message of the agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToHead {
    /// The first message.
    Hello(Hello),
    /// It can't go on, and ends.
    Refused(Refusal),
    /// Answers a [`ToAgent::Ping`].
    Pong {
        /// Its number.
        n: u64,
        /// Microseconds on the agent's clock when the question came.
        at: u64,
    },
    /// The files that it lacks, by their SHA-256.
    Missing(Vec<String>),
    /// Which scenarios its bench can run.
    Checked(Vec<Fit>),
    /// It waits for a board that another process uses.
    Waiting {
        /// The board.
        board: String,
        /// Who uses it, if that is known.
        holder: Option<String>,
    },
    /// The boards are claimed and open.
    Opened(Opened),
    /// Recorded on its host, without its secrets.
    Event(Box<RunEvent>),
    /// The next bytes of its capture, in base64.
    Capture(String),
    /// A scenario has ended; all its events were sent before.
    Done {
        /// Its number.
        id: ScenarioId,
        /// How it ended.
        verdict: Verdict,
        /// The next attempt may succeed on the same boards.
        transient: bool,
        /// Its boards that may be the cause of a bench error.
        suspects: Vec<String>,
    },
    /// The last message: the boards are safe, the locks are free.
    Finished(Finished),
}

/// Who the agent is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// Version of `hil`.
    pub version: String,
    /// Name of the host.
    #[serde(default)]
    pub host: String,
    /// Name of its bench.
    #[serde(default)]
    pub bench: String,
    /// Beginning of the SHA-256 of its bench file, in hex.
    #[serde(default)]
    pub bench_hash: String,
    /// Kind of its broker.
    #[serde(default)]
    pub broker: String,
    /// All scenarios there share it: only one runs at a time.
    #[serde(default)]
    pub broker_shared: bool,
    /// Its boards.
    #[serde(default)]
    pub boards: Vec<HelloBoard>,
}

/// A board of an agent, not yet opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloBoard {
    /// Its name on its bench.
    pub name: String,
    /// Its chip.
    pub chip: String,
    /// Its kind.
    pub kind: String,
    /// Its tags.
    pub tags: Vec<String>,
}

/// Why an agent can't go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The message.
    pub what: String,
    /// What may help.
    pub hint: Option<String>,
}

/// Whether a bench can run a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    /// The scenario.
    pub key: ScenarioKey,
    /// The boards of the bench that it names.
    pub boards: Vec<String>,
    /// The boards that may play each of its roles.
    pub roles: Vec<RoleInfo>,
    /// It would be skipped: what the bench lacks.
    pub lacking: Option<String>,
    /// Why it can't run: each with its hint.
    pub problems: Vec<String>,
}

/// What is open on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The boards, as reports show them.
    pub boards: Vec<BoardInfo>,
    /// The wall clock at the zero of its clock, microseconds since 1970: its capture has these times.
    pub unix_us: u64,
    /// Its run folder.
    pub folder: String,
}

/// How an agent ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Boards whose rails may not be safe, and why.
    pub unsafe_rails: Vec<(String, String)>,
    /// Why its record or its capture is not complete.
    pub record_failure: Option<String>,
    /// The capture reached its limit.
    pub capture_cut: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head and an agent of different versions must understand each other's first message.
    #[test]
    fn the_first_messages_never_change() {
        let head = serde_json::to_string(&ToAgent::Hello { protocol: 7, version: "1.2.3".to_owned() });
        assert_eq!(head.expect("JSON"), r#"{"hello":{"protocol":7,"version":"1.2.3"}}"#);
        let newer = r#"{"hello":{"protocol":9,"version":"9.0.0","colour":"red"}}"#;
        let ToHead::Hello(hello) = serde_json::from_str(newer).expect("understood") else { panic!("not a hello") };
        assert_eq!((hello.protocol, hello.version.as_str()), (9, "9.0.0"));
        assert!(matches!(serde_json::from_str(newer), Ok(ToAgent::Hello { protocol: 9, .. })));
    }

    /// Events are sent as the record has them, without being read and written again.
    #[test]
    fn an_event_is_a_line_of_the_record() {
        let line = r#"{"seq":4,"at":17,"scenario":2,"event":"console","board":"lamp","line":"up"}"#;
        let message: ToHead = serde_json::from_str(&crate::lines::event(line)).expect("a message");
        let ToHead::Event(event) = message else { panic!("not an event") };
        assert_eq!((event.at.0, event.scenario), (17, Some(ScenarioId(2))));
    }
}
