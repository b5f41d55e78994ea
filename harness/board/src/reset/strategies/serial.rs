//! Reset through DTR and RTS: the usual two-transistor circuit, and the USB-Serial/JTAG peripheral.
//!
//! In the circuit, EN is low while RTS alone is asserted, the strapping pin is low while DTR alone is; with both or none
//! asserted neither is (Espressif, esptool documentation, "Boot Mode Selection").

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use hil_config::table::Table;
use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::port_errors::explain_open;
use crate::ports::{PortFinder, attached};
use crate::reset::control_lines::ControlLines;
use crate::reset::kind::{BoardParts, ResetStrategy};
use crate::reset::{ResetDriver, ResetInto, Resetting};

/// By what the port is: USB-JTAG for a native USB port, else the classic and the tight sequence in turn.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Auto;

/// DTR and RTS switched one after the other, for the usual circuit with a capacitor at EN.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Classic;

/// DTR and RTS switched in one call, for circuits and drivers on which both must change together.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tight;

/// The sequence that the USB-Serial/JTAG peripheral of a chip understands.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UsbJtag;

impl ResetStrategy for Auto {
    const WORD: &'static str = hil_config::Reset::DEFAULT;

    fn read(_: &mut Table<'_, '_>) -> Option<Self> {
        Some(Self)
    }

    fn open(self, board: &BoardParts<'_>) -> Result<Box<dyn ResetDriver>, BenchError> {
        Ok(SerialReset::boxed(board, automatic(&**board.port)))
    }
}

impl ResetStrategy for Classic {
    const WORD: &'static str = "classic";

    fn read(_: &mut Table<'_, '_>) -> Option<Self> {
        Some(Self)
    }

    fn open(self, board: &BoardParts<'_>) -> Result<Box<dyn ResetDriver>, BenchError> {
        Ok(SerialReset::boxed(board, Sequence::Classic))
    }
}

impl ResetStrategy for Tight {
    const WORD: &'static str = "tight";

    fn read(_: &mut Table<'_, '_>) -> Option<Self> {
        Some(Self)
    }

    fn open(self, board: &BoardParts<'_>) -> Result<Box<dyn ResetDriver>, BenchError> {
        Ok(SerialReset::boxed(board, Sequence::Tight))
    }
}

impl ResetStrategy for UsbJtag {
    const WORD: &'static str = "usb-jtag";

    fn read(_: &mut Table<'_, '_>) -> Option<Self> {
        Some(Self)
    }

    fn open(self, board: &BoardParts<'_>) -> Result<Box<dyn ResetDriver>, BenchError> {
        Ok(SerialReset::boxed(board, Sequence::UsbJtag))
    }
}

/// By what the port is right now; one that is not there yet is taken for an adapter with the usual circuit.
fn automatic(port: &dyn PortFinder) -> Sequence {
    let Ok(path) = port.find() else { return Sequence::InTurn };
    let ports = attached(Path::new("/sys"), Path::new("/dev"));
    let usb = ports.into_iter().find(|port| port.path == path).and_then(|port| port.usb);
    if usb.is_some_and(|usb| usb.is_usb_jtag()) { Sequence::UsbJtag } else { Sequence::InTurn }
}

/// How DTR and RTS are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sequence {
    /// Classic and tight in turn.
    InTurn,
    /// One after the other. In between both are asserted, which lets EN go before the strapping pin is low: the
    /// capacitor at EN must bridge that.
    Classic,
    /// Both in one call: enters the loader with or without a capacitor.
    Tight,
    /// What the USB-Serial/JTAG peripheral understands.
    UsbJtag,
}

/// How long EN is held low; datasheets ask for microseconds, the capacitor at EN for some milliseconds.
const HELD: Duration = Duration::from_millis(100);
/// How long the strapping pin stays low after EN is let go: EN must have risen by then.
const STRAPPED: Duration = Duration::from_millis(50);
/// The same for slow circuits, tried last.
const STRAPPED_LONG: Duration = Duration::from_millis(500);

struct SerialReset {
    board: String,
    finder: Arc<dyn PortFinder>,
    sequence: Sequence,
    lines: Arc<Mutex<Option<ControlLines>>>,
}

impl SerialReset {
    fn boxed(board: &BoardParts<'_>, sequence: Sequence) -> Box<dyn ResetDriver> {
        let finder = Arc::clone(board.port);
        Box::new(Self { board: board.name.to_owned(), finder, sequence, lines: Arc::default() })
    }

    /// The sequence of an attempt, and how long the strapping pin stays low.
    fn varied(&self, attempt: u32) -> (Sequence, Duration) {
        let sequence = match (self.sequence, attempt % 2) {
            (Sequence::InTurn, 0) => Sequence::Classic,
            (Sequence::InTurn, _) => Sequence::Tight,
            (sequence, _) => sequence,
        };
        (sequence, if attempt < 2 { STRAPPED } else { STRAPPED_LONG })
    }

    /// Opens the port for its lines, unless it is open and still the board's.
    fn open<'a>(&self, lines: &'a mut Option<ControlLines>) -> Result<&'a ControlLines, BenchError> {
        let path = self.finder.find().map_err(|problem| BenchError::no_port(&self.board, problem))?;
        // A port that was unplugged meanwhile answers with an error even if its path is the same.
        let usable = lines.take().filter(|lines| lines.path() == path && lines.get().is_ok());
        let opened = match usable {
            Some(usable) => usable,
            None => ControlLines::open(&path).map_err(|error| explain_open(&self.board, &path, &error))?,
        };
        Ok(lines.insert(opened))
    }

    fn failed(&self, error: &io::Error) -> BenchError {
        let no_lines = error.raw_os_error() == Some(rustix::io::Errno::NOTTY.raw_os_error());
        let hint = if no_lines {
            "this port has no DTR and RTS: use the strategy `gpio`, `power-cycle` or `command`"
        } else {
            "is the board still attached?"
        };
        BenchError::Reset { board: self.board.clone(), reason: error.to_string(), hint: hint.to_owned() }
    }

    /// Moves the lines in order, with a pause after each move.
    async fn play(&self, moves: &[(bool, bool, Duration)]) -> Result<(), BenchError> {
        let mut lines = self.lines.lock().await;
        let open = self.open(&mut lines)?;
        for (dtr, rts, pause) in moves {
            open.set(*dtr, *rts).map_err(|error| self.failed(&error))?;
            if !pause.is_zero() {
                tokio::time::sleep(*pause).await;
            }
        }
        Ok(())
    }
}

impl ResetDriver for SerialReset {
    fn hold(&self) -> Resetting<'_> {
        // Never through "both asserted and then none", which would let the strapping pin fall while EN is up.
        Box::pin(async move { self.play(&[(false, true, HELD)]).await })
    }

    fn release(&self, into: ResetInto) -> Resetting<'_> {
        const NOW: Duration = Duration::ZERO;
        Box::pin(async move {
            let ResetInto::Loader { attempt } = into else {
                return self.play(&[(false, false, NOW)]).await;
            };
            match self.varied(attempt) {
                (Sequence::Classic, strapped) => {
                    self.play(&[(true, true, NOW), (true, false, strapped), (false, false, NOW)]).await
                }
                (Sequence::Tight | Sequence::InTurn, strapped) => {
                    self.play(&[(true, false, strapped), (false, false, NOW)]).await
                }
                (Sequence::UsbJtag, _) => {
                    // The flag for the loader must be up before the reset that reads it.
                    let (idle, flagged, both) = ((false, false, HELD), (true, false, HELD), (true, true, NOW));
                    self.play(&[idle, flagged, both, (false, true, HELD), (false, false, NOW)]).await
                }
            }
        })
    }

    fn varies(&self) -> bool {
        self.sequence != Sequence::UsbJtag
    }

    fn describe(&self) -> &str {
        match self.sequence {
            Sequence::UsbJtag => "by its USB-Serial/JTAG",
            Sequence::InTurn | Sequence::Classic | Sequence::Tight => "EN pulled low by RTS and released",
        }
    }
}
