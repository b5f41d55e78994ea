//! The World that steps work on.

use std::sync::Arc;

use hil_timeline::{Recorder, ScenarioKey, Verdict};
use tokio::time::Instant;

use crate::binding::Binding;
use crate::context::RunContext;
use crate::course::Course;
use crate::error::StepError;
use crate::expectations::Expectations;
use crate::stage::Stage;
use crate::turn::Turn;

/// One scenario's World: its stage, and the results of its steps.
#[derive(Debug, Default, cucumber::World)]
pub struct HilWorld {
    pub(crate) inner: Option<Scene>,
}

/// What the runner keeps about a scenario.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) context: Arc<RunContext>,
    pub(crate) course: Arc<Course>,
    pub(crate) recorder: Recorder,
    pub(crate) stage: Result<Stage, StepError>,
    /// Released when the end of the scenario is recorded.
    pub(crate) turn: Option<Turn>,
    /// Which board plays each of its roles.
    pub(crate) binding: Binding,
    /// Path, line and name of the scenario.
    pub(crate) key: ScenarioKey,
    pub(crate) tags: Vec<String>,
    pub(crate) steps: usize,
    pub(crate) steps_done: usize,
    /// What the steps expect of the boards' health.
    pub(crate) expectations: Arc<Expectations>,
    pub(crate) verdict: Verdict,
    pub(crate) failure: Option<StepError>,
    pub(crate) deadline: Instant,
}

impl Scene {
    /// It did not pass.
    pub(crate) fn fail(&mut self, error: StepError) {
        self.verdict = error.verdict();
        self.failure = Some(error);
    }
}

impl HilWorld {
    /// The path of this scenario's feature file, as given.
    pub(crate) fn feature(&self) -> Result<&str, StepError> {
        let scene = self.inner.as_ref().ok_or_else(|| StepError::errored("the step runs outside of `hil`"))?;
        Ok(&scene.key.0)
    }

    /// The stage of this scenario: its boards, broker, observer and timeline.
    ///
    /// # Errors
    /// When the stage could not be opened; the error says why.
    pub fn stage(&mut self) -> Result<&mut Stage, StepError> {
        let scene = self.inner.as_mut().ok_or_else(|| StepError::errored("the step runs outside of `hil`"))?;
        scene.stage.as_mut().map_err(|error| error.clone())
    }
}
