//! Parameters of step expressions.

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use cucumber::Parameter;
use hil_timeline::QoS;

use crate::quotes::unquote;

/// A text in quotes: `"on"` or `'on'`; `\"` and `\'` are escaped quotes. Written `{text}` in an expression.
#[derive(Debug, Clone, PartialEq, Eq, Parameter)]
#[param(name = "text", regex = r#""(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'"#)]
pub struct Text(pub String);

impl FromStr for Text {
    type Err = Infallible;

    fn from_str(quoted: &str) -> Result<Self, Self::Err> {
        Ok(Self(unquote(quoted)))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        *self == other.0
    }
}

impl PartialEq<Text> for &str {
    fn eq(&self, other: &Text) -> bool {
        *self == other.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A word of a fixed form, parsed by the step that takes it.
macro_rules! word {
    ($(#[$about:meta])* $name:ident, $param:literal, $regex:literal) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Parameter)]
        #[param(name = $param, regex = $regex)]
        pub(crate) struct $name(String);

        impl FromStr for $name {
            type Err = Infallible;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(Self(text.to_owned()))
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }
    };
}

word!(
    /// A moment: `2038-01-19`, `2038-01-19T03:14:07Z`.
    Moment,
    "moment",
    r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}Z)?"
);

word!(
    /// The flaw of a certificate.
    FlawWords,
    "flaw",
    "has expired|is not yet valid|is for another name|is of an unknown CA|is self-signed|lacks its chain|has a weak signature"
);

word!(
    /// A reason or return code: `5`, `0x87`.
    Code, "code", r"\d+|0x[0-9a-fA-F]{1,2}"
);
word!(
    /// A rate: `10 kB/s`.
    Rate, "rate", r"\d+ ?[kM]?B/s"
);
word!(
    /// A condition on a number: `above 15`, `20 ± 0.5`.
    Condition, "condition",
    r"(?:above|below|at least|at most) -?\d+(?:\.\d+)?|-?\d+(?:\.\d+)? ± \d+(?:\.\d+)?|between -?\d+(?:\.\d+)? and -?\d+(?:\.\d+)?"
);
word!(
    /// How far a gauge may fall or rise: `5 %`, `1000`.
    DriftText, "drift", r"\d+(?:\.\d+)?(?: ?%)?"
);
word!(
    /// Whether a gauge falls or rises.
    FallOrRise, "fall_or_rise", r"fall|rise"
);
word!(
    /// The name of a packet: `PUBLISH`.
    PacketName, "packet", r"[A-Z]+"
);
word!(
    /// The direction of a packet.
    FromOrTo, "direction", r"from|to"
);
word!(
    /// One end of a board's connection.
    Side, "side", r"broker|board"
);
word!(
    /// What happens to a packet.
    Effect, "effect", r"dropped|duplicated|corrupted|overtaken"
);
word!(
    /// What a client may do with topics.
    AccessWord, "access", r"read|write|read and write"
);

/// A topic filter that a step may name: ` on "a/#"`, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Parameter)]
#[param(name = "on_filter", regex = r#"(?: on (?:"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'))?"#)]
pub(crate) struct OnFilter(pub(crate) Option<String>);

impl FromStr for OnFilter {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.strip_prefix(" on ").map(unquote)))
    }
}

/// How a message is published: ` with QoS 1`, `, retained`, both or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Parameter)]
#[param(name = "delivery", regex = r"(?: with QoS [012])?(?:, retained)?")]
pub(crate) struct Delivery {
    pub(crate) qos: QoS,
    pub(crate) retained: bool,
}

impl FromStr for Delivery {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (qos, retained) = text.strip_suffix(", retained").map_or((text, false), |qos| (qos, true));
        let qos = match qos.chars().last() {
            Some('1') => QoS::AtLeastOnce,
            Some('2') => QoS::ExactlyOnce,
            _ => QoS::AtMostOnce,
        };
        Ok(Self { qos, retained })
    }
}

/// A duration in a step: `500 ms`, `1.5 s`, `2 min`. Written `{span}` in an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Parameter)]
#[param(name = "span", regex = r"\d+(?:\.\d+)? ?(?:ms|s|min)")]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = hil_config::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hil_config::parse_duration(text).map(Self)
    }
}

/// `on` or `off`. Written `{onoff}` in an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Parameter)]
#[param(name = "onoff", regex = "on|off")]
pub enum OnOff {
    /// On.
    On,
    /// Off.
    Off,
}

impl OnOff {
    /// Whether it is on.
    #[must_use]
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

impl FromStr for OnOff {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            other => Err(format!("`{other}` is neither `on` nor `off`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attribute takes a literal only.
    #[test]
    fn a_condition_has_the_syntax_of_its_rule() {
        assert_eq!(Condition::REGEX, hil_verdict::NumberCondition::REGEX);
        assert_eq!(DriftText::REGEX, hil_verdict::Drift::REGEX);
    }
}
