//! A row of a table.

use crate::document::Row;

/// Parses a row, which begins with a bar. After a backslash `n` is a line break, and a bar or a backslash is itself;
/// any other backslash stays.
pub(crate) fn read(text: &str, line: usize) -> Row {
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut chars = text.strip_prefix('|').unwrap_or(text).chars();
    while let Some(c) = chars.next() {
        match c {
            '|' => cells.push(trimmed(&std::mem::take(&mut cell)).to_owned()),
            '\\' => match chars.next() {
                Some('n') => cell.push('\n'),
                Some(escaped @ ('|' | '\\')) => cell.push(escaped),
                other => cell.extend(['\\'].into_iter().chain(other)),
            },
            c => cell.push(c),
        }
    }
    let ignored = Some(trimmed(&cell).to_owned()).filter(|rest| !rest.is_empty());
    Row { line, cells, ignored }
}

/// Spaces around a cell are trimmed; an escaped line break is not.
fn trimmed(cell: &str) -> &str {
    cell.trim_matches(|c: char| c.is_whitespace() && c != '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<String> {
        read(text, 1).cells
    }

    #[test]
    fn a_backslash_is_kept_except_in_three_escapes() {
        assert_eq!(cells(r"| a\|b | c\\d | e\nf | \d+ | \\n |"), ["a|b", r"c\d", "e\nf", r"\d+", r"\n"]);
        assert_eq!(cells(r"| C:\temp\ |"), [r"C:\temp\"]);
        assert_eq!(cells(r"| /^\d+\s$/ |"), [r"/^\d+\s$/"]);
    }

    #[test]
    fn cells_are_trimmed_and_may_be_empty() {
        assert_eq!(cells("|| a |\u{a0}b\t|   |"), ["", "a", "b", ""]);
        assert_eq!(cells(r"| \n |"), ["\n"]);
    }

    #[test]
    fn text_after_the_last_bar_is_not_a_cell() {
        let row = read("| a | b", 7);
        assert_eq!((row.cells, row.ignored.as_deref(), row.line), (vec!["a".to_owned()], Some("b"), 7));
        assert_eq!(read(r"| a \|", 7).cells, Vec::<String>::new());
        assert_eq!(read("| a |  ", 7).ignored, None);
    }
}
