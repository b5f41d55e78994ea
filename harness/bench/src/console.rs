//! Captures a board's console, line by line.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hil_timeline::What;
use serial2_tokio::SerialPort;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::detector::Detector;
use crate::error::BenchError;
use crate::scope::Scope;

/// A running capture. It ends with [`Capture::stop`], when it is dropped, or when the port vanishes.
#[derive(Debug)]
pub(crate) struct Capture {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// A detector that capture and board share.
pub(crate) type SharedDetector = Arc<Mutex<Detector>>;

impl Capture {
    /// Opens the port and captures from now on.
    pub(crate) fn start(port: &Path, baud: u32, scope: Scope, detector: SharedDetector) -> Result<Self, BenchError> {
        let failed =
            |error: std::io::Error| BenchError::Port { board: scope.board().to_owned(), reason: error.to_string() };
        let port = SerialPort::open(port, baud).map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let reader = Reader { port, lines: Lines::default(), scope, detector };
        let task = tokio::spawn(reader.run(stopped));
        Ok(Self { stop: Some(stop), task })
    }

    /// Ends the capture and closes the port before it returns.
    pub(crate) async fn stop(mut self) {
        self.stop = None;
        // The task ends at once; if it panicked, there is nothing left to close.
        let _ = (&mut self.task).await;
    }

    /// Whether the port is still being read.
    pub(crate) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

struct Reader {
    port: SerialPort,
    lines: Lines,
    scope: Scope,
    detector: SharedDetector,
}

impl Reader {
    /// A line without an end is shown after this long: a prompt has none.
    const PATIENCE: Duration = Duration::from_millis(200);

    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let patience = if self.lines.is_empty() { Duration::MAX } else { Self::PATIENCE };
            let read = tokio::select! {
                read = self.port.read(&mut buffer) => read,
                () = tokio::time::sleep(patience) => {
                    let rest = self.lines.take_rest();
                    self.line(rest);
                    continue;
                }
                // Dropped or stopped: either way nobody wants more.
                _ = &mut stopped => break,
            };
            match read {
                // A hang-up reads as nothing: the device is gone.
                Ok(0) | Err(_) => {
                    self.scope.record(|board| What::ConsoleLost { board });
                    break;
                }
                Ok(length) => {
                    for line in self.lines.push(&buffer[..length]) {
                        self.line(line);
                    }
                }
            }
        }
        if !self.lines.is_empty() {
            let rest = self.lines.take_rest();
            self.line(rest);
        }
    }

    fn line(&self, line: String) {
        let event = self.scope.record(|board| What::Console { board, line: line.clone() });
        let found = self.detector.lock().unwrap_or_else(PoisonError::into_inner).line(&line, event.at);
        for found in found {
            self.scope.record(|board| What::Found { board, finding: found.finding, detail: found.detail });
        }
    }
}

/// Splits bytes into lines. Bytes that are no UTF-8 are kept as `\xNN`.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// A longer line is cut here, so that memory stays bounded.
    const LONGEST: usize = 4096;

    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                lines.push(self.take_rest());
            } else {
                self.0.push(*byte);
                if self.0.len() == Self::LONGEST {
                    lines.push(self.take_rest());
                }
            }
        }
        lines
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take_rest(&mut self) -> String {
        let bytes = std::mem::take(&mut self.0);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(&bytes);
        let mut line = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            line.push_str(chunk.valid());
            line.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_cut_and_kept_byte_for_byte() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"one\r\ntw"), ["one"]);
        assert_eq!(lines.push(b"o\n\nSuhu: 28\xc2\xb0C\n"), ["two", "", "Suhu: 28°C"]);
        assert_eq!(lines.push(b"\xff\x01ok\n"), ["\\xff\u{1}ok"]);
        assert_eq!(lines.push(&[b'x'; 5000]).len(), 1);
        assert_eq!(lines.take_rest().len(), 5000 - Lines::LONGEST);
    }
}
