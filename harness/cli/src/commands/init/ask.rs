//! Questions at a terminal. Without one, and with `--yes`, the defaults are the answers.

use std::io::IsTerminal as _;

use crate::exit_code::ExitCode;
use crate::output;

/// One of several answers.
pub(super) struct Choice<T> {
    pub(super) word: &'static str,
    pub(super) what: &'static str,
    pub(super) value: T,
}

/// Who answers: the user, or the defaults.
pub(super) struct Asks {
    at_terminal: bool,
}

impl Asks {
    pub(super) fn unless(defaults: bool) -> Self {
        let at_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        Self { at_terminal: at_terminal && !defaults }
    }

    /// Asks for a text until one fits.
    pub(super) fn text(
        &self,
        question: &str,
        default: &str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Result<String, ExitCode> {
        if !self.at_terminal {
            return Ok(default.to_owned());
        }
        loop {
            let answer = answer(&format!("{question} [{default}]"))?;
            let answer = if answer.is_empty() { default.to_owned() } else { answer };
            match check(&answer) {
                Ok(()) => return Ok(answer),
                Err(wrong) => output::warn(wrong),
            }
        }
    }

    /// Asks for a choice, by its word or its number.
    pub(super) fn choose<T: Copy>(&self, question: &str, choices: &[Choice<T>], default: usize) -> Result<T, ExitCode> {
        let lines = choices.iter().enumerate();
        let lines = lines.map(|(n, choice)| format!("  {} {:<9} {}\n", n + 1, choice.word, choice.what));
        let question = format!("{question}\n{}Which?", lines.collect::<String>());
        let named = |answer: &str| {
            let by_number = answer.parse::<usize>().ok().and_then(|n| choices.get(n.checked_sub(1)?));
            by_number.or_else(|| choices.iter().find(|choice| choice.word == answer))
        };
        let check = |answer: &str| match named(answer) {
            Some(_) => Ok(()),
            None => Err(format!("answer with a number from 1 to {}, or a word", choices.len())),
        };
        let default = choices.get(default).map_or("", |choice| choice.word);
        let answer = self.text(&question, default, check)?;
        // The check has found it.
        named(&answer).map(|choice| choice.value).ok_or(ExitCode::Setup)
    }

    /// Asks for yes or no.
    pub(super) fn yes(&self, question: &str, default: bool) -> Result<bool, ExitCode> {
        let is_yes = |answer: &str| matches!(answer.to_lowercase().as_str(), "y" | "yes");
        let is_no = |answer: &str| matches!(answer.to_lowercase().as_str(), "n" | "no");
        let check = |answer: &str| {
            if is_yes(answer) || is_no(answer) { Ok(()) } else { Err("answer with `yes` or `no`".to_owned()) }
        };
        self.text(question, if default { "yes" } else { "no" }, check).map(|answer| is_yes(&answer))
    }
}

/// A line of the user. At the end of the input nothing is written: the user has left.
fn answer(question: &str) -> Result<String, ExitCode> {
    question.lines().for_each(|line| output::warn(line.to_owned()));
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(length) if length > 0 => Ok(line.trim().to_owned()),
        _ => {
            output::warn("nothing was written");
            Err(ExitCode::Aborted)
        }
    }
}
