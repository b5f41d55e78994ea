//! The files that a plan was read from, and those that its steps read: what another machine needs to run it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Plan, PlanError, all_steps, composite};
use crate::forms;
use crate::spec::Kind;

/// Files of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Feature files with scenarios of the plan.
    pub features: BTreeSet<PathBuf>,
    /// Files of composite steps, and snapshots.
    pub others: BTreeSet<PathBuf>,
}

impl Plan {
    /// The files that it was read from, and those that its steps read.
    ///
    /// # Errors
    /// When a folder can't be read.
    pub fn inputs(&self) -> Result<Inputs, PlanError> {
        let features: BTreeSet<_> = self.features.iter().filter_map(|feature| feature.path.clone()).collect();
        let mut others = BTreeSet::new();
        for feature in &features {
            others.extend(composite::files_for(feature)?);
            others.extend(snapshots(feature));
        }
        Ok(Inputs { features, others })
    }

    /// The environment variables that passwords in its steps name, with their values: those that are set.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let readings = self.features.iter().flat_map(all_steps).filter_map(forms::read);
        readings
            .flat_map(|reading| reading.all(Kind::Password).flat_map(hil_config::variables_in).collect::<Vec<_>>())
            .collect()
    }
}

/// The snapshots beside a feature; none where there is no such folder.
fn snapshots(feature: &Path) -> Vec<PathBuf> {
    let folder = feature.parent().unwrap_or(Path::new("")).join("snapshots");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| folder.join(entry.file_name()));
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "snap")).collect()
}
