//! Numbers as they are written, and what a step may ask of one.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

use crate::unmet::Unmet;

/// A decimal number as it was written. It is compared exactly: `0.4` is within `0.3 ± 0.1`, and a number of any size and
/// precision is compared by all of its digits.
///
/// # Example
/// ```
/// use hil_verdict::Decimal;
/// assert!(Decimal::parse("1e400") > Decimal::parse("9007199254740993"));
/// assert_eq!(Decimal::parse("20.50"), Decimal::parse("2.05e1"));
/// assert_eq!(Decimal::parse("21.5 °C"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    is_negative: bool,
    /// Without zeros at its ends; empty for zero.
    digits: Vec<u8>,
    /// The number is `0.DIGITS` times ten to this power.
    exponent: i64,
}

impl Decimal {
    /// Reads a decimal number with an optional sign, fraction and exponent; blanks and line ends around it don't count.
    /// `NaN`, infinities, hexadecimal numbers and numbers with a unit are not numbers.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_ascii();
        let (is_negative, text) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..zeros);
        digits.truncate(digits.len() - digits.iter().rev().take_while(|digit| **digit == b'0').count());
        if digits.is_empty() {
            return Some(Self { is_negative: false, digits, exponent: 0 });
        }
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()?;
        Some(Self { is_negative, digits, exponent: exponent.saturating_add(point) })
    }

    fn compare_size(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

/// An exponent; one of absurd size is as good as the largest.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
    Some(if text.starts_with('-') { -size } else { size })
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, false) => self.compare_size(other),
            (true, true) => other.compare_size(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a step asks of a number: `above 15`, `at most 3`, `20 ± 0.5`, `between 1 and 5`; or only that it is one.
#[derive(Debug, Clone)]
pub struct NumberCondition {
    text: String,
    /// The bound, and whether it is allowed itself.
    low: Option<(Decimal, bool)>,
    high: Option<(Decimal, bool)>,
}

/// A number of a step, as a whole number of its last decimal place.
struct Written {
    units: i128,
    places: usize,
}

impl NumberCondition {
    /// Its syntax, without groups.
    pub const REGEX: &str = r"(?:above|below|at least|at most) -?\d+(?:\.\d+)?|-?\d+(?:\.\d+)? ± \d+(?:\.\d+)?|between -?\d+(?:\.\d+)? and -?\d+(?:\.\d+)?";

    /// The forms, for messages.
    pub const FORMS: &str =
        "write `above 15`, `below 15`, `at least 15`, `at most 15`, `20 ± 0.5` or `between 1 and 5`";

    /// Reads a condition.
    ///
    /// # Errors
    /// When it has none of the forms, or no number can meet it.
    pub fn parse(text: &str) -> Result<Self, Unmet> {
        let wrong = || Unmet::errored(format!("`{text}` is not a condition on a number")).with_hint(Self::FORMS);
        let number = |text: &str| Written::parse(text).ok_or_else(wrong);
        let at = |number: &Written, allowed: bool| Some((number.decimal(), allowed));
        let (low, high) = if let Some(rest) = text.strip_prefix("above ") {
            (at(&number(rest)?, false), None)
        } else if let Some(rest) = text.strip_prefix("below ") {
            (None, at(&number(rest)?, false))
        } else if let Some(rest) = text.strip_prefix("at least ") {
            (at(&number(rest)?, true), None)
        } else if let Some(rest) = text.strip_prefix("at most ") {
            (None, at(&number(rest)?, true))
        } else if let Some((low, high)) = text.strip_prefix("between ").and_then(|rest| rest.split_once(" and ")) {
            (at(&number(low)?, true), at(&number(high)?, true))
        } else if let Some((middle, tolerance)) = text.split_once(" ± ") {
            let (middle, tolerance) = (number(middle)?, number(tolerance)?);
            if tolerance.units < 0 {
                return Err(wrong());
            }
            (at(&middle.plus(&tolerance, -1), true), at(&middle.plus(&tolerance, 1), true))
        } else {
            return Err(wrong());
        };
        if let (Some((low, _)), Some((high, _))) = (&low, &high)
            && low > high
        {
            let message = format!("no number is {text}");
            return Err(Unmet::errored(message).with_hint("write the smaller number first"));
        }
        Ok(Self { text: text.to_owned(), low, high })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Any number.
    #[must_use]
    pub fn any() -> Self {
        Self { text: String::new(), low: None, high: None }
    }

    /// A cell of a table that is a condition: `is above 15`, `is a number`. Nothing for other texts.
    ///
    /// # Errors
    /// When it looks like a condition, but is none.
    pub fn of_cell(text: &str) -> Result<Option<Self>, Unmet> {
        const BEGINNINGS: [&str; 5] = ["above ", "below ", "at least ", "at most ", "between "];
        let Some(condition) = text.strip_prefix("is ") else { return Ok(None) };
        if condition == "a number" {
            return Ok(Some(Self::any()));
        }
        let begins = BEGINNINGS.iter().any(|beginning| condition.starts_with(beginning));
        if begins || condition.contains(" ± ") { Self::parse(condition).map(Some) } else { Ok(None) }
    }

    /// Whether a number meets it.
    #[must_use]
    pub fn holds(&self, number: &Decimal) -> bool {
        let above = self.low.as_ref().is_none_or(|(low, allowed)| number > low || *allowed && number == low);
        let below = self.high.as_ref().is_none_or(|(high, allowed)| number < high || *allowed && number == high);
        above && below
    }

    /// What is wrong with a text that should be such a number: none if it is one.
    #[must_use]
    pub fn wrong(&self, text: &str) -> Option<&'static str> {
        match Decimal::parse(text) {
            Some(number) if self.holds(&number) => None,
            Some(_) => Some(""),
            None if text.trim_ascii().is_empty() => Some(", which is empty"),
            None if text.bytes().any(|byte| byte.is_ascii_digit()) => {
                Some(", which is not a number: a pattern matches a number inside a text")
            }
            None => Some(", which is not a number"),
        }
    }

    /// The same for a value in a JSON text.
    pub(crate) fn wrong_json(&self, value: &Value) -> Option<&'static str> {
        match value {
            // Its shortest decimal form: the library has read it as a whole number or a float.
            Value::Number(number) => self.wrong(&number.to_string()),
            Value::String(_) => Some(", which is a text"),
            _ => Some(", which is not a number"),
        }
    }
}

impl fmt::Display for NumberCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = if self.text.contains('±') { " of" } else { "" };
        match self.text.as_str() {
            "" => f.write_str("a number"),
            text => write!(f, "a number{of} {text}"),
        }
    }
}

impl Written {
    /// Digits that a number of a step may have: sums of two then fit.
    const MOST: usize = 18;

    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}");
        let count = digits.trim_start_matches('-').len();
        let is_number = text.split('.').all(|part| part.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()));
        if !is_number || count == 0 || count > Self::MOST {
            return None;
        }
        Some(Self { units: digits.parse().ok()?, places: fraction.len() })
    }

    fn decimal(&self) -> Decimal {
        let Self { units, places } = self;
        Decimal::parse(&format!("{units}e-{places}")).unwrap_or_else(|| Decimal {
            is_negative: false,
            digits: Vec::new(),
            exponent: 0,
        })
    }

    /// This number and `times` another one.
    fn plus(&self, other: &Self, times: i128) -> Self {
        let places = self.places.max(other.places);
        let scaled = |it: &Self| it.units * 10_i128.pow(u32::try_from(places - it.places).unwrap_or(0));
        Self { units: scaled(self) + times * scaled(other), places }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meets(condition: &str, text: &str) -> bool {
        NumberCondition::parse(condition).expect(condition).wrong(text).is_none()
    }

    #[test]
    fn a_number_is_compared_exactly_whatever_its_size_and_notation() {
        for (condition, yes, no) in [
            ("above 15", ["15.0000000000000000000001", "1e400", "+16\r\n", "1.6e1"], ["15", "-1e400", "14.9", "1.5e1"]),
            ("below -1", ["-1.5", "-1e400", "-01.1", "-2"], ["-1", "0", "1e400", "-0.5"]),
            ("at least 0", ["0", "-0", "0.0e9", "1e-400"], ["-1e-400", "-0.1", "-1", "-99999999999999999999"]),
            ("at most 3", ["3", "3.000", "-7", "03"], ["3.0001", "4", "1e1", "31e-1"]),
            ("0.3 ± 0.1", ["0.4", "0.2", "0.30", "4e-1"], ["0.41", "0.19", "0.4000000000000000001", "1"]),
            ("20 ± 0.5", ["20", "20.5", "19.5", "2.05e1"], ["20.51", "19.4999", "-20", "205"]),
            ("-20 ± 5", ["-25", "-15", "-20.5", "-2e1"], ["-25.1", "-14.9", "20", "0"]),
            ("between 1 and 5", ["1", "5", "3.3", "5e0"], ["0.99", "5.01", "-3", "50"]),
            (
                "above 9007199254740992",
                ["9007199254740993", "1e16", "9007199254740992.5", "1e99999999999999999999"],
                ["9007199254740992", "9007199254740991", "-1e99999999999999999999", "1e-99999999999999999999"],
            ),
        ] {
            for text in yes {
                assert!(meets(condition, text), "{text} is {condition}");
            }
            for text in no {
                assert!(!meets(condition, text), "{text} is not {condition}");
            }
        }
    }

    #[test]
    fn what_is_not_a_number_is_none() {
        for text in [
            "NaN",
            "nan",
            "inf",
            "-Infinity",
            "∞",
            "",
            "  ",
            "21.5 °C",
            "21,5",
            "0x1F",
            "1_000",
            "1 000",
            "--1",
            "+-1",
            "1e",
            "e5",
            ".",
            "-",
            "1.2.3",
            "true",
            "１５",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
            assert!(NumberCondition::any().wrong(text).is_some(), "{text}");
        }
        for text in [".5", "5.", "007", "+1", "-0", "1E+2"] {
            assert!(Decimal::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_condition_that_nothing_meets_or_that_is_misspelt_is_refused() {
        let wrong = [
            "above x",
            "between 5 and 1",
            "20 ± -1",
            "20 +/- 1",
            "over 9",
            "above 1e3",
            "at most",
            "above 1234567890123456789",
        ];
        let errors = wrong.map(|text| {
            let unmet = NumberCondition::parse(text).expect_err(text);
            format!("{}\n  hint: {}", unmet.failure.message, unmet.failure.hint.unwrap_or_default())
        });
        insta::assert_snapshot!(errors.join("\n"));
        assert!(NumberCondition::of_cell("is above x").is_err() && NumberCondition::of_cell("is 3 ± x").is_err());
        for text in ["above 15", "is above", "is it", "isabove 3", "is on"] {
            assert!(NumberCondition::of_cell(text).expect("a text").is_none(), "{text} is a text");
        }
        assert!(NumberCondition::of_cell("is at least 3").expect("a condition").is_some());
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_numbers(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000, scale in 0_u32..9) {
            let written = |number: i64| Decimal::parse(&format!("{number}e-{scale}")).expect("a number");
            prop_assert_eq!(written(a).cmp(&written(b)), a.cmp(&b));
            prop_assert_eq!(Decimal::parse(&format!("{a}.000")), Decimal::parse(&a.to_string()));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,40}") {
            let _ = Decimal::parse(&text);
            let _ = NumberCondition::parse(&text);
            let _ = NumberCondition::of_cell(&text);
        }

        #[test]
        fn floats_are_compared_as_floats(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            let read = |number: f64| Decimal::parse(&format!("{number:e}")).expect("a number");
            prop_assert_eq!(Some(read(a).cmp(&read(b))), a.partial_cmp(&b));
        }
    }
}
