//! The project's own features: `cargo test --test features`, on the bench of `HIL_BENCH` or the virtual one.

fn main() -> std::process::ExitCode {
    hil::test_features("../../features")
}
