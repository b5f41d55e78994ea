//! `[boards.NAME]` of the kind `emulator`: a program of this machine that plays a chip.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::chip::Chip;
use crate::emulator_preset::{EmulatorConsole, EmulatorPreset, Straps};
use crate::kinds::Kinds;
use crate::placeholders::filled_for_emulator;
use crate::port::parse_mac;
use crate::reset::Reset;
use crate::spec::{Key, Kind, Role};
use crate::table::{Table, Value};

/// A program that plays a chip. Command and variables may hold `{flash}`, `{efuse}`, `{console}`, `{qmp}`, `{image}`,
/// `{mac}`, `{chip}`, `{flash-size}`, `{strap}`, and the placeholders of a program: `{tap.host}`, `{tap.port}`, ….
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emulator {
    /// The preset's word, if the bench file names one.
    pub preset: Option<String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Environment variables in addition to those of `hil`.
    pub env: BTreeMap<String, String>,
    /// Where it is started: the bench file's folder; none is where `hil` was started.
    pub dir: Option<PathBuf>,
    /// Bytes of its flash.
    pub flash_size: u64,
    /// How its console is reached.
    pub console: EmulatorConsole,
    /// How it is reset.
    pub reset: EmulatorReset,
    /// Where its guest reaches this machine; none is the tap's own address.
    pub tap_host: Option<String>,
    /// Its MAC address; none is one that is made from its name.
    pub mac: Option<[u8; 6]>,
    /// What `{strap}` becomes for the app, and for the loader if it has one.
    pub strap: (String, Option<String>),
    /// Whether its firmware is an image for its chip. Others are written as they are.
    pub esp_image: bool,
    /// Arguments on which the program prints its version; none if it does not.
    pub version: Vec<String>,
    /// Arguments on which it lists its machines, and the one that it must have.
    pub machine: Option<(Vec<String>, String)>,
}

/// How an emulator is reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmulatorReset {
    /// Killed and started again.
    Process,
    /// By QEMU's monitor protocol at `{qmp}`.
    Qmp,
    /// By programs, with the placeholders of its command.
    Command(Reset),
}

impl EmulatorReset {
    /// Words, and whether they are QEMU's monitor.
    const WORDS: &[(&'static str, bool)] = &[("process", false), ("qmp", true)];
    /// The strategy of real boards that emulators have, too.
    const STRATEGY: &str = "command";
}

/// Sizes of flash in MiB. Espressif's QEMU accepts up to 16; the `virt` machine of QEMU needs 32.
const SIZES: [i64; 5] = [2, 4, 8, 16, 32];

pub(crate) const EMULATOR_KEYS: [Key; 8] = [
    Key::optional(
        "preset",
        Kind::KindWord(Role::Emulator),
        "",
        "Of an `emulator`: which one it is. Gives defaults for `command`, `chip`, `flash-size`, `console` and `tap-host`, see [emulators](../how-to/emulators.md).",
    ),
    Key::optional(
        "command",
        Kind::List(&Kind::Text),
        "the preset's",
        "Of an `emulator`: program and arguments. `{flash}` and `{efuse}` are files that `hil` makes, `{console}` a terminal or `host:port`, `{qmp}` a socket, `{image}` the firmware's file, `{flash-size}` MiB; `{mac}`, `{chip}`, `{strap}` and the placeholders of a firmware's `command` are filled in, too.",
    ),
    Key::optional(
        "program",
        Kind::Text,
        "the command's first word",
        "Of an `emulator`: the program that is started, where it has another name or is not in `PATH`.",
    ),
    Key::optional(
        "flash-size",
        Kind::Integer(2, 32),
        "the preset's",
        "Of an `emulator`: size of its flash in MiB: 2, 4, 8, 16 or 32.",
    ),
    Key::optional(
        "tap-host",
        Kind::Text,
        "the preset's",
        "Of an `emulator`: where its guest reaches the tap, `{tap.host}`. The tap itself listens at 127.0.0.1; QEMU's user network shows it to the guest as `10.0.2.2`.",
    ),
    Key::optional(
        "mac",
        Kind::Text,
        "made from its name",
        "Of an `emulator`: its MAC address, written into `{efuse}`: `\"24:0a:c4:00:00:01\"`.",
    ),
    Key::optional(
        "esp-image",
        Kind::Boolean,
        "`true`",
        "Of an `emulator`: whether its firmware is an image for `chip`. `false` is for emulators of other machines: the files are written into its flash unchecked, and ELF files are only named by `{image}`.",
    ),
    Key::optional(
        "env",
        Kind::Map(&Kind::Text),
        "",
        "Of an `emulator`: environment variables of the program, in addition to those of `hil`; they may hold the placeholders of `command`.",
    ),
];

/// The values of an emulator's keys, before they are put together.
pub(crate) struct EmulatorKeys<'t, 'c> {
    preset: Option<Value<'t, 'c>>,
    command: Option<Value<'t, 'c>>,
    program: Option<Value<'t, 'c>>,
    flash_size: Option<Value<'t, 'c>>,
    tap_host: Option<Value<'t, 'c>>,
    mac: Option<Value<'t, 'c>>,
    esp_image: Option<Value<'t, 'c>>,
    env: Option<Value<'t, 'c>>,
}

impl<'t, 'c> EmulatorKeys<'t, 'c> {
    pub(crate) fn take(table: &mut Table<'t, 'c>) -> Self {
        Self {
            preset: table.value("preset"),
            command: table.value("command"),
            program: table.value("program"),
            flash_size: table.value("flash-size"),
            tap_host: table.value("tap-host"),
            mac: table.value("mac"),
            esp_image: table.value("esp-image"),
            env: table.value("env"),
        }
    }

    /// Reports each of them: the board is not an emulator.
    pub(crate) fn refuse(&self) {
        let all = [&self.preset, &self.command, &self.program, &self.flash_size, &self.tap_host, &self.mac];
        for value in all.into_iter().chain([&self.esp_image, &self.env]).flatten() {
            value.problem("only an emulator has this key", "use `kind = \"emulator\"`".to_owned());
        }
    }

    /// The preset that is named.
    pub(crate) fn preset(&self, kinds: &Kinds) -> Option<&'static EmulatorPreset> {
        let words: Vec<_> = kinds.emulators.iter().map(|preset| (preset.word, *preset)).collect();
        self.preset.as_ref()?.one_of("emulator", &words)
    }
}

impl Emulator {
    const HINT: &str =
        "name a `preset`, or the program: `command = [\"qemu-system-riscv32\", \"-serial\", \"{console}\"]`";
    const FLASH_MIB: u64 = 4;

    /// Reads an emulator; `console` and `reset` are keys that other boards have as well.
    pub(crate) fn read(
        table: &Table<'_, '_>,
        keys: &EmulatorKeys<'_, '_>,
        preset: Option<&'static EmulatorPreset>,
        (console, reset): (Option<Value<'_, '_>>, Option<Value<'_, '_>>),
        kinds: &Kinds,
    ) -> Self {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let own = keys.command.as_ref().map(|value| read_command(value).unwrap_or_default());
        if own.is_none() && preset.is_none() && keys.preset.is_none() {
            table.missing("missing key `command`", Self::HINT);
        }
        let mut command = own.unwrap_or_else(|| preset.map(|preset| words(preset.command)).unwrap_or_default());
        if let (Some(program), Some(first)) =
            (keys.program.as_ref().and_then(Value::with_variables), command.first_mut())
        {
            *first = program;
        }
        let console = console.and_then(|v| v.one_of("console", EmulatorConsole::WORDS));
        let usual = preset.map_or(EmulatorConsole::Pty, |preset| preset.console);
        let straps = preset.map_or(Straps::NONE, |preset| preset.straps);
        let tap_host = keys.tap_host.as_ref().and_then(Value::string).map(str::to_owned);
        let value = keys.preset.as_ref().or(keys.command.as_ref());
        let folder = value.map(|value| value.context().folder.to_owned()).unwrap_or_default();
        Self {
            preset: preset.map(|preset| preset.word.to_owned()),
            command,
            env: read_env(keys, preset),
            dir: Some(folder).filter(|folder| !folder.as_os_str().is_empty()),
            flash_size: read_size(keys, preset) << 20,
            console: console.unwrap_or(usual),
            reset: reset.and_then(|value| read_reset(&value, kinds)).unwrap_or(EmulatorReset::Process),
            tap_host: tap_host.or_else(|| preset.and_then(|preset| preset.tap_host).map(str::to_owned)),
            mac: keys.mac.as_ref().and_then(|v| v.parsed("a MAC address", "example: `24:0a:c4:00:00:01`", parse_mac)),
            strap: (straps.app.to_owned(), straps.loader.map(str::to_owned)),
            esp_image: keys.esp_image.as_ref().and_then(Value::boolean).unwrap_or(true),
            version: preset.map_or_else(|| words(&["--version"]), |preset| words(preset.version)),
            machine: preset.and_then(|preset| preset.machine).map(|(list, name)| (words(list), name.to_owned())),
        }
    }

    /// The chip of a board whose bench file names none.
    pub(crate) fn usual_chip(preset: Option<&'static EmulatorPreset>) -> Chip {
        preset.map_or(Chip::Esp32c3, |preset| preset.chip)
    }
}

fn read_command(value: &Value<'_, '_>) -> Option<Vec<String>> {
    let written = value.array()?;
    let command: Vec<_> = written.iter().filter_map(filled_for_emulator).collect();
    if written.is_empty() {
        value.problem("the command is empty", Emulator::HINT.to_owned());
    }
    Some(command)
}

fn read_env(keys: &EmulatorKeys<'_, '_>, preset: Option<&'static EmulatorPreset>) -> BTreeMap<String, String> {
    let usual = preset.map(|preset| preset.env).unwrap_or_default();
    let mut env: BTreeMap<_, _> = usual.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    if let Some(own) = keys.env.as_ref().and_then(Value::map) {
        env.extend(own.entries().filter_map(|(name, _, value)| Some((name.to_owned(), filled_for_emulator(&value)?))));
    }
    env
}

/// MiB of flash.
fn read_size(keys: &EmulatorKeys<'_, '_>, preset: Option<&'static EmulatorPreset>) -> u64 {
    let usual = preset.map_or(Emulator::FLASH_MIB, |preset| preset.flash_mib);
    let Some(value) = &keys.flash_size else { return usual };
    let Some(size) = value.integer(2..=32) else { return usual };
    let sizes = if preset.is_some() { &SIZES[..4] } else { &SIZES };
    if !sizes.contains(&size) {
        let sizes: Vec<_> = sizes.iter().map(i64::to_string).collect();
        value.problem(format!("no such emulator has a flash of {size} MiB"), format!("one of {}", sizes.join(", ")));
    }
    u64::try_from(size).unwrap_or(usual)
}

fn read_reset(value: &Value<'_, '_>, kinds: &Kinds) -> Option<EmulatorReset> {
    if !value.is_table() {
        let is_qmp = value.one_of("reset of an emulator", EmulatorReset::WORDS)?;
        return Some(if is_qmp { EmulatorReset::Qmp } else { EmulatorReset::Process });
    }
    let strategies: Vec<_> = kinds.resets.iter().filter(|kind| kind.word == EmulatorReset::STRATEGY).copied().collect();
    Reset::read(value, &strategies).map(EmulatorReset::Command)
}
