//! `hil history`.

use std::collections::BTreeSet;

use hil_report::{MetricKind, Record, inert, sign, sparkline, wilson};
use hil_timeline::Verdict;
use serde::Serialize;

use crate::args::{Format, HistoryArgs};
use crate::exit_code::ExitCode;
use crate::output::{Message, say, say_json, set_up_failed};
use crate::records;

pub(crate) fn history(args: &HistoryArgs) -> ExitCode {
    let history = records::history(args.history.as_ref());
    let mut past = match history.read() {
        Ok(past) => past,
        Err(error) => return set_up_failed(&error, None),
    };
    let has_runs = !past.is_empty();
    past.retain(|record| is_wanted(args, record));
    past.drain(..past.len().saturating_sub(args.last.into()));
    if past.is_empty() {
        let (of_them, hint) = if has_runs {
            (" of that branch, commit or bench", "without `--branch`, `--commit` and `--bench` all runs are listed")
        } else {
            ("", "each `hil run` appends one")
        };
        let message = Message(format!("`{}` contains no runs{of_them}", history.path().display()));
        return set_up_failed(&message, Some(hint.to_owned()));
    }
    match &args.scenario {
        Some(pattern) => scenarios(args, pattern, &past),
        None => runs(args, &past),
    }
}

/// Whether the flags select a run.
fn is_wanted(args: &HistoryArgs, record: &Record) -> bool {
    let from = &record.provenance;
    let of_branch = args.branch.is_none() || args.branch == from.branch;
    let begins = |commit: &String| from.commit.as_ref().is_some_and(|it| it.starts_with(commit.as_str()));
    of_branch && args.commit.as_ref().is_none_or(begins) && args.bench.as_ref().is_none_or(|it| *it == record.bench)
}

/// The results of a scenario in the recent runs.
#[derive(Serialize)]
struct ScenarioHistory {
    scenario: String,
    /// A symbol for each run.
    verdicts: String,
    /// Runs in which it passed, failed or was flaky: only these results depend on the firmware.
    runs: usize,
    pass_rate: f64,
    /// Share of runs in which it was flaky, or failed although it passed in another run of the same firmware.
    flake_rate: f64,
    /// The 95 % confidence interval of the flake rate.
    flake_between: (f64, f64),
    steps: Vec<StepHistory>,
}

#[derive(Serialize)]
struct StepHistory {
    step: String,
    /// The median of each run, in milliseconds.
    medians_ms: Vec<Option<f64>>,
}

fn scenarios(args: &HistoryArgs, pattern: &str, past: &[Record]) -> ExitCode {
    let pattern = pattern.to_lowercase();
    let names: BTreeSet<&String> = past.iter().flat_map(|record| record.scenarios.keys()).collect();
    let found: Vec<_> = names.into_iter().filter(|name| name.to_lowercase().contains(&pattern)).collect();
    if found.is_empty() {
        let message = Message(format!("no scenario in these runs has `{pattern}` in its name or file"));
        return set_up_failed(&message, Some("`hil report RUN` lists the scenarios of a run".to_owned()));
    }
    let lines: Vec<_> = found.into_iter().map(|name| line(name, past)).collect();
    if args.format.format == Format::Json {
        return json(&lines);
    }
    for line in &lines {
        say(inert(&line.scenario));
        let (low, high) = line.flake_between;
        say(format!(
            "  {}  {} runs, {} passed, {} flaky (95 %: {} to {})",
            line.verdicts,
            line.runs,
            percent(line.pass_rate),
            percent(line.flake_rate),
            percent(low),
            percent(high)
        ));
        for step in &line.steps {
            let last = step.medians_ms.iter().rev().flatten().next().copied().unwrap_or(0.0);
            say(inert(&format!("  {}  {last:.1} ms  {}", sparkline(&step.medians_ms), step.step)));
        }
    }
    ExitCode::Passed
}

fn line(name: &str, past: &[Record]) -> ScenarioHistory {
    let verdicts: Vec<_> = past.iter().map(|record| record.scenarios.get(name).copied()).collect();
    let is_of_firmware = |verdict: &&Verdict| matches!(verdict, Verdict::Passed | Verdict::Failed | Verdict::Flaky);
    let runs = verdicts.iter().flatten().filter(is_of_firmware).count();
    let passed = verdicts.iter().flatten().filter(|verdict| **verdict == Verdict::Passed).count();
    let flaky = flakes(name, past);
    let steps: BTreeSet<_> = past
        .iter()
        .flat_map(|record| record.metrics.keys())
        .filter(|metric| metric.kind == MetricKind::Step && metric.subject.starts_with(&format!("{name}: ")))
        .collect();
    let step = |metric: &hil_report::Metric| StepHistory {
        step: metric.subject[name.len() + 2..].to_owned(),
        medians_ms: past.iter().map(|record| record.median(metric)).collect(),
    };
    ScenarioHistory {
        scenario: name.to_owned(),
        verdicts: verdicts.iter().map(|verdict| sign(*verdict)).collect(),
        runs,
        pass_rate: rate(passed, runs),
        flake_rate: rate(flaky, runs),
        flake_between: wilson(flaky, runs),
        steps: steps.into_iter().map(step).collect(),
    }
}

/// Runs in which a scenario was flaky, or failed although it passed in another run of the same firmware.
fn flakes(name: &str, past: &[Record]) -> usize {
    let passed = |record: &&Record| record.scenarios.get(name) == Some(&Verdict::Passed);
    let passed: Vec<_> = past.iter().filter(passed).collect();
    let is_flake = |record: &&Record| match record.scenarios.get(name) {
        Some(Verdict::Flaky) => true,
        Some(Verdict::Failed) => passed.iter().any(|good| good.is_of_firmware(record) || record.is_of_firmware(good)),
        _ => false,
    };
    past.iter().filter(is_flake).count()
}

#[derive(Serialize)]
struct RunHistory<'a> {
    run: &'a str,
    unix_ms: u64,
    counts: hil_report::Counts,
    exit_code: Option<u8>,
    firmware: &'a [hil_report::FirmwareInfo],
    bench: &'a str,
    provenance: &'a hil_timeline::Provenance,
}

fn runs(args: &HistoryArgs, past: &[Record]) -> ExitCode {
    let lines: Vec<_> = past
        .iter()
        .map(|record| RunHistory {
            run: &record.run,
            unix_ms: record.unix_ms,
            counts: record.counts(),
            exit_code: record.exit_code,
            firmware: &record.firmware,
            bench: &record.bench,
            provenance: &record.provenance,
        })
        .collect();
    if args.format.format == Format::Json {
        return json(&lines);
    }
    let has_benches = lines.iter().any(|line| line.bench != lines[0].bench);
    for line in &lines {
        let counts: Vec<_> =
            line.counts.words().iter().filter(|(_, n)| *n > 0).map(|(w, n)| format!("{n} {w}")).collect();
        let mut firmware: Vec<_> = line
            .firmware
            .iter()
            .map(|it| format!("{} {}", it.firmware, it.hash.chars().take(8).collect::<String>()))
            .collect();
        firmware.dedup();
        let more = firmware.len().saturating_sub(3);
        firmware.truncate(3);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let from = origin(line, has_benches);
        say(inert(&format!("{}  {}  {}{more}{from}", line.run, counts.join(", "), firmware.join(", "))));
    }
    say_not_always_passed(past);
    ExitCode::Passed
}

/// The commit and its branch; the bench as well if the runs were on several.
fn origin(line: &RunHistory<'_>, has_benches: bool) -> String {
    let from = line.provenance;
    let bench = has_benches.then(|| line.bench.to_owned());
    let parts: Vec<_> = [from.branch.clone(), from.short_commit(), bench].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!("  {}", parts.join(", ")) }
}

/// Scenarios that did not always pass.
fn say_not_always_passed(past: &[Record]) {
    let names: BTreeSet<&String> = past.iter().flat_map(|record| record.scenarios.keys()).collect();
    let lines: Vec<_> =
        names.into_iter().map(|name| line(name, past)).filter(|line| line.runs > 0 && line.pass_rate < 1.0).collect();
    if !lines.is_empty() {
        say("\ndid not always pass:");
    }
    for line in lines {
        let rates = format!("{} passed, {} flaky", percent(line.pass_rate), percent(line.flake_rate));
        say(inert(&format!("  {}  {rates}  {}", line.verdicts, line.scenario)));
    }
}

fn json(value: &impl Serialize) -> ExitCode {
    say_json(value);
    ExitCode::Passed
}

#[expect(clippy::cast_precision_loss, reason = "runs are far fewer than 2^52")]
fn rate(hits: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { hits as f64 / all as f64 }
}

fn percent(rate: f64) -> String {
    format!("{:.0} %", rate * 100.0)
}
