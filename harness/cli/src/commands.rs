//! One file per command.

pub(crate) mod agent;
pub(crate) mod baseline;
pub(crate) mod boards;
pub(crate) mod certs;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod dry_run;
pub(crate) mod flash;
pub(crate) mod fleet;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod lint;
pub(crate) mod man;
pub(crate) mod monitor;
pub(crate) mod on_hosts;
pub(crate) mod power;
pub(crate) mod report;
pub(crate) mod reset;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod steps;
pub(crate) mod tap;
pub(crate) mod virtual_as_real;
pub(crate) mod virtual_bench;
pub(crate) mod watch;
