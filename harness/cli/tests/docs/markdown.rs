//! The Markdown files of the repository, and what is in them.

use std::path::{Path, PathBuf};

use crate::root;

/// A file, by its path from the root of the repository.
pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A fenced block.
pub(crate) struct Block {
    /// What follows the fence: `sh`, `gherkin`, `toml`.
    pub(crate) language: String,
    pub(crate) lines: Vec<String>,
    /// The page and the line of the fence, for messages.
    pub(crate) place: String,
}

impl Block {
    pub(crate) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Every page: those at the top, and all of `docs/`.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    for name in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "harness/README.md", "fixtures/README.md"] {
        paths.push(root().join(name));
    }
    collect(&root().join("docs"), &mut paths);
    paths.sort();
    paths.into_iter().map(read).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("docs") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

fn read(path: PathBuf) -> Page {
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = path.strip_prefix(root()).expect("below the root").display().to_string();
    Page { name, path, text }
}

impl Page {
    /// Lines outside of fenced blocks, with their numbers.
    pub(crate) fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut fence: Option<String> = None;
        self.text.lines().enumerate().filter_map(move |(n, line)| {
            let inside = fence.is_some();
            step(&mut fence, line);
            (!inside && fence.is_none()).then_some((n + 1, line))
        })
    }

    /// Paragraphs of the prose, each with the number of its first line: a link may be broken over lines.
    pub(crate) fn paragraphs(&self) -> Vec<(usize, String)> {
        let mut paragraphs: Vec<(usize, String)> = Vec::new();
        let mut last = 0;
        for (n, line) in self.prose().filter(|(_, line)| !line.trim().is_empty()) {
            match paragraphs.last_mut().filter(|_| last + 1 == n) {
                Some((_, text)) => text.extend(["\n", line]),
                None => paragraphs.push((n, line.to_owned())),
            }
            last = n;
        }
        paragraphs
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let (mut fence, mut indent) = (None, 0);
        for (n, line) in self.text.lines().enumerate() {
            let inside = fence.is_some();
            step(&mut fence, line);
            match (inside, fence.is_some()) {
                (false, true) => {
                    indent = line.len() - line.trim_start().len();
                    let language = line.trim_start().trim_start_matches('`').trim().to_owned();
                    let place = format!("{}:{}", self.name, n + 1);
                    blocks.push(Block { language, lines: Vec::new(), place });
                }
                (true, true) => {
                    let line = line.get(indent..).unwrap_or_default().to_owned();
                    blocks.last_mut().expect("a fence").lines.push(line);
                }
                _ => {}
            }
        }
        blocks
    }
}

/// Follows fences: inside of one, only a fence of the same kind ends it.
fn step(fence: &mut Option<String>, line: &str) {
    let marks: String = line.trim_start().chars().take_while(|c| *c == '`').collect();
    match fence {
        Some(open) if line.trim() == open => *fence = None,
        None if marks.len() >= 3 => *fence = Some(marks),
        _ => {}
    }
}
