//! An open serial port.

use std::io;

use crate::console_port::ConsolePort;

/// An open serial port, without a capture.
pub struct OpenPort(Box<dyn ConsolePort>);

impl std::fmt::Debug for OpenPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenPort")
    }
}

impl OpenPort {
    pub(crate) fn new(port: Box<dyn ConsolePort>) -> Self {
        Self(port)
    }

    /// Reads what there is; nothing when the device is gone. Cancel-safe.
    ///
    /// # Errors
    /// If the port fails.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).await
    }

    /// Writes as much as it takes. Cancel-safe.
    pub(crate) async fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).await
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// If the port fails.
    pub async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write_some(bytes).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }
}
