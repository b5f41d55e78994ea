//! `hil report`.

use hil_report::{Traffic, failure_lines, read_run, scenario_line, summary_line, traffic_table};
use hil_timeline::read_events;

use crate::args::{Format, ReportArgs};
use crate::exit_code::{self, ExitCode};
use crate::output::{say, say_json, set_up_failed};

pub(crate) fn report(args: &ReportArgs) -> ExitCode {
    if args.traffic {
        return traffic(args);
    }
    let written = read_run(&args.run).and_then(|read| read.write_reports().map(|()| read.run));
    let run = match written {
        Ok(run) => run,
        Err(error) => return set_up_failed(&error, error.hint().map(str::to_owned)),
    };
    match args.format.format {
        Format::Json => say_json(&run),
        Format::Text => {
            for scenario in &run.scenarios {
                say(scenario_line(scenario));
                failure_lines(scenario).iter().for_each(|line| say(format!("         {line}")));
            }
            say(summary_line(&run));
        }
    }
    // As recorded: the counts do not include rails that could not be made safe.
    exit_code::of_read(&run)
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
