//! Which module uses which: paths resolved to the modules of the same crate.

use std::collections::BTreeMap;

use crate::source::{Mention, ModulePath, Source};

/// Re-exports of re-exports that are followed, at most.
const DEPTH: usize = 16;

/// That one module uses another one beside it.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Where, and by which path.
    pub(crate) evidence: String,
}

/// The edges between the children of each module, one for each pair.
///
/// A use of `c::d` in `a::b` is one of `c` by `a`: of the two modules that differ first. A parent and its own children
/// may use each other. What a module re-exports counts for the module that it comes from.
pub(crate) fn edges(source: &Source) -> BTreeMap<ModulePath, Vec<Edge>> {
    let mut all: BTreeMap<ModulePath, BTreeMap<(String, String), Edge>> = BTreeMap::new();
    for (name, module) in &source.modules {
        for mention in &module.mentions {
            let Some(used) = source.resolve(name, &mention.path, DEPTH) else { continue };
            let common = name.iter().zip(&used).take_while(|(a, b)| a == b).count();
            let (Some(from), Some(to)) = (name.get(common), used.get(common)) else { continue };
            let between = all.entry(name[..common].to_vec()).or_default();
            between.entry((from.clone(), to.clone())).or_insert_with(|| Edge {
                from: from.clone(),
                to: to.clone(),
                evidence: format!("{}:{} `{}`", module.file.display(), mention.line, shown(mention)),
            });
        }
    }
    all.into_iter().map(|(parent, edges)| (parent, edges.into_values().collect())).collect()
}

fn shown(mention: &Mention) -> String {
    mention.path.join("::")
}

impl Source {
    /// The module that a path leads to; none where it leads out of the crate.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<ModulePath> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(&[], rest, depth),
            "self" => self.walk(from, rest, depth),
            "super" => {
                let (_, mut above) = from.split_last()?;
                let mut rest = rest;
                while let Some((name, after)) = rest.split_first().filter(|(name, _)| *name == "super") {
                    let _ = name;
                    (above, rest) = (above.split_last()?.1, after);
                }
                self.walk(above, rest, depth)
            }
            _ => self.walk(from, path, depth),
        }
    }

    fn walk(&self, at: &[String], path: &[String], depth: usize) -> Option<ModulePath> {
        let module = self.modules.get(at)?;
        let Some((first, rest)) = path.split_first() else { return Some(at.to_vec()) };
        if module.children.contains(first) {
            return self.walk(&[at, std::slice::from_ref(first)].concat(), rest, depth);
        }
        // An item of this module, unless it comes from another one.
        let own = Some(at.to_vec());
        match module.imports.get(first).filter(|imported| depth > 0 && imported.first() != Some(first)) {
            Some(imported) => {
                let whole: Vec<_> = imported.iter().chain(rest).cloned().collect();
                self.resolve(at, &whole, depth - 1).or(own)
            }
            None => own,
        }
    }
}
