//! The power drivers, a file each.

pub(crate) mod command;
pub(crate) mod gpio;
pub(crate) mod manual;
pub(crate) mod shelly;
pub(crate) mod tasmota;
pub(crate) mod usb_port;
