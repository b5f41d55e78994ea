//! Finds a secret in a text, in each form that programs write it in.

use std::ops::Range;

use super::forms::{LONGEST_ESCAPE, behind_escapes, ends_of, number};

/// A secret, and the bytes that it may begin with.
#[derive(Clone)]
pub(super) struct Secret {
    chars: Vec<char>,
    bytes: Vec<u8>,
    /// Its base64 at each of the three alignments, without the characters that depend on its neighbours.
    base64: Vec<Vec<u8>>,
    /// The bytes that a form may begin with.
    begins: Box<[bool; 256]>,
}

/// Fewer characters of base64 occur in ordinary words.
const SHORTEST_BASE64: usize = 6;

/// Fewer characters at a cut occur in ordinary words.
pub(super) const SHORTEST_PIECE: usize = 4;

impl Secret {
    pub(super) fn new(text: &str) -> Self {
        let (chars, bytes): (Vec<char>, Vec<u8>) = (text.chars().collect(), text.bytes().collect());
        let base64: Vec<_> = (0..3).map(|skip| stable_base64(&bytes, skip)).collect();
        let base64: Vec<_> = base64.into_iter().filter(|form| form.len() >= SHORTEST_BASE64).collect();
        let mut begins = Box::new([false; 256]);
        let first = bytes.first().copied().unwrap_or_default();
        let digits = format!("{first:02x}{first:02X}").into_bytes();
        let others = base64.iter().flat_map(|form| [form[0], url_safe(form[0])]);
        for byte in [first, digits[0], digits[2]].into_iter().chain(others).chain(*b"\\%&'\"+") {
            begins[usize::from(byte)] = true;
        }
        Self { chars, bytes, base64, begins }
    }

    /// Whether it contains a terminal escape sequence.
    pub(super) fn has_escape(&self) -> bool {
        self.bytes.contains(&0x1b)
    }

    /// Its bytes.
    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// All ranges of the secret in a text, in any form.
    pub(super) fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let mut at = 0;
        while at < text.len() {
            match self.begins[usize::from(text[at])].then(|| self.end(text, at)).flatten() {
                Some(end) => {
                    found.push(at..end);
                    at = end;
                }
                None => at += 1,
            }
        }
    }

    /// The end of a form that begins here.
    fn end(&self, text: &[u8], at: usize) -> Option<usize> {
        let written = follow(text, at, &self.chars).0;
        [written, self.hex(text, at), self.base64(text, at)].into_iter().flatten().max()
    }

    /// Two digits for each byte, optionally with separators: `6465`, `64:65`, `64 65`, `0x64, 0x65`.
    fn hex(&self, text: &[u8], at: usize) -> Option<usize> {
        self.hex_or_cut(text, at).ok()
    }

    /// The end of its hex; or how many bytes of it come before the end of the text.
    fn hex_or_cut(&self, text: &[u8], mut at: usize) -> Result<usize, usize> {
        for (n, byte) in self.bytes.iter().enumerate() {
            if n > 0 {
                let between: [&[u8]; 6] = [b", 0x", b",0x", b" 0x", b":", b" ", b"-"];
                at += between.into_iter().find(|it| text[at..].starts_with(it)).map_or(0, <[u8]>::len);
            }
            match number(text, at, 2, 16) {
                Some(digits) if digits == u32::from(*byte) => at += 2,
                // The cut may split two digits, or a separator.
                None if at + 4 >= text.len() => return Err(n),
                _ => return Err(0),
            }
        }
        Ok(at)
    }

    /// Whether the text ends within its base64.
    fn base64_is_cut(&self, text: &[u8], at: usize) -> bool {
        let here = &text[at..];
        here.len() >= SHORTEST_BASE64
            && self
                .base64
                .iter()
                .any(|form| here.len() < form.len() && here.iter().zip(form).all(|(a, b)| a == b || *a == url_safe(*b)))
    }

    fn base64(&self, text: &[u8], at: usize) -> Option<usize> {
        let is_at = |form: &&Vec<u8>| {
            let here = text.get(at..at + form.len());
            here.is_some_and(|here| here.iter().zip(*form).all(|(a, b)| a == b || *a == url_safe(*b)))
        };
        self.base64.iter().filter(is_at).map(|form| at + form.len()).max()
    }

    /// Its beginning at the end of a text that was cut, of at least so many characters.
    pub(super) fn find_begun(&self, text: &[u8], enough: usize, found: &mut Vec<Range<usize>>) {
        let is_begun = |at: &usize| {
            self.begins[usize::from(text[*at])]
                && (follow(text, *at, &self.chars).1.is_some_and(|taken| taken >= enough)
                    || self.hex_or_cut(text, *at).is_err_and(|taken| taken >= enough)
                    || self.base64_is_cut(text, *at))
        };
        found.extend((0..text.len()).find(is_begun).map(|at| at..text.len()));
    }

    /// Fewer characters are not significant.
    pub(super) fn half(&self) -> usize {
        SHORTEST_PIECE.max(self.chars.len().div_ceil(2))
    }

    /// What a cut left of it: its beginning at the end of a text, and its end at the beginning of one.
    pub(super) fn find_pieces(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        self.find_begun(text, self.half(), found);
        self.find_rest(text, found);
    }

    /// Its end at the beginning of a text.
    pub(super) fn find_rest(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let last = self.chars.len().saturating_sub(self.half() - 1);
        let rests = (1..last).filter_map(|from| follow(text, 0, &self.chars[from..]).0);
        found.extend(rests.max().map(|end| 0..end));
    }

    /// How many of its characters are at the end of the text, for each position where it may begin.
    pub(super) fn begun(&self, text: &[u8]) -> impl Iterator<Item = usize> {
        let places = (0..text.len()).filter(|at| self.begins[usize::from(text[*at])]);
        places.filter_map(|at| follow(text, at, &self.chars).1)
    }

    /// What continues it at the beginning of a text, after so many characters: where it ends, or that the whole text
    /// belongs to it, with the number of characters up to then.
    pub(super) fn goes_on(&self, text: &[u8], taken: usize) -> Option<Rest> {
        match follow(text, 0, &self.chars[taken.min(self.chars.len())..]) {
            (Some(end), _) => Some(Rest::Ends(end)),
            (None, Some(more)) => Some(Rest::GoesOn(taken + more)),
            (None, None) => None,
        }
    }
}

/// The result of matching a secret that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// It ends here.
    Ends(usize),
    /// The text ends before it, after so many characters.
    GoesOn(usize),
}

/// The end of these characters if they begin here, in any form; or how many of them come before the end of the text.
/// Terminal escape sequences between them are skipped.
fn follow(text: &[u8], at: usize, chars: &[char]) -> (Option<usize>, Option<usize>) {
    let (mut places, mut cut) = (vec![at], None);
    for (taken, char) in chars.iter().enumerate() {
        let coloured: Vec<_> = places.iter().filter_map(|place| behind_escapes(text, *place)).collect();
        places.extend(coloured);
        if taken > 0 && places.contains(&text.len()) {
            cut = Some(taken);
        }
        let mut next = Vec::new();
        places.iter().for_each(|place| ends_of(text, *place, *char, &mut next));
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            // The cut may be within an escaped character.
            let is_escape = |place: &usize| {
                matches!(text.get(*place), Some(b'\\' | b'%' | b'&')) && text.len() - place <= LONGEST_ESCAPE
            };
            return (None, cut.or_else(|| (taken > 0 && places.iter().any(is_escape)).then_some(taken)));
        }
        places = next;
    }
    (places.last().copied(), None)
}

/// The base64 characters that depend on these bytes alone, after `skip` other bytes.
fn stable_base64(bytes: &[u8], skip: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |n: usize| {
        let n = n - 8 * skip;
        (bytes[n / 8] >> (7 - n % 8)) & 1
    };
    let (first, end) = ((8 * skip).div_ceil(6), 8 * (skip + bytes.len()) / 6);
    let char = |at: usize| (6 * at..6 * at + 6).fold(0, |value, n| value << 1 | bit(n));
    (first..end).map(|at| ALPHABET[usize::from(char(at))]).collect()
}

/// The same character in the URL-safe alphabet (RFC 4648, section 5).
fn url_safe(byte: u8) -> u8 {
    match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    }
}
