//! The commands of the console.

use std::time::Duration;

use super::none;
use super::packet::{Connect, Over, Properties, Publish, Version};

/// A line of the console.
#[derive(Debug)]
pub(super) enum ClientCommand {
    Connect(Connect),
    Subscribe { filters: Vec<(String, u8)>, options: u8, properties: Properties },
    Unsubscribe(Vec<String>),
    Publish(Publish),
    Repeat { times: u32, every: Duration, command: String },
    Acknowledge(bool),
    Ping,
    Disconnect { code: u8, properties: Properties },
    Drop,
    Raw(Vec<u8>),
}

impl ClientCommand {
    /// Parses a line: a word, then values and `key=value`; quotes keep words with spaces together.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "repeat" {
            return read_repeat(rest);
        }
        let words = split(rest);
        let (options, values): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| word.key.is_some());
        let values: Vec<String> = values.into_iter().map(|word| word.value).collect();
        let options: Vec<(String, String)> =
            options.into_iter().map(|word| (word.key.unwrap_or_default(), word.value)).collect();
        match (word, &values[..]) {
            ("connect", []) => read_connect(&options).map(Self::Connect),
            ("subscribe", filters) if !filters.is_empty() => read_subscribe(filters, &options),
            ("unsubscribe", filters) if !filters.is_empty() => Ok(Self::Unsubscribe(filters.to_vec())),
            ("publish", [topic, payload]) => read_publish(topic, payload, &options).map(Self::Publish),
            ("acknowledge", [yes]) => Ok(Self::Acknowledge(yes == "yes")),
            ("ping", []) => Ok(Self::Ping),
            ("disconnect", []) => read_disconnect(&options),
            ("drop", []) => Ok(Self::Drop),
            ("send", [hex]) => from_hex(hex).map(Self::Raw).ok_or_else(|| format!("`{hex}` is not hex")),
            _ => Err(format!("`{line}`")),
        }
    }
}

fn read_repeat(rest: &str) -> Result<ClientCommand, String> {
    let wrong = || "`repeat TIMES MILLISECONDS COMMAND`".to_owned();
    let (times, rest) = rest.split_once(' ').ok_or_else(wrong)?;
    let (every, command) = rest.split_once(' ').ok_or_else(wrong)?;
    let every = Duration::from_millis(every.parse().map_err(|_| wrong())?);
    Ok(ClientCommand::Repeat { times: times.parse().map_err(|_| wrong())?, every, command: command.to_owned() })
}

type Options = [(String, String)];

fn read_connect(options: &Options) -> Result<Connect, String> {
    let mut connect = Connect {
        version: Version::V311,
        over: Over::default(),
        id: "client".to_owned(),
        clean: true,
        keep_alive: 60,
        user: None,
        password: None,
        will: None,
        properties: none(),
        shows_certificate: false,
        trusts_bench: true,
    };
    for (key, value) in options {
        match key.as_str() {
            "version" => {
                connect.version = match value.as_str() {
                    "3.1" => Version::V31,
                    "3.1.1" => Version::V311,
                    "5" => Version::V5,
                    other => return Err(format!("version {other}")),
                }
            }
            "over" => {
                let (tls, websocket) = match value.as_str() {
                    "tcp" => (false, false),
                    "tls" => (true, false),
                    "ws" => (false, true),
                    "wss" => (true, true),
                    other => return Err(format!("transport {other}")),
                };
                connect.over = Over { tls, websocket };
            }
            "id" => connect.id.clone_from(value),
            "clean" => connect.clean = value == "yes",
            "keep-alive" => connect.keep_alive = number(value)?,
            "user" => connect.user = Some(value.clone()),
            "password" => connect.password = Some(value.clone()),
            "certificate" => connect.shows_certificate = value == "yes",
            "trust" => connect.trusts_bench = value == "bench",
            "session-expiry" => connect.properties.long(0x11, number(value)?),
            "receive-maximum" => connect.properties.short(0x21, number(value)?),
            "topic-alias-maximum" => connect.properties.short(0x22, number(value)?),
            "will-topic" => connect.will.get_or_insert_default().topic.clone_from(value),
            "will-payload" => connect.will.get_or_insert_default().payload.clone_from(value),
            "will-qos" => connect.will.get_or_insert_default().qos = number(value)?,
            "will-retain" => connect.will.get_or_insert_default().retain = value == "yes",
            "will-delay" => connect.will.get_or_insert_default().properties.long(0x18, number(value)?),
            other => match other.strip_prefix("user.") {
                Some(key) => connect.properties.pair(0x26, key, value),
                None => return Err(format!("option `{other}`")),
            },
        }
    }
    Ok(connect)
}

fn read_subscribe(filters: &[String], options: &Options) -> Result<ClientCommand, String> {
    let (mut flags, mut properties) = (0, none());
    for (key, value) in options {
        match key.as_str() {
            "no-local" => flags |= u8::from(value == "yes") << 2,
            "retain-as-published" => flags |= u8::from(value == "yes") << 3,
            "retain-handling" => flags |= number::<u8>(value)? << 4,
            "identifier" => properties.variable(0x0b, number(value)?),
            other => return Err(format!("option `{other}`")),
        }
    }
    let filter = |filter: &String| match filter.rsplit_once(':') {
        Some((name, qos)) => Ok((name.to_owned(), number(qos)?)),
        None => Ok((filter.clone(), 0)),
    };
    let filters = filters.iter().map(filter).collect::<Result<_, String>>()?;
    Ok(ClientCommand::Subscribe { filters, options: flags, properties })
}

fn read_publish(topic: &str, payload: &str, options: &Options) -> Result<Publish, String> {
    let mut publish = Publish {
        topic: topic.to_owned(),
        payload: payload.as_bytes().to_vec(),
        qos: 0,
        retain: false,
        dup: false,
        id: 0,
        properties: none(),
    };
    for (key, value) in options {
        match key.as_str() {
            "qos" => publish.qos = number(value)?,
            "retain" => publish.retain = value == "yes",
            "dup" => publish.dup = value == "yes",
            "id" => publish.id = number(value)?,
            "hex" => publish.payload = from_hex(value).ok_or_else(|| format!("`{value}` is not hex"))?,
            "format" => publish.properties.byte(0x01, number(value)?),
            "expiry" => publish.properties.long(0x02, number(value)?),
            "content-type" => publish.properties.text(0x03, value),
            "response-topic" => publish.properties.text(0x08, value),
            "correlation" => publish.properties.text(0x09, value),
            "alias" => publish.properties.short(0x23, number(value)?),
            other => match other.strip_prefix("user.") {
                Some(key) => publish.properties.pair(0x26, key, value),
                None => return Err(format!("option `{other}`")),
            },
        }
    }
    Ok(publish)
}

fn read_disconnect(options: &Options) -> Result<ClientCommand, String> {
    let (mut code, mut properties) = (0, none());
    for (key, value) in options {
        match key.as_str() {
            "code" => code = number(value)?,
            "session-expiry" => properties.long(0x11, number(value)?),
            other => return Err(format!("option `{other}`")),
        }
    }
    Ok(ClientCommand::Disconnect { code, properties })
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("number `{text}`"))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    hex::decode(text).ok()
}

struct Word {
    key: Option<String>,
    value: String,
}

/// Words, `key=value` and quoted texts; a quoted text is never a `key=value`.
fn split(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    for c in line.chars() {
        let fresh = word.is_none();
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert(Word { key: None, value: String::new() });
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '=') if !fresh && word.as_ref().is_some_and(|word| word.key.is_none() && is_key(&word.value)) => {
                if let Some(word) = &mut word {
                    word.key = Some(std::mem::take(&mut word.value));
                }
            }
            (_, c) => word.get_or_insert(Word { key: None, value: String::new() }).value.push(c),
        }
    }
    words.extend(word);
    words
}

fn is_key(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
}
