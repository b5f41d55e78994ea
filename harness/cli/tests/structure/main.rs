//! The structure of the harness: no cycles between modules, no dependency against the arrows of `harness/README.md`.

mod arrows;
mod cycles;
mod figures;
mod firmware;
mod imports;
mod source;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use self::cycles::cycles;
use self::source::Source;

fn main() -> ExitCode {
    let trials = vec![
        Trial::test("cycles_are_found", cycles_are_found),
        Trial::test("modules_have_no_cycles", modules_have_no_cycles),
        Trial::test("crates_use_what_they_may", crates_use_what_they_may),
        Trial::test("modules_have_one_style", modules_have_one_style),
        Trial::test("the_images_are_built_from_these_sources", firmware::images_are_current),
        Trial::test("figures", figures::print),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The folders of all crates of the harness.
fn crates() -> Vec<PathBuf> {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the harness's folder");
    let entries = std::fs::read_dir(harness).expect("the harness's folder");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.retain(|folder| folder.join("src/lib.rs").is_file());
    folders.sort();
    assert!(folders.len() > 10, "these are not all crates: {folders:?}");
    folders
}

fn name(folder: &Path) -> String {
    folder.file_name().expect("a name").to_string_lossy().into_owned()
}

fn modules_have_no_cycles() -> Result<(), Failed> {
    let mut problems = Vec::new();
    for folder in crates() {
        for cycle in cycles(&imports::edges(&Source::read(&folder))) {
            let (of, parent) = (name(&folder), cycle.parent.join("::"));
            problems.push(format!("a cycle in {of}, in {parent:?}: {:?},{}", cycle.members, cycle.chain));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

fn crates_use_what_they_may() -> Result<(), Failed> {
    let problems: Vec<_> = crates().iter().flat_map(|folder| arrows::problems(folder, &name(folder))).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

/// A module with children is `x.rs` beside `x/`.
fn modules_have_one_style() -> Result<(), Failed> {
    let mut problems = Vec::new();
    for folder in crates() {
        let source = Source::read(&folder);
        let old = source.modules.values().filter(|module| module.file.ends_with("mod.rs"));
        problems.extend(old.map(|module| format!("`{}` should be `x.rs` beside `x/`", module.file.display())));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

/// A crate with a cycle by way of re-exports and of a macro's arguments, and with uses that are none.
fn cycles_are_found() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str, text: &str| {
        let path = folder.path().join("src").join(name);
        std::fs::create_dir_all(path.parent().expect("a folder"))?;
        std::fs::write(path, text)
    };
    file("lib.rs", "mod a; mod b; mod c; mod d; pub use b::deep::Thing as Renamed;")?;
    file("a.rs", "use crate::Renamed; fn f() { Renamed::new() }")?;
    file("b.rs", "pub mod deep; fn f() -> String { format!(\"{}\", 1 + crate::c::one(2)) }")?;
    file("b/deep.rs", "use super::f; pub struct Thing;")?;
    file("c/mod.rs", "use super::{a, d as other}; fn one() { a::f(); other::f() }")?;
    file(
        "d.rs",
        "#[cfg(test)] mod tests { use crate::a; } #[cfg(test)] use crate::c; mod inner { use super::super::d; }",
    )?;
    let found = cycles(&imports::edges(&Source::read(folder.path())));
    let [cycle] = found.as_slice() else { return Err(format!("{} cycles", found.len()).into()) };
    assert_eq!(cycle.members.iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    let chain: Vec<_> = cycle.chain.lines().map(|line| line.split(':').next().unwrap_or_default().trim()).collect();
    assert_eq!(chain, ["", "a uses b", "b uses c", "c uses a"]);
    assert!(cycle.chain.contains("b.rs:1 `crate::c::one`"), "{}", cycle.chain);
    Ok(())
}
