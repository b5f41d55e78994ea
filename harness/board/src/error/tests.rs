use std::collections::BTreeSet;

use super::*;

/// The variants; a new one does not compile until it is in the list, and then needs an example below.
macro_rules! variants {
    ($($name:ident),* $(,)?) => {
        const VARIANTS: &[&str] = &[$(stringify!($name)),*];

        fn variant(error: &BenchError) -> &'static str {
            match error {
                $(BenchError::$name { .. } => stringify!($name)),*
            }
        }
    };
}

variants!(
    NotStarted,
    Port,
    NoPort,
    PortDenied,
    PortBusy,
    PortVanished,
    NoAnswer,
    WrongChip,
    VerifyFailed,
    FlashTooSmall,
    OtherApp,
    Flash,
    Program,
    Unsupported,
    NoAccessPoint,
    NoNameServer,
    EmulatorEnded,
    NotTyped,
    NoRepl,
    Upload,
    WrongKind,
    Firmware,
    Power,
    StillPowered,
    Shared,
    NoRails,
    Reset,
    Pin,
    Forbidden,
    Keeper,
    Silent,
    Stuck
);

#[test]
fn every_error_names_its_board_and_what_may_help() {
    let (board, port) = ("lamp".to_owned(), PathBuf::from("/dev/ttyUSB0"));
    let no_answer = BenchError::NoAnswer { board: board.clone(), port: port.clone() };
    let (expected, found) = ("esp32c3".to_owned(), "esp32c6".to_owned());
    let reason = "No such file or directory".to_owned();
    let errors = [
        BenchError::NotStarted { board: board.clone(), reason: reason.clone() },
        BenchError::Port { board: board.clone(), reason: reason.clone() },
        BenchError::NoPort {
            board: board.clone(),
            problem: PortProblem::Absent { wanted: "USB topology `1-1.2`".into() },
        },
        BenchError::NoPort {
            board: board.clone(),
            problem: PortProblem::Ambiguous {
                wanted: "USB serial number `0001`".into(),
                found: vec!["`/dev/ttyUSB0` at 1-1.2:1.0".into(), "`/dev/ttyUSB1` at 1-1.3:1.0".into()],
            },
        },
        BenchError::PortDenied { board: board.clone(), port: port.clone() },
        BenchError::PortBusy {
            board: board.clone(),
            port: port.clone(),
            users: vec![PortUser { pid: 42, name: "picocom".into() }],
        },
        BenchError::Power {
            board: board.clone(),
            error: PowerError::new("gpio GPIO17", "GPIO line `GPIO17` is in use by `w1`", "`gpioinfo` shows which"),
        },
        BenchError::StillPowered { board: board.clone(), evidence: "its pin `supply` is still on".into() },
        BenchError::NoRails { board: board.clone() },
        BenchError::Reset { board: board.clone(), reason: reason.clone(), hint: "is the board still attached?".into() },
        BenchError::Pin {
            board: board.clone(),
            pin: "led".into(),
            reason: reason.clone(),
            hint: "`gpioinfo` lists chips and lines".into(),
        },
        BenchError::Forbidden { board: board.clone(), reason: "flash encryption is on".into() },
        BenchError::Keeper(KeeperError::Held { board: board.clone(), holder: None }),
        BenchError::Keeper(KeeperError::Lock { board: board.clone(), reason: reason.clone() }),
        BenchError::Keeper(KeeperError::Gone),
        BenchError::PortVanished { board: board.clone() },
        no_answer.clone(),
        BenchError::WrongChip { board: board.clone(), port, expected, found },
        BenchError::VerifyFailed { board: board.clone() },
        BenchError::FlashTooSmall { board: board.clone(), needed: 8 << 20, flash: 4 << 20 },
        BenchError::OtherApp {
            board: board.clone(),
            found: "it says `App version: 1.1.0`, and the image has `1.0.0`".into(),
        },
        BenchError::Flash { board: board.clone(), reason: reason.clone() },
        BenchError::Program { board: board.clone(), reason: "`client` can't be started: not found".into(), hint: None },
        BenchError::Unsupported { board: board.clone(), what: "deep sleep is not supported: use a real board".into() },
        BenchError::NoAccessPoint { board: board.clone(), runs: "native" },
        BenchError::NoNameServer { board: board.clone(), runs: "native" },
        BenchError::EmulatorEnded { board: board.clone(), how: "with code 1".into(), said: Vec::new() },
        BenchError::EmulatorEnded {
            board: board.clone(),
            how: "by signal 11".into(),
            said: vec!["qemu: could not open the flash".into()],
        },
        BenchError::NotTyped { board: board.clone(), reason: "its serial port is not there".into() },
        BenchError::Shared {
            boards: ("lamp".into(), "lamp-2".into()),
            device: "the serial port `/dev/ttyUSB0`".into(),
        },
        BenchError::NoRepl { board: board.clone(), reason: "no REPL answers on its console".into() },
        BenchError::Upload { board: board.clone(), reason: "no REPL answers on its console".into() },
        BenchError::WrongKind {
            board: board.clone(),
            firmware: "client".into(),
            reason: "it is a program, and the board is of the kind `esp`".into(),
        },
        BenchError::Firmware { firmware: "lamp".to_owned(), reason, hint: None },
        BenchError::Silent { board: board.clone() },
        BenchError::Stuck { board, cause: Box::new(no_answer) },
    ];
    let seen: BTreeSet<_> = errors.iter().map(variant).collect();
    assert_eq!(seen, VARIANTS.iter().copied().collect(), "each variant has an example");
    let mut text = String::new();
    for error in &errors {
        text.push_str(&format!("error: {error}\n"));
        text.extend(error.hint().map(|hint| format!("hint: {hint}\n")));
    }
    insta::assert_snapshot!(text);
}
