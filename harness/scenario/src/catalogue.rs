//! Every step with an example: the source of `hil steps`, suggestions and documentation.

mod below;
mod list;

pub use below::BelowDoc;
pub use list::GROUPS;

/// One way to write a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepDoc {
    /// A whole line of a feature.
    pub example: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What it takes below its line.
    pub below: Option<&'static BelowDoc>,
}

/// Steps about one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepGroup {
    /// The topic, as a heading.
    pub name: &'static str,
    /// Its steps.
    pub steps: &'static [StepDoc],
}

impl StepDoc {
    /// `Given`, `When` or `Then`.
    #[must_use]
    pub fn keyword(&self) -> &'static str {
        self.example.split_once(' ').map_or("", |(keyword, _)| keyword)
    }

    /// The line without its keyword.
    #[must_use]
    pub fn text(&self) -> &'static str {
        self.example.split_once(' ').map_or("", |(_, text)| text)
    }
}

const fn doc(example: &'static str, about: &'static str) -> StepDoc {
    StepDoc { example, about, below: None }
}

const fn with(example: &'static str, about: &'static str, below: &'static BelowDoc) -> StepDoc {
    StepDoc { example, about, below: Some(below) }
}

/// Every step, in the order in which they are shown.
pub fn steps() -> impl Iterator<Item = &'static StepDoc> {
    GROUPS.iter().flat_map(|group| group.steps)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cucumber::codegen::{StepConstructor, WorldInventory};
    use cucumber::gherkin::StepType;

    use super::*;
    use crate::registry::bare_step;
    use crate::world::HilWorld;

    #[test]
    fn each_example_is_one_step_and_each_step_has_an_example() {
        let mut shown = BTreeSet::new();
        for step in steps() {
            let ty = match step.keyword() {
                "Given" => StepType::Given,
                "When" => StepType::When,
                _ => StepType::Then,
            };
            let found =
                crate::registry::STEPS.find(&bare_step(step.text(), ty)).map(|found| found.map(|found| found.2));
            let location = found.expect("not ambiguous").unwrap_or_else(|| panic!("undefined: {}", step.example));
            shown.insert((step.keyword(), location.map(|location| (location.path, location.line))));
        }
        let registered = all::<<HilWorld as WorldInventory>::Given>("Given")
            .chain(all::<<HilWorld as WorldInventory>::When>("When"))
            .chain(all::<<HilWorld as WorldInventory>::Then>("Then"));
        for step in registered {
            assert!(shown.contains(&step), "no example for {step:?}");
        }
    }

    #[test]
    fn a_step_that_ends_with_a_colon_documents_what_follows_it() {
        for step in steps() {
            assert_eq!(step.below.is_some(), step.example.ends_with(':'), "{}", step.example);
        }
    }

    type Registered = (&'static str, Option<(&'static str, u32)>);

    fn all<S>(keyword: &'static str) -> impl Iterator<Item = Registered>
    where
        S: cucumber::codegen::inventory::Collect + StepConstructor<HilWorld>,
    {
        let location = |step: &'static S| step.inner().0;
        cucumber::codegen::inventory::iter::<S>
            .into_iter()
            .map(location)
            .map(move |l| (keyword, Some((l.path, l.line))))
    }
}
