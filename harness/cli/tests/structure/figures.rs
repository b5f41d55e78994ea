//! Sizes of files and functions: printed, never a failure.

use std::collections::BTreeMap;
use std::io::Write as _;

use libtest_mimic::Failed;

use crate::source::Source;

/// A file that is longer should be two.
const LONG: usize = 500;

/// Prints how long files and functions are, without their tests.
pub(crate) fn print() -> Result<(), Failed> {
    let sources: Vec<_> = crate::crates().iter().map(|folder| Source::read(folder)).collect();
    let modules = sources.iter().flat_map(|source| source.modules.values());
    let files: BTreeMap<_, _> = modules.map(|module| (&module.file, module.lines)).collect();
    let mut functions: Vec<_> = sources.iter().flat_map(|source| source.functions.iter().copied()).collect();
    functions.sort_unstable();
    let part = |percent: usize| functions.get(functions.len() * percent / 100).copied().unwrap_or(0);
    let long: Vec<_> = files.iter().filter(|(_, lines)| **lines > LONG).collect();
    let mut out = std::io::stdout();
    writeln!(out, "figures: {} files, {} of them over {LONG} lines", files.len(), long.len())?;
    for (file, lines) in long {
        writeln!(out, "figures:   {lines} {}", file.display())?;
    }
    let (count, median, p90) = (functions.len(), part(50), part(90));
    writeln!(out, "figures: {count} functions: median {median} lines, 90 % have at most {p90}")?;
    Ok(())
}
