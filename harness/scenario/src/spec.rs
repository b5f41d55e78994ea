//! What a step is, apart from its function: its text, its examples, what it takes below its line, what it asks of the
//! broker, and what it expects of its boards. `hil steps`, the documentation and the checks before a run are made of it.

mod below;
mod kind;

pub use below::BelowDoc;
pub(crate) use below::Takes;
pub(crate) use kind::{Kind, expanded};

/// A step, or a few that differ only in a word.
#[derive(Debug)]
pub(crate) struct StepSpec {
    /// A regular expression for the step's text in which `{kind}` marks an argument, see [`Kind::WORDS`].
    pub(crate) text: &'static str,
    /// Whole lines of a feature, each with what it does.
    examples: &'static [(&'static str, &'static str)],
    pub(crate) below: Option<&'static BelowDoc>,
    pub(crate) asks: Ability,
    pub(crate) expects: Expects,
    /// What it changes about the access point.
    pub(crate) air: Air,
    /// The named groups of its patterns capture what they match, for later steps.
    pub(crate) captures: bool,
    /// Names that it captures in any case.
    pub(crate) gives: &'static [&'static str],
}

impl StepSpec {
    /// A step that takes nothing below its line, asks nothing special of the broker and expects healthy boards.
    pub(crate) const fn new(text: &'static str, examples: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            text,
            examples,
            below: None,
            asks: Ability::Serve,
            expects: Expects::Nothing,
            air: Air::Nothing,
            captures: false,
            gives: &[],
        }
    }

    /// With what it takes below its line.
    pub(crate) const fn above(self, below: &'static BelowDoc) -> Self {
        Self { below: Some(below), ..self }
    }

    /// With what it asks of the broker.
    pub(crate) const fn asking(self, asks: Ability) -> Self {
        Self { asks, ..self }
    }

    /// With what it expects of its boards' health.
    pub(crate) const fn expecting(self, expects: Expects) -> Self {
        Self { expects, ..self }
    }

    /// With what it changes about the access point of all boards.
    pub(crate) const fn changing(self, air: Air) -> Self {
        Self { air, ..self }
    }

    /// The named groups of its patterns capture what they match.
    pub(crate) const fn capturing(self) -> Self {
        Self { captures: true, ..self }
    }

    /// With the names that it captures in any case.
    pub(crate) const fn giving(self, gives: &'static [&'static str]) -> Self {
        Self { gives, ..self }
    }

    /// Its examples.
    pub(crate) fn docs(&self) -> impl Iterator<Item = StepDoc> {
        self.examples.iter().map(|(example, about)| StepDoc { example, about, below: self.below, text: self.text })
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

/// What a step changes about the access point of the boards of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Air {
    Nothing,
    /// Whether its network is on air.
    Presence,
    Password,
    Channel,
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

/// One way to write a step.
#[derive(Debug, Clone, Copy)]
pub struct StepDoc {
    /// A whole line of a feature.
    pub example: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What it takes below its line.
    pub below: Option<&'static BelowDoc>,
    /// The step's text, as in [`StepSpec`].
    text: &'static str,
}

impl StepDoc {
    /// A regular expression for the step's text, each argument a group, as Cucumber's tools for editors take it.
    #[must_use]
    pub fn pattern(&self) -> String {
        kind::expanded(self.text).map(|(pattern, _)| pattern).unwrap_or_default()
    }

    /// What the groups of the pattern are: `board`, `topic`, `span`.
    #[must_use]
    pub fn arguments(&self) -> Vec<&'static str> {
        let words = |text: &'static str| text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
        words(self.text).collect()
    }

    /// Whether its text, subject or description has all of these words, in any case.
    fn has(&self, subject: &str, words: &[String]) -> bool {
        let below = self.below.map(BelowDoc::words).unwrap_or_default();
        has_words(&[subject, self.example, self.about, &below], words)
    }

    /// `Given`, `When` or `Then`.
    #[must_use]
    pub fn keyword(&self) -> &'static str {
        self.example.split_once(' ').map_or("", |(keyword, _)| keyword)
    }

    /// The line without its keyword.
    #[must_use]
    pub fn text(&self) -> &'static str {
        self.example.split_once(' ').map_or("", |(_, text)| text)
    }
}

/// Whether the texts together have all of these words, in any case.
#[must_use]
pub fn has_words(texts: &[&str], words: &[String]) -> bool {
    let texts = texts.join("\n").to_lowercase();
    words.iter().all(|word| texts.contains(&word.to_lowercase()))
}

/// Steps about one topic.
#[derive(Debug, Clone, Copy)]
pub struct StepGroup {
    /// The topic, as a heading.
    pub name: &'static str,
    /// Those of each file.
    files: &'static [&'static [StepSpec]],
}

impl StepGroup {
    /// The steps of these files, in their order.
    pub(crate) const fn new(name: &'static str, files: &'static [&'static [StepSpec]]) -> Self {
        Self { name, files }
    }

    /// Its steps, in the order in which they are shown.
    pub fn steps(&self) -> impl Iterator<Item = StepDoc> {
        self.specs().flat_map(StepSpec::docs)
    }

    /// Its steps that have all of these words, each in all ways to write it: their descriptions refer to each other.
    pub fn steps_with(&self, words: &[String]) -> impl Iterator<Item = StepDoc> {
        self.specs().filter(|spec| spec.docs().any(|step| step.has(self.name, words))).flat_map(StepSpec::docs)
    }

    pub(crate) fn specs(&self) -> impl Iterator<Item = &'static StepSpec> + use<> {
        self.files.iter().copied().flatten()
    }
}

/// A step's text, with its arguments.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) spec: &'static StepSpec,
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
