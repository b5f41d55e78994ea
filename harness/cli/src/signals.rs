//! Ends a command on signals and at its deadline: cleanly on the first, immediately on a later one.
//!
//! A separate thread waits for them, so that they work even if everything else is blocked or busy.

use std::io;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::exit_code::ExitCode;
use crate::output;

/// How long an aborted command still waits for its output to be read.
const FOR_OUTPUT: Duration = Duration::from_secs(1);

/// Signals within this time of the first are the same request: `timeout` sends SIGTERM to the program and then to its
/// group, `sudo` sends SIGHUP and SIGTERM, a tree kill reaches a process by more than one way.
const SAME_REQUEST: Duration = Duration::from_secs(1);

/// How the command is ending.
struct AbortState {
    /// A signal or the deadline arrived.
    aborted: bool,
    /// Only output remains; this is the exit code.
    settled: Option<ExitCode>,
}

static STATE: Mutex<AbortState> = Mutex::new(AbortState { aborted: false, settled: None });

fn state() -> MutexGuard<'static, AbortState> {
    STATE.lock()
}

/// Turns true on Ctrl-C, SIGTERM or SIGHUP, or at the deadline. A further signal, a second later, exits immediately,
/// virtual boards included.
///
/// An ignored SIGHUP, as under `nohup`, stays ignored.
pub(crate) fn abort_on_signals(deadline: Option<Duration>) -> io::Result<watch::Receiver<bool>> {
    wait(deadline, true)
}

/// The same for a command that runs for a given time: the end of that time is not an abort.
pub(crate) fn end_on_signals_or_after(time: Option<Duration>) -> io::Result<watch::Receiver<bool>> {
    wait(time, false)
}

fn wait(time: Option<Duration>, is_abort: bool) -> io::Result<watch::Receiver<bool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    let (abort, aborted) = watch::channel(false);
    let watched = signals.abort_and_then_exit(time, is_abort, abort);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(watched))?;
    Ok(aborted)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let hangup = if is_ignored(SignalKind::hangup()) { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hangup })
    }

    async fn abort_and_then_exit(mut self, time: Option<Duration>, is_abort: bool, abort: watch::Sender<bool>) {
        let is_aborted = self.first(time, is_abort).await;
        {
            let mut state = state();
            if is_aborted && let Some(code) = state.settled {
                // Only output remains.
                leave(code);
            }
            state.aborted |= is_aborted;
        }
        abort.send_replace(true);
        if is_aborted {
            self.ignore_repetitions().await;
        }
        self.interrupt_or_terminate().await;
        let settled = state().settled;
        leave(settled.unwrap_or(ExitCode::Aborted));
    }

    /// Waits for the first signal or the end of the time; returns whether that is an abort.
    async fn first(&mut self, time: Option<Duration>, is_abort: bool) -> bool {
        let expiry = async {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => drop(hangup.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => true,
            () = hangup => true,
            () = expiry => is_abort,
        }
    }

    /// Takes the signals that repeat the first one.
    async fn ignore_repetitions(&mut self) {
        let repeated = async {
            loop {
                self.interrupt_or_terminate().await;
            }
        };
        let _: Result<(), _> = tokio::time::timeout(SAME_REQUEST, repeated).await;
    }

    async fn interrupt_or_terminate(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Exits, whatever the other threads do.
fn leave(code: ExitCode) -> ! {
    crate::terminal::restore();
    std::process::exit(code.code().into())
}

/// Only output remains: from now on a signal exits immediately with this code, and an aborted command waits only briefly
/// for its output to be read.
pub(crate) fn settle(code: ExitCode) {
    let mut state = state();
    state.settled = Some(code);
    if state.aborted {
        output::end_within(FOR_OUTPUT);
    }
}

/// Whether a signal was ignored when this program started.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (kind.as_raw_value() - 1)) != 0
}
