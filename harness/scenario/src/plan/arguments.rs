//! What is wrong with the arguments of a step, whatever bench it runs on.

use std::path::Path;
use std::str::FromStr as _;

use hil_config::nearest;
use hil_timeline::escaped;
use hil_verdict::{COMPONENTS, Component, JsonPath, NumberCondition, ResetCause, TextPattern, is_shown};

use super::problem::Wrong;
use crate::snapshot::{Rule, SnapshotFile};
use crate::spec::{Kind, Reading};

/// Everything that is wrong with the arguments of a step of a feature file.
pub(super) fn check(reading: &Reading, feature: &Path) -> Vec<Wrong> {
    let each = reading.arguments.iter().filter_map(|(kind, text)| check_one(*kind, text, feature).err());
    each.chain(check_packet(reading).err()).chain(check_group(reading).err()).collect()
}

fn check_one(kind: Kind, text: &str, feature: &Path) -> Result<(), Wrong> {
    match kind {
        Kind::Topic => check_topic(text),
        Kind::Filter => check_filter(text),
        Kind::Kept => check_kept(text),
        Kind::Filters => text.split(',').map(str::trim).try_for_each(check_outside),
        Kind::Pattern => check_pattern(text).map(drop),
        Kind::Shown => check_shown(text),
        Kind::Password => check_password(text),
        Kind::Cause => check_cause(text),
        Kind::Snapshot => check_snapshot(text, feature),
        Kind::Code => check_code(text).map(drop),
        Kind::Refusal => check_refusal(text),
        Kind::Rate => hil_mqtt::parse_rate(text).map(drop).map_err(|_| {
            Wrong::new(format!("`{text}` is not a rate"), "more than 0, as in `500 B/s`, `10 kB/s` or `1 MB/s`")
        }),
        Kind::Moment => hil_services::check_moment(text)
            .map_err(|what| Wrong::new(what, "example: `2038-01-19`, or `2038-01-19T03:14:07Z`")),
        Kind::Packet => check_packet_name(text),
        Kind::Count => check_count(text, 0, "is not a number of times"),
        Kind::Times => check_count(text, 1, "times is always true"),
        Kind::Path => check_path(text),
        Kind::Component => check_component(text),
        Kind::Gauge => check_gauge_name(text),
        Kind::Number => NumberCondition::parse(text).map(drop).map_err(Wrong::from),
        Kind::Period => check_count(text, 2, "time has no period"),
        Kind::Growth => check_count(text, 3, "attempts have no two pauses to compare"),
        Kind::Percent => match text.parse() {
            Ok(1..=100_u8) => Ok(()),
            _ => Err(Wrong::new(format!("`{text}` percent is out of range"), "from 1 to 100")),
        },
        Kind::Channel => match text.parse() {
            Ok(1..=14_u8) => Ok(()),
            _ => Err(Wrong::new(format!("`{text}` is no channel of the 2.4 GHz band"), "from 1 to 14")),
        },
        Kind::ExitCode => match text.parse::<u8>() {
            Ok(_) => Ok(()),
            Err(_) => Err(Wrong::new(format!("a program can't end with the code `{text}`"), "from 0 to 255")),
        },
        // Names are checked on the bench; the step's own syntax is enough for the rest.
        Kind::Board | Kind::Railed | Kind::Wireless | Kind::Resolving | Kind::Program | Kind::Chip => Ok(()),
        Kind::Firmware | Kind::Update | Kind::Pin | Kind::Driven => Ok(()),
        Kind::Text | Kind::Span | Kind::Drift | Kind::Direction | Kind::Qos | Kind::OnOff => Ok(()),
    }
}

fn check_topic(topic: &str) -> Result<(), Wrong> {
    hil_verdict::check_topic(topic).map_err(|reason| Wrong::new(format!("`{}` is not a topic", escaped(topic)), reason))
}

fn check_filter(filter: &str) -> Result<(), Wrong> {
    hil_verdict::check_filter(filter)
        .map_err(|reason| Wrong::new(format!("`{}` is not a topic filter", escaped(filter)), reason))
}

/// Retained messages are never sent for a shared subscription (MQTT 5 §4.8.2).
fn check_kept(filter: &str) -> Result<(), Wrong> {
    check_filter(filter)?;
    if filter.starts_with("$share/") {
        let hint = "write the filter without `$share/…/` (MQTT 5 §4.8.2)";
        return Err(Wrong::new(format!("no retained messages are sent for the shared subscription `{filter}`"), hint));
    }
    Ok(())
}

/// Nothing is outside of a filter that matches everything.
fn check_outside(filter: &str) -> Result<(), Wrong> {
    check_filter(filter)?;
    if filter == "#" {
        let hint = "name the topics that are allowed, as in `sooko/#`";
        return Err(Wrong::new("nothing is outside `#`: the step can't fail", hint));
    }
    Ok(())
}

/// Reads a pattern as a step does.
pub(super) fn check_pattern(text: &str) -> Result<TextPattern, Wrong> {
    TextPattern::parse(text)
        .map_err(|error| Wrong::new(format!("`{text}` is not a regular expression"), reason(&error)))
}

/// The last line of the library's message: the lines above it show the expression.
fn reason(error: &impl std::error::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// Refuses patterns that match every text, and those that match bytes: a console shows text.
fn check_shown(text: &str) -> Result<(), Wrong> {
    let pattern = check_pattern(text)?;
    if is_shown(&pattern, "") {
        let what = match text {
            "" => "a step that looks for an empty text can't fail".to_owned(),
            text => format!("`{text}` matches every text: a step that looks for it can't fail"),
        };
        return Err(Wrong::new(what, "write the text to look for: every text contains an empty one"));
    }
    Rule::show(&pattern, String::new())
        .map(drop)
        .map_err(|error| Wrong::new(format!("`{text}` matches bytes, but this is text"), reason(&error)))
}

/// Checks a password that the feature contains; one from the environment is checked with the bench.
fn check_password(text: &str) -> Result<(), Wrong> {
    if text.contains("${") { Ok(()) } else { check_length(text) }
}

pub(super) fn check_length(password: &str) -> Result<(), Wrong> {
    const LEAST: usize = hil_config::SHORTEST_SECRET;
    if password.chars().count() >= LEAST {
        return Ok(());
    }
    let hint = format!("use {LEAST} characters or more: hiding a shorter one would hide ordinary words in reports");
    Err(Wrong::new("the password is too short to be hidden", hint))
}

fn check_cause(text: &str) -> Result<(), Wrong> {
    if ResetCause::from_str(text).is_ok() {
        return Ok(());
    }
    let words: Vec<_> = ResetCause::WORDS.iter().map(|(word, _)| *word).collect();
    // Understands what a ROM prints as well.
    let known = Some(ResetCause::of(text)).filter(|cause| *cause != ResetCause::Other).map(ResetCause::word);
    let hint = match nearest(text, words.iter().copied()).or(known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of `{}`", words.join("`, `")),
    };
    Err(Wrong::new(format!("`{text}` is not a reset cause"), hint))
}

fn check_component(text: &str) -> Result<(), Wrong> {
    if Component::named(text).is_some() {
        return Ok(());
    }
    let words: Vec<_> = COMPONENTS.iter().map(|component| component.word).collect();
    let hint = match nearest(text, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of `{}`", words.join("`, `")),
    };
    Err(Wrong::new(format!("`{text}` is not a component of Home Assistant"), hint))
}

fn check_snapshot(name: &str, feature: &Path) -> Result<(), Wrong> {
    match SnapshotFile::of(feature, name) {
        Some(_) => Ok(()),
        None => {
            let hint = "use up to 100 letters, digits, `-`, `_` and `.`: it becomes a file name";
            Err(Wrong::new(format!("`{name}` is not a valid snapshot name"), hint))
        }
    }
}

fn check_code(text: &str) -> Result<u8, Wrong> {
    hil_mqtt::parse_code(text)
        .map_err(|_| Wrong::new(format!("`{text}` is not a code"), "from `0` to `255`, or from `0x00` to `0xff`"))
}

fn check_refusal(text: &str) -> Result<(), Wrong> {
    match check_code(text)? {
        0 => Err(Wrong::new(format!("code `{text}` is not a refusal"), "`0` means accepted (MQTT 3.1.1 §3.2.2.3)")),
        _ => Ok(()),
    }
}

fn check_packet_name(name: &str) -> Result<(), Wrong> {
    let names = hil_mqtt::PACKET_NAMES;
    if names.contains(&name) {
        return Ok(());
    }
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of `{}`", names.join("`, `")),
    };
    Err(Wrong::new(format!("MQTT has no packet `{name}`"), hint))
}

fn check_count(text: &str, least: u32, what: &str) -> Result<(), Wrong> {
    match text.parse::<u32>() {
        Ok(count) if count >= least => Ok(()),
        _ => Err(Wrong::new(format!("`{text}` {what}"), format!("ask for {least} or more"))),
    }
}

fn check_path(text: &str) -> Result<(), Wrong> {
    JsonPath::parse(text).map(drop).map_err(|reason| {
        let hint = "write `$.temp[0].value`, `temp.0.value` or `$[\"a b\"]`";
        Wrong::new(format!("`{text}` is not a path in a JSON text: {reason}"), hint)
    })
}

/// A gauge's name is also that of a group in a pattern.
fn check_gauge_name(name: &str) -> Result<(), Wrong> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    let hint = "use letters, digits and `_`: it is the name of a group, as in `(?<heap>\\d+)`";
    Err(Wrong::new(format!("`{name}` is not the name of a gauge"), hint))
}

/// A pattern that makes a gauge has a group for its values.
fn check_group(reading: &Reading) -> Result<(), Wrong> {
    let (Some(gauge), Some(text)) = (reading.first(Kind::Gauge), reading.first(Kind::Shown)) else { return Ok(()) };
    if check_pattern(text)?.names().any(|name| name == gauge) {
        return Ok(());
    }
    let hint = format!("write the number as `(?<{gauge}>\\d+)`, as in `\"/{gauge}: (?<{gauge}>\\d+)/\"`");
    Err(Wrong::new(format!("`{text}` has no group `{gauge}`"), hint))
}

/// Refuses a packet that is never sent in that direction (MQTT 5 §2.1.2), and a topic for one that has none.
fn check_packet(reading: &Reading) -> Result<(), Wrong> {
    const FROM_CLIENT: [&str; 4] = ["CONNECT", "SUBSCRIBE", "UNSUBSCRIBE", "PINGREQ"];
    const TO_CLIENT: [&str; 4] = ["CONNACK", "SUBACK", "UNSUBACK", "PINGRESP"];
    let (Some(packet), Some(direction)) = (reading.first(Kind::Packet), reading.first(Kind::Direction)) else {
        return Ok(());
    };
    if reading.first(Kind::Filter).is_some() && packet != "PUBLISH" && hil_mqtt::PACKET_NAMES.contains(&packet) {
        return Err(Wrong::new(format!("{packet} has no topic"), "only PUBLISH has one"));
    }
    let never = match direction {
        "to" if FROM_CLIENT.contains(&packet) => Some(("is never sent to a board", "from")),
        "from" if TO_CLIENT.contains(&packet) => Some(("is never sent by a board", "to")),
        _ => None,
    };
    match never {
        Some((what, preposition)) => {
            Err(Wrong::new(format!("{packet} {what}"), format!("write `{packet} {preposition}`")))
        }
        None => Ok(()),
    }
}
