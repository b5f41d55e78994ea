//! Settings in NVS: what they are called and of which type they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::env_vars::from_environment;
use crate::placeholders::filled_text;
use crate::spec::{Key, Kind, TableSpec};
use crate::table::{Value, listed};

/// A value in NVS. Text may hold placeholders: `{tap.host}`, `{board.name}`, ….
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NvsValue {
    /// Stored as a string.
    Text(String),
    /// Stored as an `i32`.
    Integer(i32),
    /// Stored as an integer of a chosen size.
    Number(NvsType, NvsNumber),
    /// Stored as a `u8` of 0 or 1, as Arduino's `Preferences` and ESP-IDF apps do.
    Boolean(bool),
    /// Stored as a blob.
    Blob(Vec<u8>),
}

/// A whole number for NVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NvsNumber {
    /// This one; it fits its type.
    Is(i128),
    /// A port that the bench gives to the board.
    Port(BenchPort),
}

/// A port of this machine that belongs to one board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BenchPort {
    /// Of its tap.
    Tap,
    /// Of its files, over HTTP and HTTPS.
    Http,
    /// Of its time server.
    Sntp,
}

impl BenchPort {
    const PLACEHOLDERS: &[(&'static str, Self)] =
        &[("{tap.port}", Self::Tap), ("{http.port}", Self::Http), ("{sntp.port}", Self::Sntp)];

    /// The port that a text means if it is nothing but a placeholder of one.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        Self::PLACEHOLDERS.iter().find(|(known, _)| *known == text).map(|(_, port)| *port)
    }

    /// Its placeholder.
    #[must_use]
    pub fn placeholder(self) -> &'static str {
        Self::PLACEHOLDERS.iter().find(|(_, port)| *port == self).map_or("", |(text, _)| text)
    }
}

/// The integer types of NVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is called what Rust calls it")]
pub enum NvsType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
}

impl NvsType {
    const WORDS: &[(&'static str, Self)] = &[
        ("u8", Self::U8),
        ("i8", Self::I8),
        ("u16", Self::U16),
        ("i16", Self::I16),
        ("u32", Self::U32),
        ("i32", Self::I32),
        ("u64", Self::U64),
        ("i64", Self::I64),
    ];

    /// The word in `bench.toml`.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    /// The smallest and the largest value.
    #[must_use]
    pub fn range(self) -> std::ops::RangeInclusive<i128> {
        match self {
            Self::U8 => 0..=u8::MAX.into(),
            Self::I8 => i8::MIN.into()..=i8::MAX.into(),
            Self::U16 => 0..=u16::MAX.into(),
            Self::I16 => i16::MIN.into()..=i16::MAX.into(),
            Self::U32 => 0..=u32::MAX.into(),
            Self::I32 => i32::MIN.into()..=i32::MAX.into(),
            Self::U64 => 0..=u64::MAX.into(),
            Self::I64 => i64::MIN.into()..=i64::MAX.into(),
        }
    }
}

/// What an integer of a chosen type may be written as.
const NUMBER: Kind = Kind::AnyOf(&[Kind::Integer(i64::MIN, i64::MAX), Kind::Text]);

/// A value with its type.
pub(crate) static TYPED: TableSpec = TableSpec {
    keys: &[
        Key::optional("u8", NUMBER, "", "An integer of 0 to 255."),
        Key::optional("i8", NUMBER, "", "An integer of -128 to 127."),
        Key::optional("u16", NUMBER, "", "An integer of 0 to 65535, or `\"{tap.port}\"`."),
        Key::optional("i16", NUMBER, "", "An integer of 16 bits."),
        Key::optional("u32", NUMBER, "", "An integer of 32 bits without a sign, or `\"{tap.port}\"`."),
        Key::optional("i32", NUMBER, "", "An integer of 32 bits, or `\"{tap.port}\"`."),
        Key::optional("u64", NUMBER, "", "An integer of 64 bits without a sign; one that TOML can't write as text."),
        Key::optional("i64", NUMBER, "", "An integer of 64 bits, or `\"{tap.port}\"`."),
        Key::optional("blob", Kind::Text, "", "Bytes: `\"hex:00ff\"` or `\"base64:AP8=\"`."),
    ],
};

/// What a value of the table `nvs` may be.
pub(crate) const NVS_VALUE: Kind =
    Kind::AnyOf(&[Kind::Text, Kind::Integer(i32::MIN as i64, i32::MAX as i64), Kind::Boolean, Kind::Table(&TYPED)]);

/// Longest namespace and key of NVS (ESP-IDF, NVS library: `NVS_KEY_NAME_MAX_SIZE` less the terminator).
const NVS_NAME: usize = 15;

/// Longest string (ESP-IDF, NVS library, "Keys and Values": 4000 bytes with its terminator).
const NVS_TEXT: usize = 3999;

pub(crate) fn read(
    (key, _, value): (&str, std::ops::Range<usize>, Value<'_, '_>),
) -> Option<((String, String), NvsValue)> {
    let parts = key
        .split_once('.')
        .filter(|(namespace, key)| [namespace, key].iter().all(|part| (1..=NVS_NAME).contains(&part.len())));
    let Some((namespace, key)) = parts else {
        let hint = format!("write \"namespace.key\", each of 1 to {NVS_NAME} bytes, example: \"mqtt.host\"");
        value.problem(format!("`{key}` is not an NVS key"), hint);
        return None;
    };
    let stored = if value.is_integer() {
        let number = value.integer(i64::from(i32::MIN)..=i64::from(i32::MAX))?;
        NvsValue::Integer(i32::try_from(number).ok()?)
    } else if value.is_boolean() {
        NvsValue::Boolean(value.boolean()?)
    } else if value.is_table() {
        typed(&value)?
    } else {
        NvsValue::Text(text(&value)?)
    };
    Some(((namespace.to_owned(), key.to_owned()), stored))
}

/// A text that NVS can hold: the values of placeholders are checked when they are filled in.
fn text(value: &Value<'_, '_>) -> Option<String> {
    let text = filled_text(value)?;
    if text.contains('\0') {
        value.problem("a string in NVS can't hold a zero byte", "as bytes: `{ blob = \"hex:…\" }`".to_owned());
        return None;
    }
    if text.len() > NVS_TEXT {
        let what = format!("a string in NVS has at most {NVS_TEXT} bytes, and this one has {}", text.len());
        value.problem(what, "as bytes: `{ blob = \"base64:…\" }`".to_owned());
        return None;
    }
    Some(text)
}

fn typed(value: &Value<'_, '_>) -> Option<NvsValue> {
    let mut table = value.table(&TYPED)?;
    let mut given = Vec::new();
    for key in TYPED.keys {
        given.extend(table.value(key.name).map(|inner| (key.name, inner)));
    }
    table.finish();
    let [(word, inner)] = &given[..] else {
        let words: Vec<_> = TYPED.keys.iter().map(|key| key.name).collect();
        let what = if given.is_empty() { "this value has no type" } else { "this value has more than one type" };
        value.problem(what, format!("one of {}, example: `{{ u16 = 1883 }}`", listed(&words)));
        return None;
    };
    match NvsType::WORDS.iter().find(|(known, _)| known == word) {
        Some((_, kind)) => number(inner, *kind).map(|number| NvsValue::Number(*kind, number)),
        None => blob(inner).map(NvsValue::Blob),
    }
}

fn number(value: &Value<'_, '_>, kind: NvsType) -> Option<NvsNumber> {
    let (shown, number) = if value.is_integer() {
        let number = value.integer(i64::MIN..=i64::MAX)?;
        (number.to_string(), Some(i128::from(number)))
    } else {
        let text = from_environment(value)?;
        let holds_a_port = !matches!(kind, NvsType::U8 | NvsType::I8 | NvsType::I16);
        if let Some(port) = BenchPort::of(&text).filter(|_| holds_a_port) {
            return Some(NvsNumber::Port(port));
        }
        let number = text.trim().parse().ok();
        (text, number)
    };
    let range = kind.range();
    let number = number.filter(|number| range.contains(number));
    if number.is_none() {
        let hint = format!("valid: {} to {}", range.start(), range.end());
        value.problem(format!("`{shown}` is not a value of the type `{}`", kind.word()), hint);
    }
    number.map(NvsNumber::Is)
}

fn blob(value: &Value<'_, '_>) -> Option<Vec<u8>> {
    let text = from_environment(value)?;
    let bytes = match (text.strip_prefix("hex:"), text.strip_prefix("base64:")) {
        (Some(digits), _) => from_hex(digits),
        (_, Some(digits)) => STANDARD.decode(digits.split_whitespace().collect::<String>()).ok(),
        _ => None,
    };
    if bytes.is_none() {
        // Its text may be a secret.
        let hint = "`\"hex:00ff\"` or `\"base64:AP8=\"`; a blob is never filled in from the tap".to_owned();
        value.problem("this text is not the bytes of a blob", hint);
    }
    bytes
}

/// Pairs of digits, with optional blanks between them.
fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit) && digits.len().is_multiple_of(2);
    is_hex.then(|| digits.chunks(2).map(pair).collect())?
}
