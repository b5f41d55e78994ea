//! The texts of a new project's files.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use hil_config::{Bench, Chip};
use serde_json::Value;

use super::project::{Board, Project, within};
use super::write::{Content, NewFile};
use super::{ci, own_steps};
use crate::commands::boards::{PortStatus, board_table, shared_serials};
use crate::exit_code::ExitCode;
use crate::output::set_up_failed;

const HEAD: &str = "# The bench of this project: boards, what they run, and the broker. docs/reference/bench-file.md of hil lists all keys.\n";

/// What is added to `.gitignore`: runs, and what the kind of board leaves behind.
const RUNS: &str = "/target/hil/";

/// All files of a project.
pub(super) fn files(project: &Project) -> Result<Vec<NewFile>, ExitCode> {
    let name = &project.name;
    let bench = bench(project);
    check(project, &bench)?;
    let text = |name: &str, text: String| NewFile { name: name.to_owned(), content: Content::Text(text) };
    let mut files = vec![text("bench.toml", bench), text(&format!("features/{name}.feature"), feature(project))];
    let mut ignored = vec![RUNS];
    if let Board::Process = project.board {
        files.push(text(&format!("{name}.py"), named(include_str!("templates/device.py"), name)));
        ignored.push("/.venv/");
    }
    files.extend(ci::file(project));
    if let Some(checkout) = &project.own_steps {
        files.extend(own_steps::files(project, checkout)?);
        ignored = [&["/target/"], &ignored[1..]].concat();
    }
    files.push(NewFile { name: ".gitignore".to_owned(), content: Content::Lines(ignored) });
    Ok(files)
}

/// A file's template, with the name of the board.
fn named(template: &str, name: &str) -> String {
    template.replace("NAME", name)
}

/// Reads the bench file before it is written: an unknown preset is reported as in any bench file.
fn check(project: &Project, bench: &str) -> Result<(), ExitCode> {
    let quoted = |text: &str| Value::from(text).to_string();
    // Where the folder does not exist yet, the image is not found from it.
    let whole = |image: &String| quoted(&within(&project.folder, image).display().to_string());
    let image = project.image.as_ref().filter(|image| !image.starts_with("builtin:"));
    let text = image.map_or_else(|| bench.to_owned(), |image| bench.replacen(&quoted(image), &whole(image), 1));
    let read = Bench::from_text(&text, &project.path_of("bench.toml"), &hil_scenario::kinds());
    read.map(drop).map_err(|error| set_up_failed(&error, None))
}

fn bench(project: &Project) -> String {
    let name = &project.name;
    let image = project.image.as_deref();
    let tables = match &project.board {
        Board::Esp { ports, chip } => return esp_bench(project, ports, *chip),
        Board::Process => named(include_str!("templates/process.toml"), name),
        Board::Virtual if image.is_none() => named(include_str!("templates/virtual.toml"), name),
        Board::Virtual => format!("[boards.{name}]\nkind = \"virtual\"\nfirmware = \"{name}\"\n"),
        Board::Emulator { preset } => {
            let preset = Value::from(preset.as_str());
            format!("[boards.{name}]\nkind = \"emulator\"\npreset = {preset}\nfirmware = \"{name}\"\n")
        }
    };
    let firmware = match (&project.board, image) {
        (_, Some(image)) => firmware_table(name, image),
        (Board::Emulator { .. }, None) => {
            let comment =
                "# Part of hil, and made for Wi-Fi: it boots, but finds no network. Name your own image here.\n";
            firmware_table(name, "builtin:lamp-esp32c3").replace("image =", &format!("{comment}image ="))
        }
        (_, None) => String::new(),
    };
    format!("{HEAD}\n{tables}{firmware}")
}

/// An image that reads the address of the broker from NVS, as the guides show.
fn firmware_table(name: &str, image: &str) -> String {
    let image = Value::from(image);
    format!(
        "\n[firmware.{name}]\nimage = {image}\n\
         # How the firmware learns the address of the broker: docs/how-to/your-firmware.md of hil.\n\
         nvs = {{ \"mqtt.host\" = \"{{tap.host}}\", \"mqtt.port\" = \"{{tap.port}}\" }}\n"
    )
}

fn esp_bench(project: &Project, ports: &[PortStatus], chip: Option<Chip>) -> String {
    let (name, same) = (&project.name, shared_serials(ports));
    let address = own_address();
    let mut text = format!(
        "{HEAD}\n[tap]\n# The boards connect to this: this computer's address in their network.\naddress = \"{address}\"\n"
    );
    for (board, port) in board_names(name, ports.len()).iter().zip(ports) {
        let table = board_table(board, port, &same, chip);
        text.push_str(&if project.image.is_some() { with_firmware(&table, name) } else { table });
    }
    match &project.image {
        Some(image) => text.push_str(&firmware_table(name, image)),
        None => text.push_str(&example_firmware(name)),
    }
    text
}

/// A firmware table in comments.
fn example_firmware(name: &str) -> String {
    let table = firmware_table(name, "build/app.elf");
    let lines = table.trim().lines().map(|line| format!("# {}\n", line.trim_start_matches("# ")));
    format!("\n# Your firmware. A board with `firmware = \"{name}\"` runs it.\n{}", lines.collect::<String>())
}

/// The names of several boards are numbered.
fn board_names(name: &str, count: usize) -> Vec<String> {
    if count == 1 { vec![name.to_owned()] } else { (1..=count).map(|n| format!("{name}-{n}")).collect() }
}

fn with_firmware(table: &str, name: &str) -> String {
    table.replacen("\nport = ", &format!("\nfirmware = \"{name}\"\nport = "), 1)
}

/// This computer's address in the network of its default route. Nothing is sent: the kernel only chooses a route.
fn own_address() -> IpAddr {
    let local = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        // An address for documentation (RFC 5737).
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    local.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

fn feature(project: &Project) -> String {
    let name = &project.name;
    match (&project.board, &project.image) {
        (Board::Process, _) => named(include_str!("templates/process.feature"), name),
        (Board::Virtual, None) => named(include_str!("templates/virtual.feature"), name),
        (Board::Esp { ports, .. }, None) => scenarios(name, ports.len(), include_str!("templates/boots.feature.txt")),
        (Board::Esp { ports, .. }, Some(_)) => scenarios(name, ports.len(), RUNS_FIRMWARE),
        (Board::Virtual | Board::Emulator { .. }, _) => scenarios(name, 1, RUNS_FIRMWARE),
    }
}

const RUNS_FIRMWARE: &str = include_str!("templates/runs.feature.txt");

/// A feature with a scenario for each board.
fn scenarios(name: &str, count: usize, template: &str) -> String {
    let scenario = |board: &String| template.replace("BOARD", board).replace("FIRMWARE", name);
    let scenarios: String = board_names(name, count).iter().map(scenario).collect();
    format!("Feature: {name}\n\n  # Replace this by what your firmware does. `hil steps` lists all steps.\n{scenarios}")
}
