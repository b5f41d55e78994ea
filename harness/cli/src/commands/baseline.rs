//! `hil baseline`.

use std::path::Path;

use hil_report::{Record, write_baseline};

use crate::args::{BaselineArgs, BaselineCommand, SaveArgs};
use crate::exit_code::ExitCode;
use crate::output::{Message, say, set_up_failed};
use crate::records::{LAST_GOOD, history, nothing_to_compare, past, read_runs, with_history};

pub(crate) fn baseline(args: &BaselineArgs) -> ExitCode {
    match &args.command {
        BaselineCommand::Save(args) => save(args).map_or_else(|code| code, |()| ExitCode::Passed),
    }
}

fn save(args: &SaveArgs) -> Result<(), ExitCode> {
    let records = if args.runs.is_empty() { last_good(args)? } else { named(args)? };
    if let Some(bad) = records.iter().find(|record| !record.is_good()).filter(|_| !args.even_if_bad) {
        let message = Message(format!("run `{}` is no good one: it would hide what it breaks", bad.run));
        return Err(set_up_failed(&message, Some("`--even-if-bad` saves it all the same".to_owned())));
    }
    if args.out.exists() && !args.replace {
        let message = Message(format!("`{}` is there already", args.out.display()));
        return Err(set_up_failed(&message, Some("`--replace` writes over it".to_owned())));
    }
    if let Some(folder) = args.out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            set_up_failed(&Message(format!("can't make the folder `{}`: {error}", folder.display())), None)
        })?;
    }
    write_baseline(&args.out, &records).map_err(|error| set_up_failed(&error, None))?;
    let newest = records.last().map_or("", |record| &record.run);
    let runs = if records.len() == 1 { "1 run".to_owned() } else { format!("{} runs", records.len()) };
    let scenarios = records.last().map_or(0, |record| record.scenarios.len());
    let scenarios = if scenarios == 1 { "1 scenario".to_owned() } else { format!("{scenarios} scenarios") };
    say(format!("{}: {runs}, the newest is {newest} with {scenarios}", args.out.display()));
    Ok(())
}

/// The newest good run of the history, and those of the same firmware before it.
fn last_good(args: &SaveArgs) -> Result<Vec<Record>, ExitCode> {
    let history = history(args.history.as_ref());
    let past = past(&history)?;
    let Some(newest) = past.iter().rev().find(|record| record.is_good()) else {
        return Err(nothing_to_compare(&history));
    };
    let all = with_history(newest, &past);
    Ok(all.into_iter().filter(Record::is_good).collect())
}

fn named(args: &SaveArgs) -> Result<Vec<Record>, ExitCode> {
    if args.runs.iter().any(|run| run == Path::new(LAST_GOOD)) {
        let message = Message("the last good run is saved where none is named".to_owned());
        return Err(set_up_failed(&message, Some(format!("leave `{LAST_GOOD}` out"))));
    }
    let mut records = Vec::new();
    for run in &args.runs {
        records.extend(read_runs(run)?);
    }
    records.sort_by_key(|record| record.unix_ms);
    records.dedup_by(|a, b| (&a.run, a.unix_ms) == (&b.run, b.unix_ms));
    Ok(records)
}
