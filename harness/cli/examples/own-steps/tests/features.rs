//! Features as a test target.

// The steps are registered when the crate is linked.
use own_steps as _;

fn main() -> std::process::ExitCode {
    hil::test_features("features")
}
