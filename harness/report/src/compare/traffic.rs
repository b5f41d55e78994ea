//! What boards publish, announce and subscribe to, compared scenario by scenario.

use std::collections::{BTreeMap, BTreeSet};

use hil_timeline::Verdict;
use serde::{Deserialize, Serialize};

use crate::record::Record;

/// How traffic changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrafficKind {
    /// Another QoS, retain flag or will.
    Changed,
    /// Only in the run.
    New,
    /// Only in the baseline.
    Missing,
    /// At least twice, or at most half, as often.
    Rate,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrafficChange {
    /// The kind.
    pub kind: TrafficKind,
    /// In the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// In the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
    /// In how many scenarios.
    pub scenarios: usize,
    /// One of them.
    pub example: String,
}

/// A changed rate is reported only if it differs by this many messages.
const MESSAGES: u32 = 10;

/// Kind, before, after.
type Difference = (TrafficKind, Option<String>, Option<String>);

type Lines<'a> = BTreeMap<&'a str, u32>;

pub(super) fn compare(base: &[Record], head: &[Record]) -> Vec<TrafficChange> {
    let mut found: BTreeMap<Difference, Vec<&str>> = BTreeMap::new();
    let Some(newest) = head.last() else { return Vec::new() };
    for (scenario, verdict) in &newest.scenarios {
        let (was, is) = (lines(base, scenario), lines(head, scenario));
        let (Some(was), Some(is)) = (was, is) else { continue };
        // An aborted scenario lacks its later traffic.
        let whole = matches!(verdict, Verdict::Passed | Verdict::Flaky);
        for change in differences(&was, &is, whole) {
            found.entry(change).or_default().push(scenario);
        }
    }
    let change = |((kind, was, is), scenarios): ((TrafficKind, _, _), Vec<&str>)| TrafficChange {
        kind,
        was,
        is,
        scenarios: scenarios.len(),
        example: scenarios[0].to_owned(),
    };
    found.into_iter().map(change).collect()
}

/// The traffic of a scenario in all runs of a side that ran it.
struct Seen<'a> {
    /// The largest count of any run.
    any: Lines<'a>,
    /// The smallest count of any run.
    least: Lines<'a>,
    /// In every run, and not only in the last step, whose traffic may be cut off by chance.
    every: BTreeSet<&'a str>,
}

fn lines<'a>(records: &'a [Record], scenario: &str) -> Option<Seen<'a>> {
    let ran = records.iter().filter(|record| {
        matches!(record.scenarios.get(scenario), Some(Verdict::Passed | Verdict::Flaky | Verdict::Failed))
    });
    let empty = BTreeMap::new();
    let mut seen: Option<Seen<'a>> = None;
    for record in ran {
        let of: Lines<'a> = match record.traffic.get(scenario) {
            Some(lines) => lines.iter().map(|(line, count)| (line.as_str(), *count)).collect(),
            None => empty.clone(),
        };
        let every = of.iter().filter(|(_, count)| **count > 0).map(|(line, _)| *line).collect();
        seen = Some(match seen {
            None => Seen { least: of.clone(), any: of, every },
            Some(mut before) => {
                before.every = before.every.intersection(&every).copied().collect();
                for (line, least) in &mut before.least {
                    *least = (*least).min(of.get(line).copied().unwrap_or(0));
                }
                for (line, count) in of {
                    let most = before.any.entry(line).or_default();
                    *most = count.max(*most);
                }
                before
            }
        });
    }
    seen
}

fn differences(was: &Seen<'_>, is: &Seen<'_>, whole: bool) -> Vec<Difference> {
    let mut new: Vec<&str> = is.any.keys().filter(|line| !was.any.contains_key(**line)).copied().collect();
    let missing = was.every.iter().filter(|line| !is.any.contains_key(**line));
    let mut changes = Vec::new();
    for line in missing {
        match new.iter().position(|candidate| subject(candidate) == subject(line)) {
            Some(at) => {
                let now = new.remove(at).to_owned();
                changes.push((TrafficKind::Changed, Some((*line).to_owned()), Some(now)));
            }
            None if whole => changes.push((TrafficKind::Missing, Some((*line).to_owned()), None)),
            None => {}
        }
    }
    let certain = new.into_iter().filter(|line| is.every.contains(line));
    changes.extend(certain.map(|line| (TrafficKind::New, None, Some(line.to_owned()))));
    if whole {
        for (line, most) in &was.any {
            let (least, now) = (was.least.get(line).copied().unwrap_or(0), is.any.get(line).copied().unwrap_or(0));
            // A baseline may contain any numbers.
            let more = now >= most.saturating_mul(2) && now.saturating_sub(*most) >= MESSAGES;
            let less = now.saturating_mul(2) <= least && least.saturating_sub(now) >= MESSAGES && now > 0;
            if more || less {
                let before = if more { *most } else { least };
                let was = Some(format!("{line}: {before} times"));
                changes.push((TrafficKind::Rate, was, Some(format!("{now} times"))));
            }
        }
    }
    changes
}

/// The subject of a line, without its flags.
fn subject(line: &str) -> &str {
    if let Some((board, _)) = line.split_once(" announces ") {
        return board;
    }
    line.split_once(", QoS").map_or(line, |(subject, _)| subject)
}
