//! The images that `hil` brings along.

use super::app_descriptor::AppDescriptor;
use super::merged::merge;

/// Names of the images, as `builtin:NAME` in a bench file.
pub const BUILTIN_NAMES: &[&str] = &[
    "lamp",
    "lamp-corrupt",
    "lamp-never-acks",
    "lamp-no-will",
    "lamp-no-keep-alive",
    "lamp-reboots-on-on",
    "lamp-never-subscribes",
    "mqtt-client",
];

/// Version of the lamp in the images.
const LAMP_VERSION: &str = "1.0.0";

/// The bytes of an image, written at 0; none where the name is unknown.
#[must_use]
pub fn builtin(name: &str) -> Option<Vec<u8>> {
    if name == "mqtt-client" {
        return Some(merge(&AppDescriptor { project: name.to_owned(), version: "1.0.0".to_owned() }));
    }
    let known = BUILTIN_NAMES.contains(&name);
    let fault = name.strip_prefix("lamp").filter(|_| known)?;
    if fault == "-corrupt" {
        let mut image = lamp("");
        // In the middle of the app's last segment: the bootloader reads it all and finds the checksum wrong.
        let at = image.len() - 0x1000;
        image[at] ^= 1;
        return Some(image);
    }
    Some(lamp(fault))
}

fn lamp(fault: &str) -> Vec<u8> {
    merge(&AppDescriptor { project: "lamp".to_owned(), version: format!("{LAMP_VERSION}{fault}") })
}
