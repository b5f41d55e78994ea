//! The project's own features: `cargo test --test features`, on the bench that `hil run` uses in the root of the workspace.

fn main() -> std::process::ExitCode {
    hil::test_features("../../features")
}
