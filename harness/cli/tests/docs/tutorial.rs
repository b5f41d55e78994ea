//! The tutorial is done as a new user does it: in an empty folder, with an empty home, in a shell, with the real program and
//! a real Python. What the page shows is what comes.
//!
//! A `sh` block is typed into the shell, and the `text` block after it is its output. A file's block follows "Append to
//! `FILE`:" or "In `FILE`, replace `LINE` with:".
//!
//! With `HIL_TUTORIAL_ROOT`, the user's computer is this root folder of arm64, where the package is installed.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;
use tempfile::TempDir;

use crate::markdown::{Block, Page, pages};
use crate::root;

/// The exit codes of the shell blocks, in their order: what is red on the page is red.
const CODES: [i32; 10] = [0, 0, 0, 100, 100, 0, 0, 0, 103, 0];

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_tutorial_does_what_it_shows() {
    let computer = if let Some(folder) = std::env::var_os("HIL_TUTORIAL_ROOT") {
        Computer::root(folder.into())
    } else if let Some(python) = python() {
        Computer::this(&python)
    } else {
        assert!(std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "Python with paho-mqtt is missing");
        return eprintln!("skipped: `ci/install-parts` installs what this test needs");
    };
    let page = pages().into_iter().find(|page| page.name == "docs/tutorial.md").expect("the tutorial");
    let mut user = NewUser::at(computer);
    let steps = steps(&page);
    let mut codes = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        match step {
            Step::Types(block) => {
                let (code, said) = user.types(block);
                codes.push(code);
                if let Some(Step::Reads(shown)) = steps.get(n + 1) {
                    assert_shown(shown, &said);
                }
            }
            Step::Reads(_) => {}
            Step::Appends(file, block) => user.changes(file, |text| format!("{text}{}", block.text())),
            Step::Replaces(file, line, block) => user.changes(file, |text| {
                assert_eq!(text.lines().filter(|found| found == line).count(), 1, "{}: `{line}`", block.place);
                text.replace(&format!("{line}\n"), &block.text())
            }),
        }
    }
    assert_eq!(codes, CODES, "exit codes of the shell blocks");
}

/// Python with paho-mqtt.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("HIL_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| root().join("target/parts/python/bin/python"));
    let check = ["-c", "from paho.mqtt.client import CallbackAPIVersion"];
    Command::new(&python).args(check).status().is_ok_and(|status| status.success()).then_some(python)
}

/// What the page tells its reader to do.
enum Step {
    Types(Block),
    Reads(Block),
    Appends(String, Block),
    Replaces(String, String, Block),
}

/// The steps of a page, up to the section about real boards.
fn steps(page: &Page) -> Vec<Step> {
    let paragraphs = page.paragraphs();
    let end = paragraphs.iter().find(|(_, text)| text == "## With a real board").expect("the section").0;
    let line = |block: &Block| block.place.rsplit(':').next().and_then(|line| line.parse::<usize>().ok());
    let mut steps = Vec::new();
    for block in page.blocks() {
        let at = line(&block).expect("a line");
        let before = paragraphs.iter().rfind(|(line, _)| *line < at).map_or("", |(_, text)| text.as_str());
        let before = before.rsplit(". ").next().unwrap_or_default();
        let names: Vec<_> = before.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        match block.language.as_str() {
            _ if at > end => {}
            "sh" => steps.push(Step::Types(block)),
            "text" => steps.push(Step::Reads(block)),
            _ if before.starts_with("Append to") => steps.push(Step::Appends(names[0].clone(), block)),
            _ if before.contains("replace") => {
                steps.push(Step::Replaces(names[0].clone(), names[1].clone(), block));
            }
            // An excerpt of what is there.
            _ => {}
        }
    }
    steps
}

/// What the user sits at: it has `hil` and Python, and nothing else.
enum Computer {
    /// The program under test, and a home.
    This(TempDir),
    /// A folder that `ci/arm64/in-root` enters.
    Root(PathBuf),
}

impl Computer {
    /// `python3 -m venv` and `pip install` take from Python what they take from the network elsewhere.
    fn this(python: &Path) -> Self {
        let home = TempDir::new().expect("folder");
        let programs = home.path().join("bin");
        std::fs::create_dir(&programs).expect("folder");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hil"), programs.join("hil")).expect("link");
        let python = python.display();
        let venv = "#!/bin/sh\n[ \"$1 $2\" = '-m venv' ] && mkdir -p \"$3/bin\" && cp \"${0%/*}/pip\" \"$3/bin/pip\"\n";
        let installed = format!("#!/bin/sh\\nexec '{python}' \"$@\"\\n");
        let pip = format!(
            "#!/bin/sh\n[ \"$*\" = 'install paho-mqtt' ] && printf '{}' > \"${{0%/*}}/python3\" && chmod 755 \"${{0%/*}}/python3\"\n",
            installed.replace('\'', "'\\''")
        );
        for (name, text) in [("python3", venv), ("pip", pip.as_str())] {
            let path = programs.join(name);
            std::fs::write(&path, text).expect("write");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
        }
        Self::This(home)
    }

    /// `/wheels` in it has paho-mqtt, so that `pip install` needs no network.
    fn root(folder: PathBuf) -> Self {
        assert!(folder.join("usr/bin/hil").is_file(), "no package is installed in {}", folder.display());
        Self::Root(folder)
    }

    /// Where the user begins, as the user calls it.
    fn home(&self) -> PathBuf {
        match self {
            Self::This(home) => home.path().into(),
            Self::Root(_) => "/root".into(),
        }
    }

    /// The path for this test of what the user calls so.
    fn path(&self, named: &Path) -> PathBuf {
        match self {
            Self::This(_) => named.into(),
            Self::Root(folder) => folder.join(named.strip_prefix("/").expect("an absolute path")),
        }
    }

    /// A shell that runs a script.
    fn shell(&self, script: &str) -> Command {
        match self {
            Self::This(home) => {
                let mut shell = Command::new("sh");
                let path = format!("{}:/usr/bin:/bin", home.path().join("bin").display());
                shell.env_clear().env("PATH", path).env("HOME", home.path()).env("LANG", "C.UTF-8");
                shell.args(["-c", script]);
                shell
            }
            Self::Root(folder) => {
                let mut shell = Command::new(root().join("ci/arm64/in-root"));
                shell.arg(folder).args(["env", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/wheels", "sh", "-c", script]);
                shell
            }
        }
    }
}

/// A user who does what the page says.
struct NewUser {
    computer: Computer,
    /// Where the shell is, as the user calls it.
    folder: PathBuf,
}

impl NewUser {
    /// In an empty folder.
    fn at(computer: Computer) -> Self {
        let folder = computer.home().join("work");
        std::fs::create_dir(computer.path(&folder)).expect("folder");
        Self { computer, folder }
    }

    /// The exit code and the output of a block.
    fn types(&mut self, block: &Block) -> (i32, String) {
        let here = self.computer.home().join("here");
        let (folder, text) = (self.folder.display(), block.text());
        let script =
            format!("exec 2>&1\ncd '{folder}' || exit 9\n{text}\ncode=$?\npwd > '{}'\nexit $code\n", here.display());
        let output = self.computer.shell(&script).stdin(Stdio::null()).output().expect("a shell");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let here = std::fs::read_to_string(self.computer.path(&here));
        let why = || format!("{said}{}", String::from_utf8_lossy(&output.stderr));
        self.folder = here.unwrap_or_else(|error| panic!("{error}: {}", why())).trim_end().into();
        (output.status.code().unwrap_or(-1), said)
    }

    fn changes(&self, file: &str, change: impl FnOnce(String) -> String) {
        let path = self.computer.path(&self.folder.join(file));
        let text = std::fs::read_to_string(&path).expect("a file of the tutorial");
        std::fs::write(&path, change(text)).expect("write");
    }
}

/// The same lines but for times and names of runs; `…` alone is any number of lines, at the end of a line any text.
fn assert_shown(shown: &Block, said: &str) {
    // A busy machine adds a line to a failure.
    let said: String = said.split_inclusive('\n').filter(|line| !line.contains(" this machine stalled for ")).collect();
    let pattern: String = shown.lines.iter().map(|line| line_pattern(line)).collect();
    let pattern = Regex::new(&format!("^{pattern}$")).expect("a pattern");
    assert!(pattern.is_match(&said), "{} shows:\n{}\nbut this came:\n{said}", shown.place, shown.text());
}

fn line_pattern(line: &str) -> String {
    if line.trim() == "…" {
        return "(?:.*\n)*?".to_owned();
    }
    // Which packet was the last one is chance.
    if let Some((start, _)) = line.split_once("last packet: ") {
        return format!("{start}last packet: .*\n");
    }
    let (line, rest) = line.strip_suffix('…').map_or((line, ""), |line| (line, ".*"));
    let varying = Regex::new(r"\d+\.\d\d? s|\d{8}T\d{6}Z-\d+").expect("a pattern");
    let fixed: Vec<_> = varying.split(line).map(regex::escape).collect();
    let any: Vec<_> = varying.find_iter(line).map(|found| kind(found.as_str())).collect();
    let mut pattern = String::new();
    for (n, part) in fixed.iter().enumerate() {
        pattern.push_str(part);
        pattern.push_str(any.get(n).copied().unwrap_or_default());
    }
    format!("{pattern}{rest}\n")
}

fn kind(found: &str) -> &'static str {
    if found.ends_with('s') { r"\d+\.\d+ s" } else { r"\d{8}T\d{6}Z-\d+" }
}

#[test]
fn a_shown_line_is_compared_but_for_times_and_runs() {
    let matches =
        |line: &str, said: &str| Regex::new(&format!("^{}$", line_pattern(line))).expect("a pattern").is_match(said);
    assert!(matches("1 passed in 0.9 s", "1 passed in 12.4 s\n"));
    assert!(!matches("1 passed in 0.9 s", "2 passed in 0.9 s\n"));
    assert!(matches("reports: target/hil/20261127T160829Z-3069", "reports: target/hil/20271127T160829Z-1\n"));
    assert!(matches("was passed: …", "was passed: because of [this]\n"));
    assert!(matches("…", "") && matches("…", "a\nb\n"));
}
