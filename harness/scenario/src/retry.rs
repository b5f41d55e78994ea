//! Which scenarios are tried again, and how often.
//!
//! Cucumber's own retries would begin at once, on the board as the failure left it, and tell of two scenarios of one
//! name. A retry is therefore a pass of its own over what did not pass, each attempt recorded as what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hil_timeline::{ScenarioKey, Verdict};

use crate::context::{Ended, RunContext};
use crate::plan::{Plan, tags};
use crate::run::run_attempt;

/// How often a scenario that did not pass is tried again.
///
/// Where nothing is said, the tag `@retry(n)` of the scenario holds for both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retries {
    /// Where the bench is to blame, and may do better; once where nothing is said.
    pub bench: Option<u32>,
    /// Where the firmware is; never where nothing is said.
    pub product: Option<u32>,
}

impl Retries {
    /// A bench error may be gone the next time.
    const OF_THE_BENCH: u32 = 1;

    /// How often a scenario that ended so may be tried again.
    fn allowed(self, ended: &Ended) -> u32 {
        let own = ended.tags.iter().filter_map(|tag| tags::retries(tag)).next_back();
        match ended.verdict {
            // What somebody asks for now holds more than the tag, but for a scenario that must never be tried again.
            Verdict::Failed | Verdict::Errored if own == Some(0) => 0,
            Verdict::Failed => self.product.or(own).unwrap_or(0),
            // What somebody must change first (a board that is not there, a step that can't be carried out) stays.
            Verdict::Errored if ended.transient => self.bench.or(own).unwrap_or(Self::OF_THE_BENCH),
            Verdict::Errored | Verdict::Passed | Verdict::Skipped | Verdict::Aborted | Verdict::Flaky => 0,
        }
    }
}

/// How often each scenario was tried again already, for each cause: a bench error takes nothing from the firmware's
/// chances.
#[derive(Default)]
struct Counts(BTreeMap<(ScenarioKey, bool), u32>);

impl Counts {
    /// Which scenario is to be tried again, if this one is.
    fn take(&mut self, ended: &Ended, retries: Retries) -> Option<ScenarioKey> {
        let count = self.0.entry((ended.key.clone(), ended.verdict == Verdict::Errored)).or_default();
        (*count < retries.allowed(ended)).then(|| {
            *count += 1;
            ended.key.clone()
        })
    }
}

/// Runs a plan, and what did not pass again as often as it may be. All boards are safe when it returns.
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
    fn the_bench_has_a_second_chance_and_the_firmware_only_where_somebody_says_so() {
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
            "somebody must change the bench first"
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
