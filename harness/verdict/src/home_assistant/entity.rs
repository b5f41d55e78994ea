//! Reads announcements: abbreviations, the base topic, and the entities of a device.

use hil_timeline::{Payload, escaped};
use serde_json::{Map, Value};

use super::component::Component;
use crate::topic::{check_filter, check_topic};

/// One entity of an announcement.
#[derive(Debug, Default)]
pub(super) struct Entity {
    /// Its name in messages, if the announcement has several.
    name: Option<String>,
    keys: Map<String, Value>,
    /// Topics on which the device takes commands, with their keys.
    pub(super) commands: Vec<(String, String)>,
    /// Topics on which the device reports.
    pub(super) states: Vec<(String, String)>,
    pub(super) availability: Vec<Availability>,
    /// What is wrong with its form.
    wrong: Vec<String>,
}

/// How an entity shows that it is available.
#[derive(Debug)]
pub(super) struct Availability {
    pub(super) topic: String,
    pub(super) available: String,
    pub(super) not_available: String,
    /// The payload is not read through a template.
    pub(super) is_plain: bool,
}

/// Abbreviations of keys that have a meaning here. Home Assistant has many more; those of topics end in `_t`.
const SHORT: &[(&str, &str)] = &[
    ("atype", "automation_type"),
    ("avty", "availability"),
    ("avty_tpl", "availability_template"),
    ("cmps", "components"),
    ("cns", "connections"),
    ("dev", "device"),
    ("evt_typ", "event_types"),
    ("hum_cmd_t", "target_humidity_command_topic"),
    ("ids", "identifiers"),
    ("o", "origin"),
    ("ops", "options"),
    ("p", "platform"),
    ("pl_avail", "payload_available"),
    ("pl_not_avail", "payload_not_available"),
    ("stype", "subtype"),
    ("t", "topic"),
    ("uniq_id", "unique_id"),
    ("val_tpl", "value_template"),
];

/// Words in the abbreviated keys of topics.
const PARTS: &[(&str, &str)] = &[
    ("act", "action"),
    ("attr", "attributes"),
    ("avty", "availability"),
    ("bri", "brightness"),
    ("clr", "color"),
    ("cmd", "command"),
    ("curr", "current"),
    ("fx", "effect"),
    ("img", "image"),
    ("osc", "oscillation"),
    ("pct", "percentage"),
    ("pos", "position"),
    ("pr", "preset"),
    ("stat", "state"),
    ("temp", "temperature"),
    ("t", "topic"),
];

/// A key as the documentation writes it.
fn full(key: &str) -> String {
    if let Some((_, full)) = SHORT.iter().find(|(short, _)| *short == key) {
        return (*full).to_owned();
    }
    if !key.ends_with("_t") {
        return key.to_owned();
    }
    let part = |part: &'_ str| {
        PARTS.iter().find(|(short, _)| *short == part).map_or(part.to_owned(), |(_, full)| (*full).to_owned())
    };
    key.split('_').map(part).collect::<Vec<_>>().join("_")
}

fn expanded(keys: &Map<String, Value>) -> Map<String, Value> {
    keys.iter().map(|(key, value)| (full(key), value.clone())).collect()
}

/// The entities of an announcement that are of a component, and what is wrong with the announcement as a whole.
pub(super) fn read(prefix: &str, topic: &str, payload: &Payload, component: &Component) -> (Vec<Entity>, Vec<String>) {
    let levels: Vec<_> = topic[prefix.len() + 1..].split('/').collect();
    let mut wrong = Vec::new();
    // component, an optional node, object, config
    if !(3..=4).contains(&levels.len()) || levels[1..levels.len() - 1].iter().any(|level| !is_id(level)) {
        wrong.push("is not `PREFIX/COMPONENT/[NODE/]OBJECT/config`, with letters, digits, `_` and `-`".to_owned());
    }
    let keys = match serde_json::from_slice::<Value>(&payload.0) {
        Ok(Value::Object(keys)) => expanded(&keys),
        Ok(_) => return (Vec::new(), vec!["the payload is not a JSON object".to_owned()]),
        Err(error) => return (Vec::new(), vec![format!("the payload is not JSON: {error}")]),
    };
    if levels[0] != "device" {
        return (vec![Entity::new(None, keys)], wrong);
    }
    let entities = of_device(keys, component);
    // A device of other components says nothing about this one.
    if entities.is_empty() { (entities, Vec::new()) } else { (entities, wrong) }
}

fn is_id(level: &str) -> bool {
    !level.is_empty() && level.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// The entities of a device's announcement: what the root says holds for each of them.
fn of_device(mut root: Map<String, Value>, component: &Component) -> Vec<Entity> {
    let Some(Value::Object(components)) = root.remove("components") else { return Vec::new() };
    let is_complete = root.contains_key("origin") && root.contains_key("device");
    let of_component = |(name, keys): (String, Value)| {
        let Value::Object(keys) = keys else { return None };
        let keys = expanded(&keys);
        if keys.get("platform").and_then(Value::as_str) != Some(component.word) {
            return None;
        }
        let mut all = root.clone();
        all.extend(keys);
        let mut entity = Entity::new(Some(name), all);
        if !is_complete {
            entity.wrong.push("an announcement of a device needs `device` and `origin`".to_owned());
        }
        Some(entity)
    };
    components.into_iter().filter_map(of_component).collect()
}

impl Entity {
    fn new(name: Option<String>, mut keys: Map<String, Value>) -> Self {
        let base = keys.remove("~").as_ref().and_then(Value::as_str).map(str::to_owned);
        let mut entity = Self { name, ..Self::default() };
        for (key, value) in &keys {
            if key == "availability" {
                entity.read_availability(value, base.as_deref());
            } else if key == "topic" || key.ends_with("_topic") {
                entity.read_topic(key, value, base.as_deref());
            }
        }
        if let Some((_, topic)) = entity.states.iter().find(|(key, _)| key == "availability_topic").cloned() {
            entity.states.retain(|(key, _)| key != "availability_topic");
            entity.availability.push(Availability::new(topic, &keys, "availability_template"));
            if keys.contains_key("availability") {
                entity.wrong.push("has both `availability` and `availability_topic`".to_owned());
            }
        }
        entity.keys = keys;
        entity
    }

    fn read_availability(&mut self, value: &Value, base: Option<&str>) {
        let several = match value {
            Value::Array(several) => several.as_slice(),
            one => std::slice::from_ref(one),
        };
        for each in several {
            let keys = each.as_object().map(expanded).unwrap_or_default();
            match keys.get("topic").and_then(Value::as_str) {
                Some(topic) => {
                    let topic = with_base(topic, base);
                    self.availability.push(Availability::new(topic, &keys, "value_template"));
                }
                None => self.wrong.push("an entry of `availability` has no `topic`".to_owned()),
            }
        }
    }

    fn read_topic(&mut self, key: &str, value: &Value, base: Option<&str>) {
        let Some(topic) = value.as_str() else {
            self.wrong.push(format!("its `{}` is not a text", escaped(key)));
            return;
        };
        let topic = with_base(topic, base);
        let is_command = ["command", "set_position", "set_fan"].iter().any(|word| key.contains(word));
        let checked = if is_command { check_topic(&topic) } else { check_filter(&topic) };
        match checked {
            Err(reason) => {
                self.wrong.push(format!("its `{}`, `{}`, is not a topic: {reason}", escaped(key), escaped(&topic)))
            }
            Ok(()) if is_command => self.commands.push((key.to_owned(), topic)),
            Ok(()) => self.states.push((key.to_owned(), topic)),
        }
    }

    /// What is missing or wrong in its form.
    pub(super) fn lacking(&self, component: &Component) -> Vec<String> {
        let lacks = |key: &&&str| !self.keys.contains_key(**key);
        let missing = component.needs.iter().filter(lacks).map(|key| format!("has no `{key}`"));
        let mut wrong: Vec<_> = missing.chain(self.wrong.iter().cloned()).collect();
        if let Some(device) = self.keys.get("device") {
            let device = device.as_object().map(expanded).unwrap_or_default();
            let is_named =
                |key| device.get(key).is_some_and(|value| !matches!(value, Value::Array(all) if all.is_empty()));
            if !is_named("identifiers") && !is_named("connections") {
                wrong.push("its `device` has neither `identifiers` nor `connections`".to_owned());
            }
            if !self.keys.contains_key("unique_id") && component.word != "device_automation" && component.word != "tag"
            {
                wrong.push(
                    "has a `device`, but no `unique_id`: Home Assistant does not put it into the device".to_owned(),
                );
            }
        }
        match &self.name {
            Some(name) => wrong.into_iter().map(|problem| format!("`{}`: {problem}", escaped(name))).collect(),
            None => wrong,
        }
    }
}

impl Availability {
    fn new(topic: String, keys: &Map<String, Value>, template: &str) -> Self {
        let text = |key: &str, default: &str| keys.get(key).and_then(Value::as_str).unwrap_or(default).to_owned();
        let (available, not_available) =
            (text("payload_available", "online"), text("payload_not_available", "offline"));
        Self { topic, available, not_available, is_plain: !keys.contains_key(template) }
    }
}

/// A topic in which `~` at the beginning or the end stands for the base topic.
fn with_base(topic: &str, base: Option<&str>) -> String {
    let Some(base) = base else { return topic.to_owned() };
    if let Some(rest) = topic.strip_prefix('~') {
        return format!("{base}{rest}");
    }
    match topic.strip_suffix('~') {
        Some(rest) => format!("{rest}{base}"),
        None => topic.to_owned(),
    }
}
