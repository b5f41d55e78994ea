//! Walks a TOML table key by key, collecting every problem instead of stopping at the first.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::duration::{DurationError, parse_duration};
use crate::names::nearest;
use crate::problem::Problem;
use crate::spec::{TableSpec, TagSpec, Variant};

/// What all tables of one file share.
pub(crate) struct Context<'a> {
    /// Relative paths in the file count from here.
    pub(crate) folder: &'a Path,
    problems: RefCell<Vec<Problem>>,
    /// Variables that are not set: only what needs their values is stopped.
    unset: RefCell<Vec<Problem>>,
    /// Secrets.
    secrets: RefCell<Vec<String>>,
    /// Those that came from `${secret:NAME}`, by their names.
    variables: RefCell<Vec<(String, String)>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            problems: RefCell::default(),
            unset: RefCell::default(),
            secrets: RefCell::default(),
            variables: RefCell::default(),
        }
    }

    pub(crate) fn add_secret(&self, secret: String) {
        self.secrets.borrow_mut().push(secret);
    }

    pub(crate) fn add_variable(&self, name: String, secret: String) {
        self.add_secret(secret.clone());
        self.variables.borrow_mut().push((name, secret));
    }

    /// The secrets that the environment gave, by their names.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        self.variables.take()
    }

    /// What is secret in this file.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.secrets.take()
    }

    /// The variables that are not set.
    pub(crate) fn unset(&self) -> Vec<Problem> {
        self.unset.take()
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.span.start);
        problems
    }
}

/// A table being read. Each key of its description is asked for once; [`Table::finish`] reports the rest.
pub struct Table<'t, 'c> {
    context: &'c Context<'c>,
    path: String,
    span: Range<usize>,
    entries: &'t DeTable<'t>,
    spec: &'static TableSpec,
    /// The key whose word chose this description.
    tag: Option<&'static str>,
    /// What was asked for: must be what is described.
    asked: Vec<&'static str>,
}

/// A table whose keys the user chooses.
pub struct Map<'t, 'c> {
    context: &'c Context<'c>,
    path: String,
    entries: &'t DeTable<'t>,
}

/// A value with its key.
pub struct Value<'t, 'c> {
    context: &'c Context<'c>,
    key: String,
    value: &'t Spanned<DeValue<'t>>,
}

impl<'t, 'c> Table<'t, 'c> {
    pub(crate) fn root(context: &'c Context<'c>, table: &'t Spanned<DeTable<'t>>, spec: &'static TableSpec) -> Self {
        Self {
            context,
            path: String::new(),
            span: table.span(),
            entries: table.get_ref(),
            spec,
            tag: None,
            asked: Vec::new(),
        }
    }

    /// The value under `key`, if it is there.
    pub fn value(&mut self, key: &'static str) -> Option<Value<'t, 'c>> {
        debug_assert!(self.spec.keys.iter().any(|known| known.name == key), "`{key}` is not described");
        self.asked.push(key);
        let value = self.entries.get(key)?;
        Some(Value { context: self.context, key: joined(&self.path, key), value })
    }

    /// Whether there is something under `key`.
    pub fn has(&self, key: &'static str) -> bool {
        self.entries.get(key).is_some()
    }

    /// The value under `key`; its absence is a problem.
    pub fn required(&mut self, key: &'static str, hint: &str) -> Option<Value<'t, 'c>> {
        let value = self.value(key);
        if value.is_none() {
            self.missing(format!("missing key `{key}`"), hint);
        }
        value
    }

    /// Notes that something is missing in this table.
    pub fn missing(&self, what: impl Into<String>, hint: &str) {
        let problem =
            Problem { what: what.into(), key: self.path.clone(), hint: Some(hint.to_owned()), span: self.span.clone() };
        self.context.problems.borrow_mut().push(problem);
    }

    /// The table under `key`, if it is there.
    pub fn table(&mut self, key: &'static str, spec: &'static TableSpec) -> Option<Table<'t, 'c>> {
        self.value(key)?.table(spec)
    }

    /// The table under `key`, whose keys the user chooses.
    pub fn map(&mut self, key: &'static str) -> Option<Map<'t, 'c>> {
        self.value(key)?.map()
    }

    /// Reports every key that is not described.
    pub fn finish(self) {
        let unasked = self.spec.keys.iter().find(|key| !self.asked.contains(&key.name));
        debug_assert!(unasked.is_none(), "`{}` is described but never read", unasked.map_or("", |key| key.name));
        let known: Vec<_> = self.tag.into_iter().chain(self.spec.keys.iter().map(|key| key.name)).collect();
        for (key, _) in self.entries {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let hint = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`? valid here: {}", listed(&known)),
                    None => format!("valid here: {}", listed(&known)),
                };
                let (what, key_path) = (format!("unknown key `{name}`"), joined(&self.path, name));
                let problem = Problem { what, key: key_path, hint: Some(hint), span: key.span() };
                self.context.problems.borrow_mut().push(problem);
            }
        }
    }
}

impl<'t, 'c> Map<'t, 'c> {
    /// Every entry with the place of its key.
    pub fn entries(&self) -> impl Iterator<Item = (&'t str, Range<usize>, Value<'t, 'c>)> {
        self.entries.iter().map(|(key, value)| {
            let name: &str = key.get_ref();
            (name, key.span(), Value { context: self.context, key: joined(&self.path, name), value })
        })
    }

    /// Notes a problem with a key.
    pub fn problem(&self, span: Range<usize>, key: &str, what: String, hint: Option<String>) {
        self.context.problems.borrow_mut().push(Problem { what, key: joined(&self.path, key), hint, span });
    }
}

/// The key as TOML writes it: in quotes if it has a dot or a blank in it.
pub(crate) fn joined(path: &str, key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let key = if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { format!("\"{key}\"") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

impl<'t, 'c> Value<'t, 'c> {
    pub(crate) fn context(&self) -> &'c Context<'c> {
        self.context
    }

    /// Notes a problem with this value.
    pub fn problem(&self, what: impl Into<String>, hint: impl Into<Option<String>>) {
        let problem = Problem { what: what.into(), key: self.key.clone(), hint: hint.into(), span: self.value.span() };
        self.context.problems.borrow_mut().push(problem);
    }

    /// Notes that a variable in this value is not set.
    pub fn unset(&self, what: String, hint: String) {
        let problem = Problem { what, key: self.key.clone(), hint: Some(hint), span: self.value.span() };
        self.context.unset.borrow_mut().push(problem);
    }

    fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.problem(format!("expected {wanted}, found {found}"), None);
        None
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(_))
    }

    /// Whether it is a whole number.
    pub fn is_integer(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Integer(_))
    }

    /// Whether it is `true` or `false`.
    pub fn is_boolean(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Boolean(_))
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(_))
    }

    /// A string.
    pub fn string(&self) -> Option<&'t str> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.wrong_type("a string"),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type("`true` or `false`"),
        }
    }

    /// A whole number in a range.
    pub fn integer(&self, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let DeValue::Integer(integer) = self.value.get_ref() else {
            return self.wrong_type("an integer");
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|n| range.contains(n));
        if number.is_none() {
            let hint = format!("valid: {} to {}", range.start(), range.end());
            self.problem(format!("`{integer}` is out of range"), hint);
        }
        number
    }

    /// A duration, such as `"250ms"`.
    pub fn duration(&self) -> Option<Duration> {
        let text = self.string()?;
        parse_duration(text).map_err(|error| self.problem(error.to_string(), DurationError::HINT.to_owned())).ok()
    }

    /// A duration in which something can happen.
    pub fn duration_above_zero(&self) -> Option<Duration> {
        let duration = self.duration()?;
        if duration.is_zero() {
            self.problem("the duration is zero".to_owned(), "more than 0, such as `10s`".to_owned());
            return None;
        }
        Some(duration)
    }

    /// A string that must be one of a few words.
    pub fn one_of<T: Copy>(&self, what: &str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.string()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let valid: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.problem(format!("unknown {what} `{text}`"), format!("expected one of {}", listed(&valid)));
        }
        found
    }

    /// A string that something else can read.
    pub fn parsed<T>(&self, what: &str, hint: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.string()?;
        let parsed = parse(text);
        if parsed.is_none() {
            self.problem(format!("`{text}` is not {what}"), hint.to_owned());
        }
        parsed
    }

    /// The path of a file that is there; relative ones count from the bench file's folder.
    pub fn file(&self) -> Option<PathBuf> {
        self.existing(self.string()?)
    }

    /// The path of a file that is there.
    pub fn existing(&self, text: &str) -> Option<PathBuf> {
        let folder = self.context.folder;
        let path = folder.join(text);
        if path.is_file() {
            return Some(path);
        }
        if path.exists() && !path.is_dir() {
            let hint = "a FIFO, a device and a socket can't be read to an end: name a file".to_owned();
            self.problem(format!("`{text}` is not a regular file"), hint);
            return None;
        }
        let from = if folder.as_os_str().is_empty() { ".".to_owned() } else { folder.display().to_string() };
        let hint = format!("paths count from the bench file's folder, `{from}`");
        self.problem(format!("there is no file `{text}`"), hint);
        None
    }

    /// The items of an array.
    pub fn array(&self) -> Option<Vec<Value<'t, 'c>>> {
        let DeValue::Array(items) = self.value.get_ref() else {
            return self.wrong_type("an array");
        };
        let item = |(n, value)| Value { context: self.context, key: format!("{}[{n}]", self.key), value };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// A table with known keys.
    pub fn table(&self, spec: &'static TableSpec) -> Option<Table<'t, 'c>> {
        let entries = self.entries()?;
        let (path, span) = (self.key.clone(), self.value.span());
        Some(Table { context: self.context, path, span, entries, spec, tag: None, asked: Vec::new() })
    }

    /// Whether it is a table that has this key.
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(entries) if entries.get(key).is_some())
    }

    /// As if it were a table without any key: for a word that says all.
    pub(crate) fn without_keys(&self, spec: &'static TableSpec) -> Table<'t, 'c> {
        static NOTHING: LazyLock<DeTable<'static>> = LazyLock::new(DeTable::new);
        let (path, span, entries) = (self.key.clone(), self.value.span(), &*NOTHING);
        Table { context: self.context, path, span, entries, spec, tag: None, asked: Vec::new() }
    }

    /// A table whose keys the user chooses.
    pub fn map(&self) -> Option<Map<'t, 'c>> {
        Some(Map { context: self.context, path: self.key.clone(), entries: self.entries()? })
    }

    /// A table whose keys depend on the word under its tag; returns that word.
    pub fn tagged(&self, spec: &'static TagSpec, variants: &[Variant]) -> Option<(&'static str, Table<'t, 'c>)> {
        let entries = self.entries()?;
        let words: Vec<_> = variants.iter().map(|variant| (variant.0, *variant)).collect();
        let valid = listed(&words.iter().map(|(word, _)| *word).collect::<Vec<_>>());
        let Some(tag) = entries.get(spec.tag) else {
            self.problem(format!("missing key `{}`", spec.tag), format!("one of {valid}"));
            return None;
        };
        let tag = Value { context: self.context, key: joined(&self.key, spec.tag), value: tag };
        let (word, variant) = tag.one_of(spec.what, &words)?;
        let mut table = self.table(variant)?;
        table.tag = Some(spec.tag);
        Some((word, table))
    }

    fn entries(&self) -> Option<&'t DeTable<'t>> {
        match self.value.get_ref() {
            DeValue::Table(entries) => Some(entries),
            _ => self.wrong_type("a table"),
        }
    }
}

/// `a`, `b`, `c`.
pub(crate) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
