//! How signals and the deadline end a command: the first in order, the second at once.
//!
//! A thread of its own waits for them, so that they work whatever is blocked or busy.

use std::io;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::exit_code::ExitCode;
use crate::output;

/// How long an aborted command still waits for its output to be read.
const FOR_OUTPUT: Duration = Duration::from_secs(1);

/// How far the command has come.
struct AbortState {
    /// Cut short.
    aborted: bool,
    /// All but output is done; this is how it went.
    settled: Option<ExitCode>,
}

static STATE: Mutex<AbortState> = Mutex::new(AbortState { aborted: false, settled: None });

fn state() -> MutexGuard<'static, AbortState> {
    STATE.lock()
}

/// Turns true on Ctrl-C, SIGTERM, a terminal that closes, or when the deadline passes. A second signal ends the process
/// at once: virtual boards end with it.
///
/// A SIGHUP that is ignored, as `nohup` makes it, stays ignored.
pub(crate) fn abort_on_signals(deadline: Option<Duration>) -> io::Result<watch::Receiver<bool>> {
    wait(deadline, true)
}

/// The same for a command that is asked to go on for that long: its end is no abort.
pub(crate) fn end_on_signals_or_after(time: Option<Duration>) -> io::Result<watch::Receiver<bool>> {
    wait(time, false)
}

fn wait(time: Option<Duration>, cuts_short: bool) -> io::Result<watch::Receiver<bool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    let (abort, aborted) = watch::channel(false);
    let watched = signals.end_in_order_and_then_at_once(time, cuts_short, abort);
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

    async fn end_in_order_and_then_at_once(
        mut self,
        time: Option<Duration>,
        cuts_short: bool,
        abort: watch::Sender<bool>,
    ) {
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
        let is_cut_short = tokio::select! {
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => true,
            () = hangup => true,
            () = expiry => cuts_short,
        };
        {
            let mut state = state();
            if is_cut_short && let Some(code) = state.settled {
                // Only output is waited for.
                leave(code);
            }
            state.aborted |= is_cut_short;
        }
        abort.send_replace(true);
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        let settled = state().settled;
        leave(settled.unwrap_or(ExitCode::Aborted));
    }
}

/// Ends the process, whatever its other threads do.
fn leave(code: ExitCode) -> ! {
    crate::terminal::restore();
    std::process::exit(code.code().into())
}

/// All that remains is output: a signal ends the process at once from now on, with this code, and a command that was cut
/// short does not wait long for a reader.
pub(crate) fn settle(code: ExitCode) {
    let mut state = state();
    state.settled = Some(code);
    if state.aborted {
        output::end_within(FOR_OUTPUT);
    }
}

/// Whether a signal was ignored when this program was started.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (kind.as_raw_value() - 1)) != 0
}
