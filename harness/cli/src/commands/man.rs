//! `hil man`: the man pages, made of the same description as `--help`.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory as _};

use crate::args::{Cli, ManArgs};
use crate::exit_code::ExitCode;
use crate::output;

pub(crate) fn write(args: &ManArgs) -> ExitCode {
    let written = std::fs::create_dir_all(&args.folder)
        .and_then(|()| pages()?.iter().try_for_each(|(name, page)| write_page(&args.folder, name, page)));
    match written {
        Ok(()) => ExitCode::Passed,
        Err(error) => {
            let error = io::Error::new(error.kind(), format!("`{}`: {error}", args.folder.display()));
            output::set_up_failed(&error, Some("name a folder that you can write to".to_owned()))
        }
    }
}

fn write_page(folder: &Path, name: &str, page: &[u8]) -> io::Result<()> {
    hil_files::write_whole(&folder.join(format!("{name}.1")), page)
}

/// A page for each command, `hil-boards-discover` for `hil boards discover`.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add(&mut pages, "hil", &command)?;
    Ok(pages)
}

fn add(pages: &mut Vec<(String, Vec<u8>)>, name: &str, command: &Command) -> io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).manual("hil").render(&mut page)?;
    pages.push((name.to_owned(), page));
    let shown = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
    { shown }.try_for_each(|subcommand| add(pages, &format!("{name}-{}", subcommand.get_name()), subcommand))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_that_help_lists_has_a_page() {
        let pages = pages().expect("pages");
        let text = |name: &str| {
            let page = pages.iter().find(|(page, _)| page == name);
            String::from_utf8(page.expect("page").1.clone()).expect("UTF-8")
        };
        assert!(text("hil").contains("hil\\-run(1)"), "{}", text("hil"));
        assert!(text("hil-run").contains("\\-\\-deadline"), "{}", text("hil-run"));
        assert!(text("hil-boards-discover").contains(".SH SYNOPSIS"));
        assert!(!pages.iter().any(|(name, _)| name == "hil-man" || name.contains("help")));
    }
}
