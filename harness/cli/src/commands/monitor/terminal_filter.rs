//! What a REPL may send to the terminal: text, and the control sequences of its line editor.

use hil_timeline::steers;

/// The longest sequence to parse: `ESC [`, two numbers and a letter.
const LONGEST: usize = 16;

/// Filters the output of a REPL, across reads. Escapes everything except text and the sequences of a line editor.
#[derive(Debug, Default)]
pub(super) struct TerminalFilter {
    /// An incomplete sequence or character.
    pending: Vec<u8>,
}

impl TerminalFilter {
    /// The text to send to the terminal.
    pub(super) fn take(&mut self, bytes: &[u8]) -> String {
        let mut shown = String::new();
        for byte in bytes {
            self.pending.push(*byte);
            self.settle(&mut shown);
        }
        shown
    }

    /// Passes or escapes the pending bytes, as soon as they are complete.
    fn settle(&mut self, shown: &mut String) {
        if self.pending.first() == Some(&0x1b) {
            match self.pending.as_slice() {
                [_] | [_, b'['] => return,
                [_, b'[', parameters @ .., last] => {
                    let is_parameter = |byte: &u8| byte.is_ascii_digit() || *byte == b';';
                    if !parameters.iter().all(is_parameter) || self.pending.len() > LONGEST {
                        return self.flush(shown);
                    }
                    // Cursor up, down, right, left and to a column; erase to the end of the screen or line.
                    if matches!(last, b'A' | b'B' | b'C' | b'D' | b'G' | b'J' | b'K') {
                        return self.pass(shown);
                    }
                    if is_parameter(last) {
                        return;
                    }
                    return self.flush(shown);
                }
                _ => return self.flush(shown),
            }
        }
        match std::str::from_utf8(&self.pending) {
            // A line editor uses bell, backspace, tab and line ends.
            Ok("\u{7}" | "\u{8}" | "\t" | "\n" | "\r") => self.pass(shown),
            Err(error) if error.error_len().is_none() => {}
            Ok(_) | Err(_) => self.flush(shown),
        }
    }

    fn pass(&mut self, shown: &mut String) {
        shown.push_str(&String::from_utf8_lossy(&self.pending));
        self.pending.clear();
    }

    /// Writes the pending bytes, with control characters escaped.
    fn flush(&mut self, shown: &mut String) {
        for c in String::from_utf8_lossy(&self.pending).chars() {
            if steers(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
        }
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_editor_works_and_other_control_characters_are_escaped() {
        let take = |chunks: &[&[u8]]| {
            let mut filter = TerminalFilter::default();
            chunks.iter().map(|chunk| filter.take(chunk)).collect::<String>()
        };
        assert_eq!(take(&[b">>> 1\r\n\x08\x1b[K\x1b[12D\x07\t"]), ">>> 1\r\n\u{8}\u{1b}[K\u{1b}[12D\u{7}\t");
        assert_eq!(take(&[b"\x1b", b"[", b"1", b"D"]), "\u{1b}[1D");
        assert_eq!(take(&["\u{e4}".as_bytes()[..1].as_ref(), "\u{e4}".as_bytes()[1..].as_ref()]), "\u{e4}");
        assert_eq!(take(&[b"\x1b]0;title\x07"]), "\\u{1b}]0;title\u{7}");
        assert_eq!(take(&[b"\x1b[31mred\x1b[?1049h\x1bc"]), "\\u{1b}[31mred\\u{1b}[?1049h\\u{1b}c");
        assert_eq!(take(&["\u{9b}2J\u{202e}".as_bytes(), b"\xffx"]), "\\u{9b}2J\\u{202e}\u{fffd}x");
        let endless = format!("\u{1b}[{}", "1".repeat(LONGEST + 4));
        assert_eq!(take(&[endless.as_bytes()]), endless.replace('\u{1b}', "\\u{1b}"));
    }
}
