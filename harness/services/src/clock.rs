//! What the clock of a network says.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};
use parking_lot::Mutex;

/// What a time server says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Says {
    /// The time of this machine.
    #[default]
    Right,
    /// Another time, which goes on as the time of this machine does: how much later it is, in microseconds.
    Off(i64),
    /// Nothing.
    Silent,
}

/// The clock of one scenario's network; cheap to clone, all clones are one. At first it is that of this machine.
///
/// # Example
/// ```
/// use hil_services::NetworkClock;
/// let clock = NetworkClock::default();
/// clock.set("2038-01-19T03:14:07Z").unwrap();
/// assert!(clock.text().unwrap().starts_with("2038-01-19T03:14:0"));
/// clock.silence();
/// assert_eq!(clock.text(), None);
/// ```
#[derive(Debug, Clone, Default)]
pub struct NetworkClock(Arc<Mutex<Says>>);

impl NetworkClock {
    /// From now on it says the time of this machine.
    pub fn set_right(&self) {
        *self.0.lock() = Says::Right;
    }

    /// It is now this moment: `2038-01-19` (midnight) or `2038-01-19T03:14:07Z`, in UTC.
    ///
    /// # Errors
    /// When the text is not a moment from 1968 to 2104, which SNTP can say (RFC 4330 §3).
    pub fn set(&self, moment: &str) -> Result<(), String> {
        let wanted = micros_of(moment)?;
        *self.0.lock() = Says::Off(wanted - now());
        Ok(())
    }

    /// It is ahead of this machine's by so much, or behind it.
    pub fn set_off(&self, by: Duration, ahead: bool) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        *self.0.lock() = Says::Off(if ahead { by } else { -by });
    }

    /// From now on it does not answer.
    pub fn silence(&self) {
        *self.0.lock() = Says::Silent;
    }

    /// The time that it says, in microseconds since 1970; none if it does not answer.
    #[must_use]
    pub fn micros(&self) -> Option<i64> {
        match *self.0.lock() {
            Says::Right => Some(now()),
            Says::Off(by) => Some(now().saturating_add(by)),
            Says::Silent => None,
        }
    }

    /// The same as in RFC 3339, in whole seconds.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.micros().map(text)
    }
}

/// Checks a moment as [`NetworkClock::set`] takes it.
///
/// # Errors
/// When it is none.
pub fn check_moment(moment: &str) -> Result<(), String> {
    micros_of(moment).map(drop)
}

fn micros_of(moment: &str) -> Result<i64, String> {
    let wrong = || format!("`{moment}` is not a moment: write `2038-01-19` or `2038-01-19T03:14:07Z`, in UTC");
    let whole = if moment.contains('T') { moment.to_owned() } else { format!("{moment}T00:00:00Z") };
    let read = DateTime::parse_from_rfc3339(&whole).map_err(|_| wrong())?;
    let micros = read.timestamp_micros();
    // SNTP counts from 1968 to 2104 without an era (RFC 4330 §3).
    let seconds = read.timestamp();
    if !(EARLIEST..LATEST).contains(&seconds) {
        return Err(format!("`{moment}` can't be said by SNTP, which knows the years 1968 to 2104"));
    }
    Ok(micros)
}

/// 1968-01-20T03:14:08Z and 2104-02-26T09:42:24Z, in seconds since 1970.
const EARLIEST: i64 = -61_505_152;
const LATEST: i64 = EARLIEST + (1 << 32);

pub(crate) fn text(micros: i64) -> String {
    let moment = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_or_times_in_utc() {
        assert_eq!(micros_of("1970-01-01"), Ok(0));
        assert_eq!(micros_of("2038-01-19T03:14:07Z"), Ok(i64::from(i32::MAX) * 1_000_000));
        assert_eq!(
            (text(EARLIEST * 1_000_000), text(LATEST * 1_000_000)),
            ("1968-01-20T03:14:08Z".to_owned(), "2104-02-26T09:42:24Z".to_owned())
        );
        for wrong in ["", "soon", "2038-13-01", "2038-02-30", "2038-01-19 03:14:07", "1960-01-01", "2104-03-01"] {
            assert!(check_moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_clock_that_is_off_goes_on() {
        let clock = NetworkClock::default();
        clock.set_off(Duration::from_secs(3600), false);
        let behind = now() - clock.micros().expect("a time");
        assert!((3_599_000_000..3_601_000_000).contains(&behind), "{behind}");
        clock.set_right();
        assert!(now() - clock.micros().expect("a time") < 1_000_000);
    }
}
