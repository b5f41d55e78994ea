//! Steps that look like an undefined one.

use cucumber::gherkin::StepType;

use crate::catalogue::{STEPS, StepDoc};
use crate::dispatch::bare_step;
use crate::plan::forms::{self, Below};
use crate::quotes::skeleton;

/// The examples of the catalogue that come nearest, best first.
pub(crate) fn nearest_steps(text: &str, most: usize) -> Vec<&'static str> {
    nearest_of(STEPS.iter(), text).take(most).collect()
}

/// The step that takes its text below it and comes nearest.
pub(crate) fn nearest_with_text(text: &str) -> Option<&'static str> {
    let takes_text = |step: &&StepDoc| {
        forms::read(&bare_step(step.text(), StepType::When)).is_some_and(|reading| reading.form.below == Below::Text)
    };
    nearest_of(STEPS.iter().filter(takes_text), text).next()
}

fn nearest_of(steps: impl Iterator<Item = &'static StepDoc>, text: &str) -> impl Iterator<Item = &'static str> {
    let wanted = skeleton(text);
    let mut scored: Vec<_> =
        steps.map(|step| (strsim::sorensen_dice(&wanted, &skeleton(step.text())), step.example)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().filter(|(likeness, _)| *likeness > 0.5).map(|(_, example)| example)
}
