//! The kinds of arguments that a step may have.

use cucumber::Parameter as _;

use crate::parameters::{Code, Condition, DriftText, FromOrTo, Moment, OnOff, PacketName, Rate, Span};
use crate::quotes::{QUOTED, unquote};

/// What an argument of a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Board,
    /// A board whose power the bench switches.
    Railed,
    /// A board whose access point the bench controls.
    Wireless,
    /// A board whose name server the bench controls.
    Resolving,
    /// A board that is a program.
    Program,
    /// A board with a chip, not a program.
    Chip,
    Firmware,
    /// A firmware whose app is an update.
    Update,
    Topic,
    Filter,
    /// A filter that the harness subscribes to for retained messages.
    Kept,
    /// Filters separated by commas that don't cover everything.
    Filters,
    Pattern,
    /// A pattern to find in a line of a console.
    Shown,
    Text,
    Pin,
    /// A pin that the bench drives.
    Driven,
    Password,
    Cause,
    Snapshot,
    Span,
    Code,
    /// A code that is not a success.
    Refusal,
    Rate,
    Moment,
    Packet,
    Direction,
    Count,
    /// At least one time.
    Times,
    /// At least two times.
    Period,
    /// At least three times.
    Growth,
    Percent,
    /// A channel of the 2.4 GHz band.
    Channel,
    /// A condition on a number.
    Number,
    Gauge,
    /// A path in a JSON text.
    Path,
    /// A component of Home Assistant.
    Component,
    /// How far a gauge may fall or rise.
    Drift,
    ExitCode,
    Qos,
    OnOff,
}

impl Kind {
    pub(crate) const WORDS: &[(&'static str, Self)] = &[
        ("board", Self::Board),
        ("railed", Self::Railed),
        ("wireless", Self::Wireless),
        ("resolving", Self::Resolving),
        ("program", Self::Program),
        ("chip", Self::Chip),
        ("firmware", Self::Firmware),
        ("update", Self::Update),
        ("topic", Self::Topic),
        ("filter", Self::Filter),
        ("kept", Self::Kept),
        ("filters", Self::Filters),
        ("pattern", Self::Pattern),
        ("shown", Self::Shown),
        ("text", Self::Text),
        ("pin", Self::Pin),
        ("driven", Self::Driven),
        ("password", Self::Password),
        ("cause", Self::Cause),
        ("snapshot", Self::Snapshot),
        ("span", Self::Span),
        ("code", Self::Code),
        ("refusal", Self::Refusal),
        ("rate", Self::Rate),
        ("moment", Self::Moment),
        ("packet", Self::Packet),
        ("direction", Self::Direction),
        ("count", Self::Count),
        ("times", Self::Times),
        ("period", Self::Period),
        ("growth", Self::Growth),
        ("percent", Self::Percent),
        ("channel", Self::Channel),
        ("number", Self::Number),
        ("gauge", Self::Gauge),
        ("path", Self::Path),
        ("component", Self::Component),
        ("drift", Self::Drift),
        ("exit", Self::ExitCode),
        ("qos", Self::Qos),
        ("onoff", Self::OnOff),
    ];

    /// Its syntax, the same as in the steps.
    pub(crate) fn regex(self) -> &'static str {
        match self {
            Self::Span => Span::REGEX,
            Self::Code | Self::Refusal => Code::REGEX,
            Self::Rate => Rate::REGEX,
            Self::Moment => Moment::REGEX,
            Self::Packet => PacketName::REGEX,
            Self::Direction => FromOrTo::REGEX,
            Self::Number => Condition::REGEX,
            Self::Drift => DriftText::REGEX,
            Self::Count
            | Self::Times
            | Self::Period
            | Self::Growth
            | Self::Percent
            | Self::Channel
            | Self::ExitCode => r"-?\d+",
            Self::Qos => "[012]",
            Self::OnOff => OnOff::REGEX,
            _ => QUOTED,
        }
    }

    /// The value of an argument.
    pub(crate) fn read(self, written: &str) -> String {
        if self.regex() == QUOTED { unquote(written) } else { written.to_owned() }
    }

    /// Whether it names a board.
    pub(crate) fn is_board(self) -> bool {
        matches!(self, Self::Board | Self::Railed | Self::Wireless | Self::Resolving | Self::Program | Self::Chip)
    }
}

/// The text of a step as a regular expression in which each argument is a group, and the kinds of the groups.
pub(crate) fn expanded(text: &str) -> Option<(String, Vec<Kind>)> {
    let (mut regex, mut kinds) = (String::from("^"), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (word, after) = after.split_once('}')?;
        let (_, kind) = Kind::WORDS.iter().find(|(known, _)| *known == word)?;
        regex.extend([before, "(", kind.regex(), ")"]);
        kinds.push(*kind);
        rest = after;
    }
    regex.push_str(rest);
    regex.push('$');
    Some((regex, kinds))
}
