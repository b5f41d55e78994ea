//! `hil compare`.

use hil_report::{Comparison, compare as compare_records};

use crate::args::{CompareArgs, FailOn, ReportFormat};
use crate::exit_code::ExitCode;
use crate::output::{Message, say, say_json, set_up_failed, warn};
use crate::records::{Baseline, LAST_GOOD, head, history, last_good_branch, no_good_run, past, read_runs};

pub(crate) fn compare(args: &CompareArgs) -> ExitCode {
    comparison(args).map_or_else(|code| code, |(comparison, is_whole)| show(args, &comparison, is_whole))
}

fn comparison(args: &CompareArgs) -> Result<(Comparison, bool), ExitCode> {
    if last_good_branch(&args.head).is_some() {
        let message = Message(format!("`{LAST_GOOD}` can't be the second argument: it is the run to compare with"));
        return Err(set_up_failed(&message, Some(format!("write `hil compare {LAST_GOOD} RUN`"))));
    }
    let (baseline, runs) = (Baseline::read(&args.base)?, read_runs(&args.head)?);
    let history = history(args.history.as_ref());
    let past = past(&history)?;
    let Some(newest) = runs.last() else { return Err(no_good_run(&history)) };
    let is_whole = newest.is_whole();
    let base = baseline.records(&past, newest);
    if base.is_empty() {
        return Err(no_good_run(&history));
    }
    let head = match runs.as_slice() {
        [one] => head(one, &base, &past),
        _ => runs,
    };
    let comparison = compare_records(&base, &head).map_err(|error| set_up_failed(&error, None))?;
    Ok((comparison, is_whole))
}

/// Prints the comparison; `is_whole` says whether the newest run finished.
fn show(args: &CompareArgs, comparison: &Comparison, is_whole: bool) -> ExitCode {
    match args.format {
        ReportFormat::Text => say(comparison.text().trim_end()),
        ReportFormat::Markdown => say(comparison.markdown().trim_end()),
        ReportFormat::Json => say_json(comparison),
    }
    if !is_whole {
        warn("warning: the run was aborted; what it did not run is not compared");
    }
    match args.fail_on {
        Some(FailOn::Regression) if comparison.regression => ExitCode::Regression,
        // Exit code 0 would read as "no regression".
        Some(FailOn::Regression) if comparison.scenarios.compared == 0 || !is_whole => ExitCode::NothingRan,
        _ => ExitCode::Passed,
    }
}
