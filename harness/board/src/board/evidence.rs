//! The evidence that a power cut took the supply away.

use std::time::Duration;

use hil_timeline::{Cursor, Evidence, RunEvent, What};
use tokio::time::Instant;

use super::Board;
use hil_power::{PowerDriver, PowerError};

/// What measured the supply before a cut. Only what was there before can be shown to be gone.
pub(super) struct Before {
    driver: Result<Option<bool>, PowerError>,
    pin: Option<bool>,
}

/// What is known about a cut once it is made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) grade: Evidence,
    /// Why, for messages.
    pub(super) detail: String,
}

impl Judged {
    fn new(grade: Evidence, detail: impl Into<String>) -> Self {
        Self { grade, detail: detail.into() }
    }
}

impl Board {
    /// Measures the supply before a cut.
    pub(super) async fn measure_before_cut(&self, power: &dyn PowerDriver) -> Before {
        let pin = self.config.power_pin.as_ref().and_then(|name| self.pins.is_on(name));
        Before { driver: power.measure().await, pin }
    }

    /// What driver and pin show after a cut. Either may contradict it; either may prove it.
    pub(super) async fn judge_cut(&self, power: &dyn PowerDriver, before: Before, from: Cursor) -> Judged {
        let mut judged = Vec::new();
        judged.extend(judge_driver(&before.driver, &power.measure().await));
        if let Some(name) = self.config.power_pin.clone() {
            let after = self.pin_after_cut(&name, from).await;
            judged.push(judge_pin(&name, before.pin, after));
        }
        strongest(judged)
    }

    /// Whether the pin is on after a cut; none if nothing senses it.
    async fn pin_after_cut(&self, name: &str, from: Cursor) -> Option<bool> {
        /// Capacitors may delay the fall of a supply.
        const FALLS: Duration = Duration::from_secs(3);
        /// How long it must then stay off: a supply that dips and comes back is not a cut.
        const STAYS: Duration = Duration::from_millis(200);
        let gone = |event: &RunEvent| {
            matches!(&event.what, What::Pin { board, pin, on: false, .. } if board == self.name() && pin == name)
                .then_some(())
        };
        self.pins.is_on(name)?;
        let is_off = || self.pins.is_on(name) == Some(false);
        let timeline = self.scope.recorder().timeline().clone();
        if is_off() || timeline.wait_for(from, Instant::now() + FALLS, gone).await.is_ok() {
            tokio::time::sleep(STAYS).await;
        }
        self.pins.is_on(name)
    }
}

/// None if the driver measures nothing.
fn judge_driver(before: &Result<Option<bool>, PowerError>, after: &Result<Option<bool>, PowerError>) -> Option<Judged> {
    let unproven = |detail: String| Some(Judged::new(Evidence::Unproven, detail));
    match (before, after) {
        (_, Ok(Some(true))) => Some(Judged::new(Evidence::Contradicted, "its driver measures supply")),
        (Ok(Some(true)), Ok(Some(false))) => {
            Some(Judged::new(Evidence::Sensed, "its driver measured supply before the cut and none after it"))
        }
        (Ok(Some(false)), Ok(Some(false))) => {
            unproven("its driver measured no supply before the cut either".to_owned())
        }
        (Err(error), Ok(Some(false))) => unproven(format!("its driver could not measure before the cut: {error}")),
        (_, Err(error)) => unproven(format!("its driver could not measure after the cut: {error}")),
        (Ok(None), Ok(Some(false))) => unproven("its driver measured nothing before the cut".to_owned()),
        (_, Ok(None)) => None,
    }
}

fn judge_pin(name: &str, before: Option<bool>, after: Option<bool>) -> Judged {
    match (before, after) {
        (_, Some(true)) => Judged::new(Evidence::Contradicted, format!("its pin `{name}` is still on")),
        (Some(true), Some(false)) => {
            Judged::new(Evidence::Sensed, format!("its pin `{name}` was on before the cut and is off after it"))
        }
        (Some(false), Some(false)) => {
            let detail = format!("its pin `{name}` was off before the cut already, which proves nothing");
            Judged::new(Evidence::Unproven, detail)
        }
        (_, None) | (None, _) => Judged::new(Evidence::Unproven, format!("its pin `{name}` is not sensed")),
    }
}

/// Contradiction counts for more than proof, and proof for more than no evidence.
fn strongest(judged: Vec<Judged>) -> Judged {
    let rank = |grade: Evidence| match grade {
        Evidence::Contradicted => 0,
        Evidence::Sensed => 1,
        Evidence::Consistent => 2,
        Evidence::Unproven => 3,
    };
    let Some(best) = judged.iter().map(|judged| judged.grade).min_by_key(|grade| rank(*grade)) else {
        return Judged::new(Evidence::Unproven, "nothing measures its supply");
    };
    let details: Vec<_> =
        judged.into_iter().filter(|judged| judged.grade == best).map(|judged| judged.detail).collect();
    Judged { grade: best, detail: details.join(", and ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Result<Option<bool>, PowerError> {
        Err(PowerError::new("plug", "no answer", None))
    }

    #[test]
    fn a_pin_proves_a_cut_only_if_it_was_on_before() {
        let grade = |before, after| judge_pin("supply", before, after).grade;
        assert_eq!(grade(Some(true), Some(false)), Evidence::Sensed);
        assert_eq!(grade(Some(false), Some(false)), Evidence::Unproven);
        assert_eq!(grade(None, Some(false)), Evidence::Unproven);
        assert_eq!(grade(Some(true), None), Evidence::Unproven);
        assert_eq!(grade(Some(true), Some(true)), Evidence::Contradicted);
        assert_eq!(grade(Some(false), Some(true)), Evidence::Contradicted);
    }

    #[test]
    fn a_driver_proves_a_cut_only_if_it_measured_supply_before() {
        let grade = |before, after| judge_driver(&before, &after).map(|judged| judged.grade);
        assert_eq!(grade(Ok(Some(true)), Ok(Some(false))), Some(Evidence::Sensed));
        assert_eq!(grade(Ok(Some(false)), Ok(Some(false))), Some(Evidence::Unproven));
        assert_eq!(grade(failed(), Ok(Some(false))), Some(Evidence::Unproven));
        assert_eq!(grade(Ok(Some(true)), failed()), Some(Evidence::Unproven));
        assert_eq!(grade(Ok(Some(false)), Ok(Some(true))), Some(Evidence::Contradicted));
        assert_eq!(grade(Ok(None), Ok(None)), None);
    }

    #[test]
    fn what_contradicts_a_cut_outweighs_what_proves_it() {
        let (sensed, contradicted) = (Judged::new(Evidence::Sensed, "a"), Judged::new(Evidence::Contradicted, "b"));
        assert_eq!(strongest(vec![sensed, contradicted]), Judged::new(Evidence::Contradicted, "b"));
        let unproven = |detail: &str| Judged::new(Evidence::Unproven, detail);
        assert_eq!(strongest(vec![unproven("a"), unproven("b")]), unproven("a, and b"));
        assert_eq!(strongest(Vec::new()), unproven("nothing measures its supply"));
    }
}
