//! Every form of a secret is hidden, in text and in bytes.

use proptest::prelude::*;

use super::*;

/// How programs write a text, by name.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let json = serde_json::to_string(secret).expect("text");
    let units = |upper: bool| {
        let mut buffer = [0; 2];
        let unit = |unit: u16| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
        let all: Vec<u16> = secret.chars().flat_map(|char| char.encode_utf16(&mut buffer).to_vec()).collect();
        all.into_iter().map(unit).collect::<String>()
    };
    let ascii_json: String = secret
        .chars()
        .map(|char| match char {
            '"' | '\\' => format!("\\{char}"),
            ' '..='~' => char.to_string(),
            _ => {
                let mut buffer = [0; 2];
                char.encode_utf16(&mut buffer).iter().map(|unit| format!("\\u{unit:04x}")).collect()
            }
        })
        .collect();
    let each = |form: fn(u8) -> String| secret.bytes().map(form).collect::<String>();
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let percent = |upper: bool| {
        let form = |byte: u8| match (kept(byte), upper) {
            (true, _) => char::from(byte).to_string(),
            (false, true) => format!("%{byte:02X}"),
            (false, false) => format!("%{byte:02x}"),
        };
        secret.bytes().map(form).collect::<String>()
    };
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    vec![
        ("plain", secret.to_owned()),
        ("JSON", json[1..json.len() - 1].to_owned()),
        ("JSON in JSON", serde_json::to_string(&json).expect("text").trim_matches('"').to_owned()),
        ("JSON in ASCII", ascii_json),
        ("UTF-16, lower case", units(false)),
        ("UTF-16, upper case", units(true)),
        ("debug of Rust", secret.escape_debug().to_string()),
        ("escaped by Rust", secret.escape_default().to_string()),
        ("as messages show it", crate::escaped(secret).to_string()),
        ("hex, lower case", each(|byte| format!("{byte:02x}"))),
        ("hex, upper case", each(|byte| format!("{byte:02X}"))),
        ("hex with colons", each(|byte| format!("{byte:02x}:")).trim_end_matches(':').to_owned()),
        ("bytes of Python", each(|byte| format!("\\x{byte:02x}"))),
        ("octal", each(|byte| format!("\\{byte:03o}"))),
        ("address, upper case", percent(true)),
        ("address, lower case", percent(false)),
        ("form", percent(true).replace("%20", "+")),
        ("all percent", each(|byte| format!("%{byte:02X}"))),
        ("shell, quoted", secret.replace('\'', "'\\''")),
        ("shell, quoted otherwise", secret.replace('\'', "'\"'\"'")),
        ("single quotes escaped", secret.replace('\\', "\\\\").replace('\'', "\\'")),
        ("SQL", secret.replace('\'', "''")),
        ("HTML", html.clone()),
        ("HTML with numbers", html.replace("&quot;", "&#34;").replace('\'', "&#x27;")),
    ]
}

/// According to RFC 4648; written independently of the tested code.
fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for n in 0..=chunk.len() {
            text.push(char::from(alphabet[(word >> (18 - 6 * n)) as usize & 63]));
        }
    }
    text
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FOR_ADDRESSES: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn secrets() -> impl Strategy<Value = String> {
    let char = prop_oneof![
        4 => proptest::char::range(' ', '~'),
        1 => proptest::sample::select(vec!['\'', '"', '\\', '\n', '\t', '&', '<', '%', '+', '/', 'ä', 'Ä', '€', '😀', '\u{0}', '\u{1b}', '$']),
    ];
    proptest::collection::vec(char, 4..24).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn every_form_of_a_secret_is_hidden_in_a_text(secret in secrets(), before in "[ -~]{0,9}", after in "[ -~]{0,9}") {
        let mask = Mask::new([secret.clone()]);
        for (name, form) in forms(&secret) {
            let text = format!("{before}{form}{after}");
            let masked = mask.text(&text);
            prop_assert!(masked.contains(MASKED), "{name}: {text} -> {masked}");
            // The surrounding text may form the secret again, unless it was there before.
            let rest = masked.replace(MASKED, "");
            prop_assert!(!rest.contains(&form) || format!("{before}{after}").contains(&form), "{name}: {text} -> {masked}");
            let mut bytes = text.clone().into_bytes();
            mask.bytes(&mut bytes);
            prop_assert_eq!(bytes.len(), text.len());
            prop_assert!(!bytes.windows(form.len()).any(|window| window == form.as_bytes()), "{}: {}", name, text);
        }
    }

    /// As in `Authorization: Basic`, where a name comes before the password.
    #[test]
    fn a_secret_is_hidden_in_base64_wherever_it_begins(secret in "[ -~]{6,24}", before in "[a-z]{0,5}", after in "[a-z]{0,5}") {
        let mask = Mask::new([secret.clone()]);
        for alphabet in [STANDARD, FOR_ADDRESSES] {
            let text = base64(format!("{before}{secret}{after}").as_bytes(), alphabet);
            let masked = mask.text(&text).into_owned();
            prop_assert!(masked.contains(MASKED), "{text} -> {masked}");
            // Less than one character of it is left at each end.
            let left = masked.chars().filter(|char| *char != '•').count();
            prop_assert!(left <= (before.len() + after.len()) * 4 / 3 + 4, "{text} -> {masked}");
        }
    }

    #[test]
    fn a_text_without_a_secret_stays_unchanged(text in "[a-z \\\\%&'0-9]{0,60}") {
        let mask = Mask::new(["WONDERLAND".to_owned()]);
        prop_assert_eq!(mask.text(&text), text.as_str());
        prop_assert_eq!(ConsoleMask::new(mask).line("lamp", &text), text.as_str());
    }

    /// A device pauses anywhere, and colours anything.
    #[test]
    fn secrets_are_hidden_in_the_lines_of_a_console(
        secret in secrets(),
        form in 0_usize..24,
        before in "[ -~]{0,9}",
        after in "[ -~]{0,9}",
        cuts in proptest::collection::vec(0_usize..60, 0..8),
        colours in proptest::collection::vec(0_usize..60, 0..4),
    ) {
        let written = forms(&secret)[form].1.clone();
        let text = format!("{before}{written}{after}");
        let chars: Vec<char> = text.chars().collect();
        let mut lines = vec![String::new()];
        for (n, char) in chars.iter().enumerate() {
            if cuts.contains(&n) {
                lines.push(String::new());
            }
            let line = lines.last_mut().expect("one");
            // A secret with an escape sequence of its own needs them to match.
            if colours.contains(&n) && !secret.contains('\u{1b}') {
                line.push_str("\u{1b}[0;32m");
            }
            line.push(*char);
        }
        let mut mask = ConsoleMask::new(Mask::new([secret.clone()]));
        let shown: String = lines.iter().map(|line| mask.line("lamp", line).into_owned()).collect();
        let rest = shown.replace("\u{1b}[0;32m", "");
        prop_assert!(shown.contains(MASKED), "{lines:?} -> {shown}");
        prop_assert!(!rest.contains(&written) || format!("{before}{after}").contains(&written), "{lines:?} -> {shown}");
    }

    #[test]
    fn a_mask_takes_any_text(secret in any::<String>(), text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let mask = Mask::new([secret]);
        let _ = (mask.text(&text), ConsoleMask::new(mask.clone()).line("lamp", &text));
        let mut masked = bytes.clone();
        mask.bytes(&mut masked);
        prop_assert_eq!(masked.len(), bytes.len());
    }
}

#[test]
fn every_form_is_hidden() {
    let mask = Mask::new(["s3cret\n\"x".to_owned(), "s3cret".to_owned()]);
    assert_eq!(mask.text("a s3cret\n\"x b"), "a •••• b");
    assert_eq!(mask.text(r#"a s3cret\n\"x b"#), "a •••• b");
    assert_eq!(mask.text("0x733363726574"), "0x••••");
    assert_eq!(mask.text("nothing"), "nothing");
    let mut bytes = b"xs3crety".to_vec();
    mask.bytes(&mut bytes);
    assert_eq!(bytes, b"x******y");
    assert!(!format!("{mask:?}").contains("s3"));
}

#[test]
fn json_stays_json() {
    let mask = Mask::new(["nabc".to_owned()]);
    let event = |text: &str, hex: &str| serde_json::json!({ "event": "nabc", "board": "nabc", "a": ["\nabc", text], "payload": { "hex": hex } });
    let mut value = event("xnabc", "ff6e616263");
    mask.json(&mut value);
    assert_eq!(value, event("x••••", "ff2a2a2a2a"));
    // A secret of digits is not looked for in numbers.
    let digits = Mask::new(["6e61".to_owned()]);
    let mut value = event("x", "ff6e616263");
    digits.json(&mut value);
    assert_eq!(value, event("x", "ff6e616263"));
}

#[test]
fn the_key_of_a_user_property_is_hidden_and_other_names_stay() {
    let mask = Mask::new(["wonderland".to_owned(), "topic alias".to_owned()]);
    let properties = |key: &str, value: &str| {
        serde_json::json!({ "event": "packet", "properties": [
        { "name": "topic alias", "value": "1" }, { "name": format!("user property {key}"), "value": value } ] })
    };
    let mut value = properties("x-wonderland", "wonderland");
    mask.json(&mut value);
    assert_eq!(value, properties("x-••••", "••••"));
}

#[test]
fn a_secret_that_is_split_over_lines_of_a_console_is_hidden() {
    let mask = || ConsoleMask::new(Mask::new(["lamplighter".to_owned()]));
    let shown = |lines: &[&str]| {
        let mut mask = mask();
        lines.iter().map(|line| mask.line("lamp", line).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&["password: lamplig", "hter is it"]), ["password: ••••", "•••• is it"]);
    assert_eq!(shown(&["mplighter is it"]), ["•••• is it"], "its beginning was lost");
    assert_eq!(shown(&["the lamp", "is lit"]), ["the lamp", "is lit"], "a word that it begins with");
    assert_eq!(shown(&["the lamp", "ligh", "ter!"]), ["the lamp", "••••", "••••!"]);
    assert_eq!(shown(&["l", "a", "m", "p"]), ["l", "••••", "••••", "••••"]);
    assert_eq!(
        shown(&["pw: \u{1b}[31mlamp\u{1b}[0m", "\u{1b}[1mlighter"]),
        ["pw: \u{1b}[31mlamp\u{1b}[0m", "\u{1b}[1m••••"]
    );
    let mut two = mask();
    assert_eq!(two.line("lamp", "the lamp"), "the lamp");
    assert_eq!(two.line("other", "lighter"), "••••", "seven of eleven characters");
    assert_eq!(two.line("other", "light"), "light");
    assert_eq!(two.line("lamp", "lig"), "••••", "each board has lines of its own");
}

#[test]
fn a_partial_secret_at_a_cut_is_hidden() {
    let mask = Mask::new(["lamplighter".to_owned()]);
    assert_eq!(mask.text("payload lamplight… (300 bytes)"), "payload ••••… (300 bytes)");
    assert_eq!(mask.text("payload 0x6c616d706c… (300 bytes)"), "payload 0x••••… (300 bytes)");
    assert_eq!(mask.text("payload the lam… (300 bytes)"), "payload the lam… (300 bytes)");
}

/// What a hostile tester could read: each form at a cut, and what a message quotes of a console.
#[test]
fn partial_secrets_at_a_cut_or_quote_are_hidden_in_every_form() {
    let secret = "Qz7\"Vw#xKe9%pLm&Tr2";
    let mask = Mask::new([secret.to_owned()]);
    for (n, form) in [
        "UXo3IlZ3I3hLZTklcExtJl",
        "51:7a:37:22:56:77:23:78",
        "51:7a:37:22:56:77:2",
        "%51%7A%37%22%56%77%23%7",
        r"\u0051\u007a\u0037\u0022\u0056\u00",
        "Q\\u{1b}[0mz7\"\\u{1b}[0mVw",
    ]
    .iter()
    .enumerate()
    {
        let shown = mask.text(&format!("payload {form}… (300 bytes)")).into_owned();
        assert!(shown.starts_with("payload ••••…"), "{n}: {shown}");
    }
    for quoted in ["last console line: `#xKe9%pLm&Tr2`", "last console line: `token Qz7\"Vw#xKe9`"] {
        assert!(mask.text(quoted).contains(MASKED), "{quoted}: {}", mask.text(quoted));
    }
    let coloured = "`token Qz7\"Vw\\u{1b}[31m#xKe9%pLm&Tr2\\u{1b}[0m`";
    assert_eq!(mask.text(coloured), "`token ••••\\u{1b}[0m`");
    let mut console = ConsoleMask::new(mask.clone());
    for line in ["Qz7\"\u{1b}(BVw#xKe9%pLm&Tr2", "Qz7\"\u{1b}]0;title\u{7}Vw#xKe9%pLm&Tr2"] {
        assert_eq!(console.line("lamp", line), MASKED, "{line:?}");
    }
    let mut value = serde_json::json!({ "event": "packet", "head": "36180014517a3722567723784b653925" });
    mask.json(&mut value);
    assert_eq!(value["head"], "36180014••••");
}
