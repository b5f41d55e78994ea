//! JUnit XML according to Surefire's schema: one suite, one case per scenario with all attempts; a failure is the
//! firmware's, an error the bench's.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use hil_timeline::{Failure, Provenance, Verdict};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::names::{class_name, unique_names};
use crate::report_file::ReportFile;
use crate::result::{Attempt, RunSummary, ScenarioResult, SetAside};

/// GitLab reads no report above 30 MB; beyond this, output is left out.
const BUDGET: usize = 20_000_000;

/// So many lines of a failure are quoted.
const DETAILS: usize = 60;

/// Longest quoted line of a device.
const LONGEST: usize = 500;

type Xml = Writer<Vec<u8>>;

/// The report.
pub(crate) const REPORT: ReportFile = ReportFile {
    name: "junit.xml",
    audience: "GitLab, GitHub actions, Jenkins",
    about: "one case per scenario; below 30 MB",
    text: |from| Ok(junit(from.run, from.page)?),
};

/// Writes a run as JUnit XML. `attachment` is the path of a failed case's page from the root of the project.
///
/// # Errors
/// When the XML can't be written.
pub fn junit(run: &RunSummary, attachment: Option<&str>) -> io::Result<String> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let counts = run.counts();
    let timestamp = run.info.as_ref().and_then(|info| timestamp(info.unix_ms));
    let suite = xml.create_element("testsuite").with_attributes([
        ("name", "hil"),
        ("time", seconds(run.took_us).as_str()),
        ("tests", run.scenarios.len().to_string().as_str()),
        ("errors", (counts.errored + counts.aborted).to_string().as_str()),
        ("skipped", (counts.skipped + counts.quarantined).to_string().as_str()),
        ("failures", counts.failed.to_string().as_str()),
    ]);
    let suite = suite.with_attributes(timestamp.as_deref().map(|timestamp| ("timestamp", timestamp)));
    suite.write_inner_content(|xml| {
        properties(xml, run)?;
        let mut writer = Cases { attachment, xml };
        run.scenarios.iter().zip(unique_names(run)).try_for_each(|(scenario, name)| writer.case(scenario, &name))
    })?;
    xml.get_mut().push(b'\n');
    String::from_utf8(xml.into_inner()).map_err(io::Error::other)
}

/// `2026-11-27T09:26:40Z`; none for an impossible time.
fn timestamp(unix_ms: u64) -> Option<String> {
    let at = chrono::DateTime::from_timestamp_millis(i64::try_from(unix_ms).ok()?)?;
    Some(at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn properties(xml: &mut Xml, run: &RunSummary) -> io::Result<()> {
    let Some(info) = &run.info else { return Ok(()) };
    let mut all = vec![
        ("hil.version".to_owned(), info.version.clone()),
        ("hil.bench".to_owned(), info.bench.clone()),
        ("hil.broker".to_owned(), info.broker.clone()),
    ];
    all.extend(origin(&info.provenance));
    all.extend(info.project.iter().map(|project| ("hil.project".to_owned(), project.clone())));
    for board in &info.boards {
        all.push((format!("hil.board.{}", board.full_name()), board.description()));
    }
    for firmware in &run.firmware {
        let version = firmware.version.as_ref().map_or(String::new(), |version| format!("version {version}, "));
        let runs = firmware.runs.map_or(String::new(), |runs| format!(", {}", runs.word()));
        let value = format!("{version}{} bytes, SHA-256 {}{runs}", firmware.size, firmware.hash);
        all.push((format!("hil.firmware.{}.{}", firmware.board_name(), firmware.firmware), value));
    }
    for host in &run.hosts {
        let lost = host.lost.as_ref().map_or(String::new(), |why| format!(", lost: {why}"));
        all.push((format!("hil.host.{}", host.name), format!("bench {}{lost}", host.bench)));
    }
    for (role, boards) in casts(run) {
        all.push((format!("hil.role.{role}"), boards.into_iter().collect::<Vec<_>>().join(", ")));
    }
    for SetAside { board, reasons } in &run.set_aside {
        all.push((format!("hil.set-aside.{board}"), reasons.join("; ")));
    }
    xml.create_element("properties").write_inner_content(|xml| {
        for (name, value) in &all {
            let attributes = [("name", legal(name)), ("value", legal(value))];
            let attributes = attributes.iter().map(|(key, value)| (*key, value.as_str()));
            xml.create_element("property").with_attributes(attributes).write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The boards that played each role.
fn casts(run: &RunSummary) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut casts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (role, board) in run.scenarios.iter().flat_map(|scenario| &scenario.attempts).flat_map(|attempt| &attempt.roles)
    {
        casts.entry(role).or_default().insert(board);
    }
    casts
}

/// The commit, the job and the computer; what is unknown is missing.
fn origin(from: &Provenance) -> impl Iterator<Item = (String, String)> {
    let all = [
        ("hil.commit", from.commit.clone()),
        ("hil.dirty", from.dirty.then(|| "true".to_owned())),
        ("hil.branch", from.branch.clone()),
        ("hil.base-branch", from.base_branch.clone()),
        ("hil.job-url", from.job_url.clone()),
        ("hil.host", from.host.clone()),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)))
}

struct Cases<'a> {
    attachment: Option<&'a str>,
    xml: &'a mut Xml,
}

impl Cases<'_> {
    fn case(&mut self, scenario: &ScenarioResult, name: &str) -> io::Result<()> {
        let roomy = self.xml.get_ref().len() < BUDGET;
        let attachment = self.attachment.filter(|_| !matches!(scenario.verdict, Verdict::Passed | Verdict::Skipped));
        // Failed attempts of a flaky scenario have elements of their own.
        let last = scenario.attempts.last().filter(|_| scenario.verdict == Verdict::Flaky);
        let mut output = output(last.unwrap_or(scenario.telling()), attachment, roomy);
        if scenario.is_excused() && roomy {
            output = unmarked(&describe(scenario, scenario.telling())) + "\n\n" + &output;
        }
        let (name, class) = (legal(name), legal(&class_name(scenario)));
        let time = seconds(scenario.attempts.iter().fold(0, |sum: u64, attempt| sum.saturating_add(attempt.took_us)));
        let file = legal(&scenario.info.path);
        let attributes = [("name", &name), ("classname", &class), ("file", &file), ("time", &time)];
        let attributes = attributes.map(|(key, value)| (key, value.as_str()));
        let case = self.xml.create_element("testcase").with_attributes(attributes);
        case.write_inner_content(|xml| {
            verdict(xml, scenario, roomy)?;
            text(xml, "system-out", &output)
        })?;
        Ok(())
    }
}

/// The elements in the order of the schema.
fn verdict(xml: &mut Xml, scenario: &ScenarioResult, roomy: bool) -> io::Result<()> {
    let telling = scenario.telling();
    let main = |element: &str, xml: &mut Xml| {
        let message = telling.failure.as_ref().map_or(String::new(), |failure| legal(&failure.message));
        let element = xml
            .create_element(element)
            .with_attributes([("message", message.as_str()), ("type", telling.verdict.word())]);
        element.write_text_content(BytesText::new(&legal(&describe(scenario, telling)))).map(|_| ())
    };
    let others = |element: &str, wanted: &[Verdict], xml: &mut Xml| {
        let others = scenario.attempts.iter().filter(|attempt| {
            let tells = scenario.verdict != Verdict::Flaky && std::ptr::eq(*attempt, telling);
            !tells && wanted.contains(&attempt.verdict)
        });
        others.into_iter().try_for_each(|attempt| other(xml, element, scenario, attempt, roomy))
    };
    let bench = [Verdict::Errored, Verdict::Aborted, Verdict::Skipped];
    if let Some(quarantine) = scenario.info.quarantine.as_ref().filter(|_| scenario.is_excused()) {
        // The format has no word for it, and readers count neither a failure nor a pass.
        let failure = telling.failure.as_ref().map_or("", |failure| &failure.message);
        let message = legal(&format!("{}; it {}: {failure}", quarantine.text(), scenario.verdict.word()));
        return xml.create_element("skipped").with_attribute(("message", message.as_str())).write_empty().map(|_| ());
    }
    match scenario.verdict {
        Verdict::Passed => Ok(()),
        Verdict::Flaky => {
            others("flakyFailure", &[Verdict::Failed], xml)?;
            others("flakyError", &bench, xml)
        }
        Verdict::Failed => {
            main("failure", xml)?;
            others("rerunFailure", &[Verdict::Failed], xml)?;
            others("rerunError", &bench, xml)
        }
        Verdict::Errored | Verdict::Aborted => {
            main("error", xml)?;
            others("rerunError", &bench, xml)
        }
        Verdict::Skipped => {
            let message = telling.failure.as_ref().map_or(String::new(), |failure| legal(&failure.message));
            xml.create_element("skipped").with_attribute(("message", message.as_str())).write_empty().map(|_| ())
        }
    }
}

/// An attempt that did not decide the verdict.
fn other(xml: &mut Xml, element: &str, scenario: &ScenarioResult, attempt: &Attempt, roomy: bool) -> io::Result<()> {
    let message = attempt.failure.as_ref().map_or(String::new(), |failure| legal(&failure.message));
    let element =
        xml.create_element(element).with_attributes([("message", message.as_str()), ("type", attempt.verdict.word())]);
    element.write_inner_content(|xml| {
        text(xml, "stackTrace", &describe(scenario, attempt))?;
        text(xml, "system-out", &output(attempt, None, roomy))
    })?;
    Ok(())
}

fn text(xml: &mut Xml, element: &str, content: &str) -> io::Result<()> {
    xml.create_element(element).write_text_content(BytesText::new(&legal(content))).map(|_| ())
}

fn output(attempt: &Attempt, attachment: Option<&str>, roomy: bool) -> String {
    let host = attempt.host.as_ref().map_or(String::new(), |host| format!("ran on host {host}\n"));
    let marker = attachment.map_or(String::new(), |path| format!("[[ATTACHMENT|{path}]]\n"));
    if !roomy {
        return marker + "left out to keep this file small: the page has it\n";
    }
    let cast = attempt.cast();
    let mut output = if cast.is_empty() { host } else { format!("{host}{cast}\n") };
    for step in &attempt.steps {
        let word = step.outcome.as_ref().map_or("not run", |outcome| outcome.verdict.word());
        output.push_str(&format!("{word:>7}  {} {}\n", step.info.keyword, step.info.text));
    }
    if !attempt.tail.is_empty() {
        output.push_str("\nconsole and traffic:\n");
        for line in &attempt.tail {
            output.extend(line.chars().take(LONGEST));
            output.push('\n');
        }
    }
    marker + &unmarked(&output)
}

/// Output of a device or a step must not attach files.
fn unmarked(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '[' && safe.ends_with('[') {
            safe.push(' ');
        }
        safe.push(c);
    }
    safe
}

fn describe(scenario: &ScenarioResult, attempt: &Attempt) -> String {
    let mut lines = Vec::new();
    if let Some(Failure { message, details, hint }) = &attempt.failure {
        lines.push(message.clone());
        let shown = details.iter().take(DETAILS).map(|detail| detail.chars().take(LONGEST).collect::<String>());
        lines.extend(shown.map(|detail| format!("  {detail}")));
        if details.len() > DETAILS {
            lines.push(format!("  … and {} lines more: the page has them", details.len() - DETAILS));
        }
        lines.extend(hint.iter().map(|hint| format!("hint: {hint}")));
    }
    let (path, line) = (&scenario.info.path, scenario.info.line);
    match attempt.failed_step() {
        Some(step) => lines.push(format!("step: {} {} ({path}:{})", step.info.keyword, step.info.text, step.info.line)),
        None => lines.push(format!("scenario: {path}:{line}")),
    }
    lines.join("\n")
}

fn seconds(micros: u64) -> String {
    format!("{}.{:03}", micros / 1_000_000, micros / 1000 % 1000)
}

/// XML 1.0 (§2.2) forbids most control characters; they are escaped, like others that steer a terminal.
fn legal(text: &str) -> String {
    let is_legal = |c: char| match c {
        '\t' | '\n' => true,
        ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => !hil_timeline::steers(c),
        _ => false,
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_legal(c) { shown.push(c) } else { shown.extend(c.escape_default()) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use hil_timeline::Verdict;

    use super::*;
    use crate::fold::tests::{sample, tried};

    #[test]
    fn every_verdict_has_its_element() {
        let xml = junit(&RunSummary::of(sample()), Some("target/hil/run/report.html")).expect("XML");
        insta::assert_snapshot!(xml);
    }

    #[test]
    fn a_killed_run_is_valid_and_aborted() {
        let events = sample();
        let killed = &events[..events.len() - 3];
        let run = RunSummary::of(killed);
        assert_eq!(run.counts().aborted, 1);
        assert!(junit(&run, None).expect("XML").contains("type=\"aborted\""));
    }

    #[test]
    fn attempts_are_kept_apart_within_one_case() {
        use Verdict::{Errored, Failed, Passed};
        let mut all = String::new();
        for attempts in [&[Errored, Failed, Passed][..], &[Errored, Failed, Failed], &[Errored, Errored]] {
            let xml = junit(&RunSummary::of(tried(attempts)), None).expect("XML");
            assert_eq!(xml.matches("<testcase").count(), 1);
            all.push_str(&xml);
        }
        insta::assert_snapshot!(all);
    }

    #[test]
    fn output_of_a_device_can_neither_attach_a_file_nor_break_the_xml() {
        let mut run = RunSummary::of(sample());
        run.scenarios[1].attempts[0].tail = vec!["[[[ATTACHMENT|/etc/passwd]] \u{0}\u{b}\u{ffff} ]]> &".to_owned()];
        let xml = junit(&run, Some("page.html")).expect("XML");
        assert!(!xml.contains("[[ATTACHMENT|/etc"));
        assert!(xml.contains(r"\u{0}\u{b}\u{ffff}") && !xml.contains('\u{0}'));
    }

    #[test]
    fn a_run_of_many_long_failures_stays_below_what_gitlab_reads() {
        let mut run = RunSummary::of(sample());
        run.scenarios[1].attempts[0].tail = vec!["x".repeat(10_000); 120];
        let failed = run.scenarios[1].clone();
        run.scenarios = vec![failed; 2000];
        assert!(junit(&run, None).expect("XML").len() < 30_000_000);
    }
}
