//! A kind of power driver: one type, in one file, with its keys, its reader, its driver and its check.

use std::path::Path;
use std::time::Duration;

use hil_config::spec::TableSpec;
use hil_config::table::Table;
use hil_config::{Line, Rail, RailContext, RailDriver, RailKind, RailUses, RemoteDevice, SafeState};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::driver::{PowerDriver, PowerError};

/// The settings of a rail, and all that their driver does. The file of a driver implements it for its settings; the
/// list [`crate::drivers::DRIVERS`] names them.
pub(crate) trait PowerKind: Serialize + DeserializeOwned {
    /// The word under `driver`.
    const WORD: &'static str;
    /// The keys of its table, with `off-time`, and `safe-state` where it has one.
    const KEYS: &'static TableSpec;
    /// Why a rail can't be left on, where it can't.
    const NEVER_LEFT_ON: Option<&'static str> = None;
    /// Whether a rail is off as soon as it is opened.
    const OPENS_OFF: bool = false;
    /// Whether a person switches it: then [`Self::open`] is not called.
    const BY_HAND: bool = false;

    /// Reads the keys of its table; none if one of them is wrong.
    fn read(table: &mut Table<'_, '_>, context: &RailContext<'_>) -> Option<Self>;

    /// What tells this rail from others of its kind, for messages.
    fn label(&self) -> String;

    /// What only one board can have.
    fn uses(&self) -> RailUses;

    /// How long one switch or one measurement may take, with all attempts.
    fn patience(&self) -> Duration {
        /// Lines, hubs and plugs: see the attempts of their drivers.
        const DEVICES: Duration = Duration::from_secs(20);
        DEVICES
    }

    /// Opens all rails of this kind that a board has: those that can are switched in one call. `sysfs` is `/sys`.
    fn open(rails: Vec<Opening<Self>>, sysfs: &Path) -> Result<Vec<Opened>, PowerError>;

    /// Checks that the rail can be switched, without switching it.
    fn check(&self) -> Diagnosis;
}

/// A rail to be opened.
pub(crate) struct Opening<K> {
    pub(crate) settings: K,
    /// As messages name it.
    pub(crate) name: String,
    pub(crate) safe_state: SafeState,
}

/// What switches one rail, or several in one call.
pub(crate) struct Opened {
    pub(crate) driver: Box<dyn PowerDriver>,
    pub(crate) safe_state: SafeState,
}

impl<K> Opening<K> {
    /// Opens rail by rail.
    pub(crate) fn each<D: PowerDriver + 'static>(
        rails: Vec<Self>,
        open: impl Fn(K, String) -> Result<D, PowerError>,
    ) -> Result<Vec<Opened>, PowerError> {
        let opened = |opening: Self| {
            Ok(Opened { driver: Box::new(open(opening.settings, opening.name)?), safe_state: opening.safe_state })
        };
        rails.into_iter().map(opened).collect()
    }
}

/// The result of checking a rail or a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Diagnosis {
    /// It can be used; a description.
    Good(String),
    /// It can't be used.
    Bad {
        /// Why.
        reason: String,
        /// What may help.
        hint: String,
    },
}

impl Diagnosis {
    /// Of a line of this machine.
    pub(crate) fn of_line(line: &Line) -> Self {
        match crate::lines::check_line(line) {
            Ok(()) => Self::Good(format!("{line} is free")),
            Err((reason, hint)) => Self::Bad { reason, hint },
        }
    }

    /// Of a device in the network: whether something accepts connections at its address.
    pub(crate) fn of_remote(uses: &RailUses) -> Self {
        use std::net::{TcpStream, ToSocketAddrs as _};
        const PATIENCE: Duration = Duration::from_secs(3);
        let Some(RemoteDevice { host, port, .. }) = &uses.remote else {
            return Self::Bad { reason: "it has no address".to_owned(), hint: String::new() };
        };
        let connected = (host.as_str(), *port)
            .to_socket_addrs()
            .and_then(|mut found| found.next().ok_or_else(|| std::io::Error::other("no such host")))
            .and_then(|found| TcpStream::connect_timeout(&found, PATIENCE));
        match connected {
            Ok(_) => Self::Good(format!("{host}:{port} answers")),
            Err(error) => Self::Bad {
                reason: format!("{host}:{port}: {error}"),
                hint: "is it switched on and in this network?".to_owned(),
            },
        }
    }

    /// Of a program of this machine.
    #[must_use]
    pub fn of_program(program: &str) -> Self {
        if is_program(program) {
            return Self::Good(format!("`{program}` is there"));
        }
        Self::Bad {
            reason: format!("there is no program `{program}`"),
            hint: "install it, or give its whole path".to_owned(),
        }
    }
}

fn is_program(program: &str) -> bool {
    let is_file = |path: &Path| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return is_file(Path::new(program));
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| is_file(&folder.join(program)))
}

/// A kind without its type, as the list of kinds holds it.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) kind: RailKind,
    by_hand: bool,
    open: fn(&[Rail], &Path) -> Result<Vec<Opened>, PowerError>,
    check: fn(&RailDriver) -> Result<Diagnosis, PowerError>,
}

impl Entry {
    pub(crate) const fn of<K: PowerKind>() -> Self {
        let kind = RailKind { word: K::WORD, keys: K::KEYS, never_left_on: K::NEVER_LEFT_ON, read: read_settings::<K> };
        Self { kind, by_hand: K::BY_HAND, open: open_rails::<K>, check: check_rail::<K> }
    }

    /// Opens those rails that are of this kind and that no person switches.
    pub(crate) fn open(&self, rails: &[Rail], sysfs: &Path) -> Result<Vec<Opened>, PowerError> {
        if self.by_hand { Ok(Vec::new()) } else { (self.open)(rails, sysfs) }
    }

    pub(crate) fn check(&self, driver: &RailDriver) -> Result<Diagnosis, PowerError> {
        (self.check)(driver)
    }
}

fn read_settings<K: PowerKind>(table: &mut Table<'_, '_>, context: &RailContext<'_>) -> Option<RailDriver> {
    K::read(table, context).map(|settings| driver_of(&settings))
}

/// The passive description of a rail with these settings.
pub(crate) fn driver_of<K: PowerKind>(settings: &K) -> RailDriver {
    RailDriver {
        word: K::WORD.to_owned(),
        settings: serde_json::to_value(settings).unwrap_or_default(),
        name: format!("{} {}", K::WORD, settings.label()).trim_end().to_owned(),
        uses: settings.uses(),
        patience: settings.patience(),
        opens_off: K::OPENS_OFF,
        by_hand: K::BY_HAND,
    }
}

fn settings_of<K: PowerKind>(driver: &RailDriver) -> Result<K, PowerError> {
    let unreadable = |error: serde_json::Error| PowerError::new(&driver.name, error.to_string(), None);
    serde_json::from_value(driver.settings.clone()).map_err(unreadable)
}

fn open_rails<K: PowerKind>(rails: &[Rail], sysfs: &Path) -> Result<Vec<Opened>, PowerError> {
    let of_kind = rails.iter().filter(|rail| rail.driver.word == K::WORD);
    let opening = of_kind.map(|rail| {
        let settings = settings_of::<K>(&rail.driver)?;
        Ok(Opening { settings, name: rail.driver.name.clone(), safe_state: rail.safe_state })
    });
    let opening = opening.collect::<Result<Vec<_>, PowerError>>()?;
    if opening.is_empty() { Ok(Vec::new()) } else { K::open(opening, sysfs) }
}

fn check_rail<K: PowerKind>(driver: &RailDriver) -> Result<Diagnosis, PowerError> {
    settings_of::<K>(driver).map(|settings| settings.check())
}
