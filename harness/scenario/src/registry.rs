//! The registered steps, found by their text.

use std::path::Path;
use std::sync::LazyLock;

use cucumber::World as _;
use cucumber::gherkin::{self, Step, StepType};
use cucumber::step::Collection;
use hil_timeline::{StepInfo, StepKind};

use crate::origin::origin_of;
use crate::world::HilWorld;

/// All steps: built-in, and those of the crate that uses this one.
pub(crate) static STEPS: LazyLock<Collection<HilWorld>> = LazyLock::new(HilWorld::collection);

/// Whether a source file is one of those of the built-in steps.
pub(crate) fn is_built_in(path: &str) -> bool {
    static OUR_STEPS: LazyLock<String> = LazyLock::new(|| {
        let source = Path::new(file!()).parent().unwrap_or(Path::new(""));
        format!("{}/", source.join("steps").display())
    });
    path.starts_with(OUR_STEPS.as_str())
}

/// A step that is not in a file.
pub(crate) fn bare_step(text: &str, ty: StepType) -> Step {
    Step {
        keyword: String::new(),
        ty,
        value: text.to_owned(),
        docstring: None,
        table: None,
        span: gherkin::Span { start: 0, end: 0 },
        position: gherkin::LineCol { line: 0, col: 0 },
    }
}

/// Whether a text is a step of a kind. An ambiguous one counts as well.
pub(crate) fn is_defined(text: &str, ty: StepType) -> bool {
    !matches!(STEPS.find(&bare_step(text, ty)), Ok(None))
}

/// Whether a text is a step of any kind.
pub(crate) fn is_step(text: &str) -> bool {
    [StepType::Given, StepType::When, StepType::Then].into_iter().any(|ty| is_defined(text, ty))
}

/// A step as it is recorded.
pub(crate) fn step_info(step: &Step) -> StepInfo {
    let kind = match step.ty {
        StepType::Given => StepKind::Given,
        StepType::When => StepKind::When,
        StepType::Then => StepKind::Then,
    };
    StepInfo {
        keyword: step.keyword.trim().to_owned(),
        kind: Some(kind),
        text: step.value.clone(),
        line: step.position.line,
        table: step.table.as_ref().map(|table| table.rows.clone()),
        doc: step.docstring.clone(),
        part_of: origin_of(step),
    }
}
