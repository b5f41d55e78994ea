//! `hil compare`.

use std::path::Path;

use hil_report::{Comparison, compare as compare_records};

use crate::args::{CompareArgs, FailOn, ReportFormat};
use crate::exit_code::ExitCode;
use crate::output::{Message, say, say_json, set_up_failed, warn};
use crate::records::{Baseline, LAST_GOOD, head, history, nothing_to_compare, past, read_runs};

pub(crate) fn compare(args: &CompareArgs) -> ExitCode {
    comparison(args).map_or_else(|code| code, |(comparison, is_whole)| show(args, &comparison, is_whole))
}

fn comparison(args: &CompareArgs) -> Result<(Comparison, bool), ExitCode> {
    if args.head == Path::new(LAST_GOOD) {
        let message = Message(format!("`{LAST_GOOD}` is what a run is compared with: it stands first"));
        return Err(set_up_failed(&message, Some(format!("`hil compare {LAST_GOOD} RUN`"))));
    }
    let (baseline, runs) = (Baseline::read(&args.base)?, read_runs(&args.head)?);
    let history = history(args.history.as_ref());
    let past = past(&history)?;
    let Some(newest) = runs.last() else { return Err(nothing_to_compare(&history)) };
    let is_whole = newest.exit_code.is_some_and(|code| code != ExitCode::Aborted.code());
    let base = baseline.records(&past, newest);
    if base.is_empty() {
        return Err(nothing_to_compare(&history));
    }
    let head = match runs.as_slice() {
        [one] => head(one, &base, &past),
        _ => runs,
    };
    let comparison = compare_records(&base, &head).map_err(|error| set_up_failed(&error, None))?;
    Ok((comparison, is_whole))
}

/// A comparison, and whether the newest run came to its end.
fn show(args: &CompareArgs, comparison: &Comparison, is_whole: bool) -> ExitCode {
    match args.format {
        ReportFormat::Text => say(comparison.text().trim_end()),
        ReportFormat::Markdown => say(comparison.markdown().trim_end()),
        ReportFormat::Json => say_json(comparison),
    }
    if !is_whole {
        warn("the run was ended before its end: nobody knows what the rest of it would have shown");
    }
    match args.fail_on {
        Some(FailOn::Regression) if comparison.regression => ExitCode::Regression,
        // Nobody may take that for "no worse".
        Some(FailOn::Regression) if comparison.scenarios.compared == 0 || !is_whole => ExitCode::NothingRan,
        _ => ExitCode::Passed,
    }
}
