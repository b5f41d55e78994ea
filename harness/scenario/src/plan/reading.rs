//! The arguments of a step of a feature.

use cucumber::gherkin::Step;

use crate::captured::sampled;
use crate::forms;
use crate::registry::{STEPS, is_built_in};
use crate::spec::Reading;

/// Parses a built-in step. The arguments of custom steps are unknown.
pub(crate) fn reading(step: &Step) -> Option<Reading> {
    let step = sampled(step);
    match STEPS.find(&step) {
        Ok(Some((_, _, Some(location), _))) if is_built_in(location.path) => forms::read(&step),
        _ => None,
    }
}
