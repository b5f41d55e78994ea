//! Features as a test target of another crate: `cargo test --test features`.

use std::path::{Path, PathBuf};

use clap::Parser;
use hil_scenario::{Filter, Limits, Plan, Retries};

use crate::args::Flaky;
use crate::commands::run::{RunSettings, execute};
use crate::exit_code::ExitCode;
use crate::output::{say, set_up_failed};
use crate::reporter::Detail;
use crate::session;

/// The arguments that `cargo test` and `cargo nextest` pass to a test target.
#[derive(Debug, Parser)]
#[command(name = "features")]
struct Arguments {
    /// Run scenarios whose `feature::scenario` contains one of these
    filter: Vec<String>,
    /// List the scenarios
    #[arg(long)]
    list: bool,
    /// List the steps, the crate's own included; filters are words that they have
    #[arg(long)]
    steps: bool,
    /// Match the whole name
    #[arg(long)]
    exact: bool,
    /// Skip scenarios whose name contains this
    #[arg(long)]
    skip: Vec<String>,
    /// Print steps, packets and console lines as they happen
    #[arg(long, alias = "no-capture")]
    nocapture: bool,
    /// Run only scenarios tagged @opt-in, which a test target calls ignored
    #[arg(long)]
    ignored: bool,
    /// Also run scenarios tagged @opt-in
    #[arg(long)]
    include_ignored: bool,
    /// Accepted for compatibility with libtest
    #[arg(long)]
    format: Option<String>,
    /// Accepted for compatibility with libtest
    #[arg(long)]
    color: Option<String>,
    /// Accepted for compatibility with libtest: the boards determine what runs in parallel
    #[arg(long)]
    test_threads: Option<usize>,
    /// Accepted for compatibility with libtest
    #[arg(long, short)]
    quiet: bool,
    /// Accepted for compatibility with libtest
    #[arg(long)]
    show_output: bool,
}

/// Runs a folder of features as a test target; the path is relative to the crate's folder.
///
/// Uses the bench of `HIL_BENCH`, or the built-in virtual bench. The usual arguments of a test target work: `--list`,
/// name filters, `--exact`, `--skip`, `--nocapture`, `--ignored`.
#[must_use]
pub fn test_features(folder: &str) -> std::process::ExitCode {
    hil_bench::keeper::serve_if_asked();
    let arguments = Arguments::parse();
    crate::process::run(|| test_in(&arguments, folder))
}

fn test_in(arguments: &Arguments, folder: &str) -> ExitCode {
    if arguments.steps {
        return crate::commands::steps::print_text(&arguments.filter);
    }
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    // Canonical, so that messages show a path without `..`.
    let features = package.join(folder).canonicalize().unwrap_or_else(|_| package.join(folder));
    let workspace = workspace(&package);
    // `HIL_BENCH` and the run folder are relative to the workspace's root; cargo starts tests in the package's folder.
    let features = match std::env::set_current_dir(workspace) {
        Ok(()) => features.strip_prefix(workspace).map(Path::to_owned).unwrap_or(features),
        Err(_) => features,
    };
    test(arguments, &features)
}

/// The outermost folder above a package that has a lock file: its workspace.
fn workspace(package: &Path) -> &Path {
    package.ancestors().filter(|folder| folder.join("Cargo.lock").is_file()).last().unwrap_or(package)
}

fn test(arguments: &Arguments, folder: &Path) -> ExitCode {
    let tags = if arguments.ignored { Filter::parse_tags("@opt-in").ok() } else { None };
    let filter = Filter { paths_named: arguments.include_ignored, tags, name: None };
    let mut plan = match Plan::read(&[folder.to_owned()], &filter, None) {
        Ok(plan) => plan,
        Err(error) => return set_up_failed(&error, None),
    };
    let all = plan.count();
    plan.retain(|feature, scenario| wanted(arguments, &format!("{feature}::{scenario}")));
    if arguments.list {
        plan.list(None)
            .iter()
            .for_each(|scenario| say(hil_report::inert(&format!("{}::{}: test", scenario.feature, scenario.name))));
        return ExitCode::Passed;
    }
    let filtered_out = all - plan.count();
    if plan.count() == 0 {
        // As in libtest: a filter that matches nothing in this target may match in another.
        say(format!("\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; {filtered_out} filtered out"));
        return if filtered_out > 0 || arguments.ignored { ExitCode::Passed } else { ExitCode::NothingRan };
    }
    let bench = match session::choose(None) {
        Ok(bench) => bench,
        Err(code) => return code,
    };
    // Checks only what is about to run: the bench need not have what other tests use.
    if let Err(error) = plan.check_on(&bench) {
        return set_up_failed(&error, None);
    }
    let detail = if arguments.nocapture { Detail::Everything } else { Detail::Normal };
    let wait = crate::args::WaitArgs { wait: true, no_wait: false };
    let settings = RunSettings {
        what: "cargo test".to_owned(),
        wait,
        out: None,
        unmask: false,
        max_record: hil_timeline::RECORD_LIMIT,
        limits: Limits::default(),
        deadline: None,
        retries: Retries::default(),
        flaky: Flaky::Pass,
        strict: false,
        baseline: None,
        fail_on: None,
        history: crate::records::history(None),
        detail,
    };
    match execute(plan, bench, &settings, true) {
        Err(code) => code,
        Ok((run, code)) => {
            let counts = run.counts();
            let (bad, word) = (
                counts.failed + counts.errored + counts.aborted,
                if code == ExitCode::Passed { "ok" } else { "FAILED" },
            );
            let (passed, ignored) = (counts.passed + counts.flaky, counts.skipped);
            say(format!(
                "\ntest result: {word}. {passed} passed; {bad} failed; {ignored} ignored; 0 measured; {filtered_out} filtered out"
            ));
            code
        }
    }
}

fn wanted(arguments: &Arguments, name: &str) -> bool {
    let matches = |pattern: &String| if arguments.exact { name == pattern } else { name.contains(pattern.as_str()) };
    let chosen = arguments.filter.is_empty() || arguments.filter.iter().any(matches);
    chosen && !arguments.skip.iter().any(matches)
}
