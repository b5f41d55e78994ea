//! Every step with an example: the source of `hil steps`, suggestions and documentation.

mod own;

pub use crate::spec::{BelowDoc, StepDoc, StepGroup, has_words};
pub use crate::steps::GROUPS;
pub use own::{OwnStep, own_steps};

/// Every step, in the order in which they are shown.
pub fn steps() -> impl Iterator<Item = StepDoc> {
    GROUPS.iter().flat_map(StepGroup::steps)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cucumber::codegen::{StepConstructor, WorldInventory};
    use cucumber::gherkin::StepType;

    use super::*;
    use crate::registry::bare_step;
    use crate::spec::Takes;
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

    #[test]
    fn every_field_of_a_table_is_documented() {
        let unknown = vec!["?".to_owned(), "x".to_owned()];
        for below in steps().filter_map(|step| step.below).filter(|below| !below.fields.is_empty()) {
            let Takes::Table { check, .. } = below.takes else { panic!("{} has no columns", below.name) };
            // The hint lists what the parser reads.
            let hint =
                check(std::slice::from_ref(&unknown)).err().and_then(|unmet| unmet.failure.hint).expect("a hint");
            let documented: Vec<_> = below.fields.iter().map(|(name, _)| *name).collect();
            assert_eq!(documented, hint.split('`').skip(1).step_by(2).collect::<Vec<_>>(), "{}", below.name);
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
