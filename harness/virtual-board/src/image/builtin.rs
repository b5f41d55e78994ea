//! The built-in images.

use super::app_descriptor::AppDescriptor;
use super::merged::merge;
use super::partition_table::PartitionTable;

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
    "micropython",
];

/// Version of the lamp in the images.
const LAMP_VERSION: &str = "1.0.0";

/// The bytes of an image for address 0; none if the name is unknown.
#[must_use]
pub fn builtin(name: &str) -> Option<Vec<u8>> {
    match name {
        "mqtt-client" => return Some(merge(&descriptor(name, "1.0.0"), &PartitionTable::single_app())),
        // A placeholder for the interpreter's image: a virtual board runs the interpreter of this machine.
        "micropython" => return Some(merge(&descriptor(name, "v1.25.0"), &PartitionTable::with_files())),
        _ => {}
    }
    let known = BUILTIN_NAMES.contains(&name);
    let fault = name.strip_prefix("lamp").filter(|_| known)?;
    if fault == "-corrupt" {
        let mut image = lamp("");
        // In the middle of the app's last segment: the bootloader reads it all and finds a wrong checksum.
        let at = image.len() - 0x1000;
        image[at] ^= 1;
        return Some(image);
    }
    Some(lamp(fault))
}

fn lamp(fault: &str) -> Vec<u8> {
    merge(&descriptor("lamp", &format!("{LAMP_VERSION}{fault}")), &PartitionTable::single_app())
}

fn descriptor(project: &str, version: &str) -> AppDescriptor {
    AppDescriptor { project: project.to_owned(), version: version.to_owned() }
}
