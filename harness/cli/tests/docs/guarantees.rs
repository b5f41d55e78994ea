//! The tests that the guarantees name.

use std::path::Path;

use crate::root;

/// All sources of a folder and below.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).expect("a source"));
        }
    }
}

/// The name of a test in backquotes, without its modules: whole, or its beginning before `…`.
fn test_name(code: &str) -> Option<&str> {
    let name = code.rsplit("::").next()?.trim_end_matches('…');
    let is_word = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    (is_word && name.matches('_').count() >= 3).then_some(name)
}

#[test]
fn each_test_that_a_guarantee_names_exists() {
    let page = std::fs::read_to_string(root().join("docs/concepts/guarantees.md")).expect("the page");
    let mut text = String::new();
    sources(&root().join("harness"), &mut text);
    let names: Vec<_> = page.split('`').skip(1).step_by(2).filter_map(test_name).collect();
    assert!(names.len() > 20, "{names:?}");
    let missing: Vec<_> = names.into_iter().filter(|name| !text.contains(&format!("fn {name}"))).collect();
    assert_eq!(missing, [""; 0], "no test has these names");
}
