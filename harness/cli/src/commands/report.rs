//! `hil report`.

use hil_report::{failure_lines, scenario_line, summary_line, write_reports};

use super::{say, set_up_failed};
use crate::args::{Format, ReportArgs};
use crate::exit_code::ExitCode;

pub(crate) fn report(args: &ReportArgs) -> ExitCode {
    let run = match write_reports(&args.run) {
        Ok(run) => run,
        Err(error) => return set_up_failed(&error, Some("name the folder that holds `events.jsonl`".to_owned())),
    };
    match args.format.format {
        Format::Json => match serde_json::to_string(&run) {
            Ok(json) => say(json),
            Err(error) => return set_up_failed(&error, None),
        },
        Format::Text => {
            for scenario in &run.scenarios {
                say(scenario_line(scenario));
                failure_lines(scenario).iter().for_each(|line| say(format!("         {line}")));
            }
            say(summary_line(&run));
        }
    }
    ExitCode::of(&run.counts())
}
