//! What each step takes: the only place that defines the kinds of its arguments.
//!
//! A form is a regular expression for the step's text in which `{kind}` marks an argument. A test requires a form for
//! every step of the catalogue, so that all arguments are checked.

use std::sync::LazyLock;

use cucumber::Parameter as _;
use cucumber::gherkin::Step;
use regex::{Regex, RegexSet};

use crate::parameters::{Code, FromOrTo, OnOff, PacketName, Rate, Span};
use crate::quotes::{QUOTED, unquote};

/// What an argument of a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Board,
    /// A board whose power the bench switches.
    Railed,
    /// A board that is a program.
    Program,
    /// A board with a chip, not a program.
    Chip,
    Firmware,
    Topic,
    Filter,
    /// A filter that the harness subscribes to for retained messages.
    Kept,
    /// Filters separated by commas that don't cover everything.
    Filters,
    Pattern,
    /// A pattern to find in a line of a console.
    Shown,
    Text,
    Pin,
    /// A pin that the bench drives.
    Driven,
    Password,
    Cause,
    Snapshot,
    Span,
    Code,
    /// A code that is not a success.
    Refusal,
    Rate,
    Packet,
    Direction,
    Count,
    /// At least two times.
    Period,
    /// At least three times.
    Growth,
    Percent,
    ExitCode,
    Qos,
    OnOff,
}

impl Kind {
    const WORDS: &[(&'static str, Self)] = &[
        ("board", Self::Board),
        ("railed", Self::Railed),
        ("program", Self::Program),
        ("chip", Self::Chip),
        ("firmware", Self::Firmware),
        ("topic", Self::Topic),
        ("filter", Self::Filter),
        ("kept", Self::Kept),
        ("filters", Self::Filters),
        ("pattern", Self::Pattern),
        ("shown", Self::Shown),
        ("text", Self::Text),
        ("pin", Self::Pin),
        ("driven", Self::Driven),
        ("password", Self::Password),
        ("cause", Self::Cause),
        ("snapshot", Self::Snapshot),
        ("span", Self::Span),
        ("code", Self::Code),
        ("refusal", Self::Refusal),
        ("rate", Self::Rate),
        ("packet", Self::Packet),
        ("direction", Self::Direction),
        ("count", Self::Count),
        ("period", Self::Period),
        ("growth", Self::Growth),
        ("percent", Self::Percent),
        ("exit", Self::ExitCode),
        ("qos", Self::Qos),
        ("onoff", Self::OnOff),
    ];

    /// Its syntax, the same as in the steps.
    fn regex(self) -> &'static str {
        match self {
            Self::Span => Span::REGEX,
            Self::Code | Self::Refusal => Code::REGEX,
            Self::Rate => Rate::REGEX,
            Self::Packet => PacketName::REGEX,
            Self::Direction => FromOrTo::REGEX,
            Self::Count | Self::Period | Self::Growth | Self::Percent | Self::ExitCode => r"-?\d+",
            Self::Qos => "[012]",
            Self::OnOff => OnOff::REGEX,
            _ => QUOTED,
        }
    }

    /// The value of an argument.
    fn read(self, written: &str) -> String {
        if self.regex() == QUOTED { unquote(written) } else { written.to_owned() }
    }

    /// Whether it names a board.
    pub(crate) fn is_board(self) -> bool {
        matches!(self, Self::Board | Self::Railed | Self::Program | Self::Chip)
    }
}

/// What follows below a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Below {
    Nothing,
    /// A literal text.
    Text,
    /// A text that is JSON.
    Json,
    /// Fields of a PUBLISH.
    Message,
    /// Fields of a CONNECT.
    Connect,
    /// Filters, with requested and granted QoS.
    Granted,
    /// One column of payloads to publish.
    Payloads,
    /// One column of patterns.
    Patterns,
}

impl Below {
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Json)
    }

    pub(crate) fn is_table(self) -> bool {
        !self.is_text() && self != Self::Nothing
    }
}

/// What a step asks of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ability {
    /// Only MQTT.
    Serve,
    /// To be stopped and started by the harness.
    Stop,
    /// Other settings for one scenario.
    Configure,
    Crash,
    Pause,
}

/// What a step expects of its boards' health; anything else is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expects {
    Nothing,
    /// Reboots, in the whole scenario.
    AnyReboot,
    /// Packets that break the protocol, in the whole scenario.
    AnyViolation,
    Reboot,
    /// Whatever causes it.
    BootLoop,
    /// The end of its program.
    End,
    /// A finding that contains the expected line.
    Line,
}

/// One step.
#[derive(Debug)]
pub(crate) struct Form {
    text: &'static str,
    pub(crate) below: Below,
    pub(crate) asks: Ability,
    pub(crate) expects: Expects,
}

const fn plain(text: &'static str) -> Form {
    Form { text, below: Below::Nothing, asks: Ability::Serve, expects: Expects::Nothing }
}

const fn above(text: &'static str, below: Below) -> Form {
    Form { below, ..plain(text) }
}

const fn broker(text: &'static str, asks: Ability) -> Form {
    Form { asks, ..plain(text) }
}

const fn expecting(text: &'static str, expects: Expects) -> Form {
    Form { expects, ..plain(text) }
}

static FORMS: &[Form] = &[
    plain("the board {board} (?:runs|is flashed with) the firmware {firmware}"),
    expecting("{board} may reboot", Expects::AnyReboot),
    expecting("{board} may break the protocol", Expects::AnyViolation),
    plain("{board} is connected"),
    plain("{board} has subscribed to {filter}"),
    broker("the broker requires the user {text} with the password {password}", Ability::Configure),
    broker(
        "the broker allows (?:everybody|the user {text}) to (?:read|write|read and write) {filter} only",
        Ability::Configure,
    ),
    broker("the broker takes no more than {count} connections?", Ability::Configure),
    broker("the broker keeps its state over a restart", Ability::Configure),
    broker("the broker requires client certificates", Ability::Configure),
    broker("the broker (?:stops|starts|restarts)", Ability::Stop),
    broker("the broker crashes", Ability::Crash),
    broker("the broker (?:is paused|goes on)", Ability::Pause),
    plain("I publish {text} to {topic}(?: with QoS {qos})?(?:, retained)?"),
    above("I publish to {topic}(?: with QoS {qos})?(?:, retained)?, one after another:", Below::Payloads),
    above("I publish to {topic}(?: with QoS {qos})?(?:, retained)? the text:", Below::Text),
    plain("the power of {railed} is (?:cut|cut for {span}|restored)"),
    plain("the board {board} is reset"),
    plain("the network of {board} goes silent(?: towards the (?:broker|board)| for {span})?"),
    plain("the network of {board} recovers"),
    plain("the network of {board} is delayed by {span}(?: ± {span})?"),
    plain("the network of {board} carries no more than {rate}"),
    plain("connections of {board} are (?:refused|accepted again)"),
    plain("the next CONNACK to {board} is held(?: for {span})?"),
    plain("the next CONNECT of {board} is answered with code {refusal}"),
    plain(
        "the next {packet}(?: on {filter})? {direction} {board} is (?:dropped|duplicated|corrupted|overtaken|delayed by {span})",
    ),
    plain("an? {packet} {direction} {board} is dropped within {span}"),
    plain("the connection of {board} is (?:closed|reset)"),
    plain("I type {text} at the console of {board}"),
    above("I type at the console of {board}:", Below::Text),
    plain("I press the button {driven} of {board} for {span}"),
    plain("the pin {driven} of {board} is driven {onoff}"),
    plain("the pin {pin} of {board} is {onoff} within {span}"),
    plain("the pin {pin} of {board} stays {onoff} for {span}"),
    plain("the pin {pin} of {board} pulses {count} times? within {span}"),
    plain("{board} publishes {pattern} to {filter}(?:, retained,)? within {span}"),
    above("{board} (?:publishes to|receives on) {filter} in this order within {span}:", Below::Patterns),
    above("{board} (?:publishes to|receives on) {filter} within {span} with:", Below::Message),
    above("{board} publishes to {filter} within {span} the JSON:", Below::Json),
    above("{board} publishes to {filter} within {span} the text:", Below::Text),
    plain(
        "{board} (?:publishes {pattern} to|receives {pattern} on) {filter} exactly once within {span}, settling for {span}",
    ),
    plain("{board} publishes {count} messages? to {filter} within {span}"),
    plain("{board} publishes {pattern} to {filter} {period} times, every {span} ± {span}"),
    plain("{board} publishes nothing for {span}"),
    plain("{board} does not publish to {filter} for {span}"),
    plain("{board} (?:publishes its|receives a) message again with DUP within {span}"),
    plain("{board} receives {pattern} on {filter} within {span}"),
    plain("{board} receives nothing on {filter} for {span}"),
    plain("{board} acknowledges the message within {span}"),
    plain("the broker acknowledges the message of {board} within {span}"),
    plain("{board} and the broker complete the QoS 2 exchange within {span}"),
    plain("{percent} percent of the acknowledgements of {board} take no more than {span}"),
    plain("{board} connects within {span}(?: and finds (?:its|no) session)?"),
    above("{board} (?:connects|asks to connect) within {span} with:", Below::Connect),
    plain("{board} connects over {pattern} within {span}"),
    plain("{board} is refused with code {refusal} within {span}"),
    plain("the connection of {board} is refused within {span}"),
    plain("the connection of {board} stays open for {span}"),
    plain("{board} (?:disconnects|goes without DISCONNECT) within {span}"),
    plain("the broker disconnects {board}(?: with code {code})? within {span}"),
    plain("{board} tries to connect {growth} times with growing pauses(?: of no more than {span})? within {span}"),
    plain("{board} tries to connect {period} times, every {span} ± {span}"),
    plain("{board} tries to connect no more than {count} times? a minute for {span}"),
    above("{board} subscribes within {span} to:", Below::Granted),
    plain("the subscription of {board} to {filter} is refused within {span}"),
    plain("{board} unsubscribes from {filter} within {span}"),
    plain("the will of {board} is published(?: exactly once)? on {topic}(?:, settling for {span})?"),
    plain("no will of {board} is published for {span}"),
    plain("a late subscriber to {kept} receives {pattern}, retained"),
    plain("nothing is retained on {kept}"),
    plain("a subscriber to {filter} receives {pattern} within {span}"),
    plain("nothing is published outside {filters} for {span}"),
    plain("every message that {board} sends(?: for {span})? reaches {board} within {span}, in order"),
    expecting("the program of {program} is (?:asked to end|killed)", Expects::End),
    expecting("the program of {program} ends with code {exit} within {span}", Expects::End),
    expecting(
        "the console of {board}(?: or {board})? shows {shown}(?: within {span}| exactly once within {span}, settling for {span})",
        Expects::Line,
    ),
    expecting("{board} reboots once within {span}", Expects::Reboot),
    expecting("{chip} boot-loops within {span}", Expects::BootLoop),
    plain("{board} does not reboot for {span}"),
    expecting("the reset cause of {chip} is {cause} within {span}", Expects::Reboot),
    plain("the flashing of {chip} was skipped"),
    plain("snapshots of the traffic leave out the topic {filter}"),
    plain("snapshots of the traffic show {shown} as {text}"),
    plain("the traffic of {board} matches the snapshot {snapshot}"),
];

/// A step's text, read by its form.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) form: &'static Form,
    /// In the order of the text, without omitted optional ones.
    pub(crate) arguments: Vec<(Kind, String)>,
}

impl Reading {
    /// The arguments of a kind.
    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.arguments.iter().filter(move |(of, _)| *of == kind).map(|(_, text)| text.as_str())
    }

    /// The boards that the step names.
    pub(crate) fn boards(&self) -> impl Iterator<Item = &str> {
        self.arguments.iter().filter(|(kind, _)| kind.is_board()).map(|(_, text)| text.as_str())
    }

    /// The first argument of a kind.
    pub(crate) fn first(&self, kind: Kind) -> Option<&str> {
        self.all(kind).next()
    }
}

/// A form, ready to be matched: each argument is a group.
struct Compiled {
    form: &'static Form,
    regex: Regex,
    kinds: Vec<Kind>,
}

static COMPILED: LazyLock<Vec<Compiled>> = LazyLock::new(|| FORMS.iter().filter_map(compile).collect());

/// All forms at once, to find those that match in one pass.
static ANY: LazyLock<Option<RegexSet>> =
    LazyLock::new(|| RegexSet::new(COMPILED.iter().map(|compiled| compiled.regex.as_str())).ok());

fn compile(form: &'static Form) -> Option<Compiled> {
    let (mut regex, mut kinds) = (String::from("^"), Vec::new());
    let mut rest = form.text;
    while let Some((before, after)) = rest.split_once('{') {
        let (word, after) = after.split_once('}')?;
        let (_, kind) = Kind::WORDS.iter().find(|(known, _)| *known == word)?;
        regex.extend([before, "(", kind.regex(), ")"]);
        kinds.push(*kind);
        rest = after;
    }
    regex.push_str(rest);
    regex.push('$');
    Some(Compiled { form, regex: Regex::new(&regex).ok()?, kinds })
}

/// Parses a built-in step by its form.
pub(crate) fn read(step: &Step) -> Option<Reading> {
    readings(&step.value).next()
}

fn readings(text: &str) -> impl Iterator<Item = Reading> {
    let matching = ANY.iter().flat_map(move |any| any.matches(text)).filter_map(|n| COMPILED.get(n));
    matching.filter_map(move |compiled| {
        let captures = compiled.regex.captures(text)?;
        let argument = |(n, kind): (usize, &Kind)| Some((*kind, kind.read(captures.get(n + 1)?.as_str())));
        let arguments = compiled.kinds.iter().enumerate().filter_map(argument).collect();
        Some(Reading { form: compiled.form, arguments })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_a_regular_expression_over_kinds() {
        for form in FORMS {
            assert!(compile(form).is_some(), "{}", form.text);
        }
    }

    #[test]
    fn every_step_has_one_form() {
        for step in crate::catalogue::steps() {
            let found: Vec<_> = readings(step.text()).map(|reading| reading.form.text).collect();
            assert_eq!(found.len(), 1, "{}: {found:?}", step.example);
        }
    }

    /// Variants of steps in addition to the examples of the catalogue.
    #[test]
    fn every_variant_of_a_step_has_one_form() {
        for text in [
            r#"I publish "on" to "t", retained"#,
            r#"I publish to "t" with QoS 2, retained the text:"#,
            r#"the broker allows everybody to read and write "%c/#" only"#,
            r#"the next CONNACK to "lamp" is held"#,
            r#"the next PUBLISH on "a/#" to "lamp" is delayed by 2 s"#,
            r#"the network of "lamp" goes silent towards the board"#,
            r#"the broker disconnects "lamp" within 2 s"#,
            r#"an UNSUBACK to "lamp" is dropped within 1 s"#,
            r#"'lamp' publishes '{"a": 1}' to 't' within 1 s"#,
            r#""lamp" publishes "{\"a\": 1}" to "t" within 1 s"#,
            r#"I publish "a\\" to "t""#,
        ] {
            let found: Vec<_> = readings(text).map(|reading| reading.form.text).collect();
            assert_eq!(found.len(), 1, "{text}: {found:?}");
        }
        let read = readings(r#"I publish "a\\" to "t""#).next().expect("a form");
        assert_eq!((read.first(Kind::Text), read.first(Kind::Topic)), (Some("a\\"), Some("t")));
    }
}
