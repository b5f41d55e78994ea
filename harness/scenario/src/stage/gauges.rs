//! The gauges of a scenario.

use std::collections::BTreeSet;

use hil_timeline::{Cursor, What};
use hil_verdict::{Gauge, GaugeSource, GaugeValue, TextPattern, gauge_values};

use super::{Stage, refs};
use crate::error::StepError;

impl Stage {
    /// Makes a gauge, unless there is one with the same source.
    pub(crate) fn add_gauge(&mut self, gauge: Gauge) {
        if !self.gauges.iter().any(|known| known.is_same(&gauge)) {
            // Values from before are recorded as well.
            self.gauges_recorded = self.gauges_recorded.min(gauge.from);
            self.gauges.push(gauge);
        }
    }

    /// Makes a gauge of each named group that matched a number. From this line on, every matching line has a value.
    pub(crate) fn add_console_gauges(
        &mut self,
        board: &str,
        wanted: &TextPattern,
        captured: &[(String, String)],
        seq: u64,
    ) {
        for (name, value) in captured {
            if hil_verdict::Decimal::parse(value).is_some() {
                let source = GaugeSource::Console(wanted.clone());
                self.add_gauge(Gauge { board: board.to_owned(), name: name.clone(), source, from: seq });
            }
        }
    }

    /// The sources of a gauge.
    ///
    /// # Errors
    /// When no step has made it.
    pub(crate) fn gauge(&self, board: &str, name: &str) -> Result<Vec<&Gauge>, StepError> {
        let gauges: Vec<_> = self.gauges.iter().filter(|gauge| gauge.board == board && gauge.name == name).collect();
        if gauges.is_empty() {
            let hint = format!(
                "make it first: `Given the gauge \"{name}\" of \"{board}\" is \"/{name}: (?<{name}>\\d+)/\" on its console`"
            );
            return Err(StepError::errored(format!("`{board}` has no gauge `{name}`")).with_hint(hint));
        }
        Ok(gauges)
    }

    /// The values of a gauge in this scenario, from a place in the timeline on.
    pub(crate) fn gauge_values(&self, board: &str, name: &str, from: Cursor) -> Result<Vec<GaugeValue>, StepError> {
        let gauges = self.gauge(board, name)?;
        Ok(gauge_values(&gauges, refs(&self.mine(from))))
    }

    /// Records the values of gauges that came since the last time.
    pub(crate) fn record_gauges(&mut self) {
        if self.gauges.is_empty() {
            return;
        }
        let from = self.gauges_recorded.max(self.begin.0);
        let known = self.mine(Cursor(from));
        let mut seen: BTreeSet<_> = known
            .iter()
            .filter_map(|event| match &event.what {
                What::Gauge { board, gauge, came, .. } => Some((board.clone(), gauge.clone(), *came)),
                _ => None,
            })
            .collect();
        self.gauges_recorded = self.end().0;
        for event in &known {
            for gauge in &self.gauges {
                let Some(read) = gauge.read(event) else { continue };
                let Some(value) = read.value() else { continue };
                if seen.insert((gauge.board.clone(), gauge.name.clone(), read.at)) {
                    let (board, name) = (gauge.board.clone(), gauge.name.clone());
                    self.recorder.record(What::Gauge { board, gauge: name, value, came: read.at });
                }
            }
        }
    }
}
