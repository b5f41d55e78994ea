//! Foreign text within Markdown.

/// Text without any Markdown meaning in a line or cell.
pub(crate) fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' | '@' => {
                safe.push('\\');
                safe.push(c);
            }
            c if c.is_control() => safe.push(' '),
            // The backslash is escaped for Markdown.
            c if hil_timeline::steers(c) => safe.push_str(&format!("\\{}", c.escape_default())),
            c => safe.push(c),
        }
    }
    safe
}
