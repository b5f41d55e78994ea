//! Cycles between modules that are not parent and child.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::imports::Edge;
use crate::source::ModulePath;

/// Modules beside each other that all use each other, directly or by way of the others.
pub(crate) struct Cycle {
    pub(crate) parent: ModulePath,
    pub(crate) members: BTreeSet<String>,
    /// The shortest way round, with the place of each use.
    pub(crate) chain: String,
}

/// Every cycle among these edges.
pub(crate) fn cycles(all: &BTreeMap<ModulePath, Vec<Edge>>) -> Vec<Cycle> {
    all.iter().flat_map(|(parent, edges)| cycles_below(parent, edges)).collect()
}

fn cycles_below(parent: &ModulePath, edges: &[Edge]) -> Vec<Cycle> {
    let names: BTreeSet<&String> = edges.iter().map(|edge| &edge.from).collect();
    let mut found: Vec<Cycle> = Vec::new();
    for name in names {
        if found.iter().any(|cycle| cycle.members.contains(name)) {
            continue;
        }
        let Some(round) = way(edges, name, name) else { continue };
        let is_member = |other: &&String| way(edges, name, other).is_some() && way(edges, other, name).is_some();
        let members = edges.iter().map(|edge| &edge.to).filter(is_member).cloned().collect();
        let chain =
            round.iter().map(|edge| format!("\n    {} uses {}: {}", edge.from, edge.to, edge.evidence)).collect();
        found.push(Cycle { parent: parent.clone(), members, chain });
    }
    found
}

/// The shortest way from one module to another, of one edge at least.
fn way<'a>(edges: &'a [Edge], from: &str, to: &str) -> Option<Vec<&'a Edge>> {
    let mut reached: BTreeMap<&str, &Edge> = BTreeMap::new();
    let mut open = VecDeque::from([from]);
    while let Some(name) = open.pop_front() {
        for edge in edges.iter().filter(|edge| edge.from == name) {
            if !reached.contains_key(edge.to.as_str()) {
                reached.insert(&edge.to, edge);
                open.push_back(&edge.to);
            }
        }
    }
    let mut way = vec![*reached.get(to)?];
    while way.last()?.from != from {
        way.push(reached[way.last()?.from.as_str()]);
    }
    way.reverse();
    Some(way)
}
