//! What a new project consists of: flags, answers and defaults.

use std::path::{Component, Path, PathBuf};

use hil_config::{BoardName, Chip};

use super::ask::{Asks, Choice};
use super::failed;
use crate::args::{Ci, InitArgs, InitKind};
use crate::commands::boards::{PortStatus, attached_boards, port_at};
use crate::exit_code::ExitCode;

/// Everything that is decided before the first file is written.
pub(super) struct Project {
    pub(super) folder: PathBuf,
    /// The name of the board and of its firmware.
    pub(super) name: String,
    pub(super) board: Board,
    /// The firmware's file, from the folder.
    pub(super) image: Option<String>,
    pub(super) ci: Ci,
    /// The checkout of `hil`, from the folder.
    pub(super) own_steps: Option<String>,
}

/// The board that a project begins with.
pub(super) enum Board {
    Esp { ports: Vec<PortStatus>, chip: Option<Chip> },
    Virtual,
    Process,
    Emulator { preset: String },
}

impl Project {
    pub(super) fn decide(args: &InitArgs) -> Result<Self, ExitCode> {
        let asks = Asks::unless(args.yes);
        let attached = attached_boards();
        let kind = match args.kind {
            Some(kind) => kind,
            None => ask_kind(&asks, args, attached.len())?,
        };
        check_flags(args, kind)?;
        let name = name(&asks, args)?;
        let board = match kind {
            InitKind::Esp => esp(&asks, args, attached)?,
            InitKind::Virtual => Board::Virtual,
            InitKind::Process => Board::Process,
            InitKind::Emulator => {
                Board::Emulator { preset: args.preset.clone().unwrap_or_else(|| "qemu-esp32c3".to_owned()) }
            }
        };
        if let Some(image) = args.image.as_ref().filter(|image| !is_there(&args.folder, image)) {
            let hint = "build it first; its path counts from the folder of the project";
            return Err(failed(format!("there is no file `{image}`"), hint));
        }
        let ci = match args.ci {
            Some(ci) => ci,
            None => asks.choose("Where does CI run?", &CI, 0)?,
        };
        let own_steps = args.own_steps.clone();
        Ok(Self { folder: args.folder.clone(), name, board, image: args.image.clone(), ci, own_steps })
    }

    /// A file of the project, from the current folder.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        if self.folder == Path::new(".") { PathBuf::from(name) } else { self.folder.join(name) }
    }

    /// The commands to type next, and what they are for.
    pub(super) fn next_commands(&self) -> Vec<(String, &'static str)> {
        let mut commands = Vec::new();
        if self.folder != Path::new(".") {
            commands.push((format!("cd {}", quoted(&self.folder)), ""));
        }
        match &self.board {
            Board::Process => {
                commands.push(("python3 -m venv .venv".to_owned(), ""));
                commands.push((".venv/bin/pip install paho-mqtt".to_owned(), ""));
            }
            Board::Emulator { .. } => commands.push(("hil doctor".to_owned(), "is the emulator installed?")),
            Board::Esp { .. } => commands.push(("hil doctor".to_owned(), "can the boards be used?")),
            Board::Virtual => {}
        }
        commands.push(("hil run".to_owned(), "run the feature"));
        if self.own_steps.is_some() {
            commands.push(("cargo test --test features".to_owned(), "run it with your own steps"));
        }
        commands.push(("hil steps".to_owned(), "list what features can say"));
        commands
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%,:=".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

const CI: [Choice<Ci>; 3] = [
    Choice { word: "github", what: "write .github/workflows/hil.yml", value: Ci::Github },
    Choice { word: "gitlab", what: "write .gitlab-ci.yml", value: Ci::Gitlab },
    Choice { word: "none", what: "write no workflow", value: Ci::None },
];

const KINDS: [Choice<InitKind>; 4] = [
    Choice { word: "esp", what: "ESP boards that are attached to this computer", value: InitKind::Esp },
    Choice { word: "virtual", what: "a simulated ESP32-C3 that executes its image", value: InitKind::Virtual },
    Choice { word: "process", what: "a program of this computer, in Python", value: InitKind::Process },
    Choice { word: "emulator", what: "a chip that QEMU or another emulator plays", value: InitKind::Emulator },
];

/// A flag for one kind of board says which kind is meant; else it is what is attached, or virtual.
fn ask_kind(asks: &Asks, args: &InitArgs, attached: usize) -> Result<InitKind, ExitCode> {
    if args.preset.is_some() {
        return Ok(InitKind::Emulator);
    }
    if !args.port.is_empty() || args.probe || args.chip.is_some() {
        return Ok(InitKind::Esp);
    }
    let (question, default) = match attached {
        0 => ("What kind of board? No ESP board is attached.".to_owned(), 1),
        1 => ("What kind of board? 1 ESP board is attached.".to_owned(), 0),
        count => (format!("What kind of board? {count} ESP boards are attached."), 0),
    };
    asks.choose(&question, &KINDS, default)
}

/// A flag that has no meaning for the kind of board would be ignored unnoticed.
fn check_flags(args: &InitArgs, kind: InitKind) -> Result<(), ExitCode> {
    let esp_only = [("--port", !args.port.is_empty()), ("--chip", args.chip.is_some()), ("--probe", args.probe)];
    let wrong = if kind == InitKind::Esp { None } else { esp_only.iter().find(|(_, given)| *given) };
    let wrong = wrong.map(|(flag, _)| (*flag, "esp"));
    let wrong =
        wrong.or_else(|| (kind != InitKind::Emulator && args.preset.is_some()).then_some(("--preset", "emulator")));
    if let Some((flag, for_kind)) = wrong {
        return Err(failed(format!("`{flag}` is for `--kind {for_kind}`"), "leave it out, or change `--kind`"));
    }
    if kind == InitKind::Process && args.image.is_some() {
        return Err(failed("`--image` is not for `--kind process`: a program has no image".to_owned(), "leave it out"));
    }
    Ok(())
}

fn name(asks: &Asks, args: &InitArgs) -> Result<String, ExitCode> {
    let check = |name: &str| BoardName::new(name).map(drop);
    match &args.name {
        Some(name) => match check(name) {
            Ok(()) => Ok(name.clone()),
            Err(hint) => Err(failed(format!("`{name}` is not a board name"), hint)),
        },
        None => asks.text("Name of the board?", &name_of(&args.folder), check),
    }
}

/// The name of the folder, in letters that a board name may have.
fn name_of(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let name: String = name.chars().map(fits).take(40).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "board".to_owned() } else { name.to_owned() }
}

fn esp(asks: &Asks, args: &InitArgs, attached: Vec<PortStatus>) -> Result<Board, ExitCode> {
    let mut ports = match args.port.as_slice() {
        [] => attached,
        named => named.iter().map(|path| port_at(path)).collect(),
    };
    if ports.is_empty() {
        let hint = "plug one in (`hil boards discover` lists all serial ports), name its port with `--port`, or begin \
                    with `--kind virtual`";
        return Err(failed("no ESP board is attached".to_owned(), hint));
    }
    let question = "Read which chips the boards have? This resets them.";
    if args.probe || (args.chip.is_none() && asks.yes(question, false)?) {
        ports.iter_mut().for_each(PortStatus::probe);
    }
    Ok(Board::Esp { ports, chip: args.chip })
}

fn is_there(folder: &Path, image: &str) -> bool {
    image.starts_with("builtin:") || within(folder, image).is_file()
}

/// A path from a folder that need not exist yet: the system resolves no `..` below a missing one.
pub(super) fn within(folder: &Path, path: &str) -> PathBuf {
    if folder.exists() {
        return folder.join(path);
    }
    let mut whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            part => whole.push(part),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_the_board_its_name() {
        let named = |folder: &str| name_of(Path::new(folder));
        assert_eq!(named("/nowhere/plant"), "plant");
        assert_eq!(named("/nowhere/My plant (2)"), "My-plant--2");
        assert_eq!(named("/nowhere/…"), "board");
        assert_eq!(named("/"), "board");
        assert_eq!(named(&"x".repeat(60)).len(), 40);
    }

    #[test]
    fn a_folder_is_quoted_for_the_shell() {
        assert_eq!(quoted(Path::new("../plant")), "../plant");
        assert_eq!(quoted(Path::new("it's here")), r"'it'\''s here'");
    }
}
