//! One line of a file, before its meaning is known.

/// A line without its end, with its number from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    /// The whole line.
    pub(crate) whole: &'a str,
    /// Without leading spaces.
    pub(crate) text: &'a str,
}

/// Every line of a file. A byte order mark is not part of the first one.
pub(crate) fn lines(source: &str) -> Vec<Line<'_>> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let line = |(n, whole): (usize, _)| Line { number: n + 1, whole, text: str::trim_start(whole) };
    source.lines().enumerate().map(line).collect()
}

impl<'a> Line<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn is_comment(&self) -> bool {
        self.text.starts_with('#')
    }

    pub(crate) fn has_tags(&self) -> bool {
        self.text.starts_with('@')
    }

    pub(crate) fn is_row(&self) -> bool {
        self.text.starts_with('|')
    }

    /// The quotes that the line begins with, and the text after them.
    pub(crate) fn quotes(&self) -> Option<(&'static str, &'a str)> {
        ["\"\"\"", "```"].into_iter().find_map(|quotes| Some((quotes, self.text.strip_prefix(quotes)?.trim())))
    }

    /// The number of leading spaces.
    pub(crate) fn indent(&self) -> usize {
        self.whole[..self.whole.len() - self.text.len()].chars().count()
    }

    /// The line without up to this many leading spaces.
    pub(crate) fn without_indent(&self, indent: usize) -> &'a str {
        let mut chars = self.whole.chars();
        let blanks = self.indent().min(indent);
        for _ in 0..blanks {
            chars.next();
        }
        chars.as_str()
    }

    /// The language that a comment sets: `# language: de`.
    pub(crate) fn language(&self) -> Option<&'a str> {
        let rest = self.text.strip_prefix('#')?.trim_start().strip_prefix("language")?;
        let name = rest.trim_start().strip_prefix(':')?.trim();
        let is_name = |c: char| c.is_ascii_alphabetic() || matches!(c, '-' | '_');
        (!name.is_empty() && name.chars().all(is_name)).then_some(name)
    }

    /// The tags of a line, without the `@`; the first one with a space in it is an error. ` #` begins a comment.
    pub(crate) fn tags(&self) -> Result<Vec<String>, String> {
        let comment = self.text.match_indices('#').map(|(at, _)| at);
        let mut comment = comment.filter(|at| self.text[..*at].ends_with(char::is_whitespace));
        let tags = &self.text[..comment.next().unwrap_or(self.text.len())];
        let tags = tags.split('@').map(str::trim_end).filter(|tag| !tag.is_empty());
        tags.map(|tag| if tag.contains(char::is_whitespace) { Err(tag.to_owned()) } else { Ok(tag.to_owned()) })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line<'_> {
        lines(text)[0]
    }

    #[test]
    fn a_language_is_named_by_a_comment_of_one_form() {
        for (text, language) in [
            ("# language: de", Some("de")),
            ("  #language:zh-CN \t", Some("zh-CN")),
            ("# language : no-such", Some("no-such")),
            ("# language: de and more", None),
            ("# the language: de", None),
            ("# languages: de", None),
            ("# language:", None),
        ] {
            assert_eq!(line(text).language(), language, "{text}");
        }
    }

    #[test]
    fn tags_end_where_a_comment_begins() {
        assert_eq!(line("@a @b#c@d #e @f").tags(), Ok(vec!["a".to_owned(), "b#c".to_owned(), "d".to_owned()]));
        assert_eq!(line("@a b @c").tags(), Err("a b".to_owned()));
        assert_eq!(line("@a\t@ @b ").tags(), Ok(vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn indentation_is_counted_in_characters() {
        assert_eq!(line("\t\u{3000} x").indent(), 3);
        assert_eq!(line("    x ").without_indent(2), "  x ");
        assert_eq!(line("  x").without_indent(4), "x");
        assert_eq!(line("\r\n").whole, "");
    }
}
