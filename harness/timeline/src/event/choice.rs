//! What a run was asked to run, and how often.

use serde::{Deserialize, Serialize};

use super::ScenarioInfo;

/// The options that choose what runs, as a record keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choice {
    /// How often each scenario was to run, if more than once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<u32>,
    /// The seed of the order, if it was shuffled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<u32>,
    /// The seed of the choice between boards that fit a role, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
    /// Which part of the selected scenarios it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The names of the runs that were merged into this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<String>,
}

impl Choice {
    /// Whether nothing was chosen.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One of several parts of the selected scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which part, from 1.
    pub index: u32,
    /// The number of parts.
    pub of: u32,
    /// The number of scenarios in all parts: a merged run shows whether a part is missing.
    pub selected: usize,
}

impl Shard {
    /// Whether a scenario is in this part. That depends on its file, rule and name only: another scenario that is added
    /// or moved does not move it.
    #[must_use]
    pub fn takes(&self, scenario: &ScenarioInfo) -> bool {
        hash(0, scenario) % u64::from(self.of.max(1)) == u64::from(self.index.saturating_sub(1))
    }
}

/// The place of a scenario in the order of a seed: the same on every machine, and the same whatever else runs.
#[must_use]
pub fn shuffled_place(seed: u32, scenario: &ScenarioInfo) -> u64 {
    hash(u64::from(seed) + 1, scenario)
}

/// FNV-1a, then the finalizer of SplitMix64, because the low bits of FNV alone are too regular. It is part of the
/// documented behaviour: hosts with different versions of `hil` must agree.
fn hash(seed: u64, scenario: &ScenarioInfo) -> u64 {
    let (path, rule, name) = scenario.identity();
    let parts = [path.as_bytes(), &[0], rule.unwrap_or_default().as_bytes(), &[0], name.as_bytes()];
    let seeded = seed.to_le_bytes();
    let bytes = seeded.iter().chain(parts.into_iter().flatten());
    let fnv =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(n: usize) -> ScenarioInfo {
        ScenarioInfo { path: "features/a.feature".to_owned(), line: n, name: format!("case {n}"), ..Default::default() }
    }

    #[test]
    fn each_scenario_is_in_one_shard_and_a_line_does_not_move_it() {
        let shard = |index| Shard { index, of: 5, selected: 1000 };
        let mut sizes = [0; 5];
        for n in 0..1000 {
            let takes: Vec<_> = (1..=5).filter(|index| shard(*index).takes(&scenario(n))).collect();
            assert_eq!(takes.len(), 1);
            sizes[takes[0] as usize - 1] += 1;
            let moved = ScenarioInfo { line: n + 7, ..scenario(n) };
            assert!(shard(takes[0]).takes(&moved));
        }
        assert!(sizes.iter().all(|size| (150..=250).contains(size)), "{sizes:?}");
        let pinned: Vec<_> = (0..10).map(|n| (1..=5).find(|index| shard(*index).takes(&scenario(n)))).collect();
        let pinned: Vec<_> = pinned.into_iter().flatten().collect();
        assert_eq!(pinned, [3, 4, 5, 5, 4, 4, 3, 5, 4, 4], "hosts with another version must agree");
    }

    #[test]
    fn a_seed_is_an_order() {
        let order = |seed| {
            let mut all: Vec<_> = (0..40).collect();
            all.sort_by_key(|n| shuffled_place(seed, &scenario(*n)));
            all
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
        assert_ne!(order(7), (0..40).collect::<Vec<_>>());
    }
}
