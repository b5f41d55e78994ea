//! What a device announces to Home Assistant by MQTT discovery, and whether it does what it announces.
//!
//! The rules follow the documentation of Home Assistant's MQTT integration and of its MQTT platforms
//! (`home-assistant/home-assistant.io`, `source/_integrations/mqtt.markdown` and `*.mqtt.markdown`, read in November
//! 2026), device discovery included. Keys that these rules do not know are not judged: Home Assistant ignores them too.

mod component;
mod entity;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use hil_timeline::{Packet, Payload, RunEvent, Will, escaped};

pub use self::component::{COMPONENTS, Component};
use self::entity::Entity;
use crate::session::Session;
use crate::topic::topic_matches;

/// The first level of discovery topics, unless Home Assistant is configured otherwise.
pub const DISCOVERY_PREFIX: &str = "homeassistant";

/// What a board has announced so far, and what of it is used.
#[derive(Debug, Clone)]
pub struct Announced {
    board: String,
    component: &'static Component,
    prefix: String,
    /// The latest payload on each discovery topic of the component, and whether it is retained.
    announcements: BTreeMap<String, (Payload, bool)>,
    /// Other discovery topics, for the message.
    others: BTreeSet<String>,
    use_of_topics: Used,
}

/// How a board uses topics.
#[derive(Debug, Clone, Default)]
struct Used {
    session: Session,
    will: Option<Will>,
    /// The payloads that it published, by topic.
    published: BTreeMap<String, Vec<Payload>>,
}

impl Announced {
    /// The announcements of a board as a component, such as a light, below a prefix.
    #[must_use]
    pub fn new(board: &str, component: &'static Component, prefix: &str) -> Self {
        let (announcements, others, use_of_topics) = (BTreeMap::new(), BTreeSet::new(), Used::default());
        Self { board: board.to_owned(), component, prefix: prefix.to_owned(), announcements, others, use_of_topics }
    }

    /// Takes the next record.
    pub fn take(&mut self, event: &RunEvent) {
        if event.what.board() != Some(&self.board) {
            return;
        }
        self.use_of_topics.session.take(event);
        match event.what.sent_by_board() {
            Some((_, _, Packet::Connect { will, .. })) => self.use_of_topics.will.clone_from(will),
            Some((_, _, Packet::Publish { topic, payload, retain, .. })) => self.publish(topic, payload, *retain),
            _ => {}
        }
    }

    fn publish(&mut self, topic: &str, payload: &Payload, retain: bool) {
        let payloads = self.use_of_topics.published.entry(topic.to_owned()).or_default();
        if payloads.last() != Some(payload) {
            payloads.push(payload.clone());
        }
        let Some(rest) = topic.strip_prefix(&self.prefix).and_then(|rest| rest.strip_prefix('/')) else { return };
        let Some(rest) = rest.strip_suffix("/config") else { return };
        let is_device = rest.starts_with("device/");
        if rest.split('/').next() != Some(self.component.word) && !is_device {
            self.others.insert(topic.to_owned());
        } else if payload.0.is_empty() {
            // An empty payload removes the entity.
            self.announcements.remove(topic);
        } else {
            self.announcements.insert(topic.to_owned(), (payload.clone(), retain));
        }
    }

    /// What is wrong with the announcements so far; nothing if there is one and all of them are right.
    #[must_use]
    pub fn wrong(&self) -> Vec<String> {
        let (mut wrong, mut entities) = (Vec::new(), 0);
        for (topic, (payload, retain)) in &self.announcements {
            let (found, problems) = entity::read(&self.prefix, topic, payload, self.component);
            let is_ours = !found.is_empty() || !topic[self.prefix.len()..].starts_with("/device/");
            entities += found.len();
            let problems = problems.into_iter().chain(found.iter().flat_map(|entity| self.judged(entity)));
            let retained =
                (!retain && is_ours).then(|| "is not retained: Home Assistant needs it when it starts".into());
            wrong.extend(
                retained.into_iter().chain(problems).map(|problem: String| format!("`{}`: {problem}", escaped(topic))),
            );
        }
        if entities == 0 && wrong.is_empty() {
            let other: Vec<_> = self.others.iter().map(|topic| format!("`{}`", escaped(topic))).collect();
            let other = if other.is_empty() { String::new() } else { format!(", only {}", other.join(", ")) };
            wrong.push(format!("nothing was published to `{}/{}/…/config`{other}", self.prefix, self.component.word));
        }
        wrong
    }

    fn judged(&self, entity: &Entity) -> Vec<String> {
        let used = &self.use_of_topics;
        let mut wrong = entity.lacking(self.component);
        for (key, topic) in &entity.commands {
            if !used.session.receives(topic) {
                wrong.push(format!("the board is not subscribed to `{}`, its `{}`", escaped(topic), escaped(key)));
            }
        }
        for (key, topic) in &entity.states {
            if used.payloads(topic).next().is_none() {
                wrong.push(format!("the board has published nothing to `{}`, its `{}`", escaped(topic), escaped(key)));
            }
        }
        wrong.extend(entity.availability.iter().filter_map(|availability| used.availability(availability)));
        wrong
    }
}

impl Used {
    fn payloads<'a>(&'a self, filter: &'a str) -> impl Iterator<Item = &'a Payload> {
        let on = self.published.iter().filter(move |(topic, _)| topic_matches(filter, topic));
        on.flat_map(|(_, payloads)| payloads)
    }

    /// What is wrong with how the board shows that it is available.
    fn availability(&self, wanted: &entity::Availability) -> Option<String> {
        let entity::Availability { topic, available, not_available, is_plain } = wanted;
        let shown = escaped(topic);
        let Some(last) = self.payloads(topic).last() else {
            return Some(format!("the board has published nothing to `{shown}`, its availability topic"));
        };
        if *is_plain && !self.payloads(topic).any(|payload| payload.0 == available.as_bytes()) {
            return Some(format!(
                "the board published `{last}` to `{shown}`; it is available only with `{}`",
                escaped(available)
            ));
        }
        match &self.will {
            Some(will) if topic_matches(topic, &will.topic) => {
                let is_wrong = *is_plain && will.payload.0 != not_available.as_bytes();
                is_wrong.then(|| {
                    format!(
                        "the will on `{shown}` is `{}`; it is unavailable only with `{}`",
                        will.payload,
                        escaped(not_available)
                    )
                })
            }
            _ => Some(format!("the board has no will on `{shown}`: without power it would stay available")),
        }
    }
}
