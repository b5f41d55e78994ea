//! The writing thread.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::OutputStream;
use super::queue::{OutputItem, OutputQueue};
use super::screen::Screen;

/// How often spinning bars are redrawn.
const REDRAW: Duration = Duration::from_millis(100);

impl OutputStream {
    fn descriptor(self) -> BorrowedFd<'static> {
        match self {
            Self::Out => rustix::stdio::stdout(),
            Self::Err => rustix::stdio::stderr(),
        }
    }
}

/// Whether both streams go to the same file, or to a terminal.
pub(super) fn share_a_target() -> bool {
    let (out, err) = (OutputStream::Out.descriptor(), OutputStream::Err.descriptor());
    let are_terminals = rustix::termios::isatty(out) && rustix::termios::isatty(err);
    let target = |stream| rustix::fs::fstat(stream).ok().map(|stat| (stat.st_dev, stat.st_ino));
    are_terminals || (target(out).is_some() && target(out) == target(err))
}

/// Whether progress is drawn, which happens only on a terminal.
pub(super) fn draws() -> bool {
    static DRAWS: LazyLock<bool> = LazyLock::new(|| rustix::termios::isatty(OutputStream::Err.descriptor()));
    *DRAWS
}

/// Starts a writing thread and returns its queue.
pub(super) fn start(name: &str) -> Arc<OutputQueue> {
    let queue = Arc::new(OutputQueue::default());
    let writer =
        OutputWriter { queue: Arc::clone(&queue), screen: Screen::default(), out_is_gone: false, err_is_gone: false };
    // If the thread can't be started, the writer is dropped, which closes the queue: nothing waits for it.
    let _ = std::thread::Builder::new().name(name.to_owned()).spawn(move || writer.run());
    queue
}

struct OutputWriter {
    queue: Arc<OutputQueue>,
    screen: Screen,
    out_is_gone: bool,
    err_is_gone: bool,
}

impl Drop for OutputWriter {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl OutputWriter {
    fn run(mut self) {
        let mut redrawn = Instant::now();
        loop {
            let next = self.queue.next(self.screen.has_bars().then_some(REDRAW));
            let is_written = next.is_some();
            match next {
                Some(OutputItem::Text(stream, text)) => self.write(stream, &text),
                Some(OutputItem::Bar(bar)) => self.screen.change(bar),
                None => {}
            }
            // Also while lines keep arriving.
            if self.screen.has_bars() && redrawn.elapsed() >= REDRAW {
                self.screen.redraw();
                redrawn = Instant::now();
            }
            if is_written {
                self.queue.written();
            }
        }
    }

    fn write(&mut self, stream: OutputStream, text: &str) {
        let is_gone = match stream {
            OutputStream::Out => &mut self.out_is_gone,
            OutputStream::Err => &mut self.err_is_gone,
        };
        if *is_gone {
            return;
        }
        self.screen.make_room();
        if let Err(error) = write_all(stream.descriptor(), text.as_bytes()) {
            // A full disk may have space later; a closed pipe or terminal does not come back.
            *is_gone = matches!(error, Errno::PIPE | Errno::IO | Errno::BADF | Errno::NXIO | Errno::CONNRESET);
        }
    }
}

/// Not through `std::io`: its locks would be held while this blocks, and its buffer would be flushed at exit.
fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(Errno::INTR) => {}
            // Another process that shares this pipe or terminal has made it non-blocking.
            Err(Errno::AGAIN) => match poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsFd as _;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    #[test]
    fn a_non_blocking_pipe_loses_nothing() {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK).expect("pipe");
        // Ten times the capacity of a pipe.
        let text = "0123456789abcdef".repeat(40_000);
        let writing = std::thread::spawn({
            let text = text.clone();
            move || write_all(write.as_fd(), text.as_bytes())
        });
        rustix::io::ioctl_fionbio(&read, false).expect("blocking");
        let mut got = String::new();
        std::fs::File::from(read).read_to_string(&mut got).expect("read");
        assert!(got == text, "{} of {} bytes", got.len(), text.len());
        writing.join().expect("thread").expect("written");
    }

    #[test]
    fn a_closed_pipe_is_an_error_and_not_a_signal() {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        drop(read);
        assert_eq!(write_all(write.as_fd(), b"x"), Err(Errno::PIPE));
    }
}
