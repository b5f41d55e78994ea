//! Every environment variable that `hil` reads, in one place.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::table::Value;

/// Path of the bench file, relative to the current folder, or `builtin`. The `--bench` flag wins over it.
pub const HIL_BENCH: &str = "HIL_BENCH";
/// Path of the project file, relative to the current folder. The `--project` flag wins over it.
pub const HIL_PROJECT: &str = "HIL_PROJECT";
/// Images of firmware, `NAME=PATH`, separated by commas. The `--firmware` flag wins over it.
pub const HIL_FIRMWARE: &str = "HIL_FIRMWARE";
/// Names the file that each run is appended to.
pub const HIL_HISTORY: &str = "HIL_HISTORY";
/// The commit under test, for reports and history. The `--commit` flag wins over it.
pub const HIL_COMMIT: &str = "HIL_COMMIT";
/// Its branch. The `--branch` flag wins over it.
pub const HIL_BRANCH: &str = "HIL_BRANCH";
/// The page of the CI job. The `--job-url` flag wins over it.
pub const HIL_JOB_URL: &str = "HIL_JOB_URL";
/// The coordinator of a lab, as labgrid's own programs know it. `--coordinator` and the project file win over it.
pub const LG_COORDINATOR: &str = "LG_COORDINATOR";
/// Folder of the board locks. All users who share boards must name the same one.
pub const HIL_LOCKS: &str = "HIL_LOCKS";
/// The `esptool` program, if it is not on the path.
pub const HIL_ESPTOOL: &str = "HIL_ESPTOOL";
/// The `mosquitto` program, if it is not on the path.
pub const HIL_MOSQUITTO: &str = "HIL_MOSQUITTO";
/// The `hostapd` program, if it is not on the path.
pub const HIL_HOSTAPD: &str = "HIL_HOSTAPD";
/// The `micropython` program (its unix port), if it is not on the path.
pub const HIL_MICROPYTHON: &str = "HIL_MICROPYTHON";

/// The command that reaches a host instead of `ssh`, as a shell reads it.
pub const HIL_SSH: &str = "HIL_SSH";

/// Variables that another machine lends to this process.
static LENT: OnceLock<BTreeMap<String, String>> = OnceLock::new();

/// Lends variables to this process: they count for those that its environment does not set. Only the first call does.
pub fn lend_variables(variables: BTreeMap<String, String>) {
    // A process serves one head.
    let _ = LENT.set(variables);
}

/// The value of a variable, of the environment or lent.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().or_else(|| LENT.get()?.get(name).cloned())
}

/// The variables that a text names, with their values: those that are set.
#[must_use]
pub fn variables_in(text: &str) -> Vec<(String, String)> {
    let named = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    let names = named.map(|(name, _)| {
        let name = name.strip_prefix("secret:").unwrap_or(name);
        name.split_once(":-").map_or(name, |(name, _)| name)
    });
    names.filter_map(|name| Some((name.to_owned(), variable(name)?))).collect()
}

/// Shorter secrets can't be hidden without hiding ordinary words.
pub const SHORTEST_SECRET: usize = 4;

/// A text with its variables filled in, and its secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Expanded {
    /// The text.
    pub text: String,
    /// Values of `${secret:NAME}` in it.
    pub secrets: Vec<String>,
    /// Names of their variables, in the same order.
    pub names: Vec<String>,
}

/// Why a text can't be filled in: what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unexpanded {
    /// The text is right, and a variable that it names is not set here.
    pub is_unset: bool,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// Puts environment variables in the place of `${NAME}` and `${secret:NAME}`, and for `${NAME:-text}` the text if the
/// variable is not set or empty.
///
/// # Errors
/// If a variable is not set, or a secret is too short to be hidden.
pub fn expand(text: &str) -> Result<Expanded, Unexpanded> {
    let wrong = |what: String, hint: String| Err(Unexpanded { is_unset: false, what, hint });
    let mut rest = text;
    let mut expanded = Expanded { text: String::new(), secrets: Vec::new(), names: Vec::new() };
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else {
            return wrong("`${` without `}`".to_owned(), "write `${NAME}` for an environment variable".to_owned());
        };
        let name = &rest[start + 2..start + length];
        expanded.text.push_str(&rest[..start]);
        let (name, is_secret) = name.strip_prefix("secret:").map_or((name, false), |name| (name, true));
        if name.is_empty() {
            return wrong("`${}` names no variable".to_owned(), "write `${NAME}` or `${secret:NAME}`".to_owned());
        }
        let (name, default) = name.split_once(":-").map_or((name, None), |(name, default)| (name, Some(default)));
        if is_secret && default.is_some() {
            let what = format!("the secret `{name}` has a default, which anyone who reads this file knows");
            return wrong(what, format!("write `${{secret:{name}}}`"));
        }
        // CI servers hand over a secret that they don't have as an empty one.
        let set = variable(name).filter(|found| !((is_secret || default.is_some()) && found.is_empty()));
        let Some(found) = set.or_else(|| default.map(str::to_owned)) else {
            let (what, hint) = (format!("environment variable `{name}` is not set"), format!("export {name}=…"));
            return Err(Unexpanded { is_unset: true, what, hint });
        };
        if is_secret && found.chars().count() < SHORTEST_SECRET {
            return wrong(format!("the secret `{name}` is too short to be hidden"), TOO_SHORT.to_owned());
        }
        expanded.text.push_str(&found);
        if is_secret {
            expanded.secrets.push(found);
            expanded.names.push(name.to_owned());
        }
        rest = &rest[start + length + 1..];
    }
    expanded.text.push_str(rest);
    Ok(expanded)
}

const TOO_SHORT: &str = "4 characters or more: hiding less would hide ordinary words in every report";

/// Fills in a value of the bench file; its secrets are remembered.
pub(crate) fn from_environment(value: &Value<'_, '_>) -> Option<String> {
    match expand(value.string()?) {
        Ok(Expanded { text, secrets, names }) => {
            let variables = names.into_iter().zip(secrets);
            variables.for_each(|(name, secret)| value.context().add_variable(name, secret));
            Some(text)
        }
        Err(Unexpanded { is_unset: true, what, hint }) => {
            value.lacks(what, hint);
            None
        }
        Err(Unexpanded { what, hint, .. }) => {
            value.problem(what, hint);
            None
        }
    }
}

/// A password: secret wherever it comes from.
pub(crate) fn password(value: &Value<'_, '_>) -> Option<String> {
    let password = from_environment(value)?;
    if password.chars().count() < SHORTEST_SECRET {
        value.problem("the password is too short to be hidden", TOO_SHORT.to_owned());
        return None;
    }
    value.context().add_secret(password.clone());
    Some(password)
}
