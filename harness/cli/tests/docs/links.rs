//! Links and anchors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::markdown::{Page, pages};
use crate::root;

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let anchors: BTreeMap<PathBuf, BTreeSet<String>> =
        pages.iter().map(|page| (page.path.clone(), anchors(page))).collect();
    let mut dead = Vec::new();
    for page in &pages {
        for (line, target) in links(page).into_iter().filter(|(_, target)| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').map_or((target.as_str(), None), |(f, a)| (f, Some(a)));
            let path = if file.is_empty() { page.path.clone() } else { page.path.parent().expect("folder").join(file) };
            let Ok(path) = path.canonicalize() else {
                dead.push(format!("{}:{line}: {target}", page.name));
                continue;
            };
            let known = anchors.get(&path);
            if anchor.is_some_and(|anchor| known.is_some_and(|known| !known.contains(anchor))) {
                dead.push(format!("{}:{line}: {target}: no such heading", page.name));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

/// Targets of `[text](target)` and of `[name]: target`, each with the line of its paragraph.
fn links(page: &Page) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, text) in page.paragraphs() {
        let text = without_code(&text);
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        let defined = text.lines().filter_map(definition).map(|(_, target)| target);
        found.extend(inline.chain(defined).map(|target| (line, target.trim().to_owned())));
    }
    found
}

/// `[name]: target`.
fn definition(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix('[')?.split_once("]: ")
}

#[test]
fn every_reference_is_defined() {
    let mut undefined = Vec::new();
    for page in pages() {
        let defined: BTreeSet<_> =
            page.prose().filter_map(|(_, line)| definition(line)).map(|(name, _)| name).collect();
        for (line, text) in page.paragraphs().iter().filter(|_| !defined.is_empty()) {
            let text = without_code(text);
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
            let references = text.split('[').skip(1).filter_map(|rest| rest.split_once(']'));
            let undefined_here = references
                .filter(|(name, after)| !after.starts_with(['(', ':']) && name.chars().all(is_name))
                .filter(|(name, _)| !name.is_empty() && !defined.contains(name));
            undefined.extend(undefined_here.map(|(name, _)| format!("{}:{line}: [{name}]", page.name)));
        }
    }
    assert!(undefined.is_empty(), "references without a target:\n{}", undefined.join("\n"));
}

/// A text without what is in backticks.
fn without_code(text: &str) -> String {
    text.split('`').enumerate().map(|(n, part)| if n % 2 == 0 { part } else { "" }).collect()
}

/// The anchors of a page, as GitHub and mdBook make them of headings.
fn anchors(page: &Page) -> BTreeSet<String> {
    let headings = page.prose().filter_map(|(_, line)| {
        let level = line.chars().take_while(|c| *c == '#').count();
        line[level..].strip_prefix(' ').filter(|_| level > 0)
    });
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    headings
        .map(|heading| {
            let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            let anchor: String = kept.collect::<String>().to_lowercase().replace(' ', "-");
            let count = seen.entry(anchor.clone()).or_default();
            *count += 1;
            if *count == 1 { anchor } else { format!("{anchor}-{}", *count - 1) }
        })
        .collect()
}

/// The index names every page of the book, and no other.
#[test]
fn the_index_has_every_page() {
    let pages = pages();
    let summary = pages.iter().find(|page| page.name == "docs/SUMMARY.md").expect("docs/SUMMARY.md");
    let listed: BTreeSet<_> = links(summary).into_iter().map(|(_, target)| target).collect();
    let there: BTreeSet<_> = pages
        .iter()
        .filter_map(|page| page.path.strip_prefix(root().join("docs")).ok())
        .map(|path| path.display().to_string())
        .filter(|name| name != "SUMMARY.md")
        .collect();
    assert_eq!(listed, there, "docs/SUMMARY.md lists every page of docs/");
}
