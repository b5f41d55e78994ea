//! SUBSCRIBE and its answer.

use hil_timeline::{Packet, RunEvent, escaped};

use crate::message::without_header;
use crate::topic::check_filter;
use crate::unmet::Unmet;

/// One filter of a SUBSCRIBE and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The topic filter.
    pub filter: String,
    /// The requested QoS.
    pub asked: u8,
    /// The granted QoS, or a code from 0x80 on.
    pub code: u8,
}

impl Granted {
    /// Reads rows of filter, QoS and granted QoS; a header row with these three names is optional.
    ///
    /// # Errors
    /// When a row has another form, or an invalid filter.
    pub fn read(rows: &[Vec<String>]) -> Result<Vec<Self>, Unmet> {
        without_header(rows, &["filter", "QoS", "granted"]).iter().map(|row| Self::read_row(row)).collect()
    }

    fn read_row(row: &[String]) -> Result<Self, Unmet> {
        let wrong = |what: String| {
            Unmet::errored(what)
                .with_hint("the columns are filter, QoS (0, 1 or 2) and granted (0, 1, 2, or a code from 0x80 on)")
        };
        let [filter, asked, code] = row else {
            return Err(wrong(format!("a row of this table has 3 cells, not {}", row.len())));
        };
        check_filter(filter).map_err(|reason| {
            Unmet::errored(format!("`{}` is not a topic filter", escaped(filter))).with_hint(reason)
        })?;
        let asked =
            asked.parse().ok().filter(|qos| *qos <= 2).ok_or_else(|| wrong(format!("`{asked}` is not a QoS")))?;
        let parsed = match code.strip_prefix("0x") {
            Some(hex) => u8::from_str_radix(hex, 16).ok(),
            None => code.parse().ok(),
        };
        let code = parsed.filter(|code| *code <= 2 || *code >= 0x80);
        let code = code.ok_or_else(|| wrong(format!("`{}` is not what a broker grants", row[2])))?;
        Ok(Self { filter: filter.clone(), asked, code })
    }

    /// Rows as text.
    #[must_use]
    pub fn shown(granted: &[Self]) -> String {
        if granted.is_empty() {
            return "closest: no SUBSCRIBE was answered".to_owned();
        }
        let each = granted.iter().map(|granted| {
            let answer = if granted.code < 0x80 {
                format!("granted QoS {}", granted.code)
            } else {
                format!("refused ({:#04x})", granted.code)
            };
            format!("`{}` QoS {}, {answer}", escaped(&granted.filter), granted.asked)
        });
        format!("closest: {}", each.collect::<Vec<_>>().join("; "))
    }
}

/// A SUBSCRIBE: its connection and identifier, and the filters with the requested QoS.
type Request = (u32, u16, Vec<(String, u8)>);

/// Pairs each SUBACK with the SUBSCRIBE that it answers.
#[derive(Debug, Clone)]
pub struct Asked {
    board: String,
    asked: Vec<Request>,
    /// The latest answer.
    pub closest: Vec<Granted>,
}

impl Asked {
    /// By this board.
    #[must_use]
    pub fn by(board: &str) -> Self {
        Self { board: board.to_owned(), asked: Vec::new(), closest: Vec::new() }
    }

    /// Takes a record; returns what was granted, if it is an answer.
    pub fn take(&mut self, event: &RunEvent) -> Option<Vec<Granted>> {
        if let Some((of, on, Packet::Subscribe { packet_id, filters, .. })) = event.what.sent_by_board()
            && of == self.board
        {
            let filters = filters.iter().map(|filter| (filter.filter.clone(), u8::from(filter.qos))).collect();
            self.asked.push((on, *packet_id, filters));
        }
        let (of, on, Packet::Suback { packet_id, codes, .. }) = event.what.reached_board()? else { return None };
        let answers = |(c, id, _): &&Request| of == self.board && *c == on && id == packet_id;
        // An identifier is reused once it is free: the latest request counts.
        let (_, _, filters) = self.asked.iter().rev().find(answers)?;
        let granted = filters.iter().zip(codes);
        let granted: Vec<_> = granted
            .map(|((filter, asked), code)| Granted { filter: filter.clone(), asked: *asked, code: *code })
            .collect();
        self.closest.clone_from(&granted);
        Some(granted)
    }
}
