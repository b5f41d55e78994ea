//! `hil report`.

use std::path::Path;

use hil_report::{
    Merge, MergeError, Record, Traffic, failure_lines, inert, quarantine_lines, read_run, repetition_lines,
    scenario_line, set_aside_lines, summary_line, traffic_table,
};
use hil_timeline::read_events;

use crate::args::{Format, MergeArgs, ReportArgs, ReportCommand};
use crate::exit_code::{self, ExitCode};
use crate::folder;
use crate::output::{Message, say, say_json, set_up_failed, warn};
use crate::records;

pub(crate) fn report(args: &ReportArgs) -> ExitCode {
    if let Some(ReportCommand::Merge(args)) = &args.command {
        return merge_runs(args);
    }
    if args.traffic {
        return traffic(args);
    }
    rendered(&args.run, args.format.format).map_or_else(|code| code, |(_, code)| code)
}

const HISTORY_HINT: &str = "name another file with `--history` or `HIL_HISTORY`";

/// Joins runs and writes the reports of the whole.
fn merge_runs(args: &MergeArgs) -> ExitCode {
    let failed = |error: MergeError| set_up_failed(&error, Some(error.hint().to_owned()));
    let history = records::history(args.history.as_ref());
    if records::is_history_given(args.history.as_ref())
        && let Err(error) = history.check()
    {
        return set_up_failed(&error, Some(HISTORY_HINT.to_owned()));
    }
    // Opened first: runs that can't be merged leave no folder behind.
    let runs = match Merge::open(&args.runs) {
        Ok(runs) => runs,
        Err(error) => return failed(error),
    };
    let out = match folder::create(args.out.as_deref()) {
        Ok(out) => out,
        Err(error) => {
            let message = Message(format!("can't create the run folder: {error}"));
            return set_up_failed(&message, Some("choose another folder with `--out`".to_owned()));
        }
    };
    let merged = match runs.write(&out) {
        Ok(merged) => merged,
        Err(error) => return failed(error),
    };
    for why in &merged.incomplete {
        warn(format!("warning: {}", inert(why)));
    }
    let (mut record, code) = match rendered(&out, args.format.format) {
        Ok(rendered) => rendered,
        Err(code) => return code,
    };
    record.parts = merged.parts;
    // The reports are valid even if the history can't be written.
    if let Err(error) = history.append(&record) {
        set_up_failed(&error, Some(HISTORY_HINT.to_owned()));
    }
    if args.format.format == Format::Text {
        say(format!("reports: {}", out.display()));
    }
    code
}

/// Writes the reports of a run folder and prints its scenarios.
fn rendered(folder: &Path, format: Format) -> Result<(Record, ExitCode), ExitCode> {
    let written = read_run(folder).and_then(|read| read.write_reports().map(|()| (read.run, read.record)));
    let (run, record) = written.map_err(|error| set_up_failed(&error, error.hint().map(str::to_owned)))?;
    match format {
        Format::Json => say_json(&run),
        Format::Text => {
            for scenario in &run.scenarios {
                say(scenario_line(scenario));
                failure_lines(scenario).iter().for_each(|line| say(format!("         {line}")));
            }
            say(summary_line(&run));
            repetition_lines(&run).iter().for_each(say);
            set_aside_lines(&run).iter().for_each(say);
            quarantine_lines(&run).iter().for_each(say);
        }
    }
    // As recorded: the counts do not include rails that could not be made safe.
    Ok((record, exit_code::of_read(&run)))
}

fn traffic(args: &ReportArgs) -> ExitCode {
    let events = match read_events(&args.run.join("events.jsonl")) {
        Ok(events) => events,
        Err(error) => return set_up_failed(&error, Some("name a run folder: it contains `events.jsonl`".to_owned())),
    };
    let mut traffic = Traffic::default();
    events.iter().for_each(|event| traffic.take(event));
    let topics = traffic.topics();
    match args.format.format {
        Format::Json => say_json(&topics),
        Format::Text if topics.is_empty() => say("no messages"),
        Format::Text => say(traffic_table(&topics)),
    }
    ExitCode::Passed
}
