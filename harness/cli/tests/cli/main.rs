//! The real `hil` program on virtual boards: verdicts, exit codes, messages, interruption.

mod errors;
mod faulty;
mod honesty;
mod interrupt;
mod pins;
mod real_bench;
mod support;
mod virtual_bench;
