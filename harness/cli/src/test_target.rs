//! Features as a test target of another crate: `cargo test --test features`.

use std::path::{Path, PathBuf};

use clap::Parser;
use hil_config::Bench;
use hil_scenario::{Filter, Limits, Plan, Retries};

use crate::args::{ChooseArgs, Flaky, SelectArgs};
use crate::choice::{self, Chosen};
use crate::commands::run::{RunSettings, execute};
use crate::exit_code::ExitCode;
use crate::output::{say, set_up_failed};
use crate::quarantine;
use crate::reporter::Detail;
use crate::session;

/// The arguments that `cargo test` and `cargo nextest` pass to a test target.
#[derive(Debug, Parser)]
#[command(name = "features")]
struct Arguments {
    /// Run scenarios whose `feature::scenario` contains one of these
    filter: Vec<String>,
    /// Only scenarios that match this tag expression
    #[arg(long, value_name = "EXPR")]
    tags: Option<String>,
    /// Only scenarios whose name matches this regular expression
    #[arg(long, value_name = "REGEX")]
    name: Option<String>,
    #[command(flatten)]
    choose: ChooseArgs,
    /// Bench file, from the root of the workspace [default: HIL_BENCH, else the built-in virtual bench]
    #[arg(long, value_name = "FILE")]
    bench: Option<PathBuf>,
    /// Number of retries of a failed scenario
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// Number of retries of an errored scenario
    #[arg(long, value_name = "N")]
    bench_retries: Option<u32>,
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
/// Uses the bench that `HIL_BENCH` names, else `bench.toml` in the root of the workspace, else `/etc/hil/bench.toml`, else
/// the built-in virtual bench; with the firmware of `HIL_PROJECT`, else of `hil.toml` in that root, and the images of
/// `HIL_FIRMWARE`. The usual arguments of a test target work: `--list`, name filters, `--exact`, `--skip`,
/// `--nocapture`, `--ignored`; and those of `hil run` that choose what runs: `--tags`, `--name`, `--board`,
/// `--last-failed`, `--fail-fast`, `--repeat`, `--shuffle`, `--seed`, `--shard`, `--quarantine`.
#[must_use]
pub fn test_features(folder: &str) -> std::process::ExitCode {
    hil_bench::keeper::serve_if_asked();
    let arguments = Arguments::parse();
    crate::process::run(|| test_in(&arguments, folder))
}

fn test_in(arguments: &Arguments, folder: &str) -> ExitCode {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    // Canonical, so that messages show a path without `..`.
    let features = package.join(folder).canonicalize().unwrap_or_else(|_| package.join(folder));
    let workspace = workspace(&package);
    // The bench file and the run folder are relative to the workspace's root; cargo starts tests in the package's folder.
    let features = match std::env::set_current_dir(workspace) {
        Ok(()) => features.strip_prefix(workspace).map(Path::to_owned).unwrap_or(features),
        Err(_) => features,
    };
    if arguments.steps {
        return crate::commands::steps::print_text(&arguments.filter, &[features]);
    }
    test(arguments, &features)
}

/// The outermost folder above a package that has a lock file: its workspace.
fn workspace(package: &Path) -> &Path {
    package.ancestors().filter(|folder| folder.join("Cargo.lock").is_file()).last().unwrap_or(package)
}

fn test(arguments: &Arguments, folder: &Path) -> ExitCode {
    let select = SelectArgs { features: Vec::new(), tags: tags(arguments), name: arguments.name.clone() };
    let filter = match session::filter(&select) {
        Ok(filter) => Filter { paths_named: arguments.include_ignored, ..filter },
        Err(error) => return set_up_failed(&error, None),
    };
    let mut plan = match Plan::read(&[folder.to_owned()], &filter, None) {
        Ok(plan) => plan,
        Err(error) => return set_up_failed(&error, None),
    };
    let all = plan.count();
    if all == 0 && (arguments.tags.is_some() || arguments.name.is_some()) {
        return choice::nothing_selected(&plan, &select);
    }
    plan.retain(|feature, scenario| wanted(arguments, &format!("{feature}::{scenario}")));
    if plan.count() == 0 {
        return nothing_left(arguments, all);
    }
    // Listing needs no bench, unless its boards select.
    let read = || {
        let project = crate::args::ProjectArgs::default();
        session::choose(arguments.bench.clone()).and_then(|bench| session::with_project(bench, &project, &[]))
    };
    let bench = (!arguments.list || !arguments.choose.board.is_empty()).then(read);
    let chosen = bench.transpose().and_then(|bench| {
        choice::choose(plan, bench.as_ref(), (&select, &arguments.choose), None).map(|chosen| (chosen, bench))
    });
    match chosen {
        Err(code) => code,
        Ok((chosen, Some(bench))) if !arguments.list => run(arguments, folder, chosen, bench, all),
        Ok((chosen, _)) => list(&chosen),
    }
}

/// The tag expression; the tests that a test target calls ignored are those tagged @opt-in.
fn tags(arguments: &Arguments) -> Option<String> {
    match (&arguments.tags, arguments.ignored) {
        (Some(tags), true) => Some(format!("@opt-in and ({tags})")),
        (None, true) => Some("@opt-in".to_owned()),
        (tags, false) => tags.clone(),
    }
}

/// As in libtest: a filter that matches nothing in this target may match in another.
fn nothing_left(arguments: &Arguments, filtered_out: usize) -> ExitCode {
    if arguments.list {
        return ExitCode::Passed;
    }
    say(format!("\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; {filtered_out} filtered out"));
    if filtered_out > 0 || arguments.ignored { ExitCode::Passed } else { ExitCode::NothingRan }
}

fn list(chosen: &Chosen) -> ExitCode {
    for scenario in chosen.list(None) {
        say(hil_report::inert(&format!("{}::{}: test", scenario.feature, scenario.name)));
    }
    ExitCode::Passed
}

fn run(arguments: &Arguments, folder: &Path, chosen: Chosen, bench: Bench, all: usize) -> ExitCode {
    // Checks only what is about to run: the bench need not have what other tests use.
    if let Err(error) = chosen.plan.check_on(&bench) {
        return set_up_failed(&error, None);
    }
    let quarantine = arguments.choose.quarantine.as_deref();
    let quarantined = match quarantine::of(&chosen.plan, &[folder.to_owned()], quarantine) {
        Ok(quarantined) => quarantined,
        Err(code) => return code,
    };
    choice::say_choice(&chosen.choice);
    let filtered_out = all - chosen.plan.count();
    let retries = Retries { bench: arguments.bench_retries, product: arguments.retries };
    let history = crate::records::history(None);
    let settings = RunSettings {
        what: "cargo test".to_owned(),
        wait: crate::args::WaitArgs { wait: true, no_wait: false },
        out: None,
        unmask: false,
        max_record: hil_timeline::RECORD_LIMIT,
        limits: Limits::default(),
        deadline: None,
        options: chosen.options(&arguments.choose, &quarantined, (retries, &history)),
        quarantined,
        choice: chosen.choice,
        flaky: Flaky::Pass,
        provenance: crate::args::ProvenanceArgs::default(),
        strict: false,
        baseline: None,
        fail_on: None,
        history,
        detail: if arguments.nocapture { Detail::Everything } else { Detail::Normal },
    };
    match execute(chosen.plan, bench, &settings, true) {
        Err(code) => code,
        Ok((run, code)) => {
            let counts = run.counts();
            let (bad, word) = (
                counts.failed + counts.errored + counts.aborted,
                if code == ExitCode::Passed { "ok" } else { "FAILED" },
            );
            // libtest has no other word for what does not count.
            let (passed, ignored) = (counts.passed + counts.flaky, counts.skipped + counts.quarantined);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Arguments {
        let all = std::iter::once("features").chain(arguments.iter().copied());
        Arguments::try_parse_from(all).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As `cargo nextest` calls it, and with the options of `hil run`.
    #[test]
    fn options_of_libtest_and_of_hil_combine() {
        let listed = parsed(&["--list", "--format", "terse", "--ignored"]);
        assert_eq!((listed.list, tags(&listed).as_deref()), (true, Some("@opt-in")));
        let exact = parsed(&["The lamp::on and off", "--exact", "--nocapture"]);
        assert!(wanted(&exact, "The lamp::on and off") && !wanted(&exact, "The lamp::on and off again"));
        let chosen =
            parsed(&["--tags", "@wifi or @relay", "--ignored", "--shard", "2/5", "--repeat", "3", "--until-fail"]);
        assert_eq!(tags(&chosen).as_deref(), Some("@opt-in and (@wifi or @relay)"));
        assert_eq!((chosen.choose.repeat, chosen.choose.until_fail), (Some(3), true));
        let chosen = parsed(&["lamp", "--shuffle", "--last-failed", "--fail-fast", "--board", "lamp", "--name", "on"]);
        assert_eq!(
            (chosen.filter, chosen.choose.shuffle, chosen.choose.last_failed),
            (vec!["lamp".into()], Some(None), Some(None))
        );
        assert!(Arguments::try_parse_from(["features", "--until-fail"]).is_err());
    }
}
