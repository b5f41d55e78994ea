//! Measured times and gauges, and their kinds.

use serde::{Deserialize, Serialize};

/// A measured time, or a gauge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Metric {
    /// The kind.
    pub kind: MetricKind,
    /// The subject: a board, a topic, a step.
    pub subject: String,
}

/// Kinds of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricKind {
    /// From power or reset to the app.
    Boot,
    /// From the end of a connection to the next one that the broker accepts.
    Reconnect,
    /// Writing the flash.
    Flash,
    /// From the effect of a step to a board's first message on a topic.
    Latency,
    /// From the effect of a step until a later step was satisfied.
    Step,
    /// A number that a board prints or publishes: in its own unit, not a time.
    Gauge,
}

impl MetricKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Boot, Self::Reconnect, Self::Flash, Self::Latency, Self::Step, Self::Gauge];

    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Reconnect => "reconnect",
            Self::Flash => "flash",
            Self::Latency => "latency",
            Self::Step => "step",
            Self::Gauge => "gauge",
        }
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.word(), self.subject)
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}

impl TryFrom<String> for Metric {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts = text.split_once(": ");
        let kind = parts.and_then(|(word, _)| MetricKind::ALL.into_iter().find(|kind| kind.word() == word));
        match (kind, parts) {
            (Some(kind), Some((_, subject))) => Ok(Self { kind, subject: subject.to_owned() }),
            _ => Err(format!("`{text}` is not a measurement")),
        }
    }
}
