//! A Cargo package for steps in Rust.

use serde_json::Value;

use super::failed;
use super::project::{Project, within};
use super::write::{Content, NewFile};
use crate::exit_code::ExitCode;

/// The package, which depends on a checkout of `hil`.
pub(super) fn files(project: &Project, checkout: &str) -> Result<Vec<NewFile>, ExitCode> {
    let checkout = checkout.trim_end_matches('/');
    let library = format!("{checkout}/harness/cli");
    if !within(&project.folder, &library).join("Cargo.toml").is_file() {
        let error = format!("`{checkout}` is not a checkout of the repository of `hil`");
        return Err(failed(error, "name it from the folder of the project: `--own-steps=PATH`"));
    }
    let manifest = include_str!("templates/Cargo.toml.txt").replace("PACKAGE", &package(&project.name));
    let manifest = manifest.replace("CHECKOUT", &Value::from(library).to_string());
    let test = include_str!("templates/features.rs.txt").replace("NAME", &project.name);
    let text = |name: &str, text: String| NewFile { name: name.to_owned(), content: Content::Text(text) };
    Ok(vec![text("Cargo.toml", manifest), text("tests/features.rs", test)])
}

/// A package name begins with a letter and is not `test`, a name of Cargo's; the ending avoids both and names like `hil`.
fn package(name: &str) -> String {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    format!("{}{}-tests", if begins { "" } else { "board-" }, name.trim_matches('-')).to_lowercase()
}
