//! The forms in which programs write a character.

/// `\\\\ud83d\\\\ude00` and shorter.
pub(super) const LONGEST_ESCAPE: usize = 18;

/// The end of the escape sequences that begin here (ECMA-48 §5.4 and §5.6): `ESC [`, parameters and intermediates, a
/// final byte; control strings with their terminator; others. A sequence that is cut ends with the text. Messages write
/// ESC as `\u{1b}`.
pub(super) fn behind_escapes(text: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(esc) = [&b"\x1b"[..], b"\\u{1b}"].into_iter().find(|esc| rest.starts_with(esc)) else { break };
        let body = &rest[esc.len()..];
        let length = match body.first() {
            None => 0,
            Some(b'[') => {
                let parameters = body[1..].iter().take_while(|byte| (0x20..=0x3f).contains(*byte)).count();
                1 + parameters + 1
            }
            Some(b']' | b'P' | b'X' | b'^' | b'_') => match body.iter().position(|byte| matches!(byte, 0x07 | 0x1b)) {
                Some(end) if body[end] == 0x07 => end + 1,
                Some(end) => end + 2,
                None => 0,
            },
            Some(_) => body.iter().take_while(|byte| (0x20..=0x2f).contains(*byte)).count() + 1,
        };
        at = (at + esc.len() + length).min(text.len());
    }
    (at > begin).then_some(at)
}

/// The end of a character that begins here, for each way to write it.
pub(super) fn ends_of(text: &[u8], at: usize, char: char, ends: &mut Vec<usize>) {
    let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) else { return };
    let mut plain = [0; 4];
    let plain = char.encode_utf8(&mut plain).as_bytes();
    let literal = |form: &[u8]| rest.starts_with(form).then_some(at + form.len());
    ends.extend(literal(plain));
    match char {
        ' ' => ends.extend(literal(b"+")),
        // Shells and SQL.
        '\'' => ends.extend([&b"'\\''"[..], b"'\"'\"'", b"''"].into_iter().filter_map(literal)),
        '"' => ends.extend(literal(b"\"\"")),
        _ => {}
    }
    match rest[0] {
        b'\\' => escaped(text, at, char, plain, ends),
        b'%' => ends.extend(per_byte(text, at, plain, |text, at| {
            (text.get(at) == Some(&b'%')).then(|| Some((number(text, at + 1, 2, 16)?, at + 3)))?
        })),
        b'&' => ends.extend(reference(text, at, char)),
        _ => {}
    }
}

/// After one backslash, or several if a text was escaped more than once.
fn escaped(text: &[u8], at: usize, char: char, plain: &[u8], ends: &mut Vec<usize>) {
    let run = text[at..].iter().take_while(|byte| **byte == b'\\').count();
    if char == '\\' {
        ends.extend([2, 4, 8].into_iter().filter(|length| *length <= run).map(|length| at + length));
    }
    let next = at + run;
    let Some(letter) = text.get(next) else { return };
    let short = match char {
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\0' => b'0',
        '\u{7}' => b'a',
        '\u{8}' => b'b',
        '\u{b}' => b'v',
        '\u{c}' => b'f',
        '\u{1b}' => b'e',
        _ if char.is_ascii_punctuation() || char == ' ' => plain[0],
        _ => 0xff,
    };
    if *letter == short && char != '\\' {
        ends.push(next + 1);
    }
    ends.extend(unicode(text, next, char));
    // `\xe4` of Latin 1, `\xc3\xa4` and `\303\244` of UTF-8.
    if *letter == b'x' && number(text, next + 1, 2, 16) == Some(u32::from(char)) {
        ends.push(next + 3);
    }
    ends.extend(per_byte(text, at, plain, |text, at| {
        let next = behind_backslashes(text, at)?;
        (text.get(next) == Some(&b'x')).then(|| Some((number(text, next + 1, 2, 16)?, next + 3)))?
    }));
    ends.extend(per_byte(text, at, plain, |text, at| {
        let next = behind_backslashes(text, at)?;
        Some((number(text, next, 3, 8)?, next + 3))
    }));
}

fn behind_backslashes(text: &[u8], at: usize) -> Option<usize> {
    let run = text.get(at..)?.iter().take_while(|byte| **byte == b'\\').count();
    (run > 0).then_some(at + run)
}

/// `u00e4`, `ud83d\ude00`, `u{e4}`, `U000000e4`, after the backslash.
fn unicode(text: &[u8], at: usize, char: char) -> Option<usize> {
    let code = u32::from(char);
    match (text.get(at)?, text.get(at + 1)?) {
        (b'u', b'{') => {
            let digits = text[at + 2..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            let end = at + 2 + digits;
            (text.get(end) == Some(&b'}') && number(text, at + 2, digits, 16)? == code).then_some(end + 1)
        }
        (b'u', _) => {
            let mut units = [0; 2];
            let mut end = at;
            for (n, unit) in char.encode_utf16(&mut units).iter().enumerate() {
                let letter = if n == 0 { end } else { behind_backslashes(text, end)? };
                (text.get(letter) == Some(&b'u')).then_some(())?;
                (number(text, letter + 1, 4, 16)? == u32::from(*unit)).then_some(())?;
                end = letter + 5;
            }
            Some(end)
        }
        (b'U', _) => (number(text, at + 1, 8, 16)? == code).then_some(at + 9),
        _ => None,
    }
}

/// `&lt;`, `&#39;`, `&#x27;`.
fn reference(text: &[u8], at: usize, char: char) -> Option<usize> {
    let length = text[at..].iter().take(12).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(&text[at + 1..at + length]).ok()?;
    let is_it = match name {
        "amp" => char == '&',
        "lt" => char == '<',
        "gt" => char == '>',
        "quot" => char == '"',
        "apos" => char == '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            code.ok()? == u32::from(char)
        }
    };
    is_it.then_some(at + length + 1)
}

/// Each byte of a character escaped separately.
fn per_byte(
    text: &[u8],
    mut at: usize,
    bytes: &[u8],
    read: impl Fn(&[u8], usize) -> Option<(u32, usize)>,
) -> Option<usize> {
    for byte in bytes {
        let (number, end) = read(text, at)?;
        (number == u32::from(*byte)).then_some(())?;
        at = end;
    }
    Some(at)
}

/// A number of so many digits, upper or lower case.
pub(super) fn number(text: &[u8], at: usize, digits: usize, radix: u32) -> Option<u32> {
    let digits = text.get(at..at.checked_add(digits)?)?;
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    is_number.then(|| u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok())?
}
