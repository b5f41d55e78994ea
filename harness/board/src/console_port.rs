//! What a console is read from and written to.

use std::io;

use futures::future::BoxFuture;
use serial2_tokio::SerialPort;

/// What a port promises: boxed, so that ports can be chosen at run time.
pub type Transfer<'a> = BoxFuture<'a, io::Result<usize>>;

/// What a console is read from and written to.
pub trait ConsolePort: Send + Sync {
    /// Reads what there is; nothing when the device is gone.
    fn read<'a>(&'a self, buffer: &'a mut [u8]) -> Transfer<'a>;

    /// Writes as much as it takes.
    fn write<'a>(&'a self, bytes: &'a [u8]) -> Transfer<'a>;

    /// Its speed from now on.
    fn set_baud(&mut self, baud: u32) -> io::Result<()>;
}

impl ConsolePort for SerialPort {
    fn read<'a>(&'a self, buffer: &'a mut [u8]) -> Transfer<'a> {
        Box::pin(self.read(buffer))
    }

    fn write<'a>(&'a self, bytes: &'a [u8]) -> Transfer<'a> {
        Box::pin(self.write(bytes))
    }

    fn set_baud(&mut self, baud: u32) -> io::Result<()> {
        let mut settings = self.get_configuration()?;
        settings.set_baud_rate(baud)?;
        self.set_configuration(&settings)
    }
}
