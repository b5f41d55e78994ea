//! Merged images of the lamp.

use hil_virtual_board::image::{AppDescriptor, PartitionTable, builtin, merge};

pub(crate) fn lamp() -> Vec<u8> {
    builtin("lamp").expect("built in")
}

/// The lamp with another partition table.
pub(crate) fn with_table(table: &PartitionTable) -> Vec<u8> {
    merge(&AppDescriptor { project: "lamp".to_owned(), version: "1.0.0".to_owned() }, table)
}
