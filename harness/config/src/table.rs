//! Walks a TOML table key by key, collecting every problem instead of stopping at the first.

use std::ops::Range;
use std::sync::LazyLock;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::context::Context;
use crate::duration::{DurationError, parse_duration};
use crate::names::nearest;
use crate::problem::Problem;
use crate::spec::{Kind, TableSpec, TagSpec, Variant};

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
    /// The table that inherits this one, where this one is read for another.
    heir: Option<String>,
    /// Tables that this one inherits keys from, the nearest first.
    bases: Vec<Value<'t, 'c>>,
}

/// A table whose keys the user chooses.
pub struct Map<'t, 'c> {
    context: &'c Context<'c>,
    path: String,
    entries: &'t DeTable<'t>,
    heir: Option<String>,
    /// The same table in tables that its table inherits keys from.
    bases: Vec<Map<'t, 'c>>,
}

/// A value with its key.
#[derive(Clone)]
pub struct Value<'t, 'c> {
    context: &'c Context<'c>,
    key: String,
    value: &'t Spanned<DeValue<'t>>,
    /// The table that inherits the value, if its own table is another one.
    heir: Option<String>,
    /// Values of the same key in tables that its table inherits keys from.
    bases: Vec<Value<'t, 'c>>,
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
            heir: None,
            bases: Vec::new(),
        }
    }

    /// The table with keys of others, the nearest first: a key counts where it is found first, and tables whose keys the
    /// user chooses are merged.
    pub(crate) fn inherits(self, bases: &[Value<'t, 'c>]) -> Self {
        let from = |base: &Value<'t, 'c>| Value { heir: Some(self.path.clone()), ..base.clone() };
        let bases = bases.iter().map(from).collect();
        Self { bases, ..self }
    }

    /// The value under `key`, if it is there.
    pub fn value(&mut self, key: &'static str) -> Option<Value<'t, 'c>> {
        let described = self.spec.keys.iter().find(|known| known.name == key);
        debug_assert!(described.is_some(), "`{key}` is not described");
        self.asked.push(key);
        let (context, heir) = (self.context, self.heir.clone());
        let own = self.entries.get(key).map(|value| Value {
            context,
            key: joined(&self.path, key),
            value,
            heir,
            bases: Vec::new(),
        });
        let mut found = own.into_iter().chain(self.bases.iter().filter_map(|base| base.under(key)));
        let mut value = found.next()?;
        if described.is_some_and(|key| matches!(key.kind, Kind::Map(_))) {
            value.bases = found.collect();
        }
        Some(value)
    }

    /// Whether there is something under `key`.
    pub fn has(&self, key: &'static str) -> bool {
        self.entries.get(key).is_some() || self.bases.iter().any(|base| base.has_key(key))
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
        self.context.add_problem(problem, self.heir.as_deref());
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
        self.finish_with(&|_| None);
    }

    /// Reports every key that is not described; `elsewhere` says what is wrong with those that belong elsewhere, and
    /// where.
    pub(crate) fn finish_with(self, elsewhere: &dyn Fn(&str) -> Option<(String, String)>) {
        let unasked = self.spec.keys.iter().find(|key| !self.asked.contains(&key.name));
        debug_assert!(unasked.is_none(), "`{}` is described but never read", unasked.map_or("", |key| key.name));
        let known: Vec<_> = self.tag.into_iter().chain(self.spec.keys.iter().map(|key| key.name)).collect();
        for (key, _) in self.entries {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let (what, hint) = elsewhere(name).unwrap_or_else(|| unknown_key(name, &known));
                let problem = Problem { what, key: joined(&self.path, name), hint: Some(hint), span: key.span() };
                self.context.add_problem(problem, self.heir.as_deref());
            }
        }
    }
}

fn unknown_key(name: &str, known: &[&str]) -> (String, String) {
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? valid here: {}", listed(known)),
        None => format!("valid here: {}", listed(known)),
    };
    (format!("unknown key `{name}`"), hint)
}

impl<'t, 'c> Map<'t, 'c> {
    /// Every entry with the place of its key; of inherited ones, those that are not overridden.
    pub fn entries(&self) -> impl Iterator<Item = (&'t str, Range<usize>, Value<'t, 'c>)> {
        let maps: Vec<_> = std::iter::once(self).chain(&self.bases).collect();
        let is_first = |place: usize, name: &str| !maps[..place].iter().any(|map| map.entries.get(name).is_some());
        let mut all = Vec::new();
        for (place, map) in maps.iter().enumerate() {
            all.extend(map.own_entries().filter(|(name, _, _)| is_first(place, name)));
        }
        all.into_iter()
    }

    fn own_entries(&self) -> impl Iterator<Item = (&'t str, Range<usize>, Value<'t, 'c>)> {
        self.entries.iter().map(|(key, value)| {
            let name: &str = key.get_ref();
            let key_path = joined(&self.path, name);
            let value =
                Value { context: self.context, key: key_path, value, heir: self.heir.clone(), bases: Vec::new() };
            (name, key.span(), value)
        })
    }

    /// Notes a problem with a key.
    pub fn problem(&self, span: Range<usize>, key: &str, what: String, hint: Option<String>) {
        let problem = Problem { what, key: joined(&self.path, key), hint, span };
        self.context.add_problem(problem, self.heir.as_deref());
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
        self.context.add_problem(self.as_problem(what.into(), hint.into()), self.heir.as_deref());
    }

    /// A problem with this value, not noted yet.
    pub(crate) fn as_problem(&self, what: String, hint: Option<String>) -> Problem {
        Problem { what, key: self.key.clone(), hint, span: self.value.span() }
    }

    /// Notes that this machine lacks what this value needs, such as a variable: only what uses the value is stopped.
    pub fn lacks(&self, what: String, hint: String) {
        self.context.add_lacking(self.as_problem(what, Some(hint)));
    }

    /// The value under a key of this table, if it is a table that has it.
    pub(crate) fn under(&self, key: &str) -> Option<Value<'t, 'c>> {
        let DeValue::Table(entries) = self.value.get_ref() else { return None };
        let value = entries.get(key)?;
        Some(self.inner(joined(&self.key, key), value))
    }

    fn inner(&self, key: String, value: &'t Spanned<DeValue<'t>>) -> Value<'t, 'c> {
        Value { context: self.context, key, value, heir: self.heir.clone(), bases: Vec::new() }
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

    /// The items of an array.
    pub fn array(&self) -> Option<Vec<Value<'t, 'c>>> {
        let DeValue::Array(items) = self.value.get_ref() else {
            return self.wrong_type("an array");
        };
        let item = |(n, value)| self.inner(format!("{}[{n}]", self.key), value);
        Some(items.iter().enumerate().map(item).collect())
    }

    /// A table with known keys.
    pub fn table(&self, spec: &'static TableSpec) -> Option<Table<'t, 'c>> {
        let entries = self.entries()?;
        Some(self.table_of(entries, spec))
    }

    /// Whether it is a table that has this key.
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(entries) if entries.get(key).is_some())
    }

    /// As if it were a table without any key: for a word that says all.
    pub(crate) fn without_keys(&self, spec: &'static TableSpec) -> Table<'t, 'c> {
        static NOTHING: LazyLock<DeTable<'static>> = LazyLock::new(DeTable::new);
        self.table_of(&NOTHING, spec)
    }

    fn table_of(&self, entries: &'t DeTable<'t>, spec: &'static TableSpec) -> Table<'t, 'c> {
        Table {
            context: self.context,
            path: self.key.clone(),
            span: self.value.span(),
            entries,
            spec,
            tag: None,
            asked: Vec::new(),
            heir: self.heir.clone(),
            bases: Vec::new(),
        }
    }

    /// A table whose keys the user chooses.
    pub fn map(&self) -> Option<Map<'t, 'c>> {
        let bases = self.bases.iter().filter(|base| base.is_table()).filter_map(Value::map).collect();
        Some(Map {
            context: self.context,
            path: self.key.clone(),
            entries: self.entries()?,
            heir: self.heir.clone(),
            bases,
        })
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
        let tag = self.inner(joined(&self.key, spec.tag), tag);
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
