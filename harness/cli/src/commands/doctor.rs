//! `hil doctor`: checks what the bench needs and how to fix what is missing.

mod boards;
mod clock;
mod firmware;
mod machine;
mod pi;
mod power;

use console::Style;
use hil_bench::power::Diagnosis;
use hil_config::{Bench, Board, BoardName, Problem};
use hil_report::inert;
use serde_json::json;

use crate::args::{DoctorArgs, Format};
use crate::commands::on_hosts;
use crate::exit_code::ExitCode;
use crate::output::{Line, Message, say, say_json, set_up_failed};
use crate::{project, session};

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    what: String,
    how: String,
    /// How to fix it; `None` if the check passed.
    hint: Option<String>,
    severity: Severity,
}

/// What a check that did not pass means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
    /// The bench does not work.
    Missing,
    /// The bench works, but scenarios are skipped.
    Skips,
    /// The bench works, but its user should know.
    Warns,
}

impl Check {
    fn good(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self { what: what.into(), how: how.into(), hint: None, severity: Severity::Missing }
    }

    fn bad(what: impl Into<String>, how: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), how: how.into(), hint: Some(hint.into()), severity: Severity::Missing }
    }

    fn of(what: String, diagnosis: Diagnosis) -> Self {
        match diagnosis {
            Diagnosis::Good(how) => Self::good(what, how),
            Diagnosis::Bad { reason, hint } => Self::bad(what, reason, hint),
        }
    }

    /// A missing part without which scenarios are skipped.
    fn skips(what: impl Into<String>, how: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { severity: Severity::Skips, ..Self::bad(what, how, hint) }
    }

    /// Something that works, but not under all circumstances.
    fn warns(what: impl Into<String>, how: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { severity: Severity::Warns, ..Self::bad(what, how, hint) }
    }

    fn is_missing(&self) -> bool {
        self.hint.is_some() && self.severity == Severity::Missing
    }

    fn say(&self) {
        let mark = match (&self.hint, self.severity) {
            (None, _) => Line::new().paint(Style::new().green(), "  ok   "),
            (Some(_), Severity::Skips) => Line::new().paint(Style::new().yellow(), " skips "),
            (Some(_), Severity::Warns) => Line::new().paint(Style::new().yellow(), " warns "),
            (Some(_), Severity::Missing) => Line::new().paint(Style::new().red(), "missing"),
        };
        // Contains names and replies of devices.
        say(mark.text(inert(&format!(" {:<28} {}", self.what, self.how))));
        if let Some(hint) = &self.hint {
            say(inert(&format!("        {:<28} hint: {hint}", "")));
        }
    }
}

pub(crate) fn doctor(args: &DoctorArgs) -> ExitCode {
    if !args.hosts.hosts.is_empty() {
        return elsewhere(args).unwrap_or_else(|code| code);
    }
    let doctor =
        session::on_project(&args.bench, &args.project, &args.firmware, async |bench| Ok(doctor_in(args, bench).await));
    doctor.unwrap_or_else(|code| code)
}

/// How many checks of a board fail.
pub(super) async fn failed_checks(board: &Board) -> usize {
    boards::check(board).await.iter().filter(|check| check.is_missing()).count()
}

/// The benches of other hosts.
fn elsewhere(args: &DoctorArgs) -> Result<ExitCode, ExitCode> {
    on_hosts::refuse_files(&[
        ("--project", args.project.project.is_some()),
        ("--firmware", !args.firmware.is_empty()),
    ])?;
    let mut words = vec!["doctor"];
    for board in &args.power {
        if let Err(hint) = BoardName::new(board) {
            return Err(set_up_failed(&Message(format!("`{board}` is not a board name")), Some(hint)));
        }
        words.extend(["--power", board]);
    }
    if args.format.format == Format::Json {
        words.extend(["--format", "json"]);
    }
    Ok(on_hosts::on_each(&args.hosts.hosts, &words, args.format.format))
}

/// A bench without boards runs nothing, so it fails the check.
fn bench_file(bench: &Bench) -> Check {
    let how = format!("{}, boards: {}", bench.name, bench.boards.len());
    if bench.boards.is_empty() {
        return Check::bad("bench file", how, "add `[boards.NAME]`; `hil boards discover` lists what is attached");
    }
    Check::good("bench file", how)
}

/// An environment variable that is not set, or a file that is not there. Only what uses it can't be used.
fn unset(problem: &Problem) -> Check {
    Check::bad(problem.key.clone(), problem.what.clone(), problem.hint.clone().unwrap_or_default())
}

/// What the access point of the bench needs of this machine.
fn access_point(bench: &Bench) -> Vec<Check> {
    let findings = bench.access_point.iter().flat_map(hil_radio::check);
    findings.map(|finding| Check::of(finding.what, finding.diagnosis)).collect()
}

async fn doctor_in(args: &DoctorArgs, bench: Bench) -> ExitCode {
    if let Some(unknown) = args.power.iter().find(|name| bench.board(name).is_none()) {
        return session::no_such_board(&bench, unknown);
    }
    let text = args.format.format == Format::Text;
    let mut all = Vec::new();
    let mut note = |checks: Vec<Check>| {
        if text {
            checks.iter().for_each(Check::say);
        }
        all.extend(checks);
    };
    note(vec![bench_file(&bench)]);
    note(project::notes(&bench).into_iter().map(|(what, how)| Check::good(what, how)).collect());
    note(bench.unset().into_iter().map(|(_, problem)| unset(problem)).collect());
    note(machine::check(&bench));
    note(access_point(&bench));
    for board in bench.boards.values() {
        note(boards::check(board).await);
    }
    note(boards::shared(&bench));
    note(firmware::check(&bench).await);
    for name in &args.power {
        note(power::check(&bench, name).await);
    }
    let missing = all.iter().filter(|check| check.is_missing()).count();
    if text {
        say("");
        say(if missing == 0 {
            "all checks passed".to_owned()
        } else {
            format!("{missing} of {} checks failed", all.len())
        });
    } else {
        let checks: Vec<_> = all
            .iter()
            .map(|check| json!({ "what": check.what, "ok": !check.is_missing(), "how": check.how, "hint": check.hint }))
            .collect();
        say_json(&json!({ "bench": bench.name, "ok": missing == 0, "checks": checks }));
    }
    if missing == 0 { ExitCode::Passed } else { ExitCode::Setup }
}
