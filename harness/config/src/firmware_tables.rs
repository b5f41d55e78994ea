//! The tables `[firmware.NAME]` of a file, and what each inherits by `extends`.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Context;
use crate::firmware::{FIRMWARE, Firmware};
use crate::names::{FirmwareName, nearest};
use crate::table::{Map, Value, listed};
use crate::unset::{Owner, Unset};

/// The firmware tables of a file, above those of the bench file if it is a project's.
pub(crate) struct FirmwareTables<'t, 'c> {
    own: BTreeMap<&'t str, Value<'t, 'c>>,
    /// None if the bench is unknown: what extends a table of it can't be read then.
    bench: Option<BTreeMap<&'t str, Value<'t, 'c>>>,
}

/// Which table: of the file that is read, or of the bench file below it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At<'t> {
    Own(&'t str),
    Bench(&'t str),
}

impl<'t, 'c> FirmwareTables<'t, 'c> {
    pub(crate) fn new(own: Option<&Map<'t, 'c>>, bench: Option<&Map<'t, 'c>>) -> Self {
        let tables = |map: Option<&Map<'t, 'c>>| {
            map.into_iter().flat_map(Map::entries).map(|(name, _, value)| (name, value)).collect()
        };
        Self { own: tables(own), bench: Some(tables(bench)) }
    }

    /// The tables of a project file whose bench is unknown.
    pub(crate) fn without_bench(own: Option<&Map<'t, 'c>>) -> Self {
        Self { bench: None, ..Self::new(own, None) }
    }

    /// Names of the tables of this file, whether or not they are valid.
    pub(crate) fn described(&self) -> BTreeSet<&'t str> {
        self.own.keys().copied().collect()
    }

    /// Reads the tables of this file. What a firmware lacks is noted as the firmware's; each context comes with the place
    /// of its file in `unset`.
    pub(crate) fn read(
        &self,
        own: &Map<'t, 'c>,
        contexts: &[(usize, &Context<'_>)],
        unset: &mut Unset,
    ) -> BTreeMap<FirmwareName, Firmware> {
        let mut firmware = BTreeMap::new();
        for (name, span, value) in own.entries() {
            match FirmwareName::new(name) {
                Ok(valid) => {
                    let read = self.read_one(&valid, name, &value);
                    firmware.extend(read.map(|read| (valid, read)));
                }
                Err(hint) => own.problem(span, name, format!("`{name}` is not a firmware name"), Some(hint)),
            }
            for (source, context) in contexts {
                unset.add(&Owner::Firmware(name.to_owned()), *source, context.take_lacking());
            }
        }
        firmware
    }

    fn read_one(&self, valid: &FirmwareName, name: &'t str, value: &Value<'t, 'c>) -> Option<Firmware> {
        let table = value.table(&FIRMWARE)?;
        let bases = self.bases(name)?;
        Firmware::read(valid.clone(), table.inherits(&bases))
    }

    /// What a table inherits, the nearest first; none if that is unknown, which is noted at the table that is wrong.
    fn bases(&self, name: &'t str) -> Option<Vec<Value<'t, 'c>>> {
        let (mut chain, mut bases) = (vec![At::Own(name)], Vec::new());
        loop {
            let &last = chain.last()?;
            let Some(extends) = self.value(last).and_then(|table| table.under("extends")) else { return Some(bases) };
            let target = extends.string()?;
            let Some(next) = self.find(last, target) else {
                if let (1, Some(bench)) = (chain.len(), &self.bench) {
                    self.unknown(bench, &extends, target);
                }
                return None;
            };
            if chain.contains(&next) {
                // Noted at each table of the circle, and not at those that lead into it.
                if next == At::Own(name) {
                    self.circle(&chain);
                }
                return None;
            }
            chain.push(next);
            bases.extend(self.value(next).cloned());
        }
    }

    fn value(&self, at: At<'t>) -> Option<&Value<'t, 'c>> {
        match at {
            At::Own(name) => self.own.get(name),
            At::Bench(name) => self.bench.as_ref()?.get(name),
        }
    }

    /// The table that another one extends. A project's table may extend the bench file's of its own name.
    fn find(&self, from: At<'t>, target: &str) -> Option<At<'t>> {
        let own = self.own.get_key_value(target).map(|(name, _)| At::Own(name));
        let bench = self.bench.as_ref().and_then(|bench| bench.get_key_value(target));
        let bench = bench.map(|(name, _)| At::Bench(name));
        match from {
            // The bench may have one of the name.
            At::Own(name) if name == target && self.bench.is_none() => None,
            At::Own(name) if name == target => bench.or(own),
            At::Own(_) => own.or(bench),
            At::Bench(_) => bench,
        }
    }

    /// Notes that a table extends itself, at the table.
    fn circle(&self, chain: &[At<'t>]) {
        let Some(&first) = chain.first() else { return };
        let names: Vec<_> = chain.iter().chain([&first]).map(|at| format!("`{}`", at.name())).collect();
        let what = format!("the firmware `{}` extends itself: {}", first.name(), names.join(" -> "));
        if let Some(extends) = self.value(first).and_then(|table| table.under("extends")) {
            extends.problem(what, "one of them must have all keys of its own".to_owned());
        }
    }

    fn unknown(&self, bench: &BTreeMap<&'t str, Value<'t, 'c>>, extends: &Value<'_, '_>, target: &str) {
        let known: BTreeSet<_> = self.own.keys().chain(bench.keys()).copied().collect();
        let hint = match nearest(target, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", listed(&known.into_iter().collect::<Vec<_>>())),
        };
        extends.problem(format!("there is no firmware `{target}` to extend"), hint);
    }
}

impl<'t> At<'t> {
    fn name(self) -> &'t str {
        match self {
            Self::Own(name) | Self::Bench(name) => name,
        }
    }
}
