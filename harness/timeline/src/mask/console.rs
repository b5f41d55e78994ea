//! Hides secrets that a console shows across several lines.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::forms::behind_escapes;
use super::secret::{Rest, Secret};
use super::{Mask, replaced};

/// Hides secrets in the lines of consoles, line by line.
///
/// A device that pauses within a line, or breaks it, shows a secret in parts. A part that continues a secret begun in
/// the previous line is hidden, however short it is; a part alone is hidden if it is at least half of the secret,
/// because shorter parts occur in ordinary words. So some characters of the first part may show, but never the whole
/// secret.
///
/// ```
/// let mask = hil_timeline::Mask::new(["wonderland".to_owned()]);
/// let mut console = hil_timeline::ConsoleMask::new(mask);
/// let lines = ["the password: wo", "nd", "erl", "and is secret"].map(|line| console.line("lamp", line).into_owned());
/// assert_eq!(lines, ["the password: wo", "••••", "••••", "•••• is secret"]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ConsoleMask {
    mask: Mask,
    boards: BTreeMap<String, Before>,
}

/// What a board printed before.
#[derive(Debug, Clone, Default)]
struct Before {
    /// The last characters, as many as a secret may have in any form.
    tail: String,
    /// Which secrets they may begin, and how many characters of them.
    begun: Vec<(usize, usize)>,
}

/// The maximum length of one character in any form: `\\\\u{1f600}` in JSON within JSON.
const LONGEST_FORM: usize = 16;

impl ConsoleMask {
    /// Hides what the mask hides.
    #[must_use]
    pub fn new(mask: Mask) -> Self {
        Self { mask, boards: BTreeMap::new() }
    }

    /// Whether there is nothing to hide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mask.is_empty()
    }

    /// The board's next line without secrets.
    pub fn line<'a>(&mut self, board: &str, line: &'a str) -> Cow<'a, str> {
        if self.is_empty() {
            return Cow::Borrowed(line);
        }
        let plain = if self.mask.has_escapes() { Plain::whole(line) } else { Plain::of(line) };
        if plain.text.is_empty() {
            return Cow::Borrowed(line);
        }
        let before = self.boards.remove(board).unwrap_or_default();
        let (mut found, begun) = self.goes_on(&before, &plain);
        let all = [before.tail.as_str(), &plain.text].concat();
        let here = before.tail.len();
        let whole = self.mask.find(all.as_bytes()).into_iter().filter(|range| range.end > here);
        found.extend(whole.map(|range| range.start.saturating_sub(here)..range.end - here));
        let longest = self.mask.secrets.iter().map(Secret::length).max().unwrap_or_default() * LONGEST_FORM;
        let tail = all[all.ceil_char_boundary(all.len().saturating_sub(longest))..].to_owned();
        self.boards.insert(board.to_owned(), Before { tail, begun });
        replaced(line, found.into_iter().map(|range| plain.range(range)).collect())
    }

    /// The ranges that continue a secret or have half of one; and which secrets the end of the line may begin.
    fn goes_on(&self, before: &Before, plain: &Plain) -> (Vec<Range<usize>>, Vec<(usize, usize)>) {
        let (text, secrets) = (plain.text.as_bytes(), &self.mask.secrets);
        let (mut found, mut begun) = (Vec::new(), Vec::new());
        for (n, taken) in &before.begun {
            match secrets[*n].goes_on(text, *taken) {
                Some(Rest::Ends(end)) => found.push(0..end),
                Some(Rest::GoesOn(taken)) => {
                    found.push(0..text.len());
                    begun.push((*n, taken));
                }
                None => {}
            }
        }
        for (n, secret) in secrets.iter().enumerate() {
            secret.find_pieces(text, &mut found);
            begun.extend(secret.begun(text).map(|taken| (n, taken)));
        }
        begun.sort_unstable();
        begun.dedup();
        (found, begun)
    }
}

/// A line without terminal escape sequences, which are not part of a secret.
struct Plain {
    text: String,
    /// The position of each byte in the line.
    places: Vec<usize>,
}

impl Plain {
    /// A secret may itself contain an escape sequence.
    fn whole(line: &str) -> Self {
        Self { text: line.to_owned(), places: (0..line.len()).collect() }
    }

    fn of(line: &str) -> Self {
        let (mut text, mut places, mut at) = (String::with_capacity(line.len()), Vec::new(), 0);
        while at < line.len() {
            let next = match behind_escapes(line.as_bytes(), at) {
                Some(behind) if line.is_char_boundary(behind) => behind,
                _ => {
                    let length = line[at..].chars().next().map_or(1, char::len_utf8);
                    text.push_str(&line[at..at + length]);
                    places.extend(at..at + length);
                    at + length
                }
            };
            at = next;
        }
        Self { text, places }
    }

    /// The position in the line of a range that is not empty.
    fn range(&self, range: Range<usize>) -> Range<usize> {
        let place = |at: usize| self.places.get(at).copied().unwrap_or_default();
        place(range.start)..place(range.end.saturating_sub(1)) + 1
    }
}
