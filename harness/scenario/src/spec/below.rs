//! What a step that ends with `:` takes below its line: columns, fields and an example.

use hil_verdict::Unmet;

/// A table or a text below a step.
#[derive(Debug, Clone, Copy)]
pub struct BelowDoc {
    /// What it is called, as a heading.
    pub name: &'static str,
    /// What is checked before anything runs.
    pub(crate) takes: Takes,
    /// What it is: the columns of a table, or the kind of text.
    pub about: &'static str,
    /// The fields that a row may name, each with the values that it takes. Empty for texts and single columns.
    pub fields: &'static [(&'static str, &'static str)],
    /// Example lines below the step in a feature.
    pub example: &'static [&'static str],
}

impl BelowDoc {
    /// The columns of a table that has names for them.
    #[must_use]
    pub fn columns(&self) -> &'static [&'static str] {
        match self.takes {
            Takes::Table { columns, .. } => columns,
            _ => &[],
        }
    }

    /// Everything that it says, to be searched.
    pub(super) fn words(&self) -> String {
        let fields = self.fields.iter().flat_map(|(name, value)| [*name, *value]);
        std::iter::once(self.about).chain(fields).collect::<Vec<_>>().join("\n")
    }
}

/// What follows below a step, as it is checked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Takes {
    /// Any text.
    Text,
    /// A text that the step's rule can read.
    Checked(fn(&str) -> Result<(), Unmet>),
    /// Rows that the step's rule can read, one by one.
    Table { columns: &'static [&'static str], check: fn(&[Vec<String>]) -> Result<(), Unmet> },
    /// One column of payloads to publish.
    Payloads,
    /// One column of patterns.
    Patterns,
}

impl Takes {
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Checked(_))
    }
}
