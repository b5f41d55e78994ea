//! Every environment variable that `hil` reads, in one place.

use crate::table::Value;

/// Path of the bench file, relative to the current folder. The `--bench` flag wins over it.
pub const HIL_BENCH: &str = "HIL_BENCH";
/// Folder of the board locks. Everybody who shares boards must name the same one.
pub const HIL_LOCKS: &str = "HIL_LOCKS";
/// The `esptool` program, where it is not on the path.
pub const HIL_ESPTOOL: &str = "HIL_ESPTOOL";

/// Puts environment variables in the place of `${NAME}`.
pub(crate) fn from_environment(value: &Value<'_, '_>) -> Option<String> {
    let mut rest = value.string()?;
    let mut text = String::new();
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else {
            value.problem("`${` without `}`", "write `${NAME}` for an environment variable".to_owned());
            return None;
        };
        let name = &rest[start + 2..start + length];
        text.push_str(&rest[..start]);
        if name.starts_with("secret:") {
            let hint = "this version can't mask secrets yet; use `${NAME}` for what may be seen".to_owned();
            value.problem(format!("`${{{name}}}` is not supported"), hint);
            return None;
        }
        match std::env::var(name) {
            Ok(found) => text.push_str(&found),
            Err(_) => {
                value.problem(format!("environment variable `{name}` is not set"), format!("export {name}=…"));
                return None;
            }
        }
        rest = &rest[start + length + 1..];
    }
    text.push_str(rest);
    Some(text)
}
