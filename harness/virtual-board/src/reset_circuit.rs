//! The usual two-transistor circuit between a USB adapter's DTR and RTS and a chip's EN and strapping pin.
//!
//! EN is pulled low while RTS alone is asserted, the strapping pin while DTR alone is (Espressif, schematic of the
//! ESP32-C3-DevKitM-1, "Auto-reset"). A capacitor at EN makes it rise late; the classic reset sequence depends on that.

use std::time::Duration;

/// The circuit and the state of its lines.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use hil_virtual_board::{ResetCircuit, Change};
/// let mut ideal = ResetCircuit::new(Duration::ZERO);
/// assert_eq!(ideal.set(false, true), Some(Change::EnFalls));
/// assert_eq!(ideal.set(true, false), Some(Change::EnRisesAfter(Duration::ZERO)));
/// assert!(ideal.strapped_low());
/// ```
#[derive(Debug)]
pub struct ResetCircuit {
    rises_after: Duration,
    dtr: bool,
    rts: bool,
}

/// The effect of a change of the lines on EN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// EN falls at once: a transistor discharges the capacitor.
    EnFalls,
    /// EN rises after this time, unless it is pulled low before.
    EnRisesAfter(Duration),
}

impl ResetCircuit {
    /// A circuit whose EN has this time constant (resistance times capacitance): 10 ms for 10 kΩ and 1 µF, zero for
    /// none.
    #[must_use]
    pub fn new(time_constant: Duration) -> Self {
        /// EN is high from 0.75 of the supply on (ESP32-C3 datasheet, "DC Characteristics", V_IH_nRST): the capacitor
        /// takes ln 4 time constants.
        const UNTIL_HIGH: f64 = 1.386;
        Self { rises_after: time_constant.mul_f64(UNTIL_HIGH), dtr: false, rts: false }
    }

    /// The host asserts (`true`) or releases its lines.
    pub fn set(&mut self, dtr: bool, rts: bool) -> Option<Change> {
        let was_low = self.en_is_pulled_low();
        (self.dtr, self.rts) = (dtr, rts);
        match (was_low, self.en_is_pulled_low()) {
            (false, true) => Some(Change::EnFalls),
            (true, false) => Some(Change::EnRisesAfter(self.rises_after)),
            _ => None,
        }
    }

    fn en_is_pulled_low(&self) -> bool {
        self.rts && !self.dtr
    }

    /// Whether the strapping pin is low now.
    #[must_use]
    pub fn strapped_low(&self) -> bool {
        self.dtr && !self.rts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies changes (milliseconds, DTR, RTS); returns whether the strapping pin is low when EN has risen.
    fn enters_loader(time_constant_ms: u64, moves: &[(u64, bool, bool)]) -> bool {
        let mut circuit = ResetCircuit::new(Duration::from_millis(time_constant_ms));
        let mut rise: Option<Duration> = None;
        for (n, (at, dtr, rts)) in moves.iter().enumerate() {
            match circuit.set(*dtr, *rts) {
                Some(Change::EnFalls) => rise = None,
                Some(Change::EnRisesAfter(after)) => rise = Some(Duration::from_millis(*at) + after),
                None => {}
            }
            let until = moves.get(n + 1).map_or(Duration::MAX, |(next, ..)| Duration::from_millis(*next));
            if let Some(rises) = rise
                && rises < until
            {
                return circuit.strapped_low();
            }
        }
        panic!("EN never rose");
    }

    #[test]
    fn which_sequence_enters_the_loader_depends_on_the_capacitor() {
        let classic = [(0, false, true), (100, true, true), (101, true, false), (151, false, false)];
        let tight = [(0, false, true), (100, true, false), (150, false, false)];
        assert!(enters_loader(10, &classic) && enters_loader(10, &tight), "the usual circuit");
        assert!(!enters_loader(0, &classic), "without a capacitor EN is up before the strapping pin is low");
        assert!(enters_loader(0, &tight));
        assert!(!enters_loader(100, &classic) && !enters_loader(100, &tight), "a large one outlasts both");
        let long = [(0, false, true), (100, true, false), (600, false, false)];
        assert!(enters_loader(100, &long));
    }
}
