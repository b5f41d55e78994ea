//! `hil boards`: the configured boards and the attached serial ports.

use std::fmt::Write as _;
use std::path::Path;

use hil_bench::keeper::{DeviceLock, holder_of};
use hil_bench::ports::{self, AttachedPort, PortState, attached, state_of};
use hil_bench::{Probed, claimed, probe};
use hil_config::{Bench, Board, BoardKind, Chip};
use hil_report::inert;
use serde_json::{Value, json};

use crate::args::{BoardsArgs, BoardsCommand, DiscoverArgs, Format};
use crate::commands::on_hosts;
use crate::exit_code::ExitCode;
use crate::output::{Message, say, say_json, set_up_failed, warn};

pub(crate) fn boards(args: &BoardsArgs) -> ExitCode {
    match &args.command {
        Some(BoardsCommand::Discover(discover)) => self::discover(discover),
        None if !args.hosts.hosts.is_empty() => {
            let words =
                if args.format.format == Format::Json { &["boards", "--format", "json"][..] } else { &["boards"] };
            on_hosts::on_each(&args.hosts.hosts, words, args.format.format)
        }
        None => describe(args),
    }
}

/// The state of a board of the bench file.
struct BoardStatus {
    name: String,
    kind: &'static str,
    chip: &'static str,
    identity: String,
    port: String,
    state: String,
    in_use: Option<String>,
    rails: String,
}

fn describe(args: &BoardsArgs) -> ExitCode {
    let bench = match Bench::choose(args.bench.bench.clone(), &hil_scenario::kinds()) {
        Ok(bench) => bench,
        Err(error) => return set_up_failed(&error, None),
    };
    let statuses: Vec<_> = bench.boards.values().map(status).collect();
    if args.format.format == Format::Json {
        let boards: Vec<_> = statuses.iter().map(BoardStatus::json).collect();
        say_json(&json!({ "bench": bench.name, "boards": boards }));
        return ExitCode::Passed;
    }
    say(format!("bench {}", bench.name));
    for status in &statuses {
        say(inert(&status.text()));
    }
    if statuses.is_empty() {
        let title = bench.title();
        say(format!("{title} has no boards; `hil boards discover --write FILE` writes a first bench file"));
    }
    ExitCode::Passed
}

fn status(board: &Board) -> BoardStatus {
    let rails: Vec<_> = board.rails.iter().map(|rail| rail.driver.to_string()).collect();
    let mut status = BoardStatus {
        name: board.name.to_string(),
        kind: board.kind.word(),
        chip: if board.kind == BoardKind::Process { "-" } else { board.chip.word() },
        identity: board.port.as_ref().map(ToString::to_string).unwrap_or_default(),
        port: String::new(),
        state: match (&board.emulator, board.kind) {
            (Some(emulator), _) => format!("emulated by {}", emulator.command.first().map_or("", String::as_str)),
            (None, BoardKind::Process) => "a program".to_owned(),
            (None, _) => "simulated".to_owned(),
        },
        in_use: None,
        rails: rails.join(" + "),
    };
    if board.kind == BoardKind::Esp {
        match ports::find(&board.port.clone().unwrap_or_default()) {
            Ok(path) => {
                status.state = state_of(&path).to_string();
                status.port = path.display().to_string();
            }
            Err(ports::PortProblem::Absent { .. }) => status.state = PortState::Absent.to_string(),
            Err(problem) => status.state = problem.to_string(),
        }
        status.in_use = holder_of(&claimed(board).keys).map(|holder| holder.to_string());
    }
    status
}

impl BoardStatus {
    fn text(&self) -> String {
        let mut text = format!("{:<12} {:<8} {:<8}", self.name, self.kind, self.chip);
        // Writing to a string can't fail.
        let _ = write!(text, " {}", if self.port.is_empty() { "-" } else { &self.port });
        let _ = write!(text, "  {}", self.state);
        if !self.identity.is_empty() {
            let _ = write!(text, "  ({})", self.identity);
        }
        if let Some(holder) = &self.in_use {
            let _ = write!(text, "  in use by {holder}");
        }
        if !self.rails.is_empty() {
            let _ = write!(text, "  power: {}", self.rails);
        }
        text
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "kind": self.kind, "chip": self.chip, "identity": self.identity, "port": self.port,
            "state": self.state, "in-use": self.in_use, "rails": self.rails,
        })
    }
}

/// A serial port, with the result of probing its chip.
pub(super) struct PortStatus {
    port: AttachedPort,
    state: PortState,
    probed: Option<Result<Probed, String>>,
}

fn discover(args: &DiscoverArgs) -> ExitCode {
    let ports = attached(Path::new("/sys"), Path::new("/dev"));
    let mut seen: Vec<_> = ports.into_iter().map(PortStatus::of).collect();
    if args.probe {
        seen.iter_mut().for_each(PortStatus::probe);
    }
    match args.format.format {
        Format::Json => say_json(&json!({ "ports": seen.iter().map(PortStatus::json).collect::<Vec<_>>() })),
        Format::Text => seen.iter().for_each(|seen| say(inert(&seen.text()))),
    }
    if seen.is_empty() && args.format.format == Format::Text {
        say("no serial port is attached");
        warn("hint: a charge-only cable has no data wires; `dmesg | tail` shows what the kernel detects");
    }
    let same = shared_serials(&seen);
    for serial in &same {
        warn(format!("note: several ports have the USB serial number `{serial}`; use `topology` to distinguish them"));
    }
    match &args.write {
        Some(path) => write(path, &seen, &same),
        None => ExitCode::Passed,
    }
}

/// USB vendors of ESP chips with USB, and of the serial bridges on ESP boards: Espressif, Silicon Labs, WCH, FTDI, Prolific.
const ESP_VENDORS: [u16; 5] = [0x303a, 0x10c4, 0x1a86, 0x0403, 0x067b];

/// The attached ports that can be ESP boards, by their USB identity alone: none is opened.
pub(super) fn attached_boards() -> Vec<PortStatus> {
    let ports = attached(Path::new("/sys"), Path::new("/dev")).into_iter();
    let is_esp = |port: &AttachedPort| port.usb.as_ref().is_some_and(|usb| ESP_VENDORS.contains(&usb.vid));
    ports.filter(is_esp).map(PortStatus::of).collect()
}

/// The port at a path, with its USB identity if it has one.
pub(super) fn port_at(path: &Path) -> PortStatus {
    let whole = path.canonicalize().ok();
    let ports = attached(Path::new("/sys"), Path::new("/dev")).into_iter();
    let known = ports.filter(|port| port.usb.is_some()).find(|port| Some(&port.path) == whole.as_ref());
    // Relative, it would count from the folder of the bench file.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    PortStatus::of(known.unwrap_or(AttachedPort { path, driver: None, usb: None }))
}

/// USB serial numbers that several ports share.
pub(super) fn shared_serials(seen: &[PortStatus]) -> Vec<String> {
    let serials: Vec<_> = seen.iter().filter_map(|seen| seen.port.usb.as_ref()?.serial.clone()).collect();
    let mut same: Vec<_> =
        serials.iter().filter(|serial| serials.iter().filter(|other| other == serial).count() > 1).cloned().collect();
    same.sort();
    same.dedup();
    same
}

impl PortStatus {
    fn of(port: AttachedPort) -> Self {
        Self { state: state_of(&port.path), port, probed: None }
    }

    /// Reads the chip's type and MAC address, which resets it, unless the board is in use.
    pub(super) fn probe(&mut self) {
        let key = match &self.port.usb {
            Some(usb) => format!("usb {}", usb.interface),
            None => format!("device {}", self.port.path.display()),
        };
        self.probed = (self.state == PortState::Ready).then(|| {
            let _lock = DeviceLock::try_take(&key, "hil boards discover --probe")
                .map_err(|why| format!("not probed: {why}"))?;
            probe(&self.port.path, self.port.usb.as_ref())
        });
    }

    fn text(&self) -> String {
        let mut text = format!("{:<14} {}", self.port.path.display(), self.state);
        if let Some(usb) = &self.port.usb {
            let _ = write!(text, "  {:04x}:{:04x} {}", usb.vid, usb.pid, usb.product.as_deref().unwrap_or("-"));
            let _ = write!(text, "  serial {}", usb.serial.as_deref().unwrap_or("-"));
            let _ = write!(text, "  topology {}", usb.interface);
        }
        if let Some(driver) = &self.port.driver {
            let _ = write!(text, "  driver {driver}");
        }
        match &self.probed {
            Some(Ok(probed)) => drop(write!(text, "  {} {}", probed.chip, probed.mac)),
            Some(Err(why)) => drop(write!(text, "  {why}")),
            None => {}
        }
        text
    }

    fn json(&self) -> Value {
        let usb = self.port.usb.as_ref();
        json!({
            "port": self.port.path, "state": self.state.to_string(), "driver": self.port.driver,
            "vid": usb.map(|usb| usb.vid), "pid": usb.map(|usb| usb.pid),
            "product": usb.and_then(|usb| usb.product.clone()), "serial": usb.and_then(|usb| usb.serial.clone()),
            "topology": usb.map(|usb| usb.interface.clone()),
            "chip": self.probed.as_ref().and_then(|probed| Some(probed.as_ref().ok()?.chip.clone())),
            "mac": self.probed.as_ref().and_then(|probed| Some(probed.as_ref().ok()?.mac.clone())),
        })
    }
}

/// Writes a first bench file; never overwrites one.
fn write(path: &Path, seen: &[PortStatus], same: &[String]) -> ExitCode {
    let text = bench_file(seen, same);
    let failed = |error: std::io::Error| {
        let hint = (error.kind() == std::io::ErrorKind::AlreadyExists)
            .then(|| "name another file, or remove this one first".to_owned());
        set_up_failed(&Message(format!("can't write `{}`: {error}", path.display())), hint)
    };
    let written =
        std::fs::File::create_new(path).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    match written {
        Ok(()) => {
            say(format!("wrote {}; check it with `hil doctor --bench {}`", path.display(), path.display()));
            ExitCode::Passed
        }
        Err(error) => failed(error),
    }
}

fn bench_file(seen: &[PortStatus], same: &[String]) -> String {
    let mut text = String::from(
        "# Written by `hil boards discover`. docs/reference/bench-file.md lists every key; docs/how-to/real-bench.md shows the wiring.\n\n\
         [broker]\nkind = \"embedded\"\n\n\
         [tap]\n# This machine's address in the boards' network:\naddress = \"127.0.0.1\"\n",
    );
    for (n, seen) in seen.iter().filter(|seen| seen.port.usb.is_some()).enumerate() {
        text.push_str(&board_table(&format!("board-{}", n + 1), seen, same, None));
    }
    text.push_str("\n# [firmware.app]\n# image = \"app.elf\"\n# nvs = { \"mqtt.host\" = \"{tap.host}\", \"mqtt.port\" = \"{tap.port}\" }\n");
    text
}

/// The table of a board on a port. Its chip is the one that is named, else the one that was probed.
pub(super) fn board_table(name: &str, seen: &PortStatus, same: &[String], chip: Option<Chip>) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let usb = seen.port.usb.as_ref();
    let serial = usb.and_then(|usb| usb.serial.as_deref()).filter(|serial| !same.contains(&(*serial).to_owned()));
    let port = match (serial, usb) {
        (Some(serial), _) => format!("{{ usb-serial = {} }}", quoted(serial)),
        (None, Some(usb)) => format!("{{ topology = {} }}", quoted(&usb.interface)),
        (None, None) => format!("{{ path = {} }}", quoted(&seen.port.path.display().to_string())),
    };
    let (chip, note) = match (&seen.probed, chip) {
        (_, Some(chip)) => (chip.word(), String::new()),
        (Some(Ok(probed)), None) if Chip::named(&probed.chip).is_some() => {
            (probed.chip.as_str(), format!("   # MAC {}", probed.mac))
        }
        _ => ("esp32c3", "   # not probed: correct it, or use `hil boards discover --probe`".to_owned()),
    };
    let what = match usb {
        Some(usb) => format!("{} at {}", usb.product.as_deref().unwrap_or("USB serial port"), usb.topology),
        None => "Serial port".to_owned(),
    };
    format!(
        "\n# {what}\n[boards.{name}]\nkind = \"esp\"\nchip = \"{chip}\"{note}\nport = {port}\n\
         # [[boards.{name}.rails]]\n# driver = \"gpio\"\n# line = \"GPIO17\"\n",
    )
}

#[cfg(test)]
mod tests {
    use hil_bench::ports::UsbIdentity;

    use super::*;

    fn port(tty: &str, topology: &str, serial: &str, probed: Option<Result<Probed, String>>) -> PortStatus {
        let usb = UsbIdentity {
            vid: 0x10c4,
            pid: 0xea60,
            serial: Some(serial.to_owned()),
            product: Some("CP2102".to_owned()),
            topology: topology.to_owned(),
            interface: format!("{topology}:1.0"),
        };
        let port =
            AttachedPort { path: Path::new("/dev").join(tty), driver: Some("cp210x".to_owned()), usb: Some(usb) };
        PortStatus { port, state: PortState::Ready, probed }
    }

    #[test]
    fn a_first_bench_file_is_valid_and_distinguishes_ports_with_the_same_serial() {
        let probed = Probed { chip: "esp32c6".to_owned(), mac: "84:f7:03:00:00:01".to_owned() };
        let seen = [
            port("ttyUSB0", "1-1.2", "0001", None),
            port("ttyUSB1", "1-1.3", "0001", None),
            port("ttyUSB2", "1-1.4", "A5", Some(Ok(probed))),
        ];
        let same = shared_serials(&seen);
        assert_eq!(same, ["0001"]);
        let text = bench_file(&seen, &same);
        insta::assert_snapshot!(text);
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bench.toml");
        std::fs::write(&path, &text).expect("write");
        let bench = Bench::from_file(&path, &hil_scenario::kinds()).expect("valid");
        assert_eq!(bench.boards.len(), 3);
        insta::assert_snapshot!("ports", seen.iter().map(PortStatus::text).collect::<Vec<_>>().join("\n"));
    }
}
