//! The components of Home Assistant that MQTT discovery supports, and the keys that each needs.

/// A component: the platform of an entity.
#[derive(Debug, PartialEq, Eq)]
pub struct Component {
    /// Its name in topics: `binary_sensor`.
    pub word: &'static str,
    /// The keys that its announcement must have.
    pub(super) needs: &'static [&'static str],
}

impl Component {
    /// The component of this name.
    #[must_use]
    pub fn named(word: &str) -> Option<&'static Self> {
        COMPONENTS.iter().find(|component| component.word == word)
    }
}

const fn component(word: &'static str, needs: &'static [&'static str]) -> Component {
    Component { word, needs }
}

/// All components, in alphabetical order.
pub const COMPONENTS: &[Component] = &[
    component("alarm_control_panel", &["command_topic", "state_topic"]),
    component("binary_sensor", &["state_topic"]),
    component("button", &["command_topic"]),
    component("camera", &["topic"]),
    component("climate", &[]),
    component("cover", &[]),
    component("device_automation", &["automation_type", "device", "subtype", "topic", "type"]),
    component("device_tracker", &[]),
    component("event", &["event_types", "state_topic"]),
    component("fan", &["command_topic"]),
    component("humidifier", &["command_topic", "target_humidity_command_topic"]),
    component("image", &[]),
    component("lawn_mower", &[]),
    component("light", &["command_topic"]),
    component("lock", &["command_topic"]),
    component("notify", &["command_topic"]),
    component("number", &["command_topic"]),
    component("scene", &["command_topic"]),
    component("select", &["command_topic", "options"]),
    component("sensor", &["state_topic"]),
    component("siren", &[]),
    component("switch", &["command_topic"]),
    component("tag", &["topic"]),
    component("text", &["command_topic"]),
    component("update", &[]),
    component("vacuum", &[]),
    component("valve", &[]),
    component("water_heater", &[]),
];
