//! The interpreter's process: MicroPython's unix port.

use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;

use rustix::fs::MemfdFlags;
use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, set_parent_process_death_signal};
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use super::gate::Gate;
use crate::app::Platform;
use crate::boot::ResetCause;

/// The modules for scripts, by file name.
const MODULES: [(&str, &str); 7] = [
    ("hil_errno.py", include_str!("python/errno.py")),
    ("hil_esp.py", include_str!("python/esp.py")),
    ("hil_machine.py", include_str!("python/machine.py")),
    ("hil_network.py", include_str!("python/network.py")),
    ("hil_os.py", include_str!("python/os.py")),
    ("hil_socket.py", include_str!("python/socket.py")),
    ("hil_ssl.py", include_str!("python/ssl.py")),
];
const BOARD: &str = include_str!("python/board.py");
/// An ESP32-C3 leaves a script about 200 KiB; words are twice as long here, and the board's modules take some memory.
const HEAP: &str = "heapsize=512K";

/// A running interpreter. Dropping it kills it.
pub(super) struct Interpreter {
    pub(super) process: Child,
    pub(super) input: pipe::Sender,
    pub(super) output: pipe::Receiver,
    pub(super) questions: BufReader<UnixStream>,
}

/// The parameters of an interpreter.
pub(super) struct Start<'a> {
    pub(super) program: &'a Path,
    pub(super) platform: &'a Platform,
    pub(super) gate: &'a Gate,
    /// A soft reset: the interpreter restarts, the chip does not.
    pub(super) soft: bool,
    /// The raw REPL, without `main.py`.
    pub(super) raw: bool,
}

impl Interpreter {
    #[expect(unsafe_code, reason = "only the child itself can keep descriptors and ask to be ended with its parent")]
    pub(super) fn start(start: &Start<'_>) -> io::Result<Self> {
        let Some(files) = &start.platform.files else {
            return Err(io::Error::other("its flash has no room for files"));
        };
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let kept: [OwnedFd; 3] = [theirs.into(), start.platform.flash.file()?.into(), script()?];
        let [questions, flash, script] = kept.each_ref().map(|kept| kept.as_raw_fd().to_string());
        let (input, to_input) = io::pipe()?;
        let (from_output, output) = io::pipe()?;
        let mac = hex::encode(start.platform.mac);
        let mut command = Command::new(start.program);
        command
            .args(["-X", HEAP])
            .arg("-c")
            .arg(format!("exec(compile(open({script}).read(), '<board>', 'exec'))"))
            .arg(mac);
        command.arg(reset_cause(start).to_string()).arg(files.offset.to_string()).arg(files.size.to_string());
        command.arg(if start.raw { "raw" } else { "friendly" }).arg(start.gate.name()).args([questions, flash]);
        command.arg(if start.platform.pastes { "paste" } else { "plain" });
        // Its own process group: Ctrl-C at a terminal is for `hil` to handle. Its own error output goes to the console.
        command.process_group(0).kill_on_drop(true);
        // Scripts must not see this machine's environment.
        command.env_clear().stdin(input).stdout(output.try_clone()?).stderr(output);
        // SAFETY: between fork and exec it makes a few system calls, allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(move || {
                set_parent_process_death_signal(Some(Signal::KILL))?;
                kept.iter().try_for_each(|kept| rustix::io::fcntl_setfd(kept, FdFlags::empty()))?;
                Ok(())
            });
        }
        Ok(Self {
            process: command.spawn()?,
            input: pipe::Sender::from_owned_fd(to_input.into())?,
            output: pipe::Receiver::from_owned_fd(from_output.into())?,
            questions: BufReader::new(UnixStream::from_std(ours)?),
        })
    }

    fn pid(&self) -> Option<Pid> {
        self.process.id().and_then(|pid| Pid::from_raw(pid.cast_signed()))
    }

    /// Ctrl-C.
    pub(super) fn interrupt(&self) {
        if let Some(pid) = self.pid() {
            // One that has exited has nothing to interrupt.
            let _ = kill_process(pid, Signal::INT);
        }
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        if let Some(group) = self.pid() {
            // Not reaped yet, so the group is still its own.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The board's script with its modules, in memory.
fn script() -> io::Result<OwnedFd> {
    let mut file = std::fs::File::from(rustix::fs::memfd_create("board.py", MemfdFlags::CLOEXEC)?);
    writeln!(file, "SOURCES = {{")?;
    for (name, source) in MODULES {
        // ASCII text is escaped alike in both languages.
        debug_assert!(source.is_ascii(), "{name}");
        writeln!(file, "    {name:?}: {source:?},")?;
    }
    writeln!(file, "}}")?;
    file.write_all(BOARD.as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}

/// The number of `machine.reset_cause()` (MicroPython, ESP32 port).
fn reset_cause(start: &Start<'_>) -> u8 {
    match start.platform.cause {
        _ if start.soft => 5,
        ResetCause::PowerOn | ResetCause::BrownOut => 1,
        ResetCause::SoftwareSystem | ResetCause::SoftwareCpu => 2,
        ResetCause::DeepSleep => 4,
        _ => 3,
    }
}
