//! `hil schema`.

use crate::args::SchemaArgs;
use crate::exit_code::ExitCode;
use crate::output::{Line, say};

pub(crate) fn print(args: &SchemaArgs) -> ExitCode {
    let kinds = hil_scenario::kinds();
    let schema = if args.project { hil_config::project_schema(&kinds) } else { hil_config::schema(&kinds) };
    say(Line::exact(format!("{schema:#}")));
    ExitCode::Passed
}
