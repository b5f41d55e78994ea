//! How a run ends.

use hil_report::{Counts, RunSummary};

use super::ExitCode;
use crate::args::Flaky;

/// All that the exit code of a run depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunEnd {
    /// The verdicts; a planned scenario that has none counts as aborted.
    pub(crate) counts: Counts,
    /// It was ended from outside.
    pub(crate) is_aborted: bool,
    /// Rails could not be made safe.
    pub(crate) is_unsafe: bool,
    /// `--flaky`.
    pub(crate) flaky: Flaky,
}

/// What the command line asks for beyond the run: the reports and the record do not depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Demands {
    /// `--strict`.
    pub(crate) strict: bool,
    /// `--fail-on regression`: whether there is one, or how the comparison failed. None if nothing was compared.
    pub(crate) regression: Option<Result<bool, ExitCode>>,
}

impl RunEnd {
    /// The exit code that the run records. It does not depend on a baseline or on `--strict`.
    pub(crate) fn recorded(&self) -> ExitCode {
        self.code(Demands::default())
    }

    /// The exit code: that of the first line that applies.
    pub(crate) fn code(&self, demands: Demands) -> ExitCode {
        let Counts { passed, failed, errored, skipped, aborted, flaky, quarantined } = self.counts;
        let is_strictly_wrong = demands.strict && skipped > 0;
        match demands.regression {
            _ if self.is_aborted => ExitCode::Aborted,
            Some(Ok(true)) => ExitCode::Regression,
            // The run was not aborted, but a planned scenario has no verdict.
            _ if aborted > 0 => ExitCode::Errored,
            _ if failed > 0 || (flaky > 0 && self.flaky == Flaky::Fail) => ExitCode::Failed,
            _ if errored > 0 => ExitCode::Errored,
            _ if passed + flaky + quarantined == 0 => {
                if is_strictly_wrong {
                    ExitCode::Errored
                } else {
                    ExitCode::NothingRan
                }
            }
            // A run that leaves rails unsafe must not pass.
            _ if self.is_unsafe => ExitCode::Errored,
            // A failed comparison must not read as "no regression".
            Some(Err(set_up)) => set_up,
            _ if is_strictly_wrong => ExitCode::Errored,
            _ => ExitCode::Passed,
        }
    }
}

/// The exit code of a run that was read from its folder.
pub(crate) fn of_read(run: &RunSummary) -> ExitCode {
    let counts = run.counts();
    // From a `hil` that has other exit codes.
    let unknown = || RunEnd { counts, is_aborted: counts.aborted > 0, is_unsafe: false, flaky: Flaky::Pass }.recorded();
    // A run without an exit code was killed, or still runs.
    run.exit_code.map_or(ExitCode::Aborted, |code| ExitCode::from_code(code).unwrap_or_else(unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of the given values for each of the given beginnings.
    fn each<T: Clone, V: Copy, U>(of: &[T], values: &[V], join: impl Fn(T, V) -> U) -> Vec<U> {
        of.iter().flat_map(|it| values.iter().map(|value| join(it.clone(), *value)).collect::<Vec<_>>()).collect()
    }

    /// Every combination of what matters: which verdicts there are, how the run ended, the options.
    fn all() -> Vec<(RunEnd, Demands)> {
        let counts = (0..128_usize).map(|bits| {
            let [passed, failed, errored, skipped, aborted, flaky, quarantined] =
                [0, 1, 2, 3, 4, 5, 6].map(|bit| bits >> bit & 1);
            Counts { passed, failed, errored, skipped, aborted, flaky, quarantined }
        });
        let counts: Vec<_> = counts.collect();
        let both = [false, true];
        let ends = each(&counts, &both, |counts, is_aborted| (counts, is_aborted));
        let ends = each(&ends, &both, |(counts, is_aborted), is_unsafe| (counts, is_aborted, is_unsafe));
        let ends = each(&ends, &[Flaky::Pass, Flaky::Fail], |(counts, is_aborted, is_unsafe), flaky| RunEnd {
            counts,
            is_aborted,
            is_unsafe,
            flaky,
        });
        let compared = [None, Some(Ok(false)), Some(Ok(true)), Some(Err(ExitCode::Setup))];
        let ends = each(&ends, &both, |end, strict| (end, strict));
        each(&ends, &compared, |(end, strict), regression| (end, Demands { strict, regression }))
    }

    /// The rule in words, step by step: the verdicts give a code, and each later step corrects it.
    fn step_by_step(end: &RunEnd, demands: Demands) -> u8 {
        let Counts { passed, failed, errored, skipped, aborted, flaky, quarantined } = end.counts;
        let mut code = match (end.is_aborted, aborted, failed, flaky, errored, passed + flaky + quarantined) {
            (true, ..) => 130,
            (_, 1.., ..) => 102,
            (_, _, 1.., ..) => 100,
            (_, _, _, 1.., ..) if end.flaky == Flaky::Fail => 100,
            (_, _, _, _, 1.., _) => 102,
            (.., 0) => 4,
            _ => 0,
        };
        if code == 0 && end.is_unsafe {
            code = 102;
        }
        match demands.regression {
            Some(Ok(true)) if code != 130 => code = 103,
            Some(Err(set_up)) if code == 0 => code = set_up.code(),
            _ => {}
        }
        if demands.strict && skipped > 0 && matches!(code, 0 | 4) { 102 } else { code }
    }

    #[test]
    fn every_combination_has_its_code() {
        let all = all();
        assert_eq!(all.len(), 128 * 2 * 2 * 2 * 2 * 4);
        for (end, demands) in all {
            assert_eq!(end.code(demands).code(), step_by_step(&end, demands), "{end:?} {demands:?}");
            let recorded = step_by_step(&end, Demands::default());
            assert_eq!(end.recorded().code(), recorded, "{end:?}");
        }
    }

    /// As `docs/reference/exit-codes.md` promises.
    #[test]
    fn codes_have_an_order() {
        let end = |failed, errored, is_aborted| {
            let counts = Counts { passed: 1, failed, errored, skipped: 1, ..Counts::default() };
            RunEnd { counts, is_aborted, is_unsafe: false, flaky: Flaky::Pass }
        };
        let code =
            |end: RunEnd, regression, strict| end.code(Demands { strict, regression: Some(Ok(regression)) }).code();
        assert_eq!(code(end(1, 1, true), true, true), 130);
        assert_eq!(code(end(1, 1, false), true, true), 103);
        assert_eq!(code(end(1, 1, false), false, true), 100);
        assert_eq!(code(end(0, 1, false), false, true), 102);
        assert_eq!(code(end(0, 0, false), false, true), 102);
        assert_eq!(code(end(0, 0, false), false, false), 0);
    }

    #[test]
    fn only_an_aborted_or_killed_run_is_not_whole() {
        let is_whole = |exit_code| RunSummary { exit_code, ..RunSummary::default() }.is_whole();
        for code in ExitCode::ALL {
            assert_eq!(is_whole(Some(code.code())), code != ExitCode::Aborted, "{code:?}");
        }
        assert!(!is_whole(None), "killed, or still running");
    }

    #[test]
    fn a_read_run_has_the_code_that_it_recorded() {
        let run = |exit_code| RunSummary { exit_code, ..RunSummary::default() };
        for code in ExitCode::ALL {
            assert_eq!(of_read(&run(Some(code.code()))), code);
        }
        assert_eq!(of_read(&run(None)), ExitCode::Aborted, "killed, or still running");
        assert_eq!(of_read(&run(Some(77))), ExitCode::NothingRan, "of another version: its verdicts count");
    }
}
