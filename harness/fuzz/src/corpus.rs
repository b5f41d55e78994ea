//! Valid inputs, and their mutations.

use crate::Random;

/// The maximum size of an input.
const LARGEST: usize = 1 << 20;

/// Inputs that a reader accepts, from which others are made.
#[derive(Debug, Clone, Default)]
pub struct Corpus {
    inputs: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    places: Vec<std::ops::Range<usize>>,
}

/// Numbers at the ends of their types, for length fields of binary formats.
const ENDS: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, u32::MAX as u64];

/// The same as text.
const END_WORDS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "255",
    "256",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "99999999999999999999999999",
    "1e308",
    "0.0000000000000000001",
];

/// The words of Gherkin, for readers of feature files.
pub const GHERKIN_WORDS: [&[u8]; 16] = [
    b"Feature: ",
    b"\n  Rule: r\n",
    b"\n  Background:\n",
    b"\n  Scenario Outline: o\n",
    b"\n    Examples:\n",
    b"| a | b |\n",
    b"|",
    b"\\",
    b"\"\"\"\n",
    b"```\n",
    b"# language: de\n",
    b"@tag ",
    b"<a>",
    b"Then ",
    b"\r\n",
    "\u{85}\u{2028}\u{feff}\u{130}".as_bytes(),
];

impl Corpus {
    /// Starts with these inputs.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn new(inputs: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let inputs: Vec<_> = inputs.into_iter().collect();
        assert!(!inputs.is_empty(), "a corpus has at least one input");
        Self { inputs, words: Vec::new(), places: Vec::new() }
    }

    /// Inputs in hex, one per line; lines that begin with `#` and spaces are ignored.
    ///
    /// # Panics
    /// When a line is not hex, or there is none.
    #[must_use]
    pub fn from_hex(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self::new(lines.map(|line| bytes(&line.split_whitespace().collect::<String>())))
    }

    /// Words of the format, to insert anywhere.
    #[must_use]
    pub fn with_words<'a>(mut self, words: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.words.extend(words.into_iter().map(<[u8]>::to_vec));
        self
    }

    /// Where most changes are made: a reader looks at few bytes of a large input.
    #[must_use]
    pub fn with_places(mut self, places: &[std::ops::Range<usize>]) -> Self {
        self.places.extend_from_slice(places);
        self
    }

    /// The input with this number: first those of the corpus unchanged, then mutated ones.
    #[must_use]
    pub fn input(&self, number: u64) -> Vec<u8> {
        if let Some(input) = usize::try_from(number).ok().and_then(|number| self.inputs.get(number)) {
            return input.clone();
        }
        let mut random = Random::new(number);
        let mut input = random.pick(&self.inputs).clone();
        for _ in 0..=random.below(6) {
            self.change(&mut input, &mut random);
        }
        input.truncate(LARGEST);
        input
    }

    fn change(&self, input: &mut Vec<u8>, random: &mut Random) {
        let at = self.place(input.len(), random);
        match random.below(11) {
            0 => flip(input, at, random),
            1 => set(input, at, &[*random.pick(&[0, 1, 0x7f, 0x80, 0xff])]),
            2 => set_number(input, at, random),
            3 => input.truncate(at),
            4 => drop(input.drain(at..(at + 1 + random.below(64)).min(input.len()).max(at))),
            5 => repeat(input, at, random),
            6 => self.splice(input, at, random),
            7 => self.insert_word(input, at, random),
            8 => replace_decimal(input, at, random),
            9 => insert(input, at, &[u8::try_from(random.below(256)).unwrap_or(0)]),
            _ => swap(input, at, random),
        }
    }

    fn place(&self, length: usize, random: &mut Random) -> usize {
        if self.places.is_empty() || random.below(4) == 0 {
            return random.below(length + 1);
        }
        let place = random.pick(&self.places).clone();
        (place.start + random.below(place.len())).min(length)
    }

    /// Appends the rest of another input.
    fn splice(&self, input: &mut Vec<u8>, at: usize, random: &mut Random) {
        let other = random.pick(&self.inputs);
        let from = random.below(other.len() + 1);
        input.truncate(at);
        input.extend_from_slice(&other[from..]);
    }

    fn insert_word(&self, input: &mut Vec<u8>, at: usize, random: &mut Random) {
        if !self.words.is_empty() {
            let word = random.pick(&self.words);
            // Deep nesting breaks a recursive reader.
            let times = if random.below(16) == 0 { 5000 } else { 1 };
            insert(input, at, &word.repeat(times));
        }
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "odd hex: {hex}");
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap_or_else(|_| panic!("not hex: {hex}"));
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn flip(input: &mut [u8], at: usize, random: &mut Random) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

fn set(input: &mut [u8], at: usize, bytes: &[u8]) {
    input.iter_mut().skip(at).zip(bytes).for_each(|(old, new)| *old = *new);
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    drop(input.splice(at..at, bytes.iter().copied()));
}

fn set_number(input: &mut [u8], at: usize, random: &mut Random) {
    let (number, length) = (*random.pick(&ENDS), *random.pick(&[1, 2, 4, 8]));
    let little = number.to_le_bytes();
    let big: Vec<u8> = little[..length].iter().rev().copied().collect();
    set(input, at, if random.below(2) == 0 { &little[..length] } else { &big });
}

fn repeat(input: &mut Vec<u8>, at: usize, random: &mut Random) {
    let end = (at + 1 + random.below(64)).min(input.len());
    let piece = input.get(at..end).unwrap_or_default().repeat(1 + random.below(20));
    insert(input, at, &piece);
}

/// Replaces the next decimal number by one at the end of its type.
fn replace_decimal(input: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(start) = input.iter().skip(at).position(u8::is_ascii_digit).map(|found| at + found) else { return };
    let length = input[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    drop(input.splice(start..start + length, random.pick(&END_WORDS).bytes()));
}

fn swap(input: &mut [u8], at: usize, random: &mut Random) {
    let other = random.below(input.len());
    if at < input.len() {
        input.swap(at, other);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_number_always_gives_the_same_input_and_others_give_others() {
        let corpus = Corpus::new([b"{\"n\": 12}".to_vec(), b"[1, 2, 3]".to_vec()]).with_words([&b"["[..]]);
        assert_eq!(corpus.input(0), b"{\"n\": 12}");
        assert_eq!(corpus.input(1), b"[1, 2, 3]");
        let inputs: Vec<_> = (0..2000).map(|number| corpus.input(number)).collect();
        assert_eq!(inputs, (0..2000).map(|number| corpus.input(number)).collect::<Vec<_>>());
        let different: BTreeSet<_> = inputs.iter().collect();
        assert!(different.len() > 1500, "{}", different.len());
        assert!(inputs.iter().any(|input| input.len() > 4000), "deep ones");
        assert!(inputs.iter().any(Vec::is_empty), "empty ones");
        assert!(inputs.iter().any(|input| input.windows(5).any(|window| window == b"1e308")), "large numbers");
    }

    #[test]
    fn changes_of_a_large_input_lie_where_it_is_read() {
        let corpus = Corpus::new([vec![0; 100_000]]).with_places(std::slice::from_ref(&(500..510)));
        let changed = |input: &Vec<u8>| input.iter().position(|byte| *byte != 0);
        let inputs: Vec<_> = (1..500).map(|number| corpus.input(number)).collect();
        let places = inputs.iter().filter_map(changed).filter(|at| (500..600).contains(at)).count();
        assert!(places > 100, "{places}");
    }
}
