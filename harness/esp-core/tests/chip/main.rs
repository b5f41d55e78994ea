//! The chip: programs that use its devices, its ROM and its radio, and what comes out.

#[path = "../processor/assemble.rs"]
mod assemble;
mod devices;
mod host;
mod lamp;
mod program;
mod registers;
mod reset;
mod rom;
mod wifi;
