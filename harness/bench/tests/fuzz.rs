//! Mutated bench files: every one is read or refused with what is wrong where. Nothing panics, nothing hangs.

use std::path::Path;

use hil_config::Bench;
use hil_fuzz::{Corpus, fuzz};

/// The bench files of this repository.
fn benches(folder: &Path, found: &mut Vec<Vec<u8>>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).expect("list").flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            benches(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(std::fs::read(&path).expect("read"));
        }
    }
}

#[test]
fn a_bench_file_may_hold_any_bytes() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    benches(&here.join("../../fixtures/benches"), &mut found);
    found.push(std::fs::read(here.join("../config/tests/many-problems.toml")).expect("read"));
    let words: [&[u8]; 14] = [
        b"[",
        b"{",
        b"[[",
        b"a.",
        b"\"\"\"",
        b"\\u",
        b"= ",
        b"${secret:HOME}",
        b"${HOME}",
        b"{tap.port}",
        "\u{2028}ä".as_bytes(),
        b"\n",
        b"hex:",
        b"1 h",
    ];
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("bench.toml");
    fuzz("bench file", &Corpus::new(found).with_words(words), 1500, |text| {
        std::fs::write(&path, text).expect("write");
        if let Err(error) = Bench::from_file(&path, &hil_bench::kinds()) {
            // The whole text with its lines, carets and hints.
            assert!(!error.to_string().is_empty());
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1, "nothing is written");
    });
}
