//! Steps of the program that uses this crate.

use cucumber::Parameter as _;
use cucumber::codegen::{StepConstructor, WorldInventory, inventory};

use crate::parameters::{OnOff, Span, Text};
use crate::registry::is_built_in;
use crate::world::HilWorld;

/// A step that is not built in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnStep {
    /// The file that defines it, as its compiler saw it.
    pub file: &'static str,
    /// Its line.
    pub line: u32,
    /// `Given`, `When` or `Then`.
    pub keyword: &'static str,
    /// A regular expression for its text.
    pub pattern: String,
}

impl OwnStep {
    /// Its text as people read it: usual arguments as `{text}`, `{span}`, `{int}`.
    #[must_use]
    pub fn text(&self) -> String {
        let arguments = [
            (Text::REGEX, "{text}"),
            (Span::REGEX, "{span}"),
            (OnOff::REGEX, "{onoff}"),
            (r#""([^"\\]*(?:\\.[^"\\]*)*)"|'([^'\\]*(?:\\.[^'\\]*)*)'"#, "{string}"),
            (r"(?:-?\d+)|(?:\d+)", "{int}"),
            (r"[^\s]+", "{word}"),
        ];
        let text = self.pattern.strip_prefix('^').unwrap_or(&self.pattern);
        let text = text.strip_suffix('$').unwrap_or(text).to_owned();
        arguments.iter().fold(text, |text, (regex, word)| text.replace(&format!("({regex})"), word))
    }
}

/// Every step that is not built in, in the order of the files.
#[must_use]
pub fn own_steps() -> Vec<OwnStep> {
    let mut steps: Vec<_> = of::<<HilWorld as WorldInventory>::Given>("Given")
        .chain(of::<<HilWorld as WorldInventory>::When>("When"))
        .chain(of::<<HilWorld as WorldInventory>::Then>("Then"))
        .collect();
    steps.sort();
    steps
}

fn of<S>(keyword: &'static str) -> impl Iterator<Item = OwnStep>
where
    S: inventory::Collect + StepConstructor<HilWorld>,
{
    let step = move |step: &'static S| {
        let (location, regex, _) = step.inner();
        let own =
            || OwnStep { file: location.path, line: location.line, keyword, pattern: regex().as_str().to_owned() };
        (!is_built_in(location.path)).then(own)
    };
    inventory::iter::<S>.into_iter().filter_map(step)
}
