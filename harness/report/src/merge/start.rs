//! The first event of the whole.

use std::collections::BTreeSet;

use hil_timeline::{BoardInfo, Choice, Provenance, SCHEMA, ScenarioInfo, What};

use super::source::{Source, Start};
use crate::folder::name;

/// The start of the merged run, and why it is not the whole of what was selected.
pub(super) fn merged_start(sources: &[Source]) -> (What, Vec<String>) {
    let starts: Vec<&Start> = sources.iter().map(|source| &source.start).collect();
    let mut boards: Vec<BoardInfo> = Vec::new();
    for board in starts.iter().flat_map(|start| &start.boards) {
        if !boards.contains(board) {
            boards.push(board.clone());
        }
    }
    boards.sort_by(|a, b| a.name.cmp(&b.name));
    let mut plan: Vec<ScenarioInfo> = starts.iter().flat_map(|start| start.plan.clone()).collect();
    plan.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    let start = What::RunStarted {
        schema: starts.iter().map(|start| start.schema).max().unwrap_or(SCHEMA),
        version: each(&starts, |start| &start.version),
        unix_ms: starts.iter().map(|start| start.unix_ms).min().unwrap_or(0),
        bench: each(&starts, |start| &start.bench),
        project: same(&starts, |start| start.project.clone()),
        broker: each(&starts, |start| &start.broker),
        boards,
        provenance: origin(&starts),
        plan,
        choice: Choice {
            repeat: same(&starts, |start| start.choice.repeat),
            shuffle: same(&starts, |start| start.choice.shuffle),
            seed: same(&starts, |start| start.choice.seed),
            shard: None,
            merged: sources.iter().map(|source| name(&source.folder)).collect(),
        },
    };
    let reasons = different_commits(&starts).into_iter().chain(incomplete(&starts)).collect();
    (start, reasons)
}

/// Where the whole comes from: what all runs agree on, and every computer.
fn origin(starts: &[&Start]) -> Provenance {
    let mut hosts: Vec<&str> = starts.iter().filter_map(|start| start.provenance.host.as_deref()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    Provenance {
        commit: same(starts, |start| start.provenance.commit.clone()),
        dirty: starts.iter().any(|start| start.provenance.dirty),
        branch: same(starts, |start| start.provenance.branch.clone()),
        base_branch: same(starts, |start| start.provenance.base_branch.clone()),
        job_url: same(starts, |start| start.provenance.job_url.clone()),
        host: (!hosts.is_empty()).then(|| hosts.join(", ")),
    }
}

/// Runs of different commits are no whole. A run that does not know its commit is trusted.
fn different_commits(starts: &[&Start]) -> Option<String> {
    let commits: BTreeSet<_> = starts.iter().filter_map(|start| start.provenance.short_commit()).collect();
    let all: Vec<_> = commits.into_iter().collect();
    (all.len() > 1).then(|| format!("these runs are of different commits: {}", all.join(", ")))
}

/// A text that runs may differ in: each one once.
fn each(starts: &[&Start], text: impl Fn(&Start) -> &String) -> String {
    let mut all: Vec<&str> = Vec::new();
    for start in starts {
        let text = text(start);
        if !all.contains(&text.as_str()) {
            all.push(text);
        }
    }
    all.join(", ")
}

/// What all runs agree on.
fn same<T: PartialEq>(starts: &[&Start], of: impl Fn(&Start) -> Option<T>) -> Option<T> {
    let first = of(starts.first()?)?;
    starts.iter().all(|start| of(start).as_ref() == Some(&first)).then_some(first)
}

/// Why these runs are not all parts of one selection. A part may be empty: then it has no run, and nothing is missing.
fn incomplete(starts: &[&Start]) -> Vec<String> {
    let shards: Vec<_> = starts.iter().filter_map(|start| start.choice.shard).collect();
    let Some(first) = shards.first() else { return Vec::new() };
    let parts: BTreeSet<u32> = shards.iter().map(|shard| shard.of).collect();
    let selected: BTreeSet<usize> = shards.iter().map(|shard| shard.selected).collect();
    if parts.len() > 1 || selected.len() > 1 || shards.len() < starts.len() {
        let of = |start: &&Start| match start.choice.shard {
            Some(shard) => format!("{}/{} of {} scenarios", shard.index, shard.of, shard.selected),
            None => "a whole run".to_owned(),
        };
        let all: Vec<_> = starts.iter().map(of).collect();
        return vec![format!("these runs are not parts of one selection: {}", all.join(", "))];
    }
    let planned: usize = starts.iter().map(|start| start.plan.len()).sum();
    if planned >= first.selected {
        return Vec::new();
    }
    let here: BTreeSet<u32> = shards.iter().map(|shard| shard.index).collect();
    let missing: Vec<_> =
        (1..=first.of).filter(|part| !here.contains(part)).map(|part| format!("{part}/{}", first.of)).collect();
    vec![format!("{planned} of {} scenarios are here: {} missing", first.selected, missing.join(", "))]
}
