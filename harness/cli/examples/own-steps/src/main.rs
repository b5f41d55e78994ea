//! `hil` with steps of its own.

use own_steps as _;

fn main() -> std::process::ExitCode {
    hil::main()
}
