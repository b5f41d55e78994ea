//! The header `Range` (RFC 9110 §14.2).

/// Which part of a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// All of it. Also for several ranges at once, and for units other than bytes: a server may ignore them.
    Whole,
    /// From the first byte up to the second one, both included.
    Part(u64, u64),
    /// It begins after the end.
    Beyond,
}

impl Range {
    /// What this header asks of a file of `size` bytes.
    pub(super) fn of(header: Option<&str>, size: u64) -> Self {
        let Some((unit, ranges)) = header.and_then(|header| header.trim().split_once('=')) else { return Self::Whole };
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return Self::Whole;
        }
        let Some((first, last)) = ranges.trim().split_once('-') else { return Self::Whole };
        match (number(first), number(last)) {
            (Some(Some(first)), Some(Some(last))) if last < first => Self::Whole,
            (Some(Some(first)), Some(last)) if first < size => {
                Self::Part(first, last.unwrap_or(u64::MAX).min(size - 1))
            }
            (Some(Some(_)), Some(_)) | (Some(None), Some(Some(0))) => Self::Beyond,
            // The last bytes.
            (Some(None), Some(Some(_))) if size == 0 => Self::Beyond,
            (Some(None), Some(Some(count))) => Self::Part(size.saturating_sub(count), size - 1),
            _ => Self::Whole,
        }
    }
}

/// Digits, or nothing at all; none for anything else.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::Range::{self, Beyond, Part, Whole};

    #[test]
    fn ranges_are_those_of_rfc_9110() {
        let cases = [
            (None, Whole),
            (Some("bytes=0-499"), Part(0, 499)),
            (Some("bytes=500-999"), Part(500, 999)),
            (Some("bytes=-500"), Part(500, 999)),
            (Some("bytes=-5000"), Part(0, 999)),
            (Some("bytes=999-"), Part(999, 999)),
            (Some("Bytes = 5-"), Part(5, 999)),
            (Some("bytes=900-5000"), Part(900, 999)),
            (Some("bytes=900-99999999999999999999999"), Part(900, 999)),
            (Some("bytes=1000-"), Beyond),
            (Some("bytes=1000-1001"), Beyond),
            (Some("bytes=-0"), Beyond),
            // Ignored: wrong, other units, several.
            (Some("bytes=5-4"), Whole),
            (Some("bytes=-"), Whole),
            (Some("bytes=a-b"), Whole),
            (Some("bytes=+1-5"), Whole),
            (Some("bytes 0-5"), Whole),
            (Some("lines=0-5"), Whole),
            (Some("bytes=0-5,10-15"), Whole),
        ];
        for (header, range) in cases {
            assert_eq!(Range::of(header, 1000), range, "{header:?}");
        }
        assert_eq!((Range::of(Some("bytes=0-"), 0), Range::of(Some("bytes=-1"), 0)), (Beyond, Beyond));
    }
}
