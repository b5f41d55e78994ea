//! All rails of a board: switched together, each left in its safe state.

use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use hil_config::{Rail, SafeState};

use crate::driver::{Measuring, PowerDriver, PowerError, Switching};
use crate::drivers::{DRIVERS, unknown};

/// The rails of one board.
pub struct Rails {
    drivers: Vec<(Box<dyn PowerDriver>, SafeState)>,
    name: String,
}

impl std::fmt::Debug for Rails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rails").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Rails {
    /// Opens the rails. Lines of this machine are requested switched off; everything else stays as it is. `sysfs` is
    /// `/sys`.
    ///
    /// # Errors
    /// If a line, a hub or its port can't be used.
    pub fn open(rails: &[Rail], sysfs: &Path) -> Result<Self, PowerError> {
        let known = |rail: &&Rail| DRIVERS.iter().any(|entry| entry.kind.word == rail.driver.word);
        if let Some(rail) = rails.iter().find(|rail| !known(rail)) {
            return Err(unknown(&rail.driver));
        }
        let mut opened = Vec::new();
        for entry in DRIVERS {
            opened.extend(entry.open(rails, sysfs)?);
        }
        let drivers: Vec<_> = opened.into_iter().map(|opened| (opened.driver, opened.safe_state)).collect();
        let name = drivers.iter().map(|(driver, _)| driver.rail()).collect::<Vec<_>>().join(" + ");
        Ok(Self { drivers, name })
    }

    /// Switches every rail to the state from `wanted`; every rail is tried, and the first failure is returned.
    async fn switch_each(&self, wanted: impl Fn(SafeState) -> bool) -> Result<(), PowerError> {
        let switching = self.drivers.iter().map(|(driver, safe)| driver.switch(wanted(*safe)));
        join_all(switching).await.into_iter().collect()
    }
}

/// Waits until a rail is in the state that it was switched to, as far as its driver can tell.
async fn confirm(driver: &dyn PowerDriver, on: bool) -> Result<(), PowerError> {
    /// Capacitors may delay the fall of a supply.
    const LOOKS: u32 = 10;
    const BETWEEN: Duration = Duration::from_millis(200);
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(BETWEEN).await;
        }
        match driver.state().await? {
            Some(state) if state != on => {}
            Some(_) | None => return Ok(()),
        }
    }
    let (wanted, is) = if on { ("on", "off") } else { ("off", "on") };
    let reason = format!("it was switched {wanted} without an error, but its driver reports that it is {is}");
    Err(PowerError::new(driver.rail(), reason, "is the relay welded, or does another program switch it?"))
}

/// How long some rails may take for one request: as long as the slowest of them, with all attempts.
pub(crate) fn patience(rails: &[Rail]) -> Duration {
    const NO_RAILS: Duration = Duration::from_secs(20);
    rails.iter().map(|rail| rail.driver.patience).max().unwrap_or(NO_RAILS)
}

/// On if any rail is on, off if all are off, otherwise unknown. A rail that is on counts even if another one fails.
fn together(rails: Vec<Result<Option<bool>, PowerError>>) -> Result<Option<bool>, PowerError> {
    if rails.iter().any(|rail| matches!(rail, Ok(Some(true)))) {
        return Ok(Some(true));
    }
    let rails = rails.into_iter().collect::<Result<Vec<_>, _>>()?;
    let all_off = !rails.is_empty() && rails.iter().all(|rail| *rail == Some(false));
    Ok(all_off.then_some(false))
}

impl PowerDriver for Rails {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(self.switch_each(move |_| on))
    }

    /// One rail with supply is enough for "on". "Off" takes all of them: a rail that nothing measures may feed the
    /// board.
    fn measure(&self) -> Measuring<'_> {
        Box::pin(async { together(join_all(self.drivers.iter().map(|(driver, _)| driver.measure())).await) })
    }

    fn state(&self) -> Measuring<'_> {
        Box::pin(async { together(join_all(self.drivers.iter().map(|(driver, _)| driver.state())).await) })
    }

    /// Checked by what the drivers can measure: a relay may be welded, a program may do nothing and exit with 0.
    fn make_safe(&self) -> Switching<'_> {
        Box::pin(async {
            self.switch_each(|safe| safe == SafeState::On).await?;
            let confirmed = self.drivers.iter().map(|(driver, safe)| confirm(&**driver, *safe == SafeState::On));
            join_all(confirmed).await.into_iter().collect()
        })
    }

    fn rail(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rails_must_be_off_for_a_board_to_be_off() {
        let failed = || Err(PowerError::new("plug", "no answer", None));
        assert_eq!(together(vec![Ok(Some(false)), Ok(Some(false))]), Ok(Some(false)));
        assert_eq!(together(vec![Ok(Some(false)), Ok(None)]), Ok(None), "the other one may feed it");
        assert_eq!(together(vec![Ok(Some(true)), Ok(Some(false))]), Ok(Some(true)));
        assert_eq!(together(vec![failed(), Ok(Some(true))]), Ok(Some(true)));
        assert_eq!(together(vec![failed(), Ok(Some(false))]), failed());
        assert_eq!(together(vec![]), Ok(None));
    }
}
