//! The run as Markdown: GitHub shows it as the summary of a job.

use hil_timeline::{Provenance, Verdict};

use crate::compare::Comparison;
use crate::markdown_text::cell;
use crate::repetitions::{Repeated, repeated};
use crate::report_file::ReportFile;
use crate::result::{RunSummary, ScenarioResult};
use crate::text::{failure_lines, host_lines, set_aside_lines, summary_line};

/// GitHub accepts no summary above 1 MiB.
const BUDGET: usize = 900_000;

/// So many repeated scenarios are listed.
const REPEATED: usize = 200;

/// The report.
pub(crate) const REPORT: ReportFile = ReportFile {
    name: "summary.md",
    audience: "GitHub's job summary, a merge request",
    about: "what did not pass, and why; below 1 MiB",
    text: |from| Ok(markdown(from.run, from.comparison.map(Comparison::markdown).as_deref())),
};

/// Writes a run as Markdown: failures first, with their reasons. `comparison` is a section of its own.
#[must_use]
pub fn markdown(run: &RunSummary, comparison: Option<&str>) -> String {
    let mut text = format!("## {} {}\n\n", mark(run), cell(&summary_line(run)));
    text.push_str(&about(run));
    // Short, because so many lines of each kind are shown.
    if let Some(comparison) = comparison {
        text.push_str(comparison);
    }
    let mut left_out = 0;
    text.push_str(&repetitions(run));
    let bad = run.scenarios.iter().filter(|scenario| !matches!(scenario.verdict, Verdict::Passed | Verdict::Skipped));
    let (excused, bad): (Vec<_>, Vec<_>) = bad.partition(|scenario| scenario.is_excused());
    for scenario in bad.into_iter().chain(excused) {
        let section = section(scenario);
        if text.len() + section.len() > BUDGET { left_out += 1 } else { text.push_str(&section) }
    }
    if left_out > 0 {
        text.push_str(&format!("… and {left_out} more: see `report.html`.\n\n"));
    }
    let skipped = skipped(run);
    if text.len() + skipped.len() < BUDGET {
        text.push_str(&skipped);
    }
    text
}

fn mark(run: &RunSummary) -> &'static str {
    let counts = run.counts();
    let bad_end = run.exit_code.is_some_and(|code| !matches!(code, 0 | 4));
    if bad_end || counts.failed + counts.errored + counts.aborted > 0 {
        "❌"
    } else if counts.passed + counts.flaky == 0 {
        "⚪"
    } else {
        "✅"
    }
}

/// Boards, firmware, broker.
fn about(run: &RunSummary) -> String {
    let Some(info) = &run.info else { return String::new() };
    let mut text = "| board | kind | firmware |\n| --- | --- | --- |\n".to_owned();
    for board in &info.boards {
        let firmware =
            run.firmware.iter().filter(|firmware| firmware.board == board.name && firmware.host == board.host);
        let firmware: Vec<_> = firmware
            .map(|firmware| {
                let version = firmware.version.as_ref().map_or(String::new(), |version| format!(" {version}"));
                let runs = firmware.runs.map_or(String::new(), |runs| format!(", {}", runs.word()));
                format!("{}{version} (`{}`{runs})", firmware.firmware, firmware.hash)
            })
            .collect();
        let cells = [board.full_name(), board.description(), firmware.join(", ")];
        text.push_str(&format!("| {} |\n", cells.map(|text| cell(&text)).join(" | ")));
    }
    let (bench, broker, version) = (cell(&info.bench), cell(&info.broker), cell(&info.version));
    let host = info.provenance.host.as_ref().map_or(String::new(), |host| format!(" on {}", cell(host)));
    let origin = origin(&info.provenance);
    let project = info.project.as_ref().map_or(String::new(), |project| format!(", firmware of {}", cell(project)));
    let aside: String = set_aside_lines(run).iter().map(|line| format!("\n⚠️ {}\n", cell(line))).collect();
    let hosts: String = host_lines(run).iter().map(|line| format!("- {}\n", cell(line))).collect();
    let hosts = if hosts.is_empty() { hosts } else { format!("{hosts}\n") };
    format!("{text}{aside}\nBench {bench}{host}{project}, broker {broker}, hil {version}.{origin}\n\n{hosts}")
}

/// The commit, its branch and the job, as a sentence of its own.
fn origin(from: &Provenance) -> String {
    let commit = from.short_commit().map(|commit| format!("commit {}", cell(&commit)));
    let branch = from.branch.as_ref().map(|branch| format!("branch {}", cell(branch)));
    let job = match (from.job_link(), &from.job_url) {
        (Some(link), _) => Some(format!("[job](<{link}>)")),
        (None, Some(text)) => Some(format!("job {}", cell(text))),
        (None, None) => None,
    };
    let parts: Vec<_> = [commit, branch, job].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" Of {}.", parts.join(", ")) }
}

/// How often each repeated scenario passed.
fn repetitions(run: &RunSummary) -> String {
    let repeated = repeated(run);
    if repeated.is_empty() {
        return String::new();
    }
    let row = |it: &Repeated<'_>| {
        let place = format!("{}:{}", it.info.path, it.info.line);
        format!("| {} of {} | {} | {} |\n", it.passed, it.runs, cell(&it.info.name), cell(&place))
    };
    let rows: String = repeated.iter().take(REPEATED).map(row).collect();
    let more = repeated.len().saturating_sub(REPEATED);
    let more = if more > 0 { format!("\n… and {more} more scenarios.\n") } else { String::new() };
    format!("| passed | scenario | place |\n| --- | --- | --- |\n{rows}{more}\n")
}

fn section(scenario: &ScenarioResult) -> String {
    let info = &scenario.info;
    let lines = failure_lines(scenario);
    // A fence longer than any run of backticks in the text can't be closed from within.
    let longest = lines.iter().flat_map(|line| line.split(|c| c != '`')).map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let word = scenario.word();
    let quarantine = scenario.info.quarantine.as_ref().filter(|_| scenario.is_excused());
    let why = quarantine.map_or(String::new(), |quarantine| format!("{}\n\n", cell(&quarantine.text())));
    let (name, place) = (cell(&scenario.title()), cell(&format!("{}:{}", info.path, info.line)));
    format!("### {word}: {name}\n\n{place}\n\n{why}{fence}text\n{}\n{fence}\n\n", lines.join("\n"))
}

fn skipped(run: &RunSummary) -> String {
    let skipped: Vec<_> = run.scenarios.iter().filter(|scenario| scenario.verdict == Verdict::Skipped).collect();
    if skipped.is_empty() {
        return String::new();
    }
    let mut text = format!("<details><summary>{} skipped</summary>\n\n", skipped.len());
    for scenario in skipped {
        let why = scenario.failure().map_or(String::new(), |failure| cell(&failure.message));
        text.push_str(&format!("- {}: {why}\n", cell(&scenario.info.name)));
    }
    text.push_str("\n</details>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::{sample, tried};

    #[test]
    fn failures_come_first() {
        insta::assert_snapshot!(markdown(&RunSummary::of(sample()), None));
    }

    #[test]
    fn a_flaky_run_is_green_and_says_so() {
        let run = RunSummary::of(tried(&[Verdict::Failed, Verdict::Passed]));
        insta::assert_snapshot!(markdown(&run, None));
    }

    #[test]
    fn output_of_a_device_stays_inside_its_block() {
        let mut run = RunSummary::of(sample());
        let failure = run.scenarios[1].attempts[0].failure.as_mut().expect("it failed");
        failure.message = "````\n</details><script>alert(1)</script>".to_owned();
        run.scenarios[1].info.name = "<img src=x> | `x` [a](b) @everyone".to_owned();
        let text = markdown(&run, None);
        assert!(text.contains("`````text"), "{text}");
        assert!(text.contains(r"&lt;img src=x&gt; \| \`x\` \[a\](b) \@everyone"), "{text}");
    }

    #[test]
    fn a_run_that_breaks_everywhere_stays_below_what_github_takes() {
        let mut run = RunSummary::of(sample());
        let failed = run.scenarios[1].clone();
        run.scenarios = vec![failed; 20_000];
        let text = markdown(&run, None);
        assert!(text.len() < 1_048_576);
        assert!(text.contains("more: see `report.html`"), "the end says what is missing");
    }
}
