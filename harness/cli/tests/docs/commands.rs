//! Command lines in the documentation, and the reference of all commands.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};

use crate::markdown::pages;
use crate::root;

#[test]
fn every_command_line_parses() {
    let mut wrong = Vec::new();
    for block in pages().iter().flat_map(|page| page.blocks()).filter(|block| block.language == "sh") {
        for line in joined(&block.lines) {
            for words in calls(&line) {
                if let Err(error) = hil::Cli::command().try_get_matches_from(&words)
                    && error.use_stderr()
                {
                    wrong.push(format!("{}: {}\n{error}", block.place, words.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Lines of a script, those that end with `\` joined with the next.
fn joined(lines: &[String]) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    let mut continues = false;
    for line in lines {
        let (part, more) = line.strip_suffix('\\').map_or((line.as_str(), false), |part| (part, true));
        match whole.last_mut().filter(|_| continues) {
            Some(last) => last.push_str(part),
            None => whole.push(part.to_owned()),
        }
        continues = more;
    }
    whole
}

/// The calls of `hil` in a line, as words: `hil …` and `cargo run -- …`.
fn calls(line: &str) -> Vec<Vec<String>> {
    words(line)
        .split(|word| word == "\0")
        .filter_map(|call| {
            let call: Vec<_> = call.iter().skip_while(|word| is_prefix(word)).cloned().collect();
            let name = call.first()?;
            if name == "cargo" && call.get(1).is_some_and(|word| word == "run") {
                let at = call.iter().position(|word| word == "--")?;
                // `-p` names another program than `hil`.
                return (!call[..at].iter().any(|word| word == "-p")).then(|| hil(&call[at + 1..]));
            }
            (name == "hil" || name.ends_with("/hil")).then(|| hil(&call[1..]))
        })
        .collect()
}

fn hil(arguments: &[String]) -> Vec<String> {
    std::iter::once("hil".to_owned()).chain(arguments.iter().cloned()).collect()
}

/// Whether a word can precede a program: variables, and programs that start another one.
fn is_prefix(word: &str) -> bool {
    let is_variable =
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    is_variable || matches!(word, "nohup" | "time" | "exec" | "sudo" | "$")
}

/// Words as a shell splits them; `\0` where one call ends. Comments, redirections and their files are left out.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut is_file = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let inside: String = chars.by_ref().take_while(|other| *other != c).collect();
                word.get_or_insert_default().push_str(&inside);
            }
            '#' if word.is_none() => break,
            '>' | '<' => {
                words.extend(word.take().filter(|word| word != "2"));
                is_file = true;
            }
            '|' | ';' | '&' if !(c == '&' && is_file) => {
                words.extend(word.take().filter(|_| !is_file));
                words.push("\0".to_owned());
                is_file = false;
            }
            c if c.is_whitespace() => {
                let ended = word.take();
                let was_file = is_file && ended.is_some();
                words.extend(ended.filter(|_| !is_file));
                is_file = is_file && !was_file;
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.filter(|_| !is_file));
    words
}

#[test]
fn a_line_is_split_as_a_shell_does() {
    let line = "HIL_BENCH=b.toml hil run --tags 'not @slow' > a/hil 2>&1 | tee log # hil nothing";
    assert_eq!(calls(line), [["hil", "run", "--tags", "not @slow"]]);
    assert_eq!(calls("cargo run -- steps && hil lint"), [["hil", "steps"], ["hil", "lint"]]);
}

const INTRODUCTION: &str = "\
# Commands

Generated from `hil COMMAND --help`.

In a checkout of the repository write `cargo run -- COMMAND` for `hil COMMAND`. [Exit codes](exit-codes.md) and
[environment variables](environment.md) have pages of their own.
";

#[test]
fn the_reference_has_every_command() {
    let path = root().join("docs/reference/commands.md");
    let rendered = reference();
    if std::env::var_os("HIL_UPDATE_DOCS").is_some() {
        std::fs::write(path, rendered).expect("write");
    } else {
        let found = std::fs::read_to_string(path).expect("docs/reference/commands.md");
        assert!(found == rendered, "docs/reference/commands.md is out of date: HIL_UPDATE_DOCS=1 updates it");
    }
}

fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut command = hil::Cli::command().term_width(100).disable_help_subcommand(true);
    command.build();
    section(&mut text, "hil", &mut command.clone());
    subcommands(&mut text, "hil", &command);
    text
}

fn subcommands(text: &mut String, name: &str, command: &Command) {
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        let name = format!("{name} {}", subcommand.get_name());
        section(text, &name, &mut subcommand.clone());
        subcommands(text, &name, subcommand);
    }
}

fn section(text: &mut String, name: &str, command: &mut Command) {
    let help = command.render_long_help().to_string();
    let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    // Writing to a string can't fail.
    let _ = write!(text, "\n## {name}\n\n```text\n{}\n```\n", help.trim_end());
}
