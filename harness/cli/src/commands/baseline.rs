//! `hil baseline`.

use hil_report::{Record, write_baseline};

use crate::args::{BaselineArgs, BaselineCommand, SaveArgs};
use crate::exit_code::ExitCode;
use crate::output::{Message, say, set_up_failed};
use crate::records::{LAST_GOOD, history, last_good_branch, no_good_run, past, read_runs, with_history};

pub(crate) fn baseline(args: &BaselineArgs) -> ExitCode {
    match &args.command {
        BaselineCommand::Save(args) => save(args).map_or_else(|code| code, |()| ExitCode::Passed),
    }
}

fn save(args: &SaveArgs) -> Result<(), ExitCode> {
    let records = if args.runs.is_empty() { last_good(args)? } else { named(args)? };
    if let Some(bad) = records.iter().find(|record| !record.is_good()).filter(|_| !args.even_if_bad) {
        let message = Message(format!("run `{}` did not pass: as a baseline it would hide regressions", bad.run));
        return Err(set_up_failed(&message, Some("`--even-if-bad` saves it anyway".to_owned())));
    }
    if args.out.exists() && !args.replace {
        let message = Message(format!("`{}` already exists", args.out.display()));
        return Err(set_up_failed(&message, Some("`--replace` overwrites it".to_owned())));
    }
    if let Some(folder) = args.out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            set_up_failed(&Message(format!("can't create the folder `{}`: {error}", folder.display())), None)
        })?;
    }
    write_baseline(&args.out, &records).map_err(|error| set_up_failed(&error, None))?;
    let newest = records.last().map_or("", |record| &record.run);
    let runs = if records.len() == 1 { "1 run".to_owned() } else { format!("{} runs", records.len()) };
    let scenarios = records.last().map_or(0, |record| record.scenarios.len());
    let scenarios = if scenarios == 1 { "1 scenario".to_owned() } else { format!("{scenarios} scenarios") };
    say(format!("saved {runs} to {}; the newest is {newest} with {scenarios}", args.out.display()));
    Ok(())
}

/// The newest good run of the history, and the earlier good runs of its firmware.
fn last_good(args: &SaveArgs) -> Result<Vec<Record>, ExitCode> {
    let history = history(args.history.as_ref());
    let past = past(&history)?;
    let Some(newest) = past.iter().rev().find(|record| record.is_good()) else {
        return Err(no_good_run(&history));
    };
    let all = with_history(newest, &past);
    Ok(all.into_iter().filter(Record::is_good).collect())
}

fn named(args: &SaveArgs) -> Result<Vec<Record>, ExitCode> {
    if args.runs.iter().any(|run| last_good_branch(run).is_some()) {
        let message = Message(format!("`{LAST_GOOD}` is not a run folder or baseline file"));
        return Err(set_up_failed(&message, Some("name no run to save the last good one".to_owned())));
    }
    let mut records = Vec::new();
    for run in &args.runs {
        records.extend(read_runs(run)?);
    }
    records.sort_by_key(|record| record.unix_ms);
    records.dedup_by(|a, b| (&a.run, a.unix_ms) == (&b.run, b.unix_ms));
    Ok(records)
}
