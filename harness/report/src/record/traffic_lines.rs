//! What boards publish and announce, as lines that are compared between runs.

use std::collections::BTreeMap;

use hil_timeline::{Packet, QoS};

/// The maximum lines of traffic per scenario.
const MOST_LINES: usize = 300;

/// What the boards of a scenario published and announced, and how often.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Before the current step.
    before: BTreeMap<String, u32>,
    /// In the current step.
    now: BTreeMap<String, u32>,
}

impl Lines {
    pub(super) fn add(&mut self, line: String) {
        // A device with a new topic for each message must not fill the history.
        let known = self.before.contains_key(&line) || self.now.contains_key(&line);
        if known || self.before.len() + self.now.len() < MOST_LINES {
            *self.now.entry(line).or_default() += 1;
        }
    }

    /// Another step begins.
    pub(super) fn step(&mut self) {
        for (line, count) in std::mem::take(&mut self.now) {
            *self.before.entry(line).or_default() += count;
        }
    }

    /// The counts to keep.
    pub(super) fn kept(&self) -> BTreeMap<String, u32> {
        let mut kept = self.before.clone();
        for (line, count) in &self.now {
            // Traffic that was also seen before is not chance.
            kept.entry(line.clone()).and_modify(|before| *before += count).or_default();
        }
        kept
    }
}

/// The part of a packet that is compared between runs.
pub(super) fn traffic_line(board: &str, packet: &Packet) -> Option<String> {
    let flags = |qos: &QoS, retain: bool| format!("QoS {qos}{}", if retain { ", retained" } else { "" });
    match packet {
        Packet::Publish { topic, qos, retain, dup: false, .. } => {
            Some(format!("{board} publishes to `{topic}`, {}", flags(qos, *retain)))
        }
        Packet::Connect { will: Some(will), .. } => Some(format!(
            "{board} announces the will `{}` on `{}`, {}",
            will.payload,
            will.topic,
            flags(&will.qos, will.retain)
        )),
        Packet::Connect { will: None, .. } => Some(format!("{board} announces no will")),
        Packet::Subscribe { filters, .. } => {
            let filters: Vec<_> = filters.iter().map(|it| format!("`{}`, QoS {}", it.filter, it.qos)).collect();
            Some(format!("{board} subscribes to {}", filters.join(" and ")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_of_the_last_step_only_is_listed_and_not_counted() {
        let mut lines = Lines::default();
        lines.add("early".into());
        lines.step();
        for line in ["early", "late", "late"] {
            lines.add(line.into());
        }
        let kept: Vec<_> = lines.kept().into_iter().collect();
        assert_eq!(kept, [("early".to_owned(), 2), ("late".to_owned(), 0)]);
        lines.step();
        assert_eq!(lines.kept()["late"], 2, "another step came after it");
    }
}
