//! The `hil` program.

fn main() -> std::process::ExitCode {
    hil::main()
}
