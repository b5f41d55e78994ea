//! Folds events into verdicts.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};

use hil_timeline::{
    BoardInfo, HostName, Quarantine, RunEvent, ScenarioId, ScenarioInfo, ScenarioKey, Stamp, Verdict, What,
};

use crate::result::{
    Attempt, FirmwareInfo, HostResult, RunInfo, RunSummary, ScenarioResult, SetAside, StepResult, micros,
};
use crate::tail::tail_line;

/// Folds a run event by event, during the run or afterwards.
#[derive(Debug, Default)]
pub struct Fold {
    summary: RunSummary,
    open: BTreeMap<ScenarioId, usize>,
    /// The index of a scenario in the summary, by path, line and name.
    places: HashMap<ScenarioKey, usize>,
    /// Planned scenarios that have not begun, with their index in the plan.
    unbegun: HashMap<ScenarioKey, (usize, ScenarioInfo)>,
    /// The planned scenarios in quarantine.
    quarantined: HashMap<ScenarioKey, Quarantine>,
    last: Stamp,
}

/// Lines of console and traffic to keep per scenario.
const TAIL: usize = 120;

impl Fold {
    /// Takes the next event; returns the scenario that it finished, if any.
    pub fn take(&mut self, event: &RunEvent) -> Option<&ScenarioResult> {
        // Events of several hosts come as they come.
        self.last = self.last.max(event.at);
        match &event.what {
            What::RunStarted { version, unix_ms, bench, project, broker, boards, provenance, plan, choice, .. } => {
                let keyed = |(place, planned): (usize, &ScenarioInfo)| (planned.key(), (place, planned.clone()));
                self.unbegun = plan.iter().enumerate().map(keyed).collect();
                let quarantined = |planned: &ScenarioInfo| Some((planned.key(), planned.quarantine.clone()?));
                self.quarantined = plan.iter().filter_map(quarantined).collect();
                self.summary.info = Some(RunInfo {
                    version: version.clone(),
                    unix_ms: *unix_ms,
                    bench: bench.clone(),
                    project: project.clone(),
                    broker: broker.clone(),
                    boards: boards.clone(),
                    provenance: provenance.clone(),
                    planned: plan.len(),
                    choice: choice.clone(),
                });
                None
            }
            What::HostJoined { bench, bench_hash, boards } => {
                self.join(event.host.as_ref()?, (bench, bench_hash), boards);
                None
            }
            What::HostLost { reason } => {
                self.host(event.host.as_ref()?)?.lost = Some(reason.clone());
                None
            }
            What::Clock { bound_us, .. } => {
                let host = self.host(event.host.as_ref()?)?;
                host.clock_within_us = host.clock_within_us.max(*bound_us);
                None
            }
            What::RunFinished { exit_code } => {
                self.summary.exit_code = Some(*exit_code);
                None
            }
            What::ScenarioStarted { info, attempt, repetition } => {
                self.begin(event.scenario?, info, (*attempt, *repetition), (event.at, event.host.as_ref()));
                None
            }
            What::SetAside { board, reasons } => {
                let board = event.host.as_ref().map_or_else(|| board.clone(), |host| format!("{host}/{board}"));
                self.summary.set_aside.push(SetAside { board, reasons: reasons.clone() });
                None
            }
            What::Firmware { board, firmware, hash, size, version, runs } => {
                let (board, firmware, hash) = (board.clone(), firmware.clone(), hash.clone());
                let (version, host) = (version.clone(), event.host.clone());
                let info = FirmwareInfo { board, firmware, hash, size: *size, version, runs: *runs, host };
                if let Err(at) = self.summary.firmware.binary_search(&info) {
                    self.summary.firmware.insert(at, info);
                }
                None
            }
            _ => self.take_scenario_event(event),
        }
    }

    /// A host takes part; its boards are listed even if it joined late.
    fn join(&mut self, name: &HostName, (bench, bench_hash): (&str, &str), boards: &[BoardInfo]) {
        if self.host(name).is_none() {
            let (bench, bench_hash) = (bench.to_owned(), bench_hash.to_owned());
            let host = HostResult { name: name.clone(), bench, bench_hash, lost: None, clock_within_us: 0 };
            self.summary.hosts.push(host);
        }
        if let Some(info) = &mut self.summary.info {
            let late: Vec<_> = boards.iter().filter(|board| !info.boards.contains(board)).cloned().collect();
            info.boards.extend(late);
        }
    }

    fn host(&mut self, name: &HostName) -> Option<&mut HostResult> {
        self.summary.hosts.iter_mut().find(|host| host.name == *name)
    }

    fn begin(
        &mut self,
        id: ScenarioId,
        info: &ScenarioInfo,
        (attempt, repetition): (u32, Option<u32>),
        (at, host): (Stamp, Option<&HostName>),
    ) {
        let key = info.key();
        self.unbegun.remove(&key);
        let known = self.places.get(&key).copied().filter(|_| attempt > 1);
        let place = known.unwrap_or_else(|| {
            let quarantine = self.quarantined.get(&key).cloned();
            self.summary.scenarios.push(ScenarioResult {
                info: ScenarioInfo { quarantine, ..info.clone() },
                repetition,
                verdict: Verdict::Aborted,
                attempts: Vec::new(),
            });
            self.summary.scenarios.len() - 1
        });
        self.places.insert(key, place);
        self.open.insert(id, place);
        if let Some(scenario) = self.summary.scenarios.get_mut(place) {
            scenario.attempts.push(Attempt { roles: info.bound(), ..Attempt::begun(at, Some(id), host.cloned()) });
            scenario.judge();
        }
    }

    fn take_scenario_event(&mut self, event: &RunEvent) -> Option<&ScenarioResult> {
        let id = event.scenario?;
        let index = *self.open.get(&id)?;
        let scenario = self.summary.scenarios.get_mut(index)?;
        // A retry begins when the previous attempt has ended.
        let attempt = scenario.attempts.last_mut()?;
        match &event.what {
            What::StepStarted(step) | What::StepNotRun(step) => {
                let began = matches!(event.what, What::StepStarted(_)).then_some(event.at);
                attempt.steps.push(StepResult { info: step.clone(), began, outcome: None });
            }
            What::StepFinished { outcome } => {
                if let Some(step) = attempt.steps.last_mut() {
                    step.outcome = Some(outcome.clone());
                }
            }
            What::ScenarioFinished { verdict, failure } => {
                attempt.verdict = *verdict;
                attempt.failure.clone_from(failure);
                attempt.took_us = micros(event.at.since(attempt.started));
                if *verdict == Verdict::Passed {
                    // Not needed for a passed scenario; for many scenarios these lines would use most of the memory.
                    attempt.tail = Vec::new();
                }
                scenario.judge();
                self.open.remove(&id);
                return self.summary.scenarios.get(index);
            }
            _ => {
                if let Some(line) = tail_line(event, attempt.started) {
                    if attempt.tail.len() == TAIL {
                        attempt.tail.remove(0);
                    }
                    attempt.tail.push(line);
                }
            }
        }
        None
    }

    /// The run as far as it is recorded.
    #[must_use]
    pub fn finish(mut self) -> RunSummary {
        for index in self.open.values() {
            let attempt = self.summary.scenarios.get_mut(*index).and_then(|scenario| scenario.attempts.last_mut());
            if let Some(attempt) = attempt {
                attempt.took_us = micros(self.last.since(attempt.started));
                attempt.ended_from_outside("the run ended while this scenario ran");
            }
        }
        let mut unbegun: Vec<_> = std::mem::take(&mut self.unbegun).into_values().collect();
        unbegun.sort_by_key(|(place, _)| *place);
        for (_, info) in unbegun {
            let mut attempt = Attempt::begun(self.last, None, None);
            attempt.ended_from_outside("the run ended before this scenario began");
            self.summary.scenarios.push(ScenarioResult {
                info,
                repetition: None,
                verdict: Verdict::Aborted,
                attempts: vec![attempt],
            });
        }
        self.summary.took_us = micros(self.last.since(Stamp::default()));
        self.summary
    }
}

impl RunSummary {
    /// Folds recorded events: of a whole run, or of one so far, in which all that has not ended counts as aborted.
    #[must_use]
    pub fn of<Event: Borrow<RunEvent>>(events: impl IntoIterator<Item = Event>) -> Self {
        let mut fold = Fold::default();
        for event in events {
            fold.take(event.borrow());
        }
        fold.finish()
    }
}

#[cfg(test)]
pub(crate) mod tests;
