//! Environment variables: those in the code are those in the documentation.

use std::collections::BTreeSet;
use std::path::Path;

use crate::root;

#[test]
fn every_variable_is_documented() {
    let page = std::fs::read_to_string(root().join("docs/reference/environment.md")).expect("the page");
    let rows = page.lines().filter(|line| line.starts_with("| `HIL_"));
    let documented: BTreeSet<_> = rows.filter_map(|line| line.split('`').nth(1)).map(str::to_owned).collect();
    let mut used = BTreeSet::new();
    for folder in ["harness", "ci", ".ci"] {
        collect(&root().join(folder), &mut used);
    }
    assert_eq!(documented, used, "docs/reference/environment.md has a row for each variable");
}

fn collect(path: &Path, found: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("folder") {
            collect(&entry.expect("entry").path(), found);
        }
        return;
    }
    // What is not text names no variable.
    let Ok(text) = std::fs::read_to_string(path) else { return };
    for rest in text.split("HIL_").skip(1) {
        let name: String =
            rest.chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect();
        // Tests set some of their own.
        if !name.is_empty() && !name.starts_with("TEST_") && name != "NEVER_SET" {
            found.insert(format!("HIL_{name}"));
        }
    }
}
