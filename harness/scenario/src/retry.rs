//! Which scenarios are retried, and how often.
//!
//! Cucumber's own retries start at once, on the board as the failure left it, and report two scenarios of the same
//! name. Here each attempt is a separate pass over the scenarios that did not pass, and is recorded as an attempt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hil_timeline::{ScenarioKey, Verdict};

use crate::context::{Ended, RunContext};
use crate::plan::{Plan, tags};
use crate::run::run_attempt;

/// How often a scenario that did not pass is retried.
///
/// A value that is not set is taken from the scenario's tag `@retry(n)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retries {
    /// After a bench error that may be gone the next time. The default is 1.
    pub bench: Option<u32>,
    /// After a failure of the firmware. The default is 0.
    pub product: Option<u32>,
}

impl Retries {
    /// The default after a bench error.
    const BENCH: u32 = 1;

    /// How often a scenario with this end may be retried.
    fn allowed(self, ended: &Ended) -> u32 {
        let own = ended.tags.iter().filter_map(|tag| tags::retries(tag)).next_back();
        match ended.verdict {
            // Explicit values override the tag, except `@retry(0)`: such a scenario is never retried.
            Verdict::Failed | Verdict::Errored if own == Some(0) => 0,
            Verdict::Failed => self.product.or(own).unwrap_or(0),
            // Other errors need the user to change something first, such as to connect a board.
            Verdict::Errored if ended.transient => self.bench.or(own).unwrap_or(Self::BENCH),
            Verdict::Errored | Verdict::Passed | Verdict::Skipped | Verdict::Aborted | Verdict::Flaky => 0,
        }
    }
}

/// How often each scenario was retried, counted separately for bench errors and firmware failures.
#[derive(Default)]
struct Counts(BTreeMap<(ScenarioKey, bool), u32>);

impl Counts {
    /// The scenario's key if it is to be retried.
    fn take(&mut self, ended: &Ended, retries: Retries) -> Option<ScenarioKey> {
        let count = self.0.entry((ended.key.clone(), ended.verdict == Verdict::Errored)).or_default();
        (*count < retries.allowed(ended)).then(|| {
            *count += 1;
            ended.key.clone()
        })
    }
}

/// Runs a plan, then retries scenarios that did not pass. All boards are safe when it returns.
pub async fn run_with_retries(context: Arc<RunContext>, plan: Plan, retries: Retries) {
    let (mut plan, mut attempt, mut counts) = (Some(plan), 1, Counts::default());
    while let Some(now) = plan.take() {
        run_attempt(&context, now.clone(), attempt).await;
        let ended = context.take_ended();
        if context.is_aborted() {
            break;
        }
        let again: BTreeSet<_> = ended.into_iter().filter_map(|ended| counts.take(&ended, retries)).collect();
        plan = now.only(|path, line, name| again.contains(&(path.to_owned(), line, name.to_owned())));
        attempt += 1;
    }
    context.bench.make_safe().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bench_errors_are_retried_once_and_failures_only_on_request() {
        let allowed = |retries: Retries, verdict, tags: &[&str]| {
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            retries.allowed(&Ended { key: (String::new(), 1, String::new()), tags, verdict, transient: true })
        };
        let stays = Ended {
            key: (String::new(), 1, String::new()),
            tags: vec!["retry(3)".to_owned()],
            verdict: Verdict::Errored,
            transient: false,
        };
        assert_eq!(
            Retries { bench: Some(5), product: Some(5) }.allowed(&stays),
            0,
            "the user must change the bench first"
        );
        let (usual, none, three) = (
            Retries::default(),
            Retries { bench: Some(0), product: Some(0) },
            Retries { bench: Some(1), product: Some(3) },
        );
        assert_eq!((allowed(usual, Verdict::Errored, &[]), allowed(usual, Verdict::Failed, &[])), (1, 0));
        assert_eq!((allowed(none, Verdict::Errored, &[]), allowed(none, Verdict::Failed, &[])), (0, 0));
        assert_eq!((allowed(three, Verdict::Errored, &[]), allowed(three, Verdict::Failed, &[])), (1, 3));
        assert_eq!(allowed(usual, Verdict::Failed, &["wifi", "retry(2)"]), 2);
        assert_eq!(allowed(three, Verdict::Failed, &["retry(0)"]), 0);
        assert_eq!((allowed(three, Verdict::Failed, &["retry"]), allowed(none, Verdict::Failed, &["retry"])), (3, 0));
        assert_eq!(allowed(usual, Verdict::Failed, &["retry"]), 1);
        assert_eq!(
            (allowed(none, Verdict::Errored, &["retry(3)"]), allowed(usual, Verdict::Errored, &["retry(3)"])),
            (0, 3)
        );
        for verdict in [Verdict::Passed, Verdict::Skipped, Verdict::Aborted] {
            assert_eq!(allowed(three, verdict, &["retry"]), 0);
        }
    }
}
