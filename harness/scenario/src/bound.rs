//! A step about boards, made of one about roles.
//!
//! Steps say the role; everything below them knows boards. The text of a step is changed here, just before its function is
//! found, and nowhere else.

use cucumber::gherkin::Step;

use crate::binding::Binding;
use crate::forms;
use crate::plan::{names_firmware, reading};
use crate::quotes::map_named;

/// A step about the boards that play its roles.
pub(crate) fn bound(step: &Step, binding: &Binding) -> Step {
    if binding.is_empty() {
        return step.clone();
    }
    let board = |name: &str| binding.board(name).to_owned();
    // Steps of one's own don't say which of their texts are boards.
    let own = |before: &str, name: &str| if names_firmware(before) { name.to_owned() } else { board(name) };
    let value = match reading(step) {
        Some(_) => forms::with_boards(&step.value, board),
        None => map_named(&step.value, own),
    };
    Step { value, ..step.clone() }
}

#[cfg(test)]
mod tests {
    use cucumber::gherkin::StepType;

    use super::*;
    use crate::registry::bare_step;

    #[test]
    fn only_the_names_of_boards_change() {
        let binding =
            Binding::of([("lamp".to_owned(), "lamp-2".to_owned()), ("sensor".to_owned(), "sensor".to_owned())]);
        for (ty, text, expected) in [
            (
                StepType::Given,
                r#"the board "lamp" runs the firmware "lamp""#,
                r#"the board "lamp-2" runs the firmware "lamp""#,
            ),
            (StepType::When, r#"I publish "lamp" to "lamp""#, r#"I publish "lamp" to "lamp""#),
            (
                StepType::Then,
                r#"'lamp' publishes "lamp" to "lamp" within 2 s"#,
                r#"'lamp-2' publishes "lamp" to "lamp" within 2 s"#,
            ),
            (
                StepType::Then,
                r#"every message that "sensor" sends reaches "lamp" within 200 ms, in order"#,
                r#"every message that "sensor" sends reaches "lamp-2" within 200 ms, in order"#,
            ),
            (
                StepType::Then,
                r#"my own step of "lamp" with the firmware "lamp""#,
                r#"my own step of "lamp-2" with the firmware "lamp""#,
            ),
        ] {
            assert_eq!(bound(&bare_step(text, ty), &binding).value, expected);
        }
        assert_eq!((binding.board("lamp"), binding.board("x"), binding.name("lamp-2")), ("lamp-2", "x", "lamp"));
    }
}
