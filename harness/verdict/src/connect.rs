//! Connecting and disconnecting: CONNECT, its answer, and how a connection ends.

use hil_timeline::{ConnectionChange, Packet, RunEvent, What};

use crate::message::{check_number, check_topic_value, check_word, differs, property, read_pattern, without_header};
use crate::pattern::TextPattern;
use crate::unmet::Unmet;

/// The rows of a table about CONNECT; all must hold.
#[derive(Debug, Clone)]
pub struct ConnectMatch(Vec<Field>);

/// A field of CONNECT and its expected value.
#[derive(Debug, Clone)]
struct Field {
    name: String,
    wanted: TextPattern,
}

/// The fields a table may name.
const FIELDS: &[&str] = &[
    "client id",
    "keep alive",
    "clean session",
    "user",
    "will",
    "will topic",
    "will payload",
    "will QoS",
    "will retained",
    "will delay",
    "version",
    "password",
    "session expiry",
];

/// Properties that a CONNECT may have (MQTT 5 §3.1.2.11).
const PROPERTIES: &[&str] = &[
    "session expiry interval",
    "receive maximum",
    "maximum packet size",
    "topic alias maximum",
    "request response information",
    "request problem information",
    "authentication method",
    "authentication data",
];

impl ConnectMatch {
    /// Reads rows of field and value; a header row with these two names is optional.
    ///
    /// # Errors
    /// When a row has another form, an unknown field, or a value that the field can't have.
    pub fn read(rows: &[Vec<String>]) -> Result<Self, Unmet> {
        let rows = without_header(rows, &["field", "value"]);
        rows.iter().map(|row| Field::read(row)).collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// How a CONNECT differs; empty if all rows hold.
    #[must_use]
    pub fn wrong(&self, connect: &Packet) -> Vec<String> {
        self.0.iter().filter_map(|field| differs(&field.name, &field.wanted, field.value(connect))).collect()
    }
}

impl Field {
    fn read(row: &[String]) -> Result<Self, Unmet> {
        let [name, value] = row else {
            return Err(Unmet::errored("the table of this step has two columns: field and value"));
        };
        check_name(name)?;
        let wanted = read_pattern(value)?;
        check_value(name, value, &wanted)?;
        Ok(Self { name: name.clone(), wanted })
    }

    fn value(&self, connect: &Packet) -> Option<String> {
        let Packet::Connect {
            protocol,
            client_id,
            keep_alive,
            clean_session,
            user_name,
            has_password,
            will,
            properties,
        } = connect
        else {
            return None;
        };
        let seconds = |found: Option<String>| found.map(|found| format!("{found} s"));
        let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        match self.name.as_str() {
            "client id" => Some(client_id.clone()),
            "keep alive" => Some(format!("{keep_alive} s")),
            "clean session" => Some(yes_no(*clean_session)),
            "user" => user_name.clone(),
            "will" => Some(yes_no(will.is_some())),
            "will topic" => will.as_ref().map(|will| will.topic.clone()),
            "will payload" => will.as_ref().map(|will| String::from_utf8_lossy(&will.payload.0).into_owned()),
            "will QoS" => will.as_ref().map(|will| will.qos.to_string()),
            "will retained" => will.as_ref().map(|will| yes_no(will.retain)),
            "will delay" => seconds(will.as_ref().and_then(|will| property(&will.properties, "will delay interval"))),
            "version" => Some(match protocol {
                3 => "3.1".to_owned(),
                4 => "3.1.1".to_owned(),
                other => other.to_string(),
            }),
            "password" => Some(yes_no(*has_password)),
            "session expiry" => seconds(property(properties, "session expiry interval")),
            name => property(properties, name),
        }
    }
}

fn check_name(name: &str) -> Result<(), Unmet> {
    if let Some(property) = name.strip_prefix("property ") {
        if PROPERTIES.contains(&property) {
            return Ok(());
        }
        let hint = format!("a CONNECT may have `{}`, and `user property KEY`", PROPERTIES.join("`, `"));
        return Err(Unmet::errored(format!("CONNECT has no property `{property}`")).with_hint(hint));
    }
    if FIELDS.contains(&name) || name.starts_with("user property ") {
        return Ok(());
    }
    let hint = format!("the fields are `{}`, `property NAME` and `user property KEY`", FIELDS.join("`, `"));
    Err(Unmet::errored(format!("CONNECT has no field `{name}`")).with_hint(hint))
}

/// A value that the field can never have is an error of the step.
fn check_value(name: &str, value: &str, wanted: &TextPattern) -> Result<(), Unmet> {
    match name {
        "clean session" | "will" | "password" => check_word(name, value, wanted, &["yes", "no"]),
        "will retained" => check_word(name, value, wanted, &["yes", "no", "none"]),
        "will QoS" => check_word(name, value, wanted, &["0", "1", "2", "none"]),
        "version" => check_word(name, value, wanted, &["3.1", "3.1.1", "5"]),
        "keep alive" | "will delay" | "session expiry" => match wanted {
            TextPattern::Exact(text) if text != "none" || name == "keep alive" => check_seconds(name, text),
            _ => Ok(()),
        },
        "will topic" | "property response topic" => check_topic_value(name, wanted),
        "property receive maximum" => check_number(name, wanted, 1..=65_535),
        "property maximum packet size" => check_number(name, wanted, 1..=u32::MAX),
        "property topic alias maximum" => check_number(name, wanted, 0..=65_535),
        "property request response information" | "property request problem information" => {
            check_word(name, value, wanted, &["0", "1", "none"])
        }
        _ => Ok(()),
    }
}

fn check_seconds(name: &str, text: &str) -> Result<(), Unmet> {
    // Keep alive has two bytes (MQTT 3.1.1 §3.1.2.10), the others have four.
    let most = if name == "keep alive" { u32::from(u16::MAX) } else { u32::MAX };
    let is_shown_so = |number: &&str| number.parse().is_ok_and(|n: u32| n <= most && n.to_string() == **number);
    let hint = format!("whole seconds up to {most}, as in `5 s`");
    let wrong = || Unmet::errored(format!("`{name}` is never `{text}`")).with_hint(hint);
    text.strip_suffix(" s").filter(is_shown_so).map(drop).ok_or_else(wrong)
}

/// The answer to a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The connection.
    pub connection: u32,
    /// Return code (3.1.1) or reason code (5); 0 is success.
    pub code: u8,
    /// Whether the broker kept an earlier session.
    pub session_present: bool,
}

/// How far a board has got with connecting.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    board: String,
    opened: bool,
    asked: Option<u32>,
    latest: Option<Answer>,
    refused: Option<String>,
    turned_away: Option<String>,
}

impl Answers {
    /// To this board.
    #[must_use]
    pub fn to(board: &str) -> Self {
        Self { board: board.to_owned(), ..Self::default() }
    }

    /// Takes a record; returns the answer if this is one.
    pub fn take(&mut self, event: &RunEvent) -> Option<Answer> {
        match &event.what {
            What::Connection { board, change: ConnectionChange::Refused { reason, .. }, .. }
                if *board == self.board =>
            {
                self.opened = true;
                self.refused = Some(reason.clone());
            }
            What::Connection { board, change: ConnectionChange::Opened, .. } if *board == self.board => {
                self.opened = true;
            }
            What::Connection { board, change: ConnectionChange::Rejected { reason }, .. } if *board == self.board => {
                self.turned_away = Some(reason.clone());
            }
            _ => {}
        }
        if let Some((of, connection, Packet::Connect { .. })) = event.what.sent_by_board()
            && of == self.board
        {
            self.asked = Some(connection);
        }
        match event.what.reached_board()? {
            (of, connection, Packet::Connack { code, session_present, .. })
                if of == self.board && self.asked == Some(connection) =>
            {
                let answer = Answer { connection, code: *code, session_present: *session_present };
                self.latest = Some(answer);
                Some(answer)
            }
            _ => None,
        }
    }

    /// Whether a connection of the board has reached the tap.
    #[must_use]
    pub fn has_opened(&self) -> bool {
        self.opened
    }

    /// How far the board got.
    #[must_use]
    pub fn closest(&self) -> String {
        match (self.asked, self.latest, &self.refused) {
            (_, Some(Answer { code: 0, session_present, .. }), _) => {
                let session = if session_present { "with its session" } else { "with a new session" };
                format!("closest: the broker accepted it {session}")
            }
            (_, Some(Answer { code, .. }), _) => format!("closest: the broker refused it with code {code}"),
            (Some(_), None, _) => "closest: it sent CONNECT, but got no answer".to_owned(),
            (None, None, Some(reason)) => format!("closest: its connection was refused: {reason}"),
            (None, None, None) if self.opened => "closest: it opened a connection, but sent no CONNECT".to_owned(),
            (None, None, None) => match &self.turned_away {
                Some(reason) => format!("closest: the tap rejected {reason}"),
                None => "closest: it sent no CONNECT".to_owned(),
            },
        }
    }
}

/// Who ended a connection, and whether the board sent DISCONNECT on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// The connection.
    pub connection: u32,
    /// Which side ended it and how, as text.
    pub how: String,
    /// The board had sent DISCONNECT on it.
    pub disconnected: bool,
    /// The board sent DISCONNECT since the first record that was followed.
    pub disconnected_now: bool,
}

impl Departure {
    /// Whether the board ended it. After DISCONNECT both sides close, and the broker may be faster.
    #[must_use]
    pub fn is_by_board(&self) -> bool {
        self.how.ends_with("by the board") || self.disconnected_now
    }

    /// Whether the broker ended it, and not because of a DISCONNECT of the board.
    #[must_use]
    pub fn is_by_broker(&self) -> bool {
        self.how.ends_with("by the broker") && !self.disconnected
    }
}

/// Follows the ends of a board's connections.
#[derive(Debug, Clone)]
pub struct Departures {
    board: String,
    before: Vec<u32>,
    now: Vec<u32>,
    /// The reason code of the broker's last DISCONNECT.
    pub broker_code: Option<u8>,
}

impl Departures {
    /// Starts with the earlier records of a board.
    #[must_use]
    pub fn of<'a>(board: &str, before: impl IntoIterator<Item = &'a RunEvent>) -> Self {
        let mut departures = Self { board: board.to_owned(), before: Vec::new(), now: Vec::new(), broker_code: None };
        let disconnects = before.into_iter().filter_map(|event| departures.disconnects(event)).collect();
        departures.before = disconnects;
        departures
    }

    fn disconnects(&self, event: &RunEvent) -> Option<u32> {
        match event.what.sent_by_board()? {
            (of, on, Packet::Disconnect { .. }) if of == self.board => Some(on),
            _ => None,
        }
    }

    /// Takes a record; returns the departure if this is one.
    pub fn take(&mut self, event: &RunEvent) -> Option<Departure> {
        self.now.extend(self.disconnects(event));
        if let Some((of, _, Packet::Disconnect { code, .. })) = event.what.reached_board()
            && of == self.board
        {
            self.broker_code = Some(*code);
        }
        match &event.what {
            What::Connection { board, connection, change: ConnectionChange::Closed { how }, .. }
                if *board == self.board =>
            {
                let disconnected_now = self.now.contains(connection);
                Some(Departure {
                    connection: *connection,
                    how: how.clone(),
                    disconnected: disconnected_now || self.before.contains(connection),
                    disconnected_now,
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(&str, &str)]) -> Vec<Vec<String>> {
        rows.iter().map(|(name, value)| vec![(*name).to_owned(), (*value).to_owned()]).collect()
    }

    fn connect() -> Packet {
        Packet::Connect {
            protocol: 4,
            client_id: "lamp".into(),
            keep_alive: 5,
            clean_session: true,
            user_name: None,
            has_password: false,
            will: None,
            properties: Vec::new(),
        }
    }

    #[test]
    fn fields_hold_and_differ() {
        let good =
            rows(&[("field", "value"), ("keep alive", "5 s"), ("user", "none"), ("will", "no"), ("version", "3.1.1")]);
        assert!(ConnectMatch::read(&good).expect("rows").wrong(&connect()).is_empty());
        let wrong = rows(&[("keep alive", "6 s"), ("user", "us"), ("will topic", "/./")]);
        insta::assert_snapshot!(ConnectMatch::read(&wrong).expect("rows").wrong(&connect()).join("\n"));
    }

    #[test]
    fn values_that_can_never_hold_are_rejected() {
        let refused = [
            ("keep live", "5 s"),
            ("keep alive", "5"),
            ("keep alive", "none"),
            ("clean session", "true"),
            ("will QoS", "3"),
            ("version", "4"),
            ("property receive minimum", "1"),
            ("client id", "/(/"),
        ];
        let errors = refused.map(|row| {
            let unmet = ConnectMatch::read(&rows(&[row])).expect_err("refused");
            format!("{}\n  hint: {}", unmet.failure.message, unmet.failure.hint.unwrap_or_default())
        });
        insta::assert_snapshot!(errors.join("\n"));
    }
}
