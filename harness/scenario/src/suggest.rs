//! Steps that look like an undefined one.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::catalogue::steps;
use crate::quotes::{Part, parts, skeleton};
use crate::spec::{StepDoc, Takes};

/// A step of the catalogue, ready to be compared.
struct Known {
    step: StepDoc,
    skeleton: String,
    takes_text: bool,
}

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let known = |step: StepDoc| {
        let takes_text = step.below.is_some_and(|below| matches!(below.takes, Takes::Text));
        Known { step, skeleton: skeleton(step.text()), takes_text }
    };
    steps().map(known).collect()
});

/// The steps most like a text: up to two, and one that takes its text below it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Near {
    pub(crate) steps: Vec<StepDoc>,
    pub(crate) with_text: Option<StepDoc>,
}

/// The examples of the catalogue that are most like a text, best first. Cached: an outline repeats the same text.
pub(crate) fn near(text: &str) -> Near {
    static ASKED: LazyLock<Mutex<HashMap<String, Near>>> = LazyLock::new(Mutex::default);
    let wanted = skeleton(text);
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    asked.entry(wanted).or_insert_with_key(|wanted| look(text, wanted)).clone()
}

fn look(text: &str, wanted: &str) -> Near {
    let by = |wanted: &str, of: &dyn Fn(&Known) -> String| {
        let mut scored: Vec<_> = KNOWN.iter().map(|known| (strsim::sorensen_dice(wanted, &of(known)), known)).collect();
        scored.retain(|(likeness, _)| *likeness > 0.5);
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.into_iter().map(|(_, known)| known).collect::<Vec<_>>()
    };
    let mut found = by(wanted, &|known| known.skeleton.clone());
    if found.is_empty() {
        // An unclosed quote hides the text after it.
        found = by(beginning(text), &|known| beginning(known.step.text()).to_owned());
    }
    Near {
        steps: found.iter().take(2).map(|known| known.step).collect(),
        with_text: found.iter().find(|known| known.takes_text).map(|known| known.step),
    }
}

/// The text before the first quote.
fn beginning(text: &str) -> &str {
    text.split(['"', '\'']).next().unwrap_or_default()
}

/// Whether the quotes of a step may be wrong: nested in a text, or unbalanced.
pub(crate) fn has_odd_quotes(text: &str) -> bool {
    let parts = parts(text);
    let in_single = parts.iter().any(|part| matches!(part, Part::Quoted(quoted) if quoted.starts_with('\'')));
    text.contains(['{', '[', '\\', '“', '”', '‘', '’'])
        || !text.matches('"').count().is_multiple_of(2)
        || in_single && !text.matches('\'').count().is_multiple_of(2)
}
