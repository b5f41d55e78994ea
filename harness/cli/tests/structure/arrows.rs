//! Which crate may use which: the drawing of `harness/README.md`.

use std::path::Path;

/// For each crate those of ours that it may use, apart from `hil-files`, which all may use, and from its tests, which may
/// use any. Change it together with the drawing.
const ALLOWED: &[(&str, &[&str])] = &[
    ("access-point", &[]),
    ("agent", &["bench", "capture", "config", "report", "scenario", "schedule", "scratch", "timeline"]),
    ("bench", &["board", "config", "power", "timeline"]),
    ("board", &["config", "power", "scratch", "timeline", "verdict", "virtual-board"]),
    ("capture", &["timeline"]),
    (
        "cli",
        &[
            "agent",
            "bench",
            "capture",
            "config",
            "labgrid",
            "link",
            "mqtt",
            "radio",
            "report",
            "scenario",
            "timeline",
            "tls",
            "virtual-board",
        ],
    ),
    ("config", &[]),
    ("esp-core", &[]),
    ("files", &[]),
    ("fuzz", &[]),
    ("gherkin", &[]),
    ("labgrid", &[]),
    ("link", &[]),
    ("mqtt", &["capture", "config", "link", "scratch", "timeline", "tls"]),
    ("power", &["config", "scratch", "timeline"]),
    ("radio", &["config", "power", "scratch", "timeline"]),
    ("report", &["sparkplug", "timeline"]),
    (
        "scenario",
        &[
            "bench", "capture", "config", "gherkin", "link", "mqtt", "radio", "schedule", "scratch", "services",
            "timeline", "tls", "verdict",
        ],
    ),
    ("schedule", &[]),
    ("scratch", &[]),
    ("services", &["capture", "link", "timeline", "tls"]),
    ("sparkplug", &[]),
    ("timeline", &[]),
    ("tls", &[]),
    ("verdict", &["sparkplug", "timeline"]),
    ("virtual-board", &["access-point", "config", "esp-core", "lamp-core", "link"]),
];

/// What is wrong with the dependencies of a crate, a line each.
pub(crate) fn problems(folder: &Path, name: &str) -> Vec<String> {
    let Some((_, allowed)) = ALLOWED.iter().find(|(of, _)| *of == name) else {
        return vec![format!(
            "`{name}` is new: add what it may use to ALLOWED, and it to the drawing of harness/README.md"
        )];
    };
    let used = used_by(folder);
    let forbidden = used.iter().filter(|used| *used != "files" && !allowed.contains(&used.as_str()));
    forbidden
        .map(|used| format!("`{name}` uses `{used}`, which the drawing of harness/README.md does not allow"))
        .collect()
}

/// The crates of this workspace that a crate depends on when it is built.
fn used_by(folder: &Path) -> Vec<String> {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
    let mut used = Vec::new();
    let mut counts = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            counts = line.ends_with("dependencies]") && !line.ends_with("dev-dependencies]");
        }
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        let ours = name.strip_prefix("hil-").or((name == "lamp-core").then_some(name));
        used.extend(ours.filter(|_| counts).map(str::to_owned));
    }
    used
}
