//! What a bench is called.

use std::path::{Component, Path, PathBuf};

use crate::env_vars::from_environment;
use crate::table::Value;

/// The name that the file gives its bench. It begins as no path does.
pub(super) fn own_name(value: &Value<'_, '_>) -> Option<String> {
    let name = from_environment(value)?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = (1..=40).contains(&name.len()) && name.chars().all(is_part) && !name.starts_with('.');
    if !fits {
        let hint = "a name consists of 1 to 40 letters, digits, `-`, `_` and `.`, and does not begin with `.`";
        value.problem(format!("`{name}` is not a name of a bench"), hint.to_owned());
        return None;
    }
    Some(name)
}

/// Its path from the working folder, or from the root where they have only that in common: one file has one name.
pub(crate) fn path_from_here(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    match (path.canonicalize(), here) {
        (Ok(whole), Ok(here)) => from_here(&whole, &here).display().to_string(),
        _ => path.display().to_string(),
    }
}

fn from_here(whole: &Path, here: &Path) -> PathBuf {
    let shared = whole.components().zip(here.components()).take_while(|(a, b)| a == b).count();
    if shared < 2 {
        return whole.to_owned();
    }
    let up = here.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(whole.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_file_is_named_from_the_working_folder() {
        let name = |whole: &str, here: &str| from_here(Path::new(whole), Path::new(here)).display().to_string();
        assert_eq!(name("/work/lamp/bench.toml", "/work/lamp"), "bench.toml");
        assert_eq!(name("/work/lamp/bench.toml", "/work/lamp/firmware"), "../bench.toml");
        assert_eq!(name("/etc/hil/bench.toml", "/work/lamp"), "/etc/hil/bench.toml");
    }
}
