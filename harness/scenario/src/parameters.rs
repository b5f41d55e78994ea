//! Parameters of step expressions.

use std::str::FromStr;
use std::time::Duration;

use cucumber::Parameter;

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
