//! Texts and tables that steps of several files take below their line.

use hil_verdict::MessageMatch;

use crate::spec::{BelowDoc, Takes};

/// Fields of a PUBLISH.
pub(super) const MESSAGE: BelowDoc = BelowDoc {
    name: "Fields of a message",
    takes: Takes::Table { columns: &["field", "value"], check: |rows| MessageMatch::read(rows).map(drop) },
    about: "A table with the columns `field` and `value`; the heading row is optional. Every row must hold for one \
            and the same message. A value between slashes is a regular expression. A condition on a number is one of `is \
            above 15`, `is below 15`, `is at least 15`, `is at most 15`, `is 20 ± 0.5`, `is between 1 and 5` and `is a \
            number`.",
    fields: &[
        ("topic", "the topic name"),
        ("payload", "the payload as text, or a condition on a number: `is above 15`"),
        ("QoS", "`0`, `1` or `2`"),
        ("retained", "`yes` or `no`"),
        ("DUP", "`yes` or `no`"),
        ("size", "bytes of the payload: `2` or `2 bytes`, or a condition: `is at most 100`"),
        ("topic alias used", "`yes` or `no` (MQTT 5)"),
        ("hex", "the payload in hex: `ff 00 a1`"),
        ("json", "JSON that the payload contains at least"),
        (
            "json PATH",
            "the value at a path such as `$.temp[0].value`: JSON, a text, a pattern, a condition on a number, or `is absent` \
             (also `none`) if there must be none",
        ),
        (
            "property NAME",
            "an MQTT 5 property of PUBLISH: `property content type`; `is absent` (also `none`) if it must be absent",
        ),
        ("user property KEY", "the value of a user property (MQTT 5)"),
    ],
    example: &[
        "| field        | value       |",
        "| QoS          | 1           |",
        "| retained     | no          |",
        "| json $.unit  | °C          |",
        "| json $.temp  | is above 15 |",
        "| json $.error | is absent   |",
    ],
};

/// Payloads that are expected.
pub(super) const PATTERNS: BelowDoc = BelowDoc {
    name: "Expected payloads",
    takes: Takes::Patterns,
    about: "A table with one column and no heading: one payload per row, as text or as a regular expression between \
            slashes.",
    fields: &[],
    example: &["| saya hidup |", "| /^saya/    |"],
};

/// A text.
pub(super) const TEXT: BelowDoc = BelowDoc {
    name: "A text",
    takes: Takes::Text,
    about: "A text between two lines of `\"\"\"`, taken as it is.",
    fields: &[],
    example: &["\"\"\"", "Suhu: 28°C", "\"\"\""],
};
