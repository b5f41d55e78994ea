//! The lamp with a broker and a network that are written for these tests, on a clock of their own.

mod broker;
mod bytes;
mod contract;
mod faults;
