//! The real `hil` program on virtual boards: verdicts, exit codes, messages, interruption.

mod brokers;
mod elf;
mod errors;
mod faulty;
mod flashers;
mod honesty;
mod interrupt;
mod monitor;
mod pins;
mod real_bench;
mod real_commands;
mod retries;
mod support;
mod systems;
mod tap;
mod virtual_bench;
