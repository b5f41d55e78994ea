//! The virtual board as port, power, reset and pins of a bench.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hil_config::{Board, Pin, PinDirection, PinLine, Wifi};
use hil_timeline::{Finding, PinCause, Runs, Stamp, What};
pub use hil_virtual_board::{Fall, FlashMoment};
use hil_virtual_board::{FlashAction, FlashOperation, Names, Options, Trouble, VirtualBoard, image};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::delays::Delays;
use crate::error::BenchError;
use crate::pins::{Driving, PinDriver};
use crate::ports::{PortFinder, PortProblem, PortWatch};
use crate::reset::{ResetDriver, ResetInto, Resetting};
use crate::scope::Scope;
use hil_power::{PowerDriver, Switching};

/// All that a bench needs of a virtual board.
#[derive(Debug, Clone)]
pub struct VirtualDevice {
    board: Arc<VirtualBoard>,
    sensed: Arc<Sensed>,
    names: Names,
    delays: Arc<Delays>,
    /// How its latest firmware runs.
    runs: Arc<Mutex<Option<Runs>>>,
}

/// The pins that the bench senses, with their levels: pulled high while they are not driven.
#[derive(Debug)]
struct Sensed(Mutex<Vec<SensedPin>>);

#[derive(Debug, Clone)]
struct SensedPin {
    name: String,
    gpio: u8,
    active_low: bool,
    high: bool,
}

impl Sensed {
    fn lock(&self) -> MutexGuard<'_, Vec<SensedPin>> {
        self.0.lock()
    }
}

impl SensedPin {
    fn record(&self, scope: &Scope) {
        let on = self.high != self.active_low;
        scope.record(|board| What::Pin { board, pin: self.name.clone(), on, cause: PinCause::Sensed, edge: None });
    }
}

impl VirtualDevice {
    /// Starts the board, without power; its pins are sensed from here on. `traces` notes the registers that it lacks.
    pub fn start(config: &Board, wifi: &Wifi, traces: bool, scope: &Scope) -> Result<Self, BenchError> {
        let pins = config.pins.iter().filter(|(_, pin)| pin.direction == PinDirection::Sense);
        let pins = pins.filter_map(|(name, pin)| {
            let gpio = gpio_of(pin)?;
            Some(SensedPin { name: name.clone(), gpio, active_low: pin.active_low, high: true })
        });
        let sensed = Arc::new(Sensed(Mutex::new(pins.collect())));
        let delays = Arc::<Delays>::default();
        let (reporting, delaying) = (scope.clone(), Arc::clone(&delays));
        let (watched, scope, name) = (Arc::clone(&sensed), scope.clone(), config.name.to_string());
        let on_pin = move |gpio: u8, high: bool| {
            for pin in watched.lock().iter_mut().filter(|pin| pin.gpio == gpio) {
                pin.high = high;
                pin.record(&scope);
            }
        };
        let names = Names::default();
        let options = Options {
            on_pin: Some(Arc::new(on_pin)),
            on_trouble: Some(Arc::new(move |trouble| report(&reporting, &delaying, traces, trouble))),
            network: wifi.clone(),
            names: names.clone(),
            ..Options::named(&name, &config.misbehaves)
        };
        let board = VirtualBoard::start(options)
            .map_err(|error| BenchError::NotStarted { board: name, reason: error.to_string() })?;
        Ok(Self { board: Arc::new(board), sensed, names, delays, runs: Arc::default() })
    }
}

/// Records what a firmware meets that is not its own doing.
fn report(scope: &Scope, delays: &Delays, traces: bool, trouble: Trouble) {
    match trouble {
        Trouble::Refused(detail) => {
            scope.record(|board| What::Found { board, finding: Finding::Unsupported, detail });
        }
        Trouble::Stalled(behind) => {
            let ms = u64::try_from(behind.as_millis()).unwrap_or(u64::MAX);
            let at = scope.recorder().record(What::Stalled { ms }).at;
            delays.note(at, behind);
        }
        Trouble::Slow(behind) => delays.note(scope.recorder().now(), behind),
        Trouble::Unknown { .. } if !traces => {}
        Trouble::Unknown { address, write, pc } => {
            let verb = if write { "writes" } else { "reads" };
            scope.note(format!("its firmware {verb} {address:#010x} at {pc:#010x}, where virtual boards have nothing"));
        }
    }
}

impl VirtualDevice {
    /// Takes the access point away from a firmware that is executed, or brings it back.
    ///
    /// # Errors
    /// If the firmware runs in another way: it would not notice.
    pub(crate) async fn set_access_point(&self, board: &str, present: bool) -> Result<(), BenchError> {
        match *self.runs.lock() {
            Some(Runs::Executed) | None => {}
            Some(other) => return Err(BenchError::NoAccessPoint { board: board.to_owned(), runs: other.word() }),
        }
        self.board.set_access_point(present).await;
        Ok(())
    }

    /// Brings the access point back, if it is away.
    pub(crate) async fn restore_access_point(&self) {
        self.board.set_access_point(true).await;
    }

    /// Whether its firmware is machine code that it executes.
    pub(crate) fn is_executed(&self) -> bool {
        *self.runs.lock() == Some(Runs::Executed)
    }

    /// How much less time than a chip its firmware got since a moment.
    pub(crate) fn behind_since(&self, from: Stamp) -> Duration {
        self.delays.since(from)
    }

    /// The names of its network.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Checks that its firmware asks the network for names.
    ///
    /// # Errors
    /// If it runs in another way than executed: names are resolved by this machine.
    pub(crate) fn check_names(&self, board: &str) -> Result<(), BenchError> {
        match *self.runs.lock() {
            Some(Runs::Executed) | None => Ok(()),
            Some(other) => Err(BenchError::NoNameServer { board: board.to_owned(), runs: other.word() }),
        }
    }

    /// Notes how its firmware runs.
    pub(crate) fn note_runs(&self, runs: Runs) {
        *self.runs.lock() = Some(runs);
    }

    /// Notes from now on what the flash does.
    pub(crate) fn note_flash(&self) {
        self.board.note_flash();
    }

    /// What the flash has done since then, each with the partition that it is in.
    pub(crate) fn noted_flash(&self) -> Vec<FlashWork> {
        let table = self.board.read(image::PARTITION_TABLE_AT, TABLE_ROOM).unwrap_or_default();
        let table = image::PartitionTable::decode(&table).map(|table| table.0).unwrap_or_default();
        let work = |FlashOperation { action, at, .. }| {
            let holds = |it: &&image::Partition| {
                at as u64 >= it.offset.into() && (at as u64) < u64::from(it.offset) + u64::from(it.size)
            };
            let partition = table.iter().find(holds).map(|partition| partition.label.clone());
            FlashWork { erases: action == FlashAction::Erase, at, partition }
        };
        self.board.noted_flash().into_iter().map(work).collect()
    }

    /// Lets the supply of flash and processor fall at an exact moment.
    pub(crate) fn fall_at(&self, moment: FlashMoment) -> Option<Fall> {
        self.board.fall_at(moment)
    }

    /// Offers an ELF file whose code may be in its flash: it has the names of functions.
    pub(crate) fn offer_elf(&self, elf: Arc<[u8]>) {
        self.board.offer_elf(elf);
    }
}

/// Bytes of a partition table.
const TABLE_ROOM: usize = 0xc00;

/// Something that the flash of a virtual board has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlashWork {
    /// Whether a sector was erased; otherwise bytes were programmed.
    pub erases: bool,
    /// Where.
    pub at: usize,
    /// The label of the partition that it is in.
    pub partition: Option<String>,
}

impl std::fmt::Display for FlashWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verb = if self.erases { "erasing" } else { "programming" };
        write!(f, "{verb} {:#x}", self.at)?;
        self.partition.as_ref().map_or(Ok(()), |label| write!(f, " (`{label}`)"))
    }
}

/// Bytes of its flash.
pub(crate) const VIRTUAL_FLASH: u64 = hil_virtual_board::FLASH_SIZE;

/// Programs for a chip that are part of `hil`, by name: ELF files.
const PROGRAMS: &[(&str, &[u8])] = &[("lamp-esp32c3", include_bytes!("../../../fixtures/images/lamp-esp32c3"))];

/// An image that is part of `hil`; the error lists the known names.
pub(crate) fn builtin_image(name: &str) -> Result<Vec<u8>, String> {
    let program = PROGRAMS.iter().find(|(known, _)| *known == name).map(|(_, elf)| elf.to_vec());
    program.or_else(|| image::builtin(name)).ok_or_else(|| {
        let programs = PROGRAMS.iter().map(|(name, _)| *name);
        let known: Vec<_> = image::BUILTIN_NAMES.iter().copied().chain(programs).collect();
        format!("there are `{}`", known.join("`, `"))
    })
}

/// What runs an image with these bytes on a virtual board.
pub(crate) fn runs<'a>(mut parts: impl Iterator<Item = &'a [u8]>) -> Runs {
    match parts.find_map(image::native_app) {
        Some(app) if app.project == "micropython" => Runs::Interpreted,
        Some(_) => Runs::Native,
        None => Runs::Executed,
    }
}

fn gpio_of(pin: &Pin) -> Option<u8> {
    match pin.line {
        PinLine::Board(gpio) => Some(gpio),
        PinLine::Bench(_) | PinLine::Watched(_) | PinLine::Driven { .. } => None,
    }
}

impl PortFinder for VirtualDevice {
    fn find(&self) -> Result<PathBuf, PortProblem> {
        self.board.port().ok_or_else(|| PortProblem::Absent { wanted: "the virtual board at it".to_owned() })
    }

    fn watch(&self) -> io::Result<Box<dyn PortWatch>> {
        Ok(Box::new(VirtualPortWatch(self.board.port_changes())))
    }
}

struct VirtualPortWatch(watch::Receiver<Option<PathBuf>>);

impl PortWatch for VirtualPortWatch {
    fn changed(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

impl PinDriver for VirtualDevice {
    fn drive<'a>(&'a self, _name: &'a str, pin: &'a Pin, on: bool) -> Driving<'a> {
        Box::pin(async move {
            if let Some(gpio) = gpio_of(pin) {
                self.board.drive(gpio, on != pin.active_low).await;
            }
            Ok(())
        })
    }

    fn is_on(&self, name: &str) -> Option<bool> {
        self.sensed.lock().iter().find(|pin| pin.name == name).map(|pin| pin.high != pin.active_low)
    }

    fn record_levels(&self, scope: &Scope) {
        for pin in self.sensed.lock().iter() {
            pin.record(scope);
        }
    }
}

impl PowerDriver for VirtualDevice {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move {
            self.board.set_rail(on).await;
            Ok(())
        })
    }

    fn rail(&self) -> &str {
        "virtual"
    }
}

impl ResetDriver for VirtualDevice {
    fn hold(&self) -> Resetting<'_> {
        Box::pin(async move {
            self.board.set_enable(false).await;
            Ok(())
        })
    }

    fn release(&self, into: ResetInto) -> Resetting<'_> {
        Box::pin(async move {
            self.board.drive_boot_pin(into == ResetInto::App).await;
            self.board.set_enable(true).await;
            Ok(())
        })
    }

    fn describe(&self) -> &str {
        "EN pulled low and released"
    }
}
