//! Times, with a test for whether they really changed.
//!
//! Of all metrics together, one comparison in a hundred may raise a false alarm at most. Half of that is for boards
//! (boot, reconnect, flash, latency by topic), half for the many steps, corrected for their number (Holm). A metric for
//! which even two sets that do not overlap would not be significant is not tested: of it nothing is known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{Metric, MetricKind, Record};
use crate::statistics::{holm, least_p, mann_whitney, median, thinned};

/// Share of comparisons in which anything may be a false alarm, for each of the two families.
const ALPHA: f64 = 0.005;

/// So many runs show how far a machine's good and bad days lie apart.
const RUNS_FOR_SPREAD: usize = 3;

/// A change that matters: of the median, where the baseline has [`RUNS_FOR_SPREAD`] runs, and where it has fewer.
const EFFECT: f64 = 0.10;
const EFFECT_OF_FEW: f64 = 0.25;

/// And in milliseconds: a busy host's scheduler takes as long.
const FLOOR_MS: f64 = 5.0;

/// Which way a time changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// It takes longer.
    Slower,
    /// It takes less.
    Faster,
}

/// Measurements of one side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// How many.
    pub count: usize,
    /// Their median, milliseconds.
    pub median_ms: f64,
}

/// A time that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricChange {
    /// What was measured.
    pub metric: Metric,
    /// In the baseline.
    pub base: Measured,
    /// In the run.
    pub head: Measured,
    /// Of the median: 0.3 is 30 % more.
    pub change: f64,
    /// How probable so great a difference is where nothing changed, for this metric alone.
    pub p: f64,
    /// Slower or faster.
    pub direction: Direction,
}

/// All times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// What changed, the worst first.
    pub changes: Vec<MetricChange>,
    /// How many metrics were tested.
    pub compared: usize,
    /// Of how many there is not enough data.
    pub too_few: usize,
}

struct Pair<'a> {
    metric: &'a Metric,
    base: Vec<f64>,
    head: Vec<f64>,
    /// Medians of the baseline's runs, one each.
    spread: Vec<f64>,
}

pub(super) fn compare(base: &[Record], head: &[Record]) -> Measurements {
    let pairs = pairs(base, head);
    let (steps, boards): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|pair| pair.metric.kind == MetricKind::Step);
    let mut measurements = Measurements::default();
    for family in [boards, steps] {
        test(family, &mut measurements);
    }
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
    both.map(|(metric, [base, head])| Pair {
        metric,
        spread: base.iter().filter_map(|values| median(values)).collect(),
        base: thinned(&base.into_iter().flatten().copied().collect::<Vec<_>>()),
        head: thinned(&head.into_iter().flatten().copied().collect::<Vec<_>>()),
    })
    .collect()
}

fn test(mut pairs: Vec<Pair<'_>>, measurements: &mut Measurements) {
    let all = pairs.len();
    // Fewer that are tested make the test of each less strict; so this comes to an end.
    loop {
        let before = pairs.len();
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let strict = ALPHA / before as f64;
        pairs.retain(|pair| least_p(pair.base.len(), pair.head.len()) <= strict);
        if pairs.len() == before {
            break;
        }
    }
    measurements.compared += pairs.len();
    measurements.too_few += all - pairs.len();
    let ps: Vec<_> = pairs.iter().map(|pair| mann_whitney(&pair.base, &pair.head)).collect();
    let significant = holm(&ps, ALPHA);
    let changes = pairs.iter().zip(ps).zip(significant).filter(|(_, significant)| *significant);
    measurements.changes.extend(changes.filter_map(|((pair, p), _)| pair.change(p)));
}

impl Pair<'_> {
    /// The change, where it is one that matters.
    fn change(&self, p: f64) -> Option<MetricChange> {
        let (was, is) = (median(&self.base)?, median(&self.head)?);
        if was <= 0.0 {
            return None;
        }
        let change = is / was - 1.0;
        let known_spread = self.spread.len() >= RUNS_FOR_SPREAD;
        let usual = self.spread.iter().any(|run| *run >= is) && self.spread.iter().any(|run| *run <= is);
        let effect = if known_spread { EFFECT } else { EFFECT_OF_FEW };
        if change.abs() < effect || (is - was).abs() < FLOOR_MS || (known_spread && usual) {
            return None;
        }
        Some(MetricChange {
            metric: self.metric.clone(),
            base: Measured { count: self.base.len(), median_ms: was },
            head: Measured { count: self.head.len(), median_ms: is },
            change,
            p,
            direction: if change > 0.0 { Direction::Slower } else { Direction::Faster },
        })
    }
}
