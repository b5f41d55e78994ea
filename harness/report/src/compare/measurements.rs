//! Times and gauges, with a test for whether they really changed.
//!
//! At most one comparison in a hundred may raise a false alarm, all metrics together. A third of that is for metrics of
//! boards (boot, reconnect, flash, latency per topic), the rest for the many steps, each corrected for their number
//! (Holm). The test is not whether a time changed at all, but whether it changed by more than runs of one firmware
//! differ from each other: measurements of one run share its conditions. A metric is not tested if even two sets that
//! do not overlap would not be significant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{Metric, MetricKind, Record};
use crate::statistics::{holm, least_p, median, probability_above, thinned};

/// Share of comparisons that may have a false alarm.
const ALPHA_OF_BOARDS: f64 = 0.0033;
const ALPHA_OF_STEPS: f64 = 0.0067;

/// With so many runs the baseline shows how much runs of one firmware differ; with fewer this is assumed.
const RUNS_FOR_SPREAD: usize = 3;
const ASSUMED_SPREAD: f64 = 0.03;

/// A difference within so many standard deviations of the runs is not a change.
const TOLERANCE: f64 = 2.0;

/// A relative change of the median that matters.
const EFFECT: f64 = 0.10;

/// In milliseconds: the scheduler of a busy host may take as long.
const FLOOR_MS: f64 = 5.0;

/// Whether a time got longer or shorter, or a gauge higher or lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeChange {
    /// It takes longer.
    Slower,
    /// It takes less.
    Faster,
    /// A gauge is higher: whether that is good, only a step can say.
    Higher,
    /// A gauge is lower.
    Lower,
}

/// Measurements of one side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// How many.
    pub count: usize,
    /// Their median: milliseconds, or the unit of a gauge.
    pub median_ms: f64,
}

/// A time or a gauge that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricChange {
    /// What was measured.
    pub metric: Metric,
    /// In the baseline.
    pub base: Measured,
    /// In the run.
    pub head: Measured,
    /// Relative change of the median: 0.3 is 30 % more.
    pub change: f64,
    /// The probability of such measurements if it changed by no more than runs differ, for this metric alone.
    pub p: f64,
    /// Slower or faster.
    pub direction: TimeChange,
}

/// All times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// The changes, the largest first.
    pub changes: Vec<MetricChange>,
    /// How many metrics were tested.
    pub compared: usize,
    /// How many metrics have too little data.
    pub too_few: usize,
    /// Times were not compared: the sides have another bench, broker or chips.
    #[serde(default)]
    pub elsewhere: bool,
}

struct Pair<'a> {
    metric: &'a Metric,
    base: Vec<f64>,
    head: Vec<f64>,
    /// The relative difference between runs of one firmware.
    tolerance: f64,
    /// The values are those of a gauge below zero, with the sign removed: changes are relative.
    is_negative: bool,
}

pub(super) fn compare(base: &[Record], head: &[Record]) -> Measurements {
    let same_place = base.last().zip(head.last()).is_some_and(|(base, head)| base.is_of_place(head));
    if !same_place {
        return Measurements { elsewhere: true, ..Measurements::default() };
    }
    let pairs = pairs(base, head);
    let (steps, boards): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|pair| pair.metric.kind == MetricKind::Step);
    let mut measurements = Measurements::default();
    test(boards, ALPHA_OF_BOARDS, &mut measurements);
    test(steps, ALPHA_OF_STEPS, &mut measurements);
    measurements.changes.sort_by(|a, b| b.change.total_cmp(&a.change));
    measurements
}

fn pairs<'a>(base: &'a [Record], head: &'a [Record]) -> Vec<Pair<'a>> {
    let mut sides: BTreeMap<&Metric, [Vec<&Vec<f64>>; 2]> = BTreeMap::new();
    for (side, records) in [base, head].into_iter().enumerate() {
        for (metric, values) in records.iter().flat_map(|record| &record.metrics) {
            sides.entry(metric).or_default()[side].push(values);
        }
    }
    let both = sides.into_iter().filter(|(_, [base, head])| !base.is_empty() && !head.is_empty());
    both.map(|(metric, [base, head])| {
        let tolerance = tolerance(&base, head.len());
        let values = |side: Vec<&Vec<f64>>| thinned(&side.into_iter().flatten().copied().collect::<Vec<_>>());
        let (mut base, mut head) = (values(base), values(head));
        let is_negative = base.iter().chain(&head).all(|value| *value < 0.0);
        if is_negative {
            base.iter_mut().chain(&mut head).for_each(|value| *value = -*value);
        }
        Pair { metric, base, head, tolerance, is_negative }
    })
    .collect()
}

/// From the medians of the baseline's runs, for the mean of this many runs on each side.
#[expect(clippy::cast_precision_loss, reason = "runs are far fewer than 2^52")]
fn tolerance(base: &[&Vec<f64>], head_runs: usize) -> f64 {
    let logs: Vec<f64> =
        base.iter().filter_map(|values| median(values)).map(f64::abs).filter(|it| *it > 0.0).map(f64::ln).collect();
    let runs = logs.len() as f64;
    let spread = if logs.len() < RUNS_FOR_SPREAD {
        ASSUMED_SPREAD
    } else {
        let mean = logs.iter().sum::<f64>() / runs;
        (logs.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (runs - 1.0)).sqrt()
    };
    TOLERANCE * spread * (1.0 / runs.max(1.0) + 1.0 / head_runs.max(1) as f64).sqrt()
}

fn test(mut pairs: Vec<Pair<'_>>, alpha: f64, measurements: &mut Measurements) {
    let all = pairs.len();
    // Fewer tested metrics make each test less strict, so this ends.
    loop {
        let before = pairs.len();
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let strict = alpha / before as f64;
        pairs.retain(|pair| least_p(pair.base.len(), pair.head.len()) <= strict);
        if pairs.len() == before {
            break;
        }
    }
    measurements.compared += pairs.len();
    measurements.too_few += all - pairs.len();
    for direction in [TimeChange::Slower, TimeChange::Faster] {
        let ps: Vec<_> = pairs.iter().map(|pair| pair.p(direction)).collect();
        let significant = holm(&ps, alpha);
        let changes = pairs.iter().zip(ps).zip(significant).filter(|(_, significant)| *significant);
        measurements.changes.extend(changes.filter_map(|((pair, p), _)| pair.change(direction, p)));
    }
}

impl Pair<'_> {
    fn p(&self, direction: TimeChange) -> f64 {
        let moved = |by: f64| self.base.iter().map(|value| value * by).collect::<Vec<_>>();
        match direction {
            TimeChange::Slower | TimeChange::Higher => probability_above(&moved(1.0 + self.tolerance), &self.head),
            TimeChange::Faster | TimeChange::Lower => {
                probability_above(&self.head, &moved(1.0 / (1.0 + self.tolerance)))
            }
        }
    }

    /// The change, if it matters.
    fn change(&self, direction: TimeChange, p: f64) -> Option<MetricChange> {
        let (was, is) = (median(&self.base)?, median(&self.head)?);
        let change = is / was - 1.0;
        let is_gauge = self.metric.kind == MetricKind::Gauge;
        let floor = if is_gauge { 0.0 } else { FLOOR_MS };
        if was <= 0.0 || change.abs() < EFFECT || (is - was).abs() < floor {
            return None;
        }
        let (sign, direction) = match (is_gauge, self.is_negative, direction) {
            (false, ..) => (1.0, direction),
            (true, false, TimeChange::Slower) => (1.0, TimeChange::Higher),
            (true, false, _) => (1.0, TimeChange::Lower),
            (true, true, TimeChange::Slower) => (-1.0, TimeChange::Lower),
            (true, true, _) => (-1.0, TimeChange::Higher),
        };
        Some(MetricChange {
            metric: self.metric.clone(),
            base: Measured { count: self.base.len(), median_ms: was * sign },
            head: Measured { count: self.head.len(), median_ms: is * sign },
            change: change * sign,
            p,
            direction,
        })
    }
}
