//! How often the scenarios of a run that repeats them passed.

use std::collections::HashMap;

use hil_timeline::{ScenarioInfo, Verdict};

use crate::result::RunSummary;

/// A scenario with all its repetitions.
pub(crate) struct Repeated<'a> {
    pub(crate) info: &'a ScenarioInfo,
    /// Repetitions that passed at once: a retry that passes is another matter.
    pub(crate) passed: usize,
    /// Repetitions that ran.
    pub(crate) runs: usize,
}

/// The repeated scenarios, in the order in which they began; those that never ran are left out.
pub(crate) fn repeated(run: &RunSummary) -> Vec<Repeated<'_>> {
    let mut places = HashMap::new();
    let mut all: Vec<Repeated<'_>> = Vec::new();
    for scenario in run.scenarios.iter().filter(|scenario| scenario.repetition.is_some()) {
        if matches!(scenario.verdict, Verdict::Skipped | Verdict::Aborted) {
            continue;
        }
        let place = *places.entry(scenario.info.key()).or_insert_with(|| {
            all.push(Repeated { info: &scenario.info, passed: 0, runs: 0 });
            all.len() - 1
        });
        all[place].runs += 1;
        all[place].passed += usize::from(scenario.verdict == Verdict::Passed);
    }
    all
}
