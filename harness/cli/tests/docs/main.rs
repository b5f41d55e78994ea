//! The documentation is correct: links resolve, commands parse, features and bench files are valid, and the generated parts
//! are up to date. `HIL_UPDATE_DOCS=1 cargo test -p hil --test docs` updates `commands.md`.

mod commands;
mod environment;
mod examples;
mod guarantees;
mod links;
mod markdown;
mod tutorial;

use std::path::PathBuf;

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize().expect("the repository")
}
