//! JSON payloads: paths in them, and comparisons that keep types.

use std::fmt;

use hil_timeline::Payload;
use serde_json::{Number, Value};

/// A path in a JSON text: `$.temp[0].value`, `temp.0.value`, `$["a b"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    text: String,
    parts: Vec<String>,
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// Reports what is wrong with it.
    ///
    /// # Example
    /// ```
    /// let path = hil_verdict::JsonPath::parse(r#"$.a[0]["b c"]"#).unwrap();
    /// let value = serde_json::json!({ "a": [{ "b c": 1 }] });
    /// assert_eq!(path.find(&value), Some(&serde_json::json!(1)));
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        while !rest.is_empty() {
            let part;
            (part, rest) = match rest.strip_prefix('[') {
                Some(inner) => bracketed(inner)?,
                None => dotted(rest)?,
            };
            parts.push(part);
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The value at this path, if there is one.
    #[must_use]
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.parts.iter().try_fold(value, |value, part| match value {
            Value::Object(entries) => entries.get(part),
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A payload as JSON: its text, or what a payload of Sparkplug B on its topic says. Otherwise why it has none, as the end
/// of a sentence.
pub(crate) fn json_of(topic: &str, payload: &Payload) -> Result<Value, String> {
    let error = match serde_json::from_slice(&payload.0) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    match hil_sparkplug::to_json(topic, &payload.0) {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(format!("is no payload of Sparkplug B: {error}")),
        None => Err(format!("is not JSON: {error}")),
    }
}

/// `["a b"]`, `['a b']` or `[0]`; the text after the bracket is removed.
fn bracketed(inner: &str) -> Result<(String, &str), String> {
    if let Some(quote) = inner.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let key = &inner[1..];
        let end = key.find(quote).ok_or_else(|| format!("`[{quote}` has no closing `{quote}]`"))?;
        let rest = key[end + 1..].strip_prefix(']').ok_or_else(|| format!("`[{quote}` has no closing `{quote}]`"))?;
        return Ok((key[..end].to_owned(), rest));
    }
    let (index, rest) = inner.split_once(']').ok_or_else(|| "`[` has no closing `]`".to_owned())?;
    match index.parse::<usize>() {
        Ok(_) => Ok((index.to_owned(), rest)),
        Err(_) => Err(format!("`[{index}]` is neither an index nor a quoted name, as in `[0]` or `[\"a b\"]`")),
    }
}

fn dotted(rest: &str) -> Result<(String, &str), String> {
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    if end == 0 {
        return Err("a name between two dots is empty".to_owned());
    }
    Ok((rest[..end].to_owned(), &rest[end..]))
}

/// Whether two numbers are equal in any notation: `20`, `20.0` and `2e1` are.
fn same_number(a: &Number, b: &Number) -> bool {
    match (a.as_i128(), b.as_i128()) {
        // Exact where both are whole: a float has 53 bits.
        (Some(a), Some(b)) => a == b,
        (Some(whole), None) => b.as_f64().is_some_and(|b| is_whole(b, whole)),
        (None, Some(whole)) => a.as_f64().is_some_and(|a| is_whole(a, whole)),
        (None, None) => a.as_f64() == b.as_f64(),
    }
}

/// Whether a float is exactly this number. JSON's whole numbers have 64 bits, which the cast back takes without loss.
fn is_whole(float: f64, whole: i128) -> bool {
    float.fract() == 0.0 && float.abs() < 1e30 && float as i128 == whole
}

/// What the found JSON lacks of the expected JSON. Objects may have more members, arrays may not have more items; types
pub(crate) fn lacking(wanted: &Value, found: &Value, path: &str) -> Option<String> {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted.iter().find_map(|(key, value)| {
            let path = below(path, key);
            match found.get(key) {
                None => Some(format!("`{path}` is missing")),
                Some(found) => lacking(value, found, &path),
            }
        }),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => wanted
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(n, (wanted, found))| lacking(wanted, found, &format!("{path}[{n}]"))),
        (Value::Number(a), Value::Number(b)) if same_number(a, b) => None,
        (wanted, found) if wanted == found => None,
        (wanted, found) => Some(format!("`{path}`: expected {wanted}, was {found}")),
    }
}

fn below(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if plain { format!("{path}.{key}") } else { format!("{path}[{key:?}]") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_compared_by_value_and_types_are_kept() {
        for (wanted, found) in [
            ("20", "20.0"),
            ("20.50", "20.5"),
            ("[1, 2]", "[1.0, 2]"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            let (wanted, found): (Value, Value) =
                (serde_json::from_str(wanted).expect("JSON"), serde_json::from_str(found).expect("JSON"));
            assert_eq!(lacking(&wanted, &found, "$"), None);
        }
        for (wanted, found) in [
            (json!(21), json!("21")),
            (json!("21"), json!(21)),
            (json!(true), json!("true")),
            (json!(null), json!(0)),
            (json!([1]), json!([1, 2])),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64)),
        ] {
            assert!(lacking(&wanted, &found, "$").is_some(), "{wanted} {found}");
        }
    }

    #[test]
    fn paths_lead_to_any_name() {
        let value = json!({ "a b": { "c.d": [10, { "e": 1 }] }, "f": [[7]], "0": "zero" });
        for (path, found) in [
            (r#"$["a b"]["c.d"][0]"#, json!(10)),
            ("$['a b']['c.d'][1].e", json!(1)),
            ("f.0.0", json!(7)),
            ("$.f[0][0]", json!(7)),
            ("0", json!("zero")),
        ] {
            assert_eq!(JsonPath::parse(path).expect(path).find(&value), Some(&found), "{path}");
        }
        assert_eq!(JsonPath::parse("$").expect("root").find(&value), Some(&value));
        assert_eq!(JsonPath::parse("$.f[3]").expect("path").find(&value), None);
        let wrong = ["$[a]", "$[", "$[\"a", "a..b", "$[\"a\"", "$.a[-1]"];
        let errors: Vec<_> = wrong.map(|path| format!("{path}: {}", JsonPath::parse(path).expect_err(path))).to_vec();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
