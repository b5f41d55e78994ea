//! Which composite step a step comes from.
//!
//! Cucumber hands steps through unchanged and has no field for this. The span of a step, which nothing else uses, holds a
//! number of this list.

use std::sync::{Mutex, PoisonError};

use cucumber::gherkin::{Span, Step};
use hil_timeline::PartOf;

static KNOWN: Mutex<Vec<PartOf>> = Mutex::new(Vec::new());

/// The span for a part of a composite step.
pub(crate) fn span_of(part: PartOf) -> Span {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let at = known.iter().position(|other| *other == part).unwrap_or_else(|| {
        known.push(part);
        known.len() - 1
    });
    Span { start: at + 1, end: at + 1 }
}

/// The composite step that a step is a part of.
pub(crate) fn origin_of(step: &Step) -> Option<PartOf> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get(step.span.start.checked_sub(1)?).cloned()
}
