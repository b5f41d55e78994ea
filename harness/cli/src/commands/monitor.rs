//! `hil monitor`.

mod keys;
mod repl;
mod show;
mod terminal_filter;

use std::io::Read as _;
use std::path::Path;

use hil_bench::{BenchError, LockedBoard, Symbols, claimed, keeper};
use hil_config::{Bench, BoardName, Image};
use hil_files::Links;
use hil_timeline::{Cursor, Timeline, What};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinHandle;

use self::keys::{KeyAction, Keys};
use self::show::ConsolePrinter;
use crate::args::{Format, MonitorArgs};
use crate::commands::on_hosts;
use crate::exit_code::ExitCode;
use crate::output::{Line, Message, set_up_failed, warn};
use crate::session::{self, OneBoard};
use crate::signals;
use crate::terminal::{self, RawTerminal};

pub(crate) fn monitor(args: &MonitorArgs) -> ExitCode {
    if let Some((board, host)) = args.board.split_once('@') {
        return elsewhere(args, board, host);
    }
    session::on_project(&args.bench, &args.project, &[], async |bench| Ok(monitor_in(args, bench).await))
        .unwrap_or_else(|code| code)
}

/// A board of another host.
fn elsewhere(args: &MonitorArgs, board: &str, host: &str) -> ExitCode {
    if let Err(hint) = BoardName::new(board) {
        return set_up_failed(&Message(format!("`{board}` is not a board name")), Some(hint));
    }
    let flags = [
        ("--elf", args.elf.is_some()),
        ("--bench", args.bench.bench.is_some()),
        ("--project", args.project.project.is_some()),
    ];
    if let Err(code) = on_hosts::refuse_files(&flags) {
        return code;
    }
    let mut words = vec!["monitor", board];
    if args.format.format == Format::Json {
        words.extend(["--format", "json"]);
    }
    if args.wait.no_wait {
        words.push("--no-wait");
    }
    on_hosts::instead(host, &words)
}

async fn monitor_in(args: &MonitorArgs, bench: Bench) -> ExitCode {
    let Some(config) = bench.board(&args.board).cloned() else { return session::no_such_board(&bench, &args.board) };
    if let Err(code) = session::refuse_program(&config) {
        return code;
    }
    let firmware = config.firmware.as_ref().and_then(|name| bench.firmware(name.as_str()).cloned());
    let elf = args.elf.clone().or_else(|| match &firmware?.image {
        Image::File(path) => is_elf(path).then(|| path.clone()),
        Image::Parts(parts) => parts.iter().map(|(_, path)| path).find(|path| is_elf(path)).cloned(),
        Image::Builtin(_) | Image::Installed => None,
    });
    let symbols = match elf.map(|path| Symbols::read(&path)).transpose() {
        Ok(symbols) => symbols,
        Err(reason) => {
            return set_up_failed(&Message(reason), Some("name the ELF file of the firmware with `--elf`".to_owned()));
        }
    };
    let what = format!("hil monitor {}", args.board);
    // A hold that outlives its `hil` has the locks, but nothing reads the console.
    let hold = keeper::holder_of(&claimed(&config).keys).filter(|holder| holder.detached);
    let opened = match &hold {
        Some(hold) => {
            warn(format!("joins {}: its power stays as it is", hil_timeline::escaped(&hold.to_string())));
            OneBoard::join(bench, &args.board).await
        }
        None => OneBoard::open(bench, &args.board, &what, &args.wait).await,
    };
    let one = match opened {
        Ok(one) => one,
        Err(code) => return code,
    };
    let hands = match () {
        () if hold.is_some() => Some("its power is held by a detached keeper: use `hil power`"),
        () if config.rails.iter().any(|rail| rail.driver.by_hand) => {
            Some("its power is switched by hand: use `hil power`")
        }
        () => None,
    };
    let mut showing = None;
    let watched = async {
        match one.bench.lock(&args.board).await {
            Some(board) => watch(args, board, &one.timeline, symbols, (hands, hold.is_some()), &mut showing).await,
            None => Ok(()),
        }
    };
    // A signal is a normal way to end it.
    let code = match one.work(watched).await {
        ExitCode::Aborted => ExitCode::Passed,
        code => code,
    };
    // Closes the board first: printing its console may have to wait for a reader.
    let code = one.close(code).await;
    one.timeline.record(None, What::RunFinished { exit_code: code.code() });
    signals::settle(code);
    if let Some(showing) = showing {
        // The task ends with that event; if it panicked, there is nothing left to print.
        let _ = showing.await;
    }
    code
}

/// Whether a file is an ELF file.
fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    hil_files::open(path, Links::Follow)
        .and_then(|mut file| file.read_exact(&mut magic))
        .is_ok_and(|()| magic == *b"\x7fELF")
}

/// Prints the board's console and sends what the user types, until a key ends it.
async fn watch(
    args: &MonitorArgs,
    mut board: LockedBoard,
    timeline: &Timeline,
    symbols: Option<Symbols>,
    (hands, is_joined): (Option<&str>, bool),
    showing: &mut Option<JoinHandle<()>>,
) -> Result<(), BenchError> {
    let json = args.format.format == Format::Json;
    if is_joined {
        board.join_held().await?;
    } else if hands.is_some() {
        // The user is asked to switch, and answers on a terminal that is not raw.
        board.power_on().await?;
    }
    // Raw from here on; dropping it restores the terminal.
    let terminal = RawTerminal::enter();
    if !json && terminal.is_some() {
        note("Ctrl-] exits, Ctrl-T h lists the keys");
    }
    let mut printer = ConsolePrinter::new(json, terminal.is_some(), symbols);
    let mut events = timeline.follow(Cursor::default());
    *showing = Some(tokio::spawn(async move {
        let mut next = 0;
        loop {
            let event = events.next().await;
            if event.seq > next {
                printer.skipped(event.seq - next).await;
            }
            next = event.seq + 1;
            printer.show(&event).await;
            if matches!(event.what, What::RunFinished { .. }) {
                return;
            }
        }
    }));
    let result = handle_keys(&mut board, terminal.is_some(), hands).await;
    drop(terminal);
    result
}

/// Prints a line on standard error; the terminal may be raw.
fn note(text: impl Into<Line>) {
    warn(text.into().with_return());
}

/// Sends input to the board. If the board can't take it now, reports that and continues.
async fn type_at(board: &LockedBoard, bytes: &[u8]) -> Result<(), BenchError> {
    match board.write_console(bytes).await {
        Err(error @ BenchError::NotTyped { .. }) => note(error.to_string()),
        typed => drop(typed?),
    }
    Ok(())
}

async fn handle_keys(board: &mut LockedBoard, keys_work: bool, hands: Option<&str>) -> Result<(), BenchError> {
    board.power_on().await?;
    let mut stdin = tokio::io::stdin();
    let mut keys = Keys::default();
    let mut buffer = [0; 1024];
    loop {
        let length = match stdin.read(&mut buffer).await {
            // A closed terminal ends it, even if SIGHUP is ignored.
            Ok(0) | Err(_) if terminal::is_gone() => return Ok(()),
            // End of input: keeps showing the console.
            Ok(0) | Err(_) => return std::future::pending().await,
            Ok(length) => length,
        };
        if !keys_work {
            type_at(board, &buffer[..length]).await?;
            continue;
        }
        for action in keys.take(&buffer[..length]) {
            match action {
                KeyAction::Send(bytes) => type_at(board, &bytes).await?,
                KeyAction::Reset => drop(board.reset().await?),
                KeyAction::Loader => board.enter_loader().await?,
                KeyAction::Power => match hands {
                    Some(why) => note(why),
                    None if board.is_powered() => drop(board.power_off().await?),
                    None => drop(board.power_on().await?),
                },
                KeyAction::Help => note(
                    "Ctrl-] exits; Ctrl-T r resets, l enters the ROM loader, p toggles the power, e enters MicroPython's REPL",
                ),
                KeyAction::Repl => {
                    match repl::talk(board, &mut stdin).await {
                        Ok(()) => {}
                        // A board without a REPL: keeps showing the console.
                        Err(error @ BenchError::NoRepl { .. }) => note(error.to_string()),
                        Err(error) => return Err(error),
                    }
                    board.watch_console()?;
                }
                KeyAction::End => return Ok(()),
            }
        }
    }
}
