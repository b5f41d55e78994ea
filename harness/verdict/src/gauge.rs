//! Gauges: numbers that a board prints or publishes again and again.

use std::fmt;

use hil_timeline::{Packet, RunEvent, Stamp, What};
use serde_json::Value;

use crate::console::{captured, is_shown};
use crate::json::{JsonPath, json_of};
use crate::messages::Travel;
use crate::number::Decimal;
use crate::pattern::TextPattern;

/// Where the values of a gauge come from.
#[derive(Debug, Clone)]
pub enum GaugeSource {
    /// Lines of the console that match a pattern; the group with the name of the gauge is the value.
    Console(TextPattern),
    /// Messages that the board publishes; a path leads to the value in a JSON payload.
    Messages {
        /// Of their topics.
        filter: String,
        /// Nothing if the whole payload is the value.
        path: Option<JsonPath>,
    },
}

/// A number of a board with a name.
#[derive(Debug, Clone)]
pub struct Gauge {
    /// The board.
    pub board: String,
    /// Its name.
    pub name: String,
    /// Where its values come from.
    pub source: GaugeSource,
    /// Records before this place don't count.
    pub from: u64,
}

/// A value of a gauge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GaugeValue {
    /// The record with the value.
    pub seq: u64,
    /// When it came.
    pub at: Stamp,
    /// As it was written.
    pub text: String,
    /// Nothing if the text is not a number.
    pub number: Option<Decimal>,
}

impl GaugeValue {
    /// The number, for plots and comparisons.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.number.as_ref()?;
        self.text.trim_ascii().parse().ok().filter(|value: &f64| value.is_finite())
    }
}

impl Gauge {
    /// The value in a record, if it has one.
    #[must_use]
    pub fn read(&self, event: &RunEvent) -> Option<GaugeValue> {
        if event.seq < self.from {
            return None;
        }
        let text = match (&self.source, &event.what) {
            (GaugeSource::Console(pattern), What::Console { board, line })
                if *board == self.board && is_shown(pattern, line) =>
            {
                captured(pattern, line).into_iter().find(|(name, _)| *name == self.name)?.1
            }
            (GaugeSource::Messages { filter, path }, What::Packet { .. }) => {
                let Packet::Publish { topic, payload, .. } = Travel::Sent.message(event, &self.board, filter)? else {
                    return None;
                };
                match path {
                    None => payload.to_string(),
                    // A text is not a number, even one of digits.
                    Some(path) => path.find(&json_of(topic, payload).ok()?).map(Value::to_string)?,
                }
            }
            _ => return None,
        };
        let number = Decimal::parse(&text);
        Some(GaugeValue { seq: event.seq, at: event.at, text, number })
    }

    /// Whether it has the same source as another one.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let source = |gauge: &Self| match &gauge.source {
            GaugeSource::Console(pattern) => format!("console {pattern}"),
            GaugeSource::Messages { filter, path: None } => format!("messages {filter}"),
            GaugeSource::Messages { filter, path: Some(path) } => format!("messages {filter} {path}"),
        };
        (&self.board, &self.name, source(self)) == (&other.board, &other.name, source(other))
    }
}

/// The values of a gauge, in order. Several sources may have the same name; a record counts once.
pub fn gauge_values<'a>(gauges: &[&Gauge], events: impl IntoIterator<Item = &'a RunEvent>) -> Vec<GaugeValue> {
    events.into_iter().filter_map(|event| gauges.iter().find_map(|gauge| gauge.read(event))).collect()
}

/// How far a gauge may fall or rise.
#[derive(Debug, Clone, PartialEq)]
pub enum Drift {
    /// Relative to the first value.
    Percent(f64),
    /// In its own unit.
    Absolute(f64),
}

impl Drift {
    /// Its syntax, without groups.
    pub const REGEX: &str = r"\d+(?:\.\d+)?(?: ?%)?";

    /// Reads `5 %` or `1000`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number =
            |text: &str| text.trim_end().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
        match text.strip_suffix('%') {
            Some(percent) => number(percent).map(Self::Percent),
            None => number(text).map(Self::Absolute),
        }
    }

    /// Whether a value is farther below (or, with -1, above) the first one than allowed.
    #[must_use]
    pub fn is_exceeded(&self, first: f64, value: f64, direction: f64) -> bool {
        /// Rounding of floats, so that a fall by exactly 5 % is no more than 5 %.
        const ROUNDING: f64 = 1e-12;
        let allowed = match self {
            Self::Percent(percent) => first.abs() * percent / 100.0,
            Self::Absolute(most) => *most,
        };
        (first - value) * direction > allowed + first.abs() * ROUNDING
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent} %"),
            Self::Absolute(most) => write!(f, "{most}"),
        }
    }
}

/// How often the broker accepted a connection of a board in these records.
pub fn connects<'a>(board: &str, events: impl IntoIterator<Item = &'a RunEvent>) -> usize {
    let accepted = |event: &&RunEvent| matches!(event.what.reached_board(), Some((of, _, Packet::Connack { code: 0, .. })) if of == board);
    events.into_iter().filter(accepted).count()
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Epoch, Timeline};

    use super::*;

    fn lines(lines: &[&str]) -> Vec<std::sync::Arc<RunEvent>> {
        let timeline = Timeline::in_memory(Epoch::start());
        let console = |line: &&str| What::Console { board: "x".into(), line: (*line).to_owned() };
        lines.iter().map(|line| timeline.record(None, console(line))).collect()
    }

    fn gauge(pattern: &str) -> Gauge {
        let source = GaugeSource::Console(TextPattern::parse(pattern).expect("a pattern"));
        Gauge { board: "x".into(), name: "heap".into(), source, from: 0 }
    }

    #[test]
    fn every_matching_line_is_a_value_and_what_is_not_a_number_is_kept() {
        let events = lines(&["heap: 200", "up", "\u{1b}[32mheap: 1.5e2\u{1b}[0m", "heap: nan", "heap: 7"]);
        let events = || events.iter().map(AsRef::as_ref);
        let heap = gauge(r"/heap: (?<heap>\S+)/");
        let values = gauge_values(&[&heap], events());
        let shown: Vec<_> = values.iter().map(|value| (value.text.as_str(), value.value())).collect();
        assert_eq!(shown, [("200", Some(200.0)), ("1.5e2", Some(150.0)), ("nan", None), ("7", Some(7.0))]);
        let late = Gauge { from: 3, ..heap.clone() };
        assert_eq!(gauge_values(&[&late], events()).len(), 2);
        assert_eq!(gauge_values(&[&late, &heap], events()).len(), 4, "a line counts once");
        assert!(gauge_values(&[&gauge(r"/heap: (?<other>\S+)/")], events()).is_empty(), "another group");
        assert!(heap.is_same(&late) && !heap.is_same(&gauge("/x/")));
    }

    #[test]
    fn a_drift_of_exactly_the_limit_is_allowed() {
        for (text, first, value, direction, exceeds) in [
            ("5 %", 100.0, 95.0, 1.0, false),
            ("5 %", 100.0, 94.9, 1.0, true),
            ("5%", 0.3, 0.285, 1.0, false),
            ("5 %", 100.0, 200.0, 1.0, false),
            ("5 %", 100.0, 105.1, -1.0, true),
            ("1000", 20_000.0, 19_000.0, 1.0, false),
            ("1000", 20_000.0, 18_999.0, 1.0, true),
            ("0 %", 10.0, 9.0, 1.0, true),
            ("5 %", -100.0, -104.0, 1.0, false),
            ("5 %", 0.0, -0.1, 1.0, true),
        ] {
            let drift = Drift::parse(text).expect(text);
            assert_eq!(drift.is_exceeded(first, value, direction), exceeds, "{text} from {first} to {value}");
        }
        assert_eq!((Drift::parse("x"), Drift::parse("-1"), Drift::parse("5 % %")), (None, None, None));
    }
}
