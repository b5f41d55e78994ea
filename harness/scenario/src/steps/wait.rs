//! Waiting for nothing in particular.

use cucumber::when;

use crate::error::StepError;
use crate::parameters::Span;
use crate::spec::StepSpec;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[StepSpec::new(
    "I wait {span}",
    &[(
        "When I wait 2 s",
        "Discouraged: a `Then` with a time waits for what it names, and no longer. Deadlines count from the end of the \
         wait; what came since the action before it still matches.",
    )],
)];

#[when(expr = "I wait {span}")]
async fn wait(world: &mut HilWorld, span: Span) -> Result<(), StepError> {
    world.stage()?.wait(span.0).await;
    Ok(())
}
