//! Splits console output into lines.

/// A longer line is cut here, so that memory stays bounded: 64 KiB.
pub(super) const LONGEST: usize = 64 * 1024;

/// Bytes on their way to lines.
///
/// LF ends a line, and so does CR after other bytes: a progress bar ends its line with CR alone. CR and NUL
/// at either end of a line are not part of it, however many there are. Bytes that are not UTF-8 are kept as `\xNN`.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// The beginning of this line has been taken: its end alone is not another line.
    begun: bool,
    /// CR has ended the line before: a following LF ends none.
    ended_by_cr: bool,
    /// A line was cut since the last call of `take_cut`.
    cut: bool,
    /// The current line was cut before.
    in_parts: bool,
}

impl Lines {
    /// The lines that these bytes end, or fill.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        bytes.iter().filter_map(|byte| self.push_byte(*byte)).collect()
    }

    fn push_byte(&mut self, byte: u8) -> Option<String> {
        match byte {
            b'\n' if std::mem::take(&mut self.ended_by_cr) => None,
            b'\n' => self.end(),
            b'\r' if self.is_blank() && !self.begun => None,
            b'\r' => {
                self.ended_by_cr = true;
                self.end()
            }
            0 if self.is_blank() => None,
            byte => {
                self.ended_by_cr = false;
                let part = (self.bytes.len() >= LONGEST).then(|| self.cut());
                self.bytes.push(byte);
                part
            }
        }
    }

    fn is_blank(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Ends the line; none if all of it was shown before.
    fn end(&mut self) -> Option<String> {
        self.in_parts = false;
        let is_mere_end = std::mem::take(&mut self.begun) && self.is_blank();
        let bytes = std::mem::take(&mut self.bytes);
        (!is_mere_end).then(|| text(&bytes))
    }

    /// The first part of a line that is too long; what follows is the next one.
    fn cut(&mut self) -> String {
        self.cut |= !std::mem::replace(&mut self.in_parts, true);
        self.take_whole_characters()
    }

    /// Whether a line was cut since this was last asked; each line counts once.
    pub(super) fn take_cut(&mut self) -> bool {
        std::mem::take(&mut self.cut)
    }

    /// Whether there is something to show of a line that has not ended.
    pub(super) fn has_unfinished(&self) -> bool {
        self.whole() > 0
    }

    /// The part of an unfinished line that can be shown.
    pub(super) fn take_unfinished(&mut self) -> String {
        self.take_whole_characters()
    }

    fn take_whole_characters(&mut self) -> String {
        let rest = self.bytes.split_off(self.whole());
        let bytes = std::mem::replace(&mut self.bytes, rest);
        self.begun = true;
        text(&bytes)
    }

    /// How many bytes are whole characters and whole escape sequences: the rest of the others is on its way.
    fn whole(&self) -> usize {
        let escape = unfinished_escape(&self.bytes).unwrap_or(self.bytes.len());
        escape - unfinished_character(&self.bytes[..escape])
    }

    /// Ends the line: no more bytes will follow.
    pub(super) fn take_rest(&mut self) -> Option<String> {
        self.ended_by_cr = false;
        let is_blank = self.is_blank();
        self.end().filter(|_| !is_blank)
    }
}

/// How many bytes at the end are the beginning of a character of UTF-8.
fn unfinished_character(bytes: &[u8]) -> usize {
    const LONGEST_CHARACTER: usize = 4;
    let tail = &bytes[bytes.len().saturating_sub(LONGEST_CHARACTER - 1)..];
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.len() - error.valid_up_to(),
        // Something else is wrong earlier on: only the end counts.
        Err(_) => tail.iter().rposition(|byte| *byte >= 0xc0).map_or(0, |at| {
            let character = &tail[at..];
            let is_begun = std::str::from_utf8(character).is_err_and(|error| error.error_len().is_none());
            if is_begun { character.len() } else { 0 }
        }),
        Ok(_) => 0,
    }
}

/// Where an escape sequence begins that has no end yet (ECMA-48 §5.4: parameters and intermediates, then a final byte).
fn unfinished_escape(bytes: &[u8]) -> Option<usize> {
    /// Longer than any that is used; what is longer is shown.
    const LONGEST_ESCAPE: usize = 32;
    let from = bytes.len().saturating_sub(LONGEST_ESCAPE);
    let at = from + bytes[from..].iter().rposition(|byte| *byte == 0x1b)?;
    let is_unfinished = match &bytes[at + 1..] {
        [] | [b'['] => true,
        [b'[', rest @ ..] => rest.iter().all(|byte| (0x20..=0x3f).contains(byte)),
        rest => rest.iter().all(|byte| (0x20..=0x2f).contains(byte)),
    };
    is_unfinished.then_some(at)
}

fn text(bytes: &[u8]) -> String {
    let is_end = |byte: &u8| matches!(byte, b'\r' | 0);
    let from = bytes.iter().position(|byte| !is_end(byte)).unwrap_or(bytes.len());
    let to = bytes.iter().rposition(|byte| !is_end(byte)).map_or(from, |last| last + 1);
    let bytes = &bytes[from..to];
    let mut line = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        line.push_str(chunk.valid());
        line.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut all = lines.push(bytes);
        all.extend(lines.take_rest());
        all
    }

    #[test]
    fn lines_end_with_lf_or_cr_in_any_combination() {
        for (bytes, expected) in [
            (&b"one\r\ntwo\n\nthree\n"[..], &["one", "two", "", "three"][..]),
            (b"10 %\r20 %\rdone\n", &["10 %", "20 %", "done"]),
            (b"a\r\r\nb\r\r\r\nc\n", &["a", "b", "c"]),
            (b"a\n\rb\n\rc\n\r", &["a", "b", "c"]),
            (b"\0\0ets Jun  8\r\n\0\0", &["ets Jun  8"]),
            (b"a\0\r\nb\r\0\nc\0\n", &["a", "b", "c"]),
            (b"\r\n\r\n", &["", ""]),
            (b"in\0side\n", &["in\0side"]),
            (b"Suhu: 28\xc2\xb0C\n\xff\x01ok\n", &["Suhu: 28°C", "\\xff\u{1}ok"]),
        ] {
            assert_eq!(lines(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_prompt_is_shown_before_its_line_ends_and_its_end_is_not_a_line() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"name? "), Vec::<String>::new());
        assert_eq!((lines.has_unfinished(), lines.take_unfinished()), (true, "name? ".to_owned()));
        assert!(!lines.has_unfinished());
        assert_eq!(lines.push(b"\r\n\nnext\n"), ["", "next"]);
        assert_eq!((lines.push(b"> ").len(), lines.take_unfinished()), (0, "> ".to_owned()));
        assert_eq!(lines.push(b"typed\n\n"), ["typed", ""]);
    }

    #[test]
    fn an_incomplete_character_is_not_split() {
        let mut lines = Lines::default();
        lines.push(b"28\xc2");
        assert_eq!(lines.take_unfinished(), "28");
        assert!(!lines.has_unfinished(), "half a character is nothing to show");
        lines.push(b"\xb0C \x1b[0;3");
        assert_eq!(lines.take_unfinished(), "°C ");
        assert_eq!(lines.push(b"2mok\x1b[0m\n"), ["\u{1b}[0;32mok\u{1b}[0m"]);
        lines.push(b"\xe2\x82");
        assert_eq!(lines.take_rest(), Some("\\xe2\\x82".to_owned()));
        assert_eq!(lines.take_rest(), None);
    }

    #[test]
    fn a_line_is_whole_up_to_the_limit_and_a_cut_is_reported_once() {
        let mut lines = Lines::default();
        let whole = vec![b'x'; LONGEST];
        assert_eq!(lines.push(&whole).len(), 0);
        assert_eq!(lines.push(b"\n")[0].len(), LONGEST);
        assert!(!lines.take_cut());
        let mut longer = vec![b'x'; LONGEST - 1];
        longer.extend("°".as_bytes());
        longer.extend(vec![b'y'; LONGEST]);
        let parts = lines.push(&longer);
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].len(), parts[1].starts_with('°')), (LONGEST - 1, true));
        assert!(lines.take_cut() && !lines.take_cut());
        assert_eq!(lines.push(b"\nnext\n"), ["yy", "next"]);
        assert!(!lines.take_cut());
    }

    proptest! {
        /// How a reader gets the bytes does not matter.
        #[test]
        fn bytes_in_any_chunks_are_the_same_lines(
            bytes in proptest::collection::vec(
                prop_oneof![
                    Just(b'\r'), Just(b'\n'), Just(0_u8), Just(0x1b), Just(b'['), Just(b'm'), Just(0xc2), Just(0xb0), any::<u8>()
                ],
                0..200,
            ),
            cuts in proptest::collection::vec(0_usize..200, 0..8),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut split = Lines::default();
            let mut all: Vec<_> = cuts.windows(2).flat_map(|cut| split.push(&bytes[cut[0]..cut[1]])).collect();
            all.extend(split.take_rest());
            prop_assert_eq!(all, lines(&bytes));
        }
    }
}
