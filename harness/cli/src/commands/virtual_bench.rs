//! `hil virtual`.

use std::collections::BTreeMap;
use std::sync::Arc;

use hil_bench::{Booted, Claim, LockedBoard, Needs};
use hil_config::{Bench, Part};
use hil_mqtt::{Broker, Offers, Route};
use hil_scenario::{Limits, RunContext};
use hil_timeline::{Cursor, Epoch, Timeline, What};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::virtual_as_real;
use crate::args::VirtualArgs;
use crate::exit_code::ExitCode;
use crate::output::{Message, say, set_up_failed, warn};
use crate::reporter::{Detail, Reporter};
use crate::{session, signals};

pub(crate) fn hold(args: &VirtualArgs) -> ExitCode {
    let held = match &args.tell {
        // Rails switch with this command: a wrong bench file in the folder must not stop them.
        Some(socket) => session::on_runtime(async { Ok(virtual_as_real::send(socket, &args.command).await) }),
        None => session::on_project(&args.bench, &args.project, &[], async |bench| {
            Ok(match &args.as_real {
                Some(folder) => virtual_as_real::hold(folder, bench).await,
                None => hold_in(args, bench).await,
            })
        }),
    };
    held.unwrap_or_else(|code| code)
}

/// The bench while it is up.
struct RunningBench {
    context: Arc<RunContext>,
    broker: Box<dyn Broker>,
    boards: BTreeMap<String, LockedBoard>,
}

async fn hold_in(args: &VirtualArgs, bench: Bench) -> ExitCode {
    if let Some(unknown) = args.loader.iter().find(|name| bench.board(name).is_none()) {
        return session::no_such_board(&bench, unknown);
    }
    if let Err(code) = session::check_set(&bench, Part::Broker) {
        return code;
    }
    let is_virtual = |board: &&hil_config::Board| board.kind == hil_config::BoardKind::Virtual;
    for board in bench.boards.values().filter(is_virtual) {
        if let Some(firmware) = &board.firmware
            && let Err(code) = session::check_firmware(&bench, board.name.as_str(), firmware.as_str())
        {
            return code;
        }
    }
    let abort = match signals::abort_on_signals(None) {
        Ok(abort) => abort,
        Err(error) => return set_up_failed(&error, None),
    };
    let timeline = Timeline::in_memory(Epoch::start());
    // It may run for days, and older events are not used.
    timeline.forget_after(10_000);
    let mut broker = match hil_mqtt::broker::new(&bench.broker, Arc::new(|_| {})) {
        Ok(broker) => broker,
        Err(error) => return set_up_failed(&error, Some(error.hint())),
    };
    let boards = bench.boards.values().filter(is_virtual).map(|board| board.name.to_string()).collect();
    let claim = Claim {
        boards: Some(boards),
        what: "hil virtual".to_owned(),
        traces_unknown: args.trace_unknown,
        ..Claim::default()
    };
    let context = match session::open(bench, &timeline, Limits::default(), abort, claim).await {
        Ok(context) => context,
        Err(code) => return code,
    };
    let offers = match broker.start().await {
        Ok(offers) => offers,
        Err(error) => return set_up_failed(&error, Some(error.hint())),
    };
    let reporter = tokio::spawn(Reporter::new(Detail::Normal).follow(timeline.follow(Cursor::default())));
    let mut running = RunningBench { context, broker, boards: BTreeMap::new() };
    let watched = Arc::clone(&running.context);
    let up = tokio::select! {
        up = running.bring_up(args, &offers, &timeline) => up,
        () = watched.aborted() => Ok(()),
    };
    timeline.record(None, What::RunFinished { exit_code: 0 });
    // If the output is not read, the bench must still shut down.
    tokio::select! {
        _ = reporter => {}
        () = watched.aborted() => {}
    }
    let code = match up {
        Err(code) => code,
        Ok(()) => {
            running.show(&offers);
            running.handle_commands().await;
            ExitCode::Passed
        }
    };
    running.shut_down().await;
    code
}

impl RunningBench {
    async fn bring_up(&mut self, args: &VirtualArgs, offers: &Offers, timeline: &Timeline) -> Result<(), ExitCode> {
        let names: Vec<String> = self.context.bench().config().boards.keys().map(ToString::to_string).collect();
        for name in names {
            if let Some(tap) = self.context.tap(&name) {
                let (offers, recorder) = (offers.clone(), timeline.recorder(None));
                tap.open_route(Route { offers, identity: None, recorder, capture: None });
            }
            let Some(mut board) = self.context.bench().lock(&name).await else { continue };
            if let Err(error) = self.start(&mut board, args).await {
                return Err(set_up_failed(&error, error.hint()));
            }
            self.boards.insert(name, board);
        }
        Ok(())
    }

    async fn start(&self, board: &mut LockedBoard, args: &VirtualArgs) -> Result<(), hil_bench::BenchError> {
        let name = board.name().to_owned();
        let tap = self.context.tap_address(&name);
        let firmware = board.config().firmware.clone();
        let firmware = firmware.and_then(|firmware| self.context.bench().config().firmware(firmware.as_str()).cloned());
        let lacking = match &firmware {
            Some(firmware) => {
                match hil_bench::needs(self.context.bench().config(), &name, firmware.name.as_str()).await {
                    Needs::Met => None,
                    Needs::Lacking(what) | Needs::Unknown(what) => Some(what),
                }
            }
            None => None,
        };
        if let Some(lacking) = &lacking {
            warn(format!("warning: `{name}` has power but no firmware: {lacking}"));
        }
        match firmware.filter(|_| lacking.is_none()) {
            None => drop(board.power_on().await?),
            Some(firmware) => {
                if let Booted::Refused { reason } = board.run_firmware(&firmware, &tap).await? {
                    let reason = hil_report::inert(&reason);
                    warn(format!("warning: the firmware `{}` does not run on `{name}`: {reason}", firmware.name));
                }
            }
        }
        if args.loader.contains(&name) {
            board.enter_loader().await?;
        }
        // Leaves the port free for other programs.
        board.close_console().await;
        Ok(())
    }

    fn show(&self, offers: &Offers) {
        let width = self.boards.keys().map(|name| name.len()).max().unwrap_or(0).max(10);
        if let Some(broker) = offers.boards.first() {
            say(format!("{:<width$} {}:{}", "broker", broker.host, broker.port));
        }
        for (name, board) in &self.boards {
            let port = board.port().map_or_else(|| "no port".to_owned(), |port| port.display().to_string());
            let tap = self.context.tap_address(name);
            say(format!("{name:<width$} port {port}, tap {}:{}", tap.host, tap.port));
        }
        if self.boards.is_empty() {
            let bench = self.context.bench().config().title();
            warn(format!("note: {bench} has no virtual boards; `--bench builtin` starts the built-in ones"));
        }
        say("up; Ctrl-C exits. Commands: reset BOARD, loader BOARD, power BOARD on|off, quit");
    }

    /// Handles commands on standard input until `quit` or Ctrl-C. End of file does not end it: a service has no input.
    async fn handle_commands(&mut self) {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut open = true;
        loop {
            let context = Arc::clone(&self.context);
            let line = tokio::select! {
                () = context.aborted() => return,
                line = lines.next_line(), if open => line,
            };
            match line {
                Ok(Some(line)) if line.trim() == "quit" => return,
                Ok(Some(line)) => match self.command(&line).await {
                    Ok(done) => say(done),
                    Err(error) => warn(format!("error: {error}")),
                },
                Ok(None) | Err(_) => open = false,
            }
        }
    }

    async fn command(&mut self, line: &str) -> Result<String, Box<dyn std::error::Error>> {
        let words: Vec<_> = line.split_whitespace().collect();
        let usage = || Message("expected `reset BOARD`, `loader BOARD`, `power BOARD on|off` or `quit`".to_owned());
        let name = *words.get(1).ok_or_else(usage)?;
        let bench = self.context.bench().config().title();
        let unknown = || Message(format!("{bench} has no virtual board `{name}`"));
        let board = self.boards.get_mut(name).ok_or_else(unknown)?;
        match words.as_slice() {
            ["reset", _] => board.reset().await.map(drop)?,
            ["loader", _] => board.enter_loader().await?,
            ["power", _, "on"] => drop(board.power_on().await?),
            ["power", _, "off"] => drop(board.power_off().await?),
            _ => return Err(usage().into()),
        }
        board.close_console().await;
        Ok(format!("done: {}", line.trim()))
    }

    async fn shut_down(mut self) {
        for board in self.boards.values_mut() {
            // The driver has reported the error; there is nothing else to try.
            let _ = board.power_off().await;
        }
        self.broker.discard().await;
    }
}
