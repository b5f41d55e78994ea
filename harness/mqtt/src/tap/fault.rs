//! Faults of a board's network, and their text form.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use hil_link::PathDirection;
use hil_timeline::{Direction, Packet};

use crate::decoder::PACKET_NAMES;

/// A fault of a board's network.
///
/// # Example
/// ```
/// use hil_mqtt::Fault;
/// let fault: Fault = "drop next PUBACK from board".parse().unwrap();
/// assert_eq!(fault.to_string(), "drop next PUBACK from board");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Nothing gets through, not even FIN; bytes are held until the fault ends.
    Silence(Vec<PathDirection>),
    /// Bytes arrive later.
    Delay {
        /// The delay.
        by: Duration,
        /// The delay varies by up to this much, in both directions.
        jitter: Duration,
    },
    /// At most this many bytes a second in each direction.
    Bandwidth(NonZeroU64),
    /// Ends silence, delay and bandwidth, disarms faults that wait for a packet, and accepts connections again.
    Recover,
    /// FIN to both sides.
    Close,
    /// RST to both sides.
    Reset,
    /// New connections are refused.
    Refuse,
    /// New connections are accepted again.
    Accept,
    /// The next CONNACK and everything after it is held, for a time or until the network recovers.
    HoldConnack(Option<Duration>),
    /// The next CONNECT is answered with this code and the connection is closed, as a broker would. The broker does not
    /// see it.
    AnswerConnect(u8),
    /// An action on the next packet that matches.
    Next(PacketAction, PacketMatch),
}

/// What happens to one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketAction {
    /// It is dropped.
    Drop,
    /// It arrives twice.
    Duplicate,
    /// It and everything after it arrives later.
    Delay(Duration),
    /// One bit of its last byte flips.
    Corrupt,
    /// It arrives after the next packet.
    Swap,
    /// It is answered with a refusal and dropped.
    Answer(u8),
    /// It and everything after it is held.
    Hold(Option<Duration>),
}

/// Selects a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketMatch {
    /// Its name, such as `PUBLISH`.
    pub name: String,
    /// The sender.
    pub direction: Direction,
    /// A filter for the topic of a PUBLISH.
    pub topic: Option<String>,
}

impl PacketMatch {
    pub(super) fn matches(&self, direction: Direction, packet: &Packet) -> bool {
        let topic_fits = match (&self.topic, packet) {
            (None, _) => true,
            (Some(filter), Packet::Publish { topic, .. }) => topic_matches(filter, topic),
            (Some(_), _) => false,
        };
        direction == self.direction && packet.name() == self.name && topic_fits
    }

    /// The same for an incomplete packet: an unknown topic may match.
    pub(super) fn may_match(&self, direction: Direction, name: &str, topic: Option<&str>) -> bool {
        let topic_fits = match (&self.topic, topic) {
            (Some(filter), Some(topic)) => topic_matches(filter, topic),
            _ => true,
        };
        direction == self.direction && name == self.name && topic_fits
    }
}

/// A text that is not a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a fault: {reason}")]
pub struct FaultError {
    text: String,
    reason: String,
}

impl FaultError {
    /// The syntax of faults.
    pub const HINT: &str = "one of: silence [up|down], delay 200ms [jitter 50ms], bandwidth 10kB/s, recover, close, \
        reset, refuse, accept, hold CONNACK [for 2s], answer CONNECT with 5, \
        drop|duplicate|corrupt|swap next PUBLISH from|to board [on FILTER], delay next PUBACK by 2s from|to board";
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let words: Vec<_> = text.split_whitespace().collect();
        read(&words).map_err(|reason| FaultError { text: text.to_owned(), reason })
    }
}

fn read(words: &[&str]) -> Result<Fault, String> {
    Ok(match words {
        ["silence"] => Fault::Silence(PathDirection::BOTH.to_vec()),
        ["silence", "up"] => Fault::Silence(vec![PathDirection::Upstream]),
        ["silence", "down"] => Fault::Silence(vec![PathDirection::Downstream]),
        ["recover"] => Fault::Recover,
        ["close"] => Fault::Close,
        ["reset"] => Fault::Reset,
        ["refuse"] => Fault::Refuse,
        ["accept"] => Fault::Accept,
        ["delay", "next", packet, "by", by, rest @ ..] => {
            Fault::Next(PacketAction::Delay(duration(by)?), which(packet, rest)?)
        }
        ["delay", by] => Fault::Delay { by: duration(by)?, jitter: Duration::ZERO },
        ["delay", by, "jitter", jitter] => Fault::Delay { by: duration(by)?, jitter: duration(jitter)? },
        ["bandwidth", rate] => Fault::Bandwidth(parse_rate(rate)?),
        ["hold", "CONNACK"] => Fault::HoldConnack(None),
        ["hold", "CONNACK", "for", span] => Fault::HoldConnack(Some(duration(span)?)),
        ["answer", "CONNECT", "with", "0"] => return Err("code 0 is not a refusal".to_owned()),
        ["answer", "CONNECT", "with", code] => Fault::AnswerConnect(parse_code(code)?),
        [action @ ("drop" | "duplicate" | "corrupt" | "swap"), "next", packet, rest @ ..] => {
            let action = match *action {
                "drop" => PacketAction::Drop,
                "duplicate" => PacketAction::Duplicate,
                "corrupt" => PacketAction::Corrupt,
                _ => PacketAction::Swap,
            };
            Fault::Next(action, which(packet, rest)?)
        }
        [] => return Err("it is empty".to_owned()),
        [first, ..] => return Err(format!("`{first}` is unknown, or the words after it are wrong")),
    })
}

fn which(name: &str, rest: &[&str]) -> Result<PacketMatch, String> {
    if !PACKET_NAMES.contains(&name) {
        return Err(format!("there is no packet `{name}`"));
    }
    let (direction, topic) = match rest {
        ["from", "board"] => (Direction::FromBoard, None),
        ["to", "board"] => (Direction::ToBoard, None),
        ["from", "board", "on", topic] => (Direction::FromBoard, Some((*topic).to_owned())),
        ["to", "board", "on", topic] => (Direction::ToBoard, Some((*topic).to_owned())),
        _ => return Err("write `from board` or `to board` after the packet".to_owned()),
    };
    if topic.is_some() && name != "PUBLISH" {
        return Err(format!("{name} has no topic"));
    }
    Ok(PacketMatch { name: name.to_owned(), direction, topic })
}

fn duration(text: &str) -> Result<Duration, String> {
    hil_config::parse_duration(text).map_err(|error| error.to_string())
}

/// Parses `10kB/s`: bytes per second, with `k` for a thousand and `M` for a million.
///
/// # Errors
/// When the text has another form, or the rate is 0.
pub fn parse_rate(text: &str) -> Result<NonZeroU64, String> {
    let wrong = || format!("`{text}` is not a rate: write `500B/s`, `10kB/s` or `1MB/s`");
    let number = text.replace(' ', "");
    let number = number.strip_suffix("B/s").ok_or_else(wrong)?;
    let (number, unit) = match number.strip_suffix('k') {
        Some(number) => (number, 1000),
        None => number.strip_suffix('M').map_or((number, 1), |number| (number, 1_000_000)),
    };
    let rate = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    rate.and_then(NonZeroU64::new).ok_or_else(wrong)
}

/// Parses a return code or reason code: `5` or `0x87`.
///
/// # Errors
/// When it is not a number from 0 to 255.
pub fn parse_code(text: &str) -> Result<u8, String> {
    let code = match text.strip_prefix("0x") {
        Some(hex) => u8::from_str_radix(hex, 16),
        None => text.parse(),
    };
    code.map_err(|_| format!("`{text}` is not a code: write `5` or `0x87`"))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence(ways) => match ways[..] {
                [PathDirection::Upstream] => f.write_str("silence up"),
                [PathDirection::Downstream] => f.write_str("silence down"),
                _ => f.write_str("silence"),
            },
            Self::Delay { by, jitter } if jitter.is_zero() => write!(f, "delay {}ms", by.as_millis()),
            Self::Delay { by, jitter } => write!(f, "delay {}ms jitter {}ms", by.as_millis(), jitter.as_millis()),
            Self::Bandwidth(rate) => write!(f, "bandwidth {rate}B/s"),
            Self::Recover => f.write_str("recover"),
            Self::Close => f.write_str("close"),
            Self::Reset => f.write_str("reset"),
            Self::Refuse => f.write_str("refuse"),
            Self::Accept => f.write_str("accept"),
            Self::HoldConnack(None) => f.write_str("hold CONNACK"),
            Self::HoldConnack(Some(span)) => write!(f, "hold CONNACK for {}ms", span.as_millis()),
            Self::AnswerConnect(code) => write!(f, "answer CONNECT with {code}"),
            Self::Next(action, packet) => write!(f, "{} {packet}", shown(*action, &packet.name)),
        }
    }
}

fn shown(action: PacketAction, name: &str) -> String {
    match action {
        PacketAction::Drop => format!("drop next {name}"),
        PacketAction::Duplicate => format!("duplicate next {name}"),
        PacketAction::Corrupt => format!("corrupt next {name}"),
        PacketAction::Swap => format!("swap next {name}"),
        PacketAction::Delay(by) => format!("delay next {name} by {}ms", by.as_millis()),
        PacketAction::Answer(code) => format!("answer next {name} with {code}"),
        PacketAction::Hold(_) => format!("hold next {name}"),
    }
}

/// The direction and the topic; the packet's name is written before.
impl fmt::Display for PacketMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.direction {
            Direction::FromBoard => "from board",
            Direction::ToBoard => "to board",
        })?;
        match &self.topic {
            Some(topic) => write!(f, " on {topic}"),
            None => Ok(()),
        }
    }
}

/// Whether a topic matches a topic filter (MQTT 5 §4.7).
fn topic_matches(filter: &str, topic: &str) -> bool {
    mqtt5_protocol::topic_matching::matches(topic, filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_shown_as_they_are_written() {
        for text in [
            "silence",
            "silence up",
            "silence down",
            "delay 200ms",
            "delay 200ms jitter 50ms",
            "bandwidth 10000B/s",
            "recover",
            "close",
            "reset",
            "refuse",
            "accept",
            "hold CONNACK",
            "hold CONNACK for 2000ms",
            "answer CONNECT with 5",
            "drop next PUBLISH to board on a/+",
            "delay next PUBACK by 2000ms from board",
            "duplicate next PUBLISH from board",
            "corrupt next PINGREQ from board",
            "swap next PUBLISH to board",
        ] {
            assert_eq!(text.parse::<Fault>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn a_text_that_is_not_a_fault_is_rejected_with_the_reason() {
        let wrong = [
            "",
            "explode",
            "drop next PUBACK",
            "drop next PUBARK from board",
            "delay soon",
            "bandwidth 0B/s",
            "answer CONNECT with 300",
            "silence sideways",
            "drop next PUBACK from board on a",
        ];
        let errors: Vec<_> = wrong.map(|text| text.parse::<Fault>().expect_err(text).to_string()).to_vec();
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn rates_have_units() {
        assert_eq!(parse_rate("10kB/s").expect("rate").get(), 10_000);
        assert_eq!(parse_rate("1 MB/s").expect("rate").get(), 1_000_000);
        assert!(parse_rate("10").is_err());
    }
}
