//! What a step that ends with `:` takes below its line: columns, fields and an example.

/// A table or a text below a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BelowDoc {
    /// What it is called, as a heading.
    pub name: &'static str,
    /// What it is: the columns of a table, or the kind of text.
    pub about: &'static str,
    /// The fields that a row may name, each with the values that it takes. Empty for texts and single columns.
    pub fields: &'static [(&'static str, &'static str)],
    /// Example lines below the step in a feature.
    pub example: &'static [&'static str],
}

/// Fields of a PUBLISH.
pub(super) const MESSAGE: BelowDoc = BelowDoc {
    name: "Fields of a message",
    about: "A table with the columns `field` and `value`; the heading row is optional. Every row must hold for one \
            and the same message. A value between slashes is a regular expression.",
    fields: &[
        ("topic", "the topic name"),
        ("payload", "the payload as text"),
        ("QoS", "`0`, `1` or `2`"),
        ("retained", "`yes` or `no`"),
        ("DUP", "`yes` or `no`"),
        ("size", "bytes of the payload: `2` or `2 bytes`"),
        ("topic alias used", "`yes` or `no` (MQTT 5)"),
        ("hex", "the payload in hex: `ff 00 a1`"),
        ("json", "JSON that the payload contains at least"),
        ("json PATH", "the value at a path such as `$.temp[0].value`: JSON, a text, a pattern, or `none`"),
        ("property NAME", "an MQTT 5 property of PUBLISH: `property content type`; `none` if it must be absent"),
        ("user property KEY", "the value of a user property (MQTT 5)"),
    ],
    example: &[
        "| field       | value |",
        "| QoS         | 1     |",
        "| retained    | no    |",
        "| json $.temp | 28    |",
    ],
};

/// Fields of a CONNECT.
pub(super) const CONNECT: BelowDoc = BelowDoc {
    name: "Fields of a CONNECT",
    about: "A table with the columns `field` and `value`; the heading row is optional. Every row must hold. A value \
            between slashes is a regular expression.",
    fields: &[
        ("client id", "text"),
        ("keep alive", "whole seconds with their unit: `4 s`"),
        ("clean session", "`yes` or `no` (clean start in MQTT 5)"),
        ("user", "text"),
        ("will", "`yes` or `no`"),
        ("will topic", "a topic, or `none`"),
        ("will payload", "text, or `none`"),
        ("will QoS", "`0`, `1`, `2` or `none`"),
        ("will retained", "`yes`, `no` or `none`"),
        ("will delay", "seconds, `10 s`, or `none` (MQTT 5)"),
        ("version", "`3.1`, `3.1.1` or `5`"),
        ("password", "`yes` or `no`: whether one is sent; its value is never recorded"),
        ("session expiry", "seconds, `60 s`, or `none` (MQTT 5)"),
        ("property NAME", "an MQTT 5 property of CONNECT: `property receive maximum`; `none` if it must be absent"),
        ("user property KEY", "the value of a user property (MQTT 5)"),
    ],
    example: &[
        "| field         | value        |",
        "| keep alive    | 4 s          |",
        "| clean session | yes          |",
        "| password      | yes          |",
        "| will topic    | sooko/status |",
    ],
};

/// Filters, with requested and granted QoS.
pub(super) const GRANTED: BelowDoc = BelowDoc {
    name: "Rows of a subscription",
    about: "A table with the columns `filter`, `QoS` (asked for: 0, 1 or 2) and `granted` (0, 1, 2, or a code from \
            `0x80` on); the heading row is optional.",
    fields: &[],
    example: &["| filter      | QoS | granted |", "| sooko/lampu | 1   | 1       |", "| secret/#    | 0   | 0x80    |"],
};

/// Payloads to publish.
pub(super) const PAYLOADS: BelowDoc = BelowDoc {
    name: "Payloads to publish",
    about: "A table with one column and no heading: one payload per row.",
    fields: &[],
    example: &["| on  |", "| off |", "| on  |"],
};

/// Payloads that are expected.
pub(super) const PATTERNS: BelowDoc = BelowDoc {
    name: "Expected payloads",
    about: "A table with one column and no heading: one payload per row, as text or as a regular expression between \
            slashes.",
    fields: &[],
    example: &["| saya hidup |", "| /^saya/    |"],
};

/// A text.
pub(super) const TEXT: BelowDoc = BelowDoc {
    name: "A text",
    about: "A text between two lines of `\"\"\"`, taken as it is.",
    fields: &[],
    example: &["\"\"\"", "Suhu: 28°C", "\"\"\""],
};

/// A text that is JSON.
pub(super) const JSON: BelowDoc = BelowDoc {
    name: "A JSON text",
    about: "JSON between two lines of `\"\"\"`. The payload must contain at least this: further keys are allowed.",
    fields: &[],
    example: &["\"\"\"json", "{\"temp\": [28, 29]}", "\"\"\""],
};

/// Lines to type.
pub(super) const LINES: BelowDoc = BelowDoc {
    name: "Lines to type",
    about: "A text between two lines of `\"\"\"`; each line is sent with CR.",
    fields: &[],
    example: &["\"\"\"", "connect id=a", "subscribe sooko/#:1", "\"\"\""],
};

#[cfg(test)]
mod tests {
    use hil_verdict::{ConnectMatch, MessageMatch, Unmet};

    use super::*;

    /// The fields that the parser's hint lists.
    fn known<T>(read: impl Fn(&[Vec<String>]) -> Result<T, Unmet>) -> Vec<String> {
        let row = vec!["?".to_owned(), "x".to_owned()];
        let hint = read(&[row]).err().and_then(|unmet| unmet.failure.hint).expect("a hint");
        hint.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    fn documented(below: &BelowDoc) -> Vec<String> {
        below.fields.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    #[test]
    fn every_field_of_a_table_is_documented() {
        assert_eq!(documented(&MESSAGE), known(MessageMatch::read));
        assert_eq!(documented(&CONNECT), known(ConnectMatch::read));
    }
}
