//! `hil agent`: serves a head that runs scenarios on this host's boards.

mod listen;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use hil_agent::protocol::Refusal;
use hil_agent::{Agent, Cache, SessionEnd, Surroundings, serve};
use hil_config::Bench;
use hil_labgrid::LeaseNote;
use hil_report::{Counts, inert};
use hil_timeline::Mask;

use crate::args::{AgentArgs, Flaky};
use crate::exit_code::{ExitCode, RunEnd};
use crate::folder;
use crate::output::{hide, set_up_failed, warn};
use crate::{provenance, session, signals};

/// How long an agent whose head is gone tries to reach the coordinator of a lab. A later run does it otherwise.
const TO_GIVE_BACK: Duration = Duration::from_secs(30);

/// How many runs an agent keeps on its host.
const KEPT: usize = 50;

pub(crate) fn agent(args: &AgentArgs) -> ExitCode {
    match &args.listen {
        Some(path) => listen::listen(path, args.bench.bench.as_deref()),
        None => serve_stdio(args.bench.bench.clone()),
    }
}

/// Serves the head at the other end of standard input and output.
fn serve_stdio(bench: Option<PathBuf>) -> ExitCode {
    let abort = match signals::abort_on_signals(None) {
        Ok(abort) => abort,
        Err(error) => return set_up_failed(&error, None),
    };
    // The working folder of the process changes with the project.
    let bench =
        ChosenBench { flag: bench.map(|path| absolute(&path)), here: std::env::current_dir().unwrap_or_default() };
    let agent = Agent {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: provenance::host().unwrap_or_default(),
        cache: Cache::new(user_folder("XDG_CACHE_HOME", ".cache").map(|cache| cache.join("hil/agent")).as_deref()),
        surroundings: Arc::new(Host { bench }),
        abort,
    };
    let served = session::on_runtime(async {
        let end = serve(agent, Box::new(io::stdin()), Box::new(io::stdout())).await;
        Ok(match end {
            SessionEnd::Finished => ExitCode::Passed,
            SessionEnd::Refused => ExitCode::Setup,
            SessionEnd::Aborted => ExitCode::Aborted,
        })
    });
    served.unwrap_or_else(|code| code)
}

fn absolute(path: &Path) -> PathBuf {
    // `builtin` is no path.
    let is_word = path.as_os_str() == Bench::BUILTIN_WORD;
    if is_word { path.to_owned() } else { std::path::absolute(path).unwrap_or_else(|_| path.to_owned()) }
}

/// The bench of this host, wherever this process works.
struct ChosenBench {
    flag: Option<PathBuf>,
    here: PathBuf,
}

impl ChosenBench {
    fn read(&self) -> Result<Bench, Refusal> {
        let kinds = hil_scenario::kinds();
        let refused = |error: hil_config::ConfigError| {
            let hint = "correct it on the host; `hil doctor` there checks the whole bench".to_owned();
            Refusal { what: error.to_string(), hint: Some(hint) }
        };
        let chosen = Bench::of_host(&self.here, self.flag.clone(), &kinds).map_err(refused)?;
        chosen.ok_or_else(|| Refusal {
            what: format!(
                "it has no bench file: there is no `{}` and no `/etc/hil/bench.toml`, and `HIL_BENCH` names none",
                self.here.join("bench.toml").display()
            ),
            hint: Some(
                "write one there, or use its built-in bench of simulated boards: `--hosts 'HOST=ssh HOST hil agent --stdio --bench builtin'`"
                    .to_owned(),
            ),
        })
    }
}

/// This host, as an agent uses it.
struct Host {
    bench: ChosenBench,
}

impl Surroundings for Host {
    fn bench(&self) -> Result<Bench, Refusal> {
        self.bench.read()
    }

    fn run_folder(&self) -> io::Result<PathBuf> {
        let parent = user_folder("XDG_STATE_HOME", ".local/state").map(|state| state.join("hil/runs"));
        let parent = parent.ok_or_else(|| io::Error::other("neither `XDG_STATE_HOME` nor `HOME` is set"))?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&parent)?;
        remove_oldest(&parent);
        let made = parent.join(folder::new_name());
        fs::create_dir(&made)?;
        Ok(made)
    }

    fn hide(&self, mask: &Mask) {
        hide(mask.clone());
    }

    fn warn(&self, text: &str) {
        warn(format!("warning: {text}"));
    }

    fn give_back<'a>(&'a self, leases: &'a [String]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let notes = leases.iter().filter_map(|lease| serde_json::from_str::<LeaseNote>(lease).ok());
            let given_back = join_all(notes.map(|note| async move {
                let result = tokio::time::timeout(TO_GIVE_BACK, hil_labgrid::give_back(&note)).await;
                let why = match result {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => format!("the coordinator did not answer within {} s", TO_GIVE_BACK.as_secs()),
                };
                let place = inert(&note.place);
                warn(format!("warning: place `{place}` of the lab could not be released: {}", inert(&why)));
            }));
            given_back.await;
        })
    }

    fn exit_code(&self, counts: Counts, is_aborted: bool, is_unsafe: bool) -> u8 {
        RunEnd { counts, is_aborted, is_unsafe, flaky: Flaky::Pass }.recorded().code()
    }
}

/// A folder of this user, as the XDG Base Directory Specification has them.
fn user_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| Some(home()?.join(below_home)))
}

/// Makes room for another run: a host with a small disk must not fill up. Names begin with the time.
fn remove_oldest(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut runs: Vec<_> = entries.filter(|entry| entry.path().join("events.jsonl").is_file()).collect();
    runs.sort_by_key(fs::DirEntry::file_name);
    let old = runs.len().saturating_sub(KEPT - 1);
    for run in runs.iter().take(old) {
        // Another agent of this user may be removing it as well.
        let _ = fs::remove_dir_all(run.path());
    }
}
