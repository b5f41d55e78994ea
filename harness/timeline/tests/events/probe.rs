//! What the reader of events takes: asked by changing a sample.

use std::collections::BTreeSet;

use hil_timeline::RunEvent;
use serde_json::Value;

/// The words that a field takes, where it takes only some: the reader lists them in its error.
pub(crate) fn words(sample: &Value, path: &str) -> BTreeSet<String> {
    let mut changed = sample.clone();
    visit(&mut changed, path, &mut |parent, name| {
        if let Some(value) = parent.get_mut(name).filter(|value| value.is_string()) {
            *value = Value::from("?");
        }
    });
    let error = serde_json::from_value::<RunEvent>(changed).err().map(|error| error.to_string()).unwrap_or_default();
    let Some((_, expected)) = error.split_once("unknown variant `?`, expected ") else { return BTreeSet::new() };
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a sample without the field can be read.
pub(crate) fn is_optional(sample: &Value, path: &str) -> bool {
    let mut changed = sample.clone();
    visit(&mut changed, path, &mut |parent, name| {
        parent.as_object_mut().map(|fields| fields.remove(name));
    });
    serde_json::from_value::<RunEvent>(changed).is_ok()
}

/// Calls `change` with the object that holds the field of a path, and the field's name.
fn visit(value: &mut Value, path: &str, change: &mut impl FnMut(&mut Value, &str)) {
    match path.split_once('.') {
        None => change(value, path),
        Some((first, rest)) => {
            let (name, items) = first.split_once("[]").map_or((first, false), |(name, _)| (name, true));
            let Some(inner) = value.get_mut(name) else { return };
            match inner {
                Value::Array(list) if items => list.iter_mut().for_each(|item| visit(item, rest, change)),
                inner => visit(inner, rest, change),
            }
        }
    }
}
