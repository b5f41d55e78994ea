//! Durations as the bench file and the steps write them: `250ms`, `2s`, `1.5s`, `2min`.

use std::time::Duration;

/// The text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration")]
pub struct DurationError(pub String);

impl DurationError {
    /// What would be one.
    pub const HINT: &'static str = "write a number and a unit: `250ms`, `2s`, `1.5s` or `2min`";
}

/// Reads a number with the unit `ms`, `s` or `min`, with or without a space between them.
///
/// # Errors
/// If there is no number, no unit, or more than a day.
///
/// # Example
/// ```
/// use std::time::Duration;
/// assert_eq!(hil_config::parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
/// assert_eq!(hil_config::parse_duration("250 ms"), Ok(Duration::from_millis(250)));
/// assert!(hil_config::parse_duration("5").is_err());
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    const DAY: f64 = 86_400.0;
    let error = || DurationError(text.to_owned());
    let unit_at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(error)?;
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.parse().map_err(|_| error())?;
    let seconds = match unit.trim_start() {
        "ms" => number / 1000.0,
        "s" => number,
        "min" => number * 60.0,
        _ => return Err(error()),
    };
    if seconds <= DAY { Ok(Duration::from_secs_f64(seconds)) } else { Err(error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_unit_and_units_without_number_are_refused() {
        for text in ["", "5", "s", "5h", "-1s", "1..5s", "1e3s", "999min999", "100000s"] {
            assert_eq!(parse_duration(text), Err(DurationError(text.to_owned())), "{text}");
        }
        assert_eq!(parse_duration("0ms"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("2min"), Ok(Duration::from_secs(120)));
    }
}
