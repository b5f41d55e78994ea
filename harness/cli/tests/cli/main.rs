//! The real `hil` program on virtual boards: verdicts, exit codes, messages, interruption.

mod brokers;
mod elf;
mod ends;
mod errors;
mod faulty;
mod flashers;
mod honesty;
mod images;
mod interrupt;
mod keeper;
mod killed;
mod monitor;
mod other_users;
mod panics;
mod pins;
mod real_bench;
mod real_commands;
mod regression;
mod retries;
mod shared_ports;
mod support;
mod systems;
mod tap;
mod traffic_snapshots;
mod verdicts;
mod virtual_bench;
