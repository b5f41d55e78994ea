//! Reads `bench.toml` into validated, passive resources. Touches no device.
//!
//! Every problem of a file is reported at once, each with its line, column, a caret and what would be valid.

mod access_point;
mod bench;
mod board;
mod board_kind;
mod broker;
mod broker_kind;
mod builtin;
mod chip;
mod claims;
mod context;
mod duration;
mod emulator;
mod emulator_preset;
mod env_vars;
mod firmware;
mod firmware_tables;
mod firmware_text;
mod flasher;
mod fleet;
mod kinds;
mod limits;
mod line;
mod names;
mod nvs;
mod pin;
mod placeholders;
mod port;
mod problem;
mod process;
mod programs;
mod quarantine;
mod rail;
mod reset;
mod role;
mod schema;
mod scripts;
pub mod spec;
mod subnet;
pub mod table;
mod tap;
mod unset;
mod values;
mod wifi;
mod within;

pub use access_point::AccessPoint;
pub use bench::{Bench, ImageOverride, ImageOverrideError, Project};
pub use board::{Board, Misbehaviour};
pub use board_kind::BoardKind;
pub use broker::{Broker, BrokerTls, BrokerUrl};
pub use broker_kind::{BrokerCapabilities, BrokerKind};
pub use chip::Chip;
pub use claims::lines_of;
pub use duration::{DurationError, parse_duration};
pub use emulator::{Emulator, EmulatorReset};
pub use emulator_preset::{EmulatorConsole, EmulatorPreset, Straps};
pub use env_vars::{
    Expanded, HIL_BENCH, HIL_BRANCH, HIL_COMMIT, HIL_ESPTOOL, HIL_FIRMWARE, HIL_HISTORY, HIL_HOSTAPD, HIL_JOB_URL,
    HIL_LOCKS, HIL_MICROPYTHON, HIL_MOSQUITTO, HIL_PROJECT, HIL_SSH, LG_COORDINATOR, SHORTEST_SECRET, Unexpanded,
    expand, lend_variables, variables_in,
};
pub use firmware::{Firmware, FirmwareKind, Image, Partitions, Verify};
pub use firmware_text::NamedFile;
pub use flasher::{Flasher, FlasherKind};
pub use fleet::{Fleet, FleetEngine};
pub use kinds::Kinds;
pub use limits::TimeLimits;
pub use line::{BIAS, Bias, GpioLine, LINE, Line};
pub use names::{BoardName, FirmwareName, RoleName, nearest};
pub use nvs::{BenchPort, NvsNumber, NvsType, NvsValue};
pub use pin::{Pin, PinDirection, PinLine};
pub use port::{PortIdentity, mac_text};
pub use problem::{ConfigError, Problem};
pub use process::{Needs, Process};
pub use programs::{find_micropython, find_program};
pub use quarantine::{QuarantineEntry, read_quarantine};
pub use rail::{OFF_TIME, Rail, RailContext, RailDriver, RailKind, RailUses, RemoteDevice, SAFE_STATE, SafeState};
pub use reset::{Reset, ResetKind};
pub use role::BoardRole;
pub use schema::{markdown, project_schema, schema};
pub use scripts::{ScriptSource, Scripts};
pub use subnet::{Subnet, SubnetError};
pub use tap::{Tap, TapTls};
pub use unset::Part;
pub use wifi::Wifi;
pub use within::{connects_within, ready_within};
