//! A run as text for a terminal.

use std::collections::BTreeMap;

use hil_timeline::{BoardInfo, Failure, Verdict};

use crate::repetitions::{Repeated, repeated};
use crate::result::{Attempt, HostResult, RunSummary, ScenarioResult, SetAside};

/// One line for a scenario and all its attempts: verdict, place, name, time.
#[must_use]
pub fn scenario_line(scenario: &ScenarioResult) -> String {
    let attempts = match scenario.attempts.len() {
        0 | 1 => String::new(),
        n => format!(", {n} attempts"),
    };
    line(scenario, scenario.verdict, &attempts)
}

/// Why a scenario did not pass (or not at once), in several lines; empty if it passed. After several attempts, each
/// failed one shows its own reason.
#[must_use]
pub fn failure_lines(scenario: &ScenarioResult) -> Vec<String> {
    let count = scenario.attempts.len();
    if count < 2 {
        return attempt_lines(scenario, scenario.telling());
    }
    let of = |(n, attempt): (usize, &Attempt)| {
        let lines = attempt_lines(scenario, attempt);
        let cast = attempt.cast();
        let cast = if cast.is_empty() { cast } else { format!(", {cast}") };
        let headline = (!lines.is_empty()).then(|| inert(&format!("attempt {} of {count}{cast}:", n + 1)));
        headline.into_iter().chain(lines).collect::<Vec<_>>()
    };
    scenario.attempts.iter().enumerate().flat_map(of).collect()
}

/// The verdict of the latest attempt; a pass after another attempt is flaky.
#[must_use]
pub fn latest_verdict(scenario: &ScenarioResult) -> Verdict {
    match scenario.attempts.last().map(|attempt| attempt.verdict) {
        None | Some(Verdict::Passed) => scenario.verdict,
        Some(verdict) => verdict,
    }
}

/// One line for the latest attempt. If another attempt decides the verdict, it says so.
#[must_use]
pub fn latest_line(scenario: &ScenarioResult) -> String {
    let verdict = latest_verdict(scenario);
    let counts = match scenario.verdict {
        whole if whole == verdict => String::new(),
        whole => format!(", counts as {}", whole.word()),
    };
    let counts = if scenario.is_excused() { String::new() } else { counts };
    let attempt = match scenario.attempts.len() {
        0 | 1 => String::new(),
        n => format!(", attempt {n}"),
    };
    line(scenario, verdict, &format!("{attempt}{counts}"))
}

/// Why the latest attempt did not pass; empty if it passed.
#[must_use]
pub fn latest_lines(scenario: &ScenarioResult) -> Vec<String> {
    scenario.attempts.last().map(|attempt| attempt_lines(scenario, attempt)).unwrap_or_default()
}

fn line(scenario: &ScenarioResult, verdict: Verdict, more: &str) -> String {
    let info = &scenario.info;
    let took = scenario.took().as_secs_f64();
    let cast = scenario.attempts.last().map(Attempt::cast).filter(|cast| !cast.is_empty());
    let cast = cast.map_or(String::new(), |cast| format!(", {cast}"));
    let word = if scenario.is_excused() && verdict != Verdict::Passed { scenario.word() } else { verdict.word() };
    let host = scenario.attempts.last().and_then(|attempt| attempt.host.as_ref());
    let host = host.map_or(String::new(), |host| format!(" on {host}"));
    inert(&format!("{word:>7}  {}:{}  {}  ({took:.2} s{host}{more}{cast})", info.path, info.line, scenario.title()))
}

/// Why an attempt did not pass.
pub(crate) fn attempt_lines(scenario: &ScenarioResult, attempt: &Attempt) -> Vec<String> {
    let Some(Failure { message, details, hint }) = &attempt.failure else { return Vec::new() };
    let mut lines = Vec::new();
    if let Some(step) = attempt.failed_step() {
        lines.push(format!("{} {}  ({}:{})", step.info.keyword, step.info.text, scenario.info.path, step.info.line));
    }
    // `failed` is the firmware's, `error` the bench's.
    let word = match attempt.verdict {
        Verdict::Errored => "error",
        other => other.word(),
    };
    lines.push(format!("{word}: {message}"));
    lines.extend(details.iter().map(|detail| format!("  {detail}")));
    lines.extend(hint.iter().map(|hint| format!("hint: {hint}")));
    lines.iter().map(|line| inert(line)).collect()
}

/// Output of a device must not steer a terminal: control characters are escaped.
#[must_use]
pub fn inert(line: &str) -> String {
    hil_timeline::escaped(line).to_string()
}

/// The hosts of a run with what they ran, a line each; nothing if it ran on one machine.
#[must_use]
pub fn host_lines(run: &RunSummary) -> Vec<String> {
    let of = |host: &HostResult| {
        let attempts = run.scenarios.iter().flat_map(|scenario| &scenario.attempts);
        let ran = attempts.filter(|attempt| attempt.host.as_ref() == Some(&host.name)).count();
        let ran = if ran == 1 { "1 attempt".to_owned() } else { format!("{ran} attempts") };
        let lost = host.lost.as_ref().map_or(String::new(), |why| format!("; lost: {why}"));
        inert(&format!("host {}: {ran}{lost}", host.name))
    };
    run.hosts.iter().map(of).collect()
}

/// The run in one line: `3 passed, 1 failed in 12.3 s on simulated boards`.
#[must_use]
pub fn summary_line(run: &RunSummary) -> String {
    let counts = run.counts();
    let shown: Vec<_> = counts
        .words()
        .iter()
        .filter(|(word, count)| *count > 0 || *word == "passed")
        .map(|(word, n)| format!("{n} {word}"))
        .collect();
    let seconds = std::time::Duration::from_micros(run.took_us).as_secs_f64();
    // A scenario that had failed before a retry is not counted as aborted.
    let is_cut = counts.aborted == 0 && run.info.is_some() && !run.is_whole();
    let cut = if is_cut { "; the run was ended before its end" } else { "" };
    format!("{} in {seconds:.1} s{}{cut}", shown.join(", "), badge(run))
}

/// How often each scenario of a run that repeats them passed: `18 of 20 passed  PLACE  NAME`; empty for other runs.
#[must_use]
pub fn repetition_lines(run: &RunSummary) -> Vec<String> {
    let line = |it: &Repeated<'_>| {
        let info = it.info;
        inert(&format!("{} of {} passed  {}:{}  {}", it.passed, it.runs, info.path, info.line, info.name))
    };
    repeated(run).iter().map(line).collect()
}

/// The boards that were set aside, each with what the bench failed at on it; empty if there are none.
#[must_use]
pub fn set_aside_lines(run: &RunSummary) -> Vec<String> {
    let line = |it: &SetAside| inert(&format!("board `{}` was set aside: {}", it.board, it.reasons.join("; ")));
    run.set_aside.iter().map(line).collect()
}

/// The reasons why several scenarios were skipped, the most frequent first; their lines are far above.
#[must_use]
pub fn skip_lines(run: &RunSummary) -> Vec<String> {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for scenario in run.scenarios.iter().filter(|scenario| scenario.verdict == Verdict::Skipped) {
        if let Some(failure) = scenario.failure() {
            *reasons.entry(&failure.message).or_default() += 1;
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().filter(|(_, count)| *count > 1).collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    reasons.into_iter().map(|(reason, count)| format!("{count} skipped: {}", inert(reason))).collect()
}

/// Each scenario whose failure is excused, with the reason; empty if there is none.
#[must_use]
pub fn quarantine_lines(run: &RunSummary) -> Vec<String> {
    let line = |scenario: &ScenarioResult| {
        let quarantine = scenario.info.quarantine.as_ref().filter(|_| scenario.is_excused())?;
        let (info, word) = (&scenario.info, scenario.verdict.word());
        let text = quarantine.text();
        Some(inert(&format!("{word}, {text}  {}:{}  {}", info.path, info.line, scenario.title())))
    };
    run.scenarios.iter().filter_map(line).collect()
}

fn badge(run: &RunSummary) -> &'static str {
    let ways: Vec<_> = run.info.iter().flat_map(|info| &info.boards).map(BoardInfo::way).collect();
    let all = |way: &str| ways.iter().all(|it| *it == way);
    let any = |way: &str| ways.contains(&way);
    match (any("simulated"), any("emulated")) {
        (false, false) => "",
        (true, false) if all("simulated") => " (all boards simulated)",
        (true, false) => " (some boards simulated)",
        (false, true) if all("emulated") => " (all boards emulated)",
        (false, true) => " (some boards emulated)",
        (true, true) if any("real") => " (some boards simulated or emulated)",
        (true, true) => " (all boards simulated or emulated)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::{sample, tried};

    #[test]
    fn a_run_is_shown_as_text() {
        let run = RunSummary::of(sample());
        let mut text = String::new();
        for scenario in &run.scenarios {
            text.push_str(&scenario_line(scenario));
            text.push('\n');
            for line in failure_lines(scenario) {
                text.push_str(&format!("         {line}\n"));
            }
        }
        text.push_str(&summary_line(&run));
        insta::assert_snapshot!(text);
    }

    /// The text of an attempt is about that attempt only.
    #[test]
    fn each_attempt_shows_its_own_error() {
        use Verdict::{Aborted, Errored, Failed, Passed};
        let mut text = String::new();
        for attempts in [&[Failed, Errored][..], &[Errored, Failed], &[Failed, Aborted], &[Failed, Passed]] {
            let run = RunSummary::of(tried(attempts));
            let scenario = &run.scenarios[0];
            let live = std::iter::once(latest_line(scenario)).chain(latest_lines(scenario));
            let whole = std::iter::once(scenario_line(scenario)).chain(failure_lines(scenario));
            let lines = |lines: Vec<String>| lines.iter().map(|line| format!("    {line}\n")).collect::<String>();
            text.push_str(&format!("{attempts:?}\n  live\n{}", lines(live.collect())));
            text.push_str(&format!("  whole\n{}", lines(whole.collect())));
        }
        insta::assert_snapshot!(text);
    }
}
