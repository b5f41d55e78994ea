//! `hil virtual --as-real DIR`: virtual boards that another `hil` handles as real ones.
//!
//! The folder contains a link to each board's port, a socket that switches power, EN and the strapping pin, and a bench
//! file that uses both. Only these connect the two programs: the other one flashes, resets, cuts power and reads
//! consoles as on a real bench.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hil_config::{
    Bench, Firmware, Image, NvsNumber, NvsValue, Part, Pin, PinDirection, PinLine, ScriptSource, Scripts,
};
use hil_virtual_board::{Options, VirtualBoard};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, broadcast};

use crate::exit_code::ExitCode;
use crate::output::{Message, say, set_up_failed, warn};
use crate::{session, signals};

/// The socket's name in the folder.
const SOCKET: &str = "control.sock";

/// Starts the boards, without power, and handles commands until Ctrl-C.
pub(crate) async fn hold(folder: &Path, bench: Bench) -> ExitCode {
    let firmware = bench.firmware.values().filter(|firmware| firmware.process.is_none());
    for name in firmware.map(|firmware| firmware.name.as_str()) {
        if let Err(code) = session::check_set(&bench, Part::Firmware(name)) {
            return code;
        }
    }
    let abort = match signals::abort_on_signals(None) {
        Ok(abort) => abort,
        Err(error) => return set_up_failed(&error, None),
    };
    let (lab, listener) = match Lab::open(folder, &bench) {
        Ok(open) => open,
        Err(error) => {
            let message = Message(format!("can't create a bench in `{}`: {error}", folder.display()));
            return set_up_failed(&message, Some("name a folder that you can write to".to_owned()));
        }
    };
    say(format!("bench      {}", lab.folder.join("bench.toml").display()));
    for name in lab.boards.keys() {
        say(format!("{name:<10} port {}, no power", lab.link(name).display()));
    }
    say("up; Ctrl-C exits");
    let lab = Arc::new(lab);
    let mut aborted = abort;
    let accepting = async {
        while let Ok((visitor, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&lab).serve(visitor));
        }
    };
    tokio::select! {
        () = accepting => warn("error: the control socket no longer accepts connections"),
        _ = aborted.wait_for(|abort| *abort) => {}
    }
    lab.shut_down();
    ExitCode::Passed
}

/// Sends one command to a running bench and prints the answer.
pub(crate) async fn send(socket: &Path, words: &[String]) -> ExitCode {
    if words.first().is_some_and(|word| word == "watch") {
        return follow(socket, words).await;
    }
    match ask(socket, &words.join(" ")).await {
        Ok(answer) if answer.starts_with("error: ") => {
            warn(answer);
            ExitCode::Setup
        }
        Ok(answer) => {
            say(answer);
            ExitCode::Passed
        }
        Err(error) => {
            let message = Message(format!("can't reach `{}`: {error}", socket.display()));
            set_up_failed(&message, Some("check that `hil virtual --as-real` is still running".to_owned()))
        }
    }
}

/// Prints each change of a pin while the bench is running.
async fn follow(socket: &Path, words: &[String]) -> ExitCode {
    let failed = |error: std::io::Error| {
        let message = Message(format!("can't reach `{}`: {error}", socket.display()));
        set_up_failed(&message, Some("check that `hil virtual --as-real` is still running".to_owned()))
    };
    let mut stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) => return failed(error),
    };
    if let Err(error) = stream.write_all(format!("{}\n", words.join(" ")).as_bytes()).await {
        return failed(error);
    }
    let mut lines = BufReader::new(stream).lines();
    loop {
        match lines.next_line().await {
            Ok(Some(line)) if line.starts_with("error: ") => {
                warn(line);
                return ExitCode::Setup;
            }
            Ok(Some(line)) => say(line),
            Ok(None) => return ExitCode::Passed,
            Err(error) => return failed(error),
        }
    }
}

async fn ask(socket: &Path, command: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(format!("{command}\n").as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    Ok(answer.trim_end().to_owned())
}

/// A virtual board and the state that clients set.
struct LabBoard {
    board: VirtualBoard,
    on: bool,
    pins: Arc<PinLevels>,
}

/// The levels of a board's pins.
struct PinLevels {
    /// GPIOs that have changed, and whether they are high; all others are pulled high.
    now: parking_lot::Mutex<BTreeMap<u8, bool>>,
    changes: broadcast::Sender<(u8, bool)>,
}

impl PinLevels {
    fn new() -> Self {
        /// A listener that lags by more gets the current level instead of the changes.
        const KEPT: usize = 4096;
        Self { now: parking_lot::Mutex::default(), changes: broadcast::Sender::new(KEPT) }
    }

    fn change(&self, gpio: u8, high: bool) {
        let mut now = self.now.lock();
        now.insert(gpio, high);
        // There may be no listener.
        let _ = self.changes.send((gpio, high));
    }

    /// The current level and a receiver of all later changes.
    fn watch(&self, gpio: u8) -> (bool, broadcast::Receiver<(u8, bool)>) {
        let now = self.now.lock();
        (now.get(&gpio).copied().unwrap_or(true), self.changes.subscribe())
    }
}

struct Lab {
    folder: PathBuf,
    boards: BTreeMap<String, Mutex<LabBoard>>,
}

impl Lab {
    fn open(folder: &Path, bench: &Bench) -> std::io::Result<(Self, UnixListener)> {
        std::fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        let mut boards = BTreeMap::new();
        for board in bench.boards.values().filter(|board| board.kind == hil_config::BoardKind::Virtual) {
            let pins = Arc::new(PinLevels::new());
            let changing = Arc::clone(&pins);
            let on_pin = move |gpio, high| changing.change(gpio, high);
            let named = Options::named(board.name.as_str(), &board.misbehaves);
            let network = bench.wifi.clone().unwrap_or_default();
            let virtual_board = VirtualBoard::start(Options { on_pin: Some(Arc::new(on_pin)), network, ..named })?;
            // Others flash it: whatever it is, the names of its functions are known.
            bench.firmware.values().filter_map(hil_bench::elf_of).for_each(|elf| virtual_board.offer_elf(elf));
            boards.insert(board.name.to_string(), Mutex::new(LabBoard { board: virtual_board, on: false, pins }));
        }
        let lab = Self { folder, boards };
        for (name, lab_board) in &lab.boards {
            lab.link_port(name, &lab_board.try_lock().map_err(std::io::Error::other)?.board)?;
        }
        let socket = lab.folder.join(SOCKET);
        // A killed process may have left it behind; each running one has a folder of its own.
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket)?;
        // It may contain passwords in plain text: in blobs, and in settings from other files.
        hil_files::write_private(&lab.folder.join("bench.toml"), lab.bench_file(bench))?;
        Ok((lab, listener))
    }

    fn link(&self, name: &str) -> PathBuf {
        self.folder.join(format!("port-{name}"))
    }

    /// Links to the port while it exists.
    fn link_port(&self, name: &str, board: &VirtualBoard) -> std::io::Result<()> {
        let link = self.link(name);
        let _ = std::fs::remove_file(&link);
        board.port().map_or(Ok(()), |port| symlink(port, link))
    }

    fn shut_down(&self) {
        for name in self.boards.keys() {
            let _ = std::fs::remove_file(self.link(name));
        }
        let _ = std::fs::remove_file(self.folder.join(SOCKET));
    }

    async fn serve(self: Arc<Self>, stream: UnixStream) {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(pin) = self.watched(&line).await {
                return pin.report_to(write).await;
            }
            let answer = self.handle(&line).await.unwrap_or_else(|error| format!("error: {error}"));
            if write.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// `watch BOARD GPIO high|low`: reports whether the pin has that level, now and at each change.
    async fn watched(&self, line: &str) -> Option<WatchedPin> {
        let words: Vec<_> = line.split_whitespace().collect();
        let ["watch", board, gpio, level @ ("high" | "low")] = words.as_slice() else { return None };
        let pins = Arc::clone(&self.boards.get(*board)?.lock().await.pins);
        Some(WatchedPin { pins, gpio: gpio.parse().ok()?, high: *level == "high" })
    }

    async fn handle(&self, line: &str) -> Result<String, Message> {
        const USAGE: &str = "expected `power BOARD on|off`, `state BOARD`, `hold BOARD`, `run BOARD`, `loader BOARD`, `boot BOARD low|high`, `pin BOARD GPIO low|high`, `watch BOARD GPIO low|high`, `unplug BOARD` or `plug BOARD`";
        let words: Vec<_> = line.split_whitespace().collect();
        let usage = || Message(USAGE.to_owned());
        let name = *words.get(1).ok_or_else(usage)?;
        let bench = self.folder.join("bench.toml");
        let unknown = || Message(format!("the bench `{}` has no board `{name}`", bench.display()));
        let lab_board = self.boards.get(name).ok_or_else(unknown)?;
        let mut lab_board = lab_board.lock().await;
        match words.as_slice() {
            ["power", _, state @ ("on" | "off")] => {
                lab_board.on = *state == "on";
                lab_board.board.set_rail(lab_board.on).await;
            }
            ["state", _] => return Ok(if lab_board.on { "on" } else { "off" }.to_owned()),
            ["hold", _] => lab_board.board.set_enable(false).await,
            ["run", _] => {
                lab_board.board.drive_boot_pin(true).await;
                lab_board.board.set_enable(true).await;
            }
            ["loader", _] => {
                lab_board.board.drive_boot_pin(false).await;
                lab_board.board.set_enable(true).await;
            }
            ["boot", _, level @ ("low" | "high")] => lab_board.board.drive_boot_pin(*level == "high").await,
            ["pin", _, gpio, level @ ("low" | "high")] => {
                let gpio = gpio.parse().map_err(|_| usage())?;
                lab_board.board.drive(gpio, *level == "high").await;
            }
            ["unplug", _] => lab_board.board.set_plugged(false).await,
            ["plug", _] => lab_board.board.set_plugged(true).await,
            _ => return Err(usage()),
        }
        self.link_port(name, &lab_board.board).map_err(|error| Message(error.to_string()))?;
        Ok(format!("done: {line}"))
    }

    /// A bench file that describes these boards as real ones, with the firmware of the original bench.
    fn bench_file(&self, bench: &Bench) -> String {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("hil"));
        let mut text = String::from("# Virtual boards described as real ones; created by `hil virtual --as-real`.\n");
        let values = SecretNames { variables: &bench.variables };
        let wifi = bench.wifi.clone().unwrap_or_default();
        let _ = writeln!(text, "\n[wifi]\nssid = {}", values.quoted(&wifi.ssid));
        if !wifi.password.is_empty() {
            let _ = writeln!(text, "password = {}", values.quoted(&wifi.password));
        }
        for name in self.boards.keys() {
            let command = |words: &str| {
                let socket = self.folder.join(SOCKET);
                let words = words.split(' ').map(str::to_owned);
                let words_before =
                    [program.display().to_string(), "virtual".into(), "--tell".into(), socket.display().to_string()];
                list(words_before.into_iter().chain(words))
            };
            let port = quoted(&self.link(name).display().to_string());
            let (on, off, state) = (
                command(&format!("power {name} on")),
                command(&format!("power {name} off")),
                command(&format!("state {name}")),
            );
            let pins = bench.board(name).map(|board| &board.pins);
            let pins: Vec<_> =
                pins.into_iter().flatten().filter_map(|(pin, of)| shown_pin(name, pin, of, &command)).collect();
            let (hold, run, loader) =
                (command(&format!("hold {name}")), command(&format!("run {name}")), command(&format!("loader {name}")));
            // Writing to a string can't fail.
            let _ = write!(
                text,
                "\n[boards.{name}]\nkind = \"esp\"\nchip = \"esp32c3\"\nport = {{ path = {port} }}\n\
                 reset = {{ strategy = \"command\", hold = {hold}, run = {run}, loader = {loader} }}\n"
            );
            if !pins.is_empty() {
                let _ = writeln!(text, "pins = {{ {} }}", pins.join(", "));
            }
            if let Some(board) = bench.board(name) {
                if let Some(pin) = &board.power_pin {
                    let _ = writeln!(text, "power-pin = {}", quoted(pin));
                }
                if !board.tags.is_empty() {
                    let _ = writeln!(text, "tags = {}", list(board.tags.iter().cloned()));
                }
            }
            if let Some(firmware) = bench.board(name).and_then(|board| board.firmware.as_ref()) {
                let _ = writeln!(text, "firmware = \"{firmware}\"");
            }
            let _ = write!(
                text,
                "\n[[boards.{name}.rails]]\ndriver = \"command\"\non = {on}\noff = {off}\nstate = {state}\n"
            );
        }
        // Without programs: they can't run on these boards.
        let flashed = bench.firmware.values().filter(|firmware| firmware.process.is_none());
        flashed.for_each(|firmware| describe(&mut text, firmware, &values));
        text
    }
}

/// A pin of a virtual board, as the commands that sense or drive it.
fn shown_pin(board: &str, name: &str, pin: &Pin, command: &dyn Fn(&str) -> String) -> Option<String> {
    let PinLine::Board(gpio) = pin.line else { return None };
    let (on, off) = if pin.active_low { ("low", "high") } else { ("high", "low") };
    let name = quoted(name);
    Some(match pin.direction {
        PinDirection::Sense => format!("{name} = {{ watch = {} }}", command(&format!("watch {board} {gpio} {on}"))),
        PinDirection::Drive => {
            let [on, off] = [on, off].map(|level| command(&format!("pin {board} {gpio} {level}")));
            format!("{name} = {{ on = {on}, off = {off} }}")
        }
    })
}

/// A pin that a client watches.
struct WatchedPin {
    pins: Arc<PinLevels>,
    gpio: u8,
    /// The level that is "on".
    high: bool,
}

impl WatchedPin {
    /// Sends `on` or `off`, immediately and at each change, until the board or the client is gone.
    async fn report_to(self, mut to: OwnedWriteHalf) {
        let (mut high, mut changes) = self.pins.watch(self.gpio);
        let mut sent = None;
        loop {
            let on = high == self.high;
            if sent != Some(on) && to.write_all(if on { b"on\n" } else { b"off\n" }).await.is_err() {
                return;
            }
            sent = Some(on);
            match changes.recv().await {
                Ok((gpio, level)) if gpio == self.gpio => high = level,
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => (high, changes) = self.pins.watch(self.gpio),
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }
}

fn describe(text: &mut String, firmware: &Firmware, values: &SecretNames<'_>) {
    let image = match &firmware.image {
        Image::Builtin(name) => quoted(&format!("builtin:{name}")),
        Image::Installed => quoted("installed"),
        Image::File(path) => absolute(path),
        Image::Parts(parts) => {
            let part = |(address, path): &(u32, PathBuf)| format!("{address:#x} = {}", absolute(path));
            format!("{{ {} }}", parts.iter().map(part).collect::<Vec<_>>().join(", "))
        }
    };
    let _ = write!(text, "\n[firmware.{}]\nimage = {image}\n", firmware.name);
    if firmware.verify == hil_config::Verify::Once {
        let _ = writeln!(text, "verify = \"once\"");
    }
    if let Some(ready) = &firmware.ready {
        let _ = writeln!(text, "ready = {}", quoted(ready.as_str()));
    }
    if let Some(scripts) = &firmware.scripts {
        describe_scripts(text, scripts, values);
    }
    let setting = |((namespace, key), value): (&(String, String), &NvsValue)| {
        format!("{} = {}", quoted(&format!("{namespace}.{key}")), values.stored(value))
    };
    if !firmware.nvs.is_empty() {
        let nvs: Vec<_> = firmware.nvs.iter().map(setting).collect();
        let _ = writeln!(text, "nvs = {{ {} }}", nvs.join(", "));
    }
}

fn describe_scripts(text: &mut String, scripts: &Scripts, values: &SecretNames<'_>) {
    let source = match &scripts.source {
        ScriptSource::Builtin(name) => quoted(&format!("builtin:{name}")),
        ScriptSource::Files(files) => {
            let file = |(name, path): (&String, &PathBuf)| format!("{} = {}", quoted(name), absolute(path));
            format!("{{ {} }}", files.iter().map(file).collect::<Vec<_>>().join(", "))
        }
    };
    let _ = writeln!(text, "kind = \"micropython\"\nscripts = {source}");
    let _ = writeln!(text, "settings-file = {}", quoted(&scripts.settings_file));
    let settings = scripts.settings.iter().map(|(name, value)| format!("{} = {}", quoted(name), values.stored(value)));
    let _ = writeln!(text, "settings = {{ {} }}", settings.collect::<Vec<_>>().join(", "));
    let replace = scripts.replace.iter().map(|(from, to)| format!("{} = {}", quoted(from), values.quoted(to)));
    let _ = writeln!(text, "replace = {{ {} }}", replace.collect::<Vec<_>>().join(", "));
}

/// Writes values of settings into a bench file, with the names of secrets in place of their values.
struct SecretNames<'a> {
    /// Names and values of secrets.
    variables: &'a [(String, String)],
}

impl SecretNames<'_> {
    /// The text with `${secret:NAME}` for each secret, as in the original bench file.
    fn quoted(&self, text: &str) -> String {
        let named =
            |text: String, (name, secret): &(String, String)| text.replace(secret, &format!("${{secret:{name}}}"));
        quoted(&self.variables.iter().fold(text.to_owned(), named))
    }

    fn stored(&self, value: &NvsValue) -> String {
        match value {
            NvsValue::Text(text) => self.quoted(text),
            NvsValue::Integer(number) => number.to_string(),
            NvsValue::Boolean(value) => value.to_string(),
            NvsValue::Number(kind, NvsNumber::Port(port)) => {
                format!("{{ {} = \"{}\" }}", kind.word(), port.placeholder())
            }
            // As a string: TOML's integers have a sign, so the largest `u64` values do not fit.
            NvsValue::Number(kind, NvsNumber::Is(number)) => format!("{{ {} = \"{number}\" }}", kind.word()),
            NvsValue::Blob(bytes) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{{ blob = \"hex:{digits}\" }}")
            }
        }
    }
}

fn absolute(path: &Path) -> String {
    quoted(&path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string())
}

fn list(words: impl Iterator<Item = String>) -> String {
    format!("[{}]", words.map(|word| quoted(&word)).collect::<Vec<_>>().join(", "))
}

/// A JSON string is also a TOML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
