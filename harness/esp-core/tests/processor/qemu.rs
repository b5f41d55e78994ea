//! Debian's `qemu-riscv32`, which executes the same programs.

use crate::user::Ended;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program of the variable `HIL_QEMU_RISCV32`, or what `ci/install-parts` provided, or the installed one. None is a
/// failure if `HIL_REQUIRE_PARTS` is set.
pub(crate) fn find() -> Option<PathBuf> {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/parts/bin/qemu-riscv32");
    let named = std::env::var_os("HIL_QEMU_RISCV32").map(PathBuf::from);
    let found = named.into_iter().chain([parts, "/usr/bin/qemu-riscv32".into(), "/usr/bin/qemu-riscv32-static".into()]);
    let found = found.into_iter().find(|path| path.is_file());
    assert!(
        found.is_some() || std::env::var_os("HIL_REQUIRE_PARTS").is_none(),
        "HIL_QEMU_RISCV32 names no qemu-riscv32"
    );
    found
}

/// Writes a program to a file and runs it.
pub(crate) fn run(qemu: &Path, bytes: &[u8], program: &Path) -> Ended {
    std::fs::write(program, bytes).expect("written");
    // Only executable files are executed.
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o700)).expect("permitted");
    let ran = Command::new(qemu).args(["-cpu", "rv32,d=off,f=off,a=off"]).arg(program).output().expect("qemu-riscv32");
    assert!(ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    let code = ran.status.code().unwrap_or_else(|| panic!("qemu-riscv32 {}", ran.status)).cast_unsigned();
    Ended { code, output: ran.stdout, ..Ended::default() }
}
