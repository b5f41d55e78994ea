//! A whole bench file.

mod choice;
mod image_override;
mod name;
mod players;
mod project;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub use image_override::{ImageOverride, ImageOverrideError};
pub(crate) use name::path_from_here;
pub(crate) use project::PROJECT;
pub use project::Project;
use toml::Spanned;
use toml::de::DeTable;

use self::name::own_name;
use crate::access_point::{ACCESS_POINT, AccessPoint};
use crate::board::{BOARD, Board};
use crate::broker::{BROKER, Broker};
use crate::builtin;
use crate::claims::Claims;
use crate::context::Context;
use crate::firmware::{FIRMWARE, Firmware};
use crate::firmware_tables::FirmwareTables;
use crate::kinds::Kinds;
use crate::names::{BoardName, FirmwareName, RoleName, nearest};
use crate::problem::{ConfigError, Problem, Source};
use crate::rail::Rail;
use crate::role::{BoardRole, ROLE};
use crate::spec::{Key, Kind, TableSpec};
use crate::table::{Table, Value};
use crate::tap::{TAP, Tap};
use crate::unset::{Owner, Part, Unset};
use crate::wifi::{WIFI, Wifi};

pub(crate) static BENCH: TableSpec = TableSpec {
    keys: &[
        Key::optional(
            "name",
            Kind::Text,
            "the path of this file",
            "The name of this bench in reports and in the history: 1 to 40 letters, digits, `-`, `_` and `.`. Times of runs on different benches are not compared.",
        ),
        Key::optional("broker", Kind::Table(&BROKER), "", "The broker."),
        Key::optional("tap", Kind::Table(&TAP), "", "The recording proxy that the boards connect to."),
        Key::optional("wifi", Kind::Table(&WIFI), "", "The Wi-Fi network of the boards."),
        Key::optional(
            "access-point",
            Kind::Table(&ACCESS_POINT),
            "",
            "The access point of this network, if this machine is it and `hil` runs it.",
        ),
        Key::optional("boards", Kind::Map(&Kind::Table(&BOARD)), "", "The devices under test, by name."),
        Key::optional(
            "roles",
            Kind::Map(&Kind::Table(&ROLE)),
            "",
            "What scenarios may call any board that fits, by name.",
        ),
        Key::optional("firmware", Kind::Map(&Kind::Table(&FIRMWARE)), "", "What is flashed, by name."),
    ],
};

/// Boards, firmware and broker, validated. Nothing has been opened yet.
///
/// # Example
/// ```
/// let bench = hil_config::Bench::builtin();
/// assert!(bench.board("lamp").is_some());
/// ```
#[derive(Debug, Clone)]
pub struct Bench {
    /// What reports call it: its `name`, else the path of its file, or that it is built in.
    pub name: String,
    /// The broker.
    pub broker: Broker,
    /// The tap.
    pub tap: Tap,
    /// The Wi-Fi network, if the file describes it.
    pub wifi: Option<Wifi>,
    /// The access point that `hil` runs, if it runs one.
    pub access_point: Option<AccessPoint>,
    /// Boards by name.
    pub boards: BTreeMap<BoardName, Board>,
    /// Roles by name.
    pub roles: BTreeMap<RoleName, BoardRole>,
    /// Firmware by name.
    pub firmware: BTreeMap<FirmwareName, Firmware>,
    /// Secrets: passwords, and values from `${secret:…}`.
    pub secrets: Vec<String>,
    /// Names and values of the variables in `${secret:…}`.
    pub variables: Vec<(String, String)>,
    /// The project file whose firmware it has, if there is one.
    pub project: Option<Project>,
    /// Images that a flag or the environment replaces.
    pub images: Vec<ImageOverride>,
    /// Its file, from which tables of a project may inherit.
    pub(crate) source: Source,
    pub(crate) unset: Unset,
}

/// Parses the text of a file.
pub(crate) fn parse<'t>(text: &'t str, path: &Path) -> Result<Spanned<DeTable<'t>>, ConfigError> {
    let invalid = |what: String, span| {
        let problems = vec![Problem { what: format!("invalid TOML: {what}"), key: String::new(), hint: None, span }];
        ConfigError::Invalid { path: path.to_owned(), text: text.to_owned(), problems }
    };
    let parsed = hil_files::guarded(|| DeTable::parse(text));
    let document = parsed.map_err(|panicked| invalid(panicked.to_string(), 0..text.len()))?;
    document.map_err(|error| {
        let (span, what) = (error.span().unwrap_or_default(), error.message().trim_end().replace('\n', ", "));
        invalid(what, span)
    })
}

/// Reads the boards; `described` are the firmware tables of the file.
fn read_boards(
    root: &mut Table<'_, '_>,
    described: &BTreeSet<&str>,
    context: &Context<'_>,
    unset: &mut Unset,
    kinds: &Kinds,
) -> BTreeMap<BoardName, Board> {
    let (mut boards, mut claims) = (BTreeMap::new(), Claims::default());
    let Some(table) = root.map("boards") else { return boards };
    for (name, span, value) in table.entries() {
        match BoardName::new(name) {
            Ok(board_name) => {
                let Some(inner) = value.table(&BOARD) else { continue };
                let board = Board::read(board_name.clone(), inner, kinds);
                unset.add(&Owner::Board(name.to_owned()), 0, context.take_lacking());
                // Only what puts the board's own firmware on it needs that.
                if let Some((firmware, problem)) = unknown_firmware(&board, &value, described) {
                    unset.add_undescribed(name, firmware, problem);
                }
                claims.add(&board, &value);
                boards.insert(board_name, board);
            }
            Err(hint) => table.problem(span, name, format!("`{name}` is not a board name"), Some(hint)),
        }
    }
    boards
}

impl Bench {
    /// What the built-in virtual bench is called.
    pub const BUILTIN: &str = builtin::NAME;

    /// The built-in virtual bench.
    #[must_use]
    pub fn builtin() -> Self {
        match Self::from_text(builtin::TEXT, Path::new(builtin::NAME), &Kinds::default()) {
            Ok(bench) => bench,
            // Its text is part of this program and read in a test.
            Err(error) => unreachable!("{error}"),
        }
    }

    /// Reads a bench file, whose words may name these kinds. Relative paths in it count from its folder.
    ///
    /// # Errors
    /// If it can't be read or has problems; the error lists each with its line.
    pub fn from_file(path: &Path, kinds: &Kinds) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { what: "bench file", path: path.to_owned(), source };
        let text = hil_files::read_text(path, hil_files::Links::Follow).map_err(unreadable)?;
        Self::from_text(&text, path, kinds)
    }

    /// Reads the text of a bench file at `path`, whose words may name these kinds. Relative paths in it count from the
    /// path's folder.
    ///
    /// # Errors
    /// If it has problems; the error lists each with its line.
    pub fn from_text(text: &str, path: &Path, kinds: &Kinds) -> Result<Self, ConfigError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let document = parse(text, path)?;
        let context = Context::new(folder, "bench file");
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        let mut bench = Self::read(source, &context, Table::root(&context, &document, &BENCH), kinds);
        bench.secrets = context.secrets();
        bench.variables = context.variables();
        let source = Source { path: path.to_owned(), text: bench.blotted(text) };
        let mut problems = bench.blotted_problems(context.into_problems());
        bench.unset.add_source(source.clone());
        bench.blot_lacking();
        if !problems.is_empty() {
            problems.extend(bench.unset.all().into_iter().map(|(_, problem)| problem.clone()));
        }
        ConfigError::of(vec![(source, problems)])?;
        Ok(bench)
    }

    /// A text without the secrets in it: a line that is shown because of something else in it must not show its password.
    pub(crate) fn blotted(&self, text: &str) -> String {
        let blot = |text: String, secret: &String| text.replace(secret.as_str(), &"*".repeat(secret.len()));
        self.secrets.iter().fold(text.to_owned(), blot)
    }

    /// Problems without the secrets that the environment gave.
    pub(crate) fn blotted_problems(&self, problems: Vec<Problem>) -> Vec<Problem> {
        let blot = |text| blot_variables(&self.variables, text);
        let blotted = |problem: Problem| Problem { what: blot(problem.what), hint: problem.hint.map(blot), ..problem };
        problems.into_iter().map(blotted).collect()
    }

    /// The same, for what is lacking.
    pub(crate) fn blot_lacking(&mut self) {
        let variables = &self.variables;
        self.unset.blot(|text| blot_variables(variables, text));
    }

    fn read(source: Source, context: &Context<'_>, mut root: Table<'_, '_>, kinds: &Kinds) -> Self {
        let name = root.value("name").and_then(|value| own_name(&value));
        let mut unset = Unset::default();
        let broker = root
            .table("broker", &BROKER)
            .map(|table| Broker::read(table, &kinds.all_brokers().collect::<Vec<_>>()))
            .unwrap_or_default();
        unset.add(&Owner::Broker, 0, context.take_lacking());
        let tap = root.table("tap", &TAP).map(Tap::read).unwrap_or_default();
        unset.add(&Owner::Tap, 0, context.take_lacking());
        let access_point = root.value("access-point");
        let has_network = root.has("wifi");
        let wifi = root.table("wifi", &WIFI).and_then(Wifi::read);
        unset.add(&Owner::Wifi, 0, context.take_lacking());
        let access_point = access_point.and_then(|value| AccessPoint::read(&value, has_network));
        unset.add(&Owner::AccessPoint, 0, context.take_lacking());
        let roles = BoardRole::read_all(&mut root);
        let own = root.map("firmware");
        let tables = FirmwareTables::new(own.as_ref(), None);
        let firmware = own.map(|own| tables.read(&own, &[(0, context)], &mut unset)).unwrap_or_default();
        let boards = read_boards(&mut root, &tables.described(), context, &mut unset, kinds);
        root.finish();
        Self {
            name: name.unwrap_or_else(|| path_from_here(&source.path)),
            broker,
            tap,
            wifi,
            access_point,
            boards,
            roles,
            firmware,
            secrets: Vec::new(),
            variables: Vec::new(),
            project: None,
            images: Vec::new(),
            source,
            unset,
        }
    }

    /// Whether this machine has all that a part needs of it: the variables are set, the files are there.
    ///
    /// # Errors
    /// Lists what is lacking, with its place in the file.
    pub fn check_set(&self, part: Part<'_>) -> Result<(), ConfigError> {
        let wifi = (part == Part::AccessPoint || self.mentions(part, "{wifi.")).then_some(Owner::Wifi);
        self.unset.check(&std::iter::once(part.into()).chain(wifi).collect::<Vec<_>>())
    }

    /// What the files name and this machine does not have, such as variables that are not set, each with its file.
    #[must_use]
    pub fn unset(&self) -> Vec<(&Path, &Problem)> {
        self.unset.all()
    }

    /// Whether a placeholder that begins like this is in a text of a part.
    fn mentions(&self, part: Part<'_>, begin: &str) -> bool {
        match part {
            Part::Broker | Part::Tap | Part::AccessPoint => false,
            Part::Firmware(name) => self.firmware(name).is_some_and(|firmware| firmware.mentions(begin)),
            Part::Board(name) => {
                let emulator = self.board(name).and_then(|board| board.emulator.as_ref());
                let texts =
                    emulator.into_iter().flat_map(|emulator| emulator.command.iter().chain(emulator.env.values()));
                texts.into_iter().any(|text| text.contains(begin))
            }
        }
    }

    /// The text of its file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// The path of its file; none of the built-in bench.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        (self.name != Self::BUILTIN).then_some(self.source.path.as_path())
    }

    /// The board of that name.
    #[must_use]
    pub fn board(&self, name: &str) -> Option<&Board> {
        self.boards.get(name)
    }

    /// The firmware of that name.
    #[must_use]
    pub fn firmware(&self, name: &str) -> Option<&Firmware> {
        self.firmware.get(name)
    }
}

impl Rail {
    /// Reads a rail from the keys of its table, without a bench file: `driver = "shelly", address = "10.0.0.7"`.
    ///
    /// # Errors
    /// As [`crate::Bench::from_text`].
    pub fn from_keys(keys: &str, kinds: &Kinds) -> Result<Self, ConfigError> {
        let board = "kind = \"esp\"\nchip = \"esp32c3\"\nport = { usb-serial = \"any\" }";
        let text = format!("[boards.any]\n{board}\nrails = [{{ {keys} }}]\n");
        let mut bench = Bench::from_text(&text, Path::new("rail"), kinds)?;
        let rail = bench.boards.pop_first().and_then(|(_, board)| board.rails.into_iter().next());
        rail.ok_or_else(|| ConfigError::Invalid { path: "rail".into(), text, problems: Vec::new() })
    }
}

fn blot_variables(variables: &[(String, String)], text: String) -> String {
    variables.iter().fold(text, |text, (_, secret)| text.replace(secret, &"*".repeat(secret.len())))
}

/// The firmware that a board names, if no table describes it; a problem of a table that is there is reported there.
fn unknown_firmware<'b>(
    board: &'b Board,
    value: &Value<'_, '_>,
    described: &BTreeSet<&str>,
) -> Option<(&'b str, Problem)> {
    let name = board.firmware.as_ref().filter(|name| !described.contains(name.as_str()))?.as_str();
    let near = nearest(name, described.iter().copied());
    let hint = near.map_or_else(
        || format!("add a table `[firmware.{name}]` here or in `hil.toml` of your project"),
        |near| format!("did you mean `{near}`?"),
    );
    let what = format!("board `{}` names the firmware `{name}`, which is not in this file", board.name);
    let place = value.under("firmware");
    Some((name, place.as_ref().unwrap_or(value).as_problem(what, Some(hint))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        match Bench::from_text(text, Path::new("bench.toml"), &Kinds::default()) {
            Ok(bench) => panic!("accepted: {bench:?}"),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn a_bench_has_a_name_of_its_own() {
        let named = |text: &str| Bench::from_text(text, Path::new("bench.toml"), &Kinds::default());
        assert_eq!(named("name = \"rack-3\"").expect("a bench").name, "rack-3");
        for wrong in ["", "../x", ".", "a b", "/etc", "\u{fc}", &"x".repeat(41)] {
            let text = error(&format!("name = \"{wrong}\"\n"));
            assert!(text.contains("is not a name of a bench") && text.contains("1 to 40 letters"), "{text}");
        }
    }

    #[test]
    fn the_builtin_bench_is_valid() {
        let bench = Bench::builtin();
        assert_eq!(bench.boards.len(), 13);
        assert!(bench.board("lamp").is_some_and(|lamp| lamp.pins["led"].active_low));
        assert_eq!(bench.firmware("lamp").map(|lamp| lamp.nvs.len()), Some(4));
    }

    #[test]
    fn every_key_is_read() {
        let text = r#"
            [broker]
            kind = "embedded"
            listen = "127.0.0.1:1883"
            [tap]
            address = "127.0.0.2"
            listen = "0.0.0.0"
            [boards.a]
            kind = "virtual"
            chip = "esp32c3"
            tags = ["wifi"]
            misbehaves = ["mute", "real-wire-speed"]
            tap-port = 1884
            console = { baud = 74880 }
            flash-baud = 460800
            off-time = "2s"
            firmware = "f"
            pins = { led = { line = "GPIO8" }, button = { line = "GPIO9", direction = "drive", active-low = true } }
            [firmware.f]
            image = { 0x0 = "boot.bin", "0x10000" = "app.bin" }
            nvs = { "a.b" = "text", "a.n" = -5 }
            ready = "up$"
        "#;
        let folder = tempfile::tempdir().expect("folder");
        for file in ["boot.bin", "app.bin"] {
            std::fs::write(folder.path().join(file), b"").expect("write");
        }
        let bench = Bench::from_text(text, &folder.path().join("b"), &Kinds::default()).expect("valid");
        let board = bench.board("a").expect("board");
        assert_eq!((board.tap_port, board.console_baud, board.flash_baud), (1884, 74_880, 460_800));
        assert_eq!(board.misbehaves.len(), 2);
        assert_eq!([bench.tap.address, bench.tap.listen].map(|ip| ip.to_string()), ["127.0.0.2", "0.0.0.0"]);
        assert_eq!(board.pins["button"].direction, crate::PinDirection::Drive);
        let firmware = bench.firmware("f").expect("firmware");
        let parts = vec![(0, folder.path().join("boot.bin")), (0x10000, folder.path().join("app.bin"))];
        assert_eq!(firmware.image, crate::Image::Parts(parts));
        assert_eq!(firmware.nvs[&("a".into(), "n".into())], crate::NvsValue::Integer(-5));
    }

    #[test]
    fn the_tap_listens_at_its_address_unless_the_bench_file_names_another() {
        let bench =
            Bench::from_text("[tap]\naddress = \"192.168.7.1\"", Path::new("b"), &Kinds::default()).expect("valid");
        assert_eq!(bench.tap.listen, bench.tap.address);
        insta::assert_snapshot!(error("[tap]\nlisten = \"all\""));
    }

    #[test]
    fn from_takes_one_address_or_several() {
        let from = |value: &str| {
            let text = format!("[boards.a]\nkind = \"virtual\"\nfrom = {value}");
            let bench = Bench::from_text(&text, Path::new("b"), &Kinds::default()).expect("valid");
            bench.board("a").expect("board").from.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(from("\"192.168.7.20\""), ["192.168.7.20"]);
        assert_eq!(from("[\"192.168.7.0/24\", \"fd00::7\"]"), ["192.168.7.0/24", "fd00::7"]);
        let wrong = ["\"lamp.local\"", "[\"10.0.0.0/33\"]", "[]", "7"];
        let errors = wrong.map(|value| error(&format!("[boards.a]\nkind = \"virtual\"\nfrom = {value}")));
        insta::assert_snapshot!(errors.join("\n\n"));
    }

    #[test]
    fn every_problem_is_shown_with_its_place() {
        insta::assert_snapshot!(error(include_str!("../tests/many-problems.toml")));
    }

    #[test]
    fn an_image_without_files_and_wrong_settings_are_shown_with_their_keys() {
        insta::assert_snapshot!(error(include_str!("../tests/many-problems-firmware.toml")));
    }

    #[test]
    fn a_setting_has_the_type_that_is_asked_for() {
        use crate::{BenchPort, NvsNumber, NvsType, NvsValue};
        let text = r#"
            [firmware.f]
            image = "builtin:lamp"
            nvs = { "a.text" = "x", "a.i32" = 1, "a.yes" = true, "a.u8" = { u8 = 255 }, "a.i64" = { i64 = -9223372036854775808 }, "a.u64" = { u64 = "18446744073709551615" }, "a.port" = { u16 = "{tap.port}" }, "a.hex" = { blob = "hex:00 fF" }, "a.base64" = { blob = "base64:AP8=" } }
        "#;
        let bench = Bench::from_text(text, Path::new("b"), &Kinds::default()).expect("valid");
        let nvs = &bench.firmware("f").expect("firmware").nvs;
        let is = |key: &str, value: NvsValue| assert_eq!(nvs[&("a".to_owned(), key.to_owned())], value);
        is("text", NvsValue::Text("x".to_owned()));
        is("i32", NvsValue::Integer(1));
        is("yes", NvsValue::Boolean(true));
        is("u8", NvsValue::Number(NvsType::U8, NvsNumber::Is(255)));
        is("i64", NvsValue::Number(NvsType::I64, NvsNumber::Is(i64::MIN.into())));
        is("u64", NvsValue::Number(NvsType::U64, NvsNumber::Is(u64::MAX.into())));
        is("port", NvsValue::Number(NvsType::U16, NvsNumber::Port(BenchPort::Tap)));
        is("hex", NvsValue::Blob(vec![0, 0xff]));
        is("base64", NvsValue::Blob(vec![0, 0xff]));
    }

    #[test]
    fn broken_toml_is_shown_with_its_place() {
        insta::assert_snapshot!(error("[boards.lamp]\nkind = \"virtual\nchip = 1\n"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Bench::from_file(Path::new("no/such/bench.toml"), &Kinds::default()).expect_err("missing");
        assert_eq!(error.to_string(), "can't read the bench file `no/such/bench.toml`");
        assert!(std::error::Error::source(&error).is_some());
    }
}
