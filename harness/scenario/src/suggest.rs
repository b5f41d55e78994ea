//! Steps that look like an undefined one.

use crate::catalogue::STEPS;

/// The examples of the catalogue that come nearest, best first.
pub(crate) fn nearest_steps(text: &str, most: usize) -> Vec<&'static str> {
    let wanted = skeleton(text);
    let mut scored: Vec<_> =
        STEPS.iter().map(|step| (strsim::sorensen_dice(&wanted, &skeleton(step.text())), step.example)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().filter(|(likeness, _)| *likeness > 0.5).take(most).map(|(_, example)| example).collect()
}

/// The words of a step without what stands in quotes: names don't make steps alike.
fn skeleton(text: &str) -> String {
    text.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}
