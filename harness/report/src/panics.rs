//! What a firmware printed about its panics, and the places in it.

use serde_json::{Value, json};

/// More panics of one attempt are in its timeline only.
const MOST: usize = 3;
/// More of one is in its timeline only.
const LONGEST: usize = 16 << 10;

/// The panics of an attempt.
#[derive(Debug, Default)]
pub(crate) struct Panics(Vec<(String, String)>);

impl Panics {
    pub(crate) fn take(&mut self, board: &str, output: &str) {
        if self.0.len() < MOST {
            let end = output.char_indices().nth(LONGEST).map_or(output.len(), |(at, _)| at);
            self.0.push((board.to_owned(), output[..end].to_owned()));
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|(board, output)| board.len() + output.len()).sum()
    }

    /// As `attempt.js` reads them.
    pub(crate) fn json(&self) -> Vec<Value> {
        let one = |(board, output): &(String, String)| {
            let frames: Vec<_> =
                output.lines().filter_map(frame).map(|(function, place)| json!([function, place])).collect();
            json!({ "board": board, "frames": frames, "output": output })
        };
        self.0.iter().map(one).collect()
    }
}

/// The function and place in a line that was decoded: `0x42001234  function  file:line`, or without the address if the
/// function is inlined.
fn frame(line: &str) -> Option<(&str, &str)> {
    let (rest, place) = line.trim().rsplit_once("  ")?;
    let (file, number) = place.rsplit_once(':')?;
    if file.is_empty() || number.is_empty() || !number.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let function = match rest.split_once("  ") {
        Some((address, function)) if address.starts_with("0x4") => function,
        None if line.starts_with(' ') => rest,
        _ => return None,
    };
    Some((function.trim(), place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoded_lines_are_frames_and_others_are_not() {
        let output = "panicked at src/main.rs:7:\n0x42001234  lamp::event  src/lamp.rs:31\n            \
            core::panic  core/panic.rs:9\n0x42005678  main\nMEPC : 0x42001234  RA : 0x4200aaaa\n0x40380000";
        let mut panics = Panics::default();
        (0..9).for_each(|_| panics.take("lamp", output));
        let json = panics.json();
        assert_eq!(json.len(), MOST);
        assert_eq!(json[0]["frames"], json!([["lamp::event", "src/lamp.rs:31"], ["core::panic", "core/panic.rs:9"]]));
        assert_eq!(json[0]["output"], output);
    }
}
