//! What runs on the chip: native apps, selected by the app descriptor of the flashed image.

mod client;
mod executed;
mod lamp;
mod micropython;
mod misbehaving;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use futures::future::LocalBoxFuture;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::Instant;

use crate::boot::{BootedApp, ResetCause};
use crate::flash::Flash;
use crate::image::Partition;
use crate::names::Names;
use crate::nvs::{Nvs, NvsStore};
use crate::options::{Trouble, TroubleListener};
use crate::pins::Pins;
use crate::radio::Radio;

pub(crate) use misbehaving::{boot_loop, brown_out, panic};

/// What an app can use of its chip.
#[derive(Clone)]
pub(crate) struct Platform {
    pub(crate) console: Console,
    pub(crate) pins: Arc<Pins>,
    pub(crate) radio: Radio,
    pub(crate) names: Names,
    pub(crate) nvs: Rc<Nvs>,
    /// Storage that survives resets.
    pub(crate) store: Option<NvsStore>,
    pub(crate) flash: Flash,
    /// MicroPython's REPL supports raw-paste mode.
    pub(crate) pastes: bool,
    /// The file system partition in flash.
    pub(crate) files: Option<Partition>,
    pub(crate) mac: [u8; 6],
    pub(crate) cause: ResetCause,
    /// Input of the console.
    pub(crate) typed: Rc<Mutex<mpsc::UnboundedReceiver<Vec<u8>>>>,
    /// The pins that are driven from outside, and each change from now on.
    pub(crate) driven: Rc<RefCell<BTreeMap<u8, bool>>>,
    pub(crate) changes: Rc<Mutex<mpsc::UnboundedReceiver<(u8, bool)>>>,
    /// The access points that can be heard.
    pub(crate) air: watch::Receiver<Vec<hil_esp_core::chip::AccessPoint>>,
    /// ELF files, one of which may have the names of the image's functions.
    pub(crate) elves: Vec<Arc<[u8]>>,
    /// Whether there is a supply: without one, the flash chip stops too.
    pub(crate) supply: Rc<Cell<bool>>,
    /// RTC memory, which survives a reset.
    pub(crate) retained: Rc<RefCell<hil_esp_core::chip::Retained>>,
    pub(crate) trouble: Option<TroubleListener>,
}

impl Platform {
    fn report(&self, trouble: Trouble) {
        if let Some(listener) = &self.trouble {
            listener(trouble);
        }
    }
}

/// Output of an app.
#[derive(Clone)]
pub(crate) struct Console {
    booted: Instant,
    bytes: mpsc::Sender<Vec<u8>>,
}

impl Console {
    pub(crate) fn new(bytes: mpsc::Sender<Vec<u8>>) -> Self {
        Self { booted: Instant::now(), bytes }
    }

    /// A log line in the format of ESP-IDF.
    pub(crate) async fn info(&self, tag: &str, text: &str) {
        self.line(format!("I ({}) {tag}: {text}", self.booted.elapsed().as_millis())).await;
    }

    /// Any line.
    pub(crate) async fn line(&self, text: String) {
        self.bytes(format!("{text}\r\n").into_bytes()).await;
    }

    /// Any bytes.
    pub(crate) async fn bytes(&self, bytes: Vec<u8>) {
        // The receiver is the chip that runs the app, which outlives it.
        let _ = self.bytes.send(bytes).await;
    }
}

/// An app runs until it makes the chip reset.
pub(crate) type App = LocalBoxFuture<'static, ResetCause>;

/// What runs an image: the app that it selects, or its own code.
pub(crate) fn start(app: BootedApp, platform: Platform) -> App {
    if !app.is_native {
        return Box::pin(executed::run(platform, app));
    }
    match (app.project.as_str(), lamp::variant(&app.version)) {
        ("micropython", _) => Box::pin(micropython::run(platform)),
        ("mqtt-client", _) => Box::pin(client::run(platform)),
        ("lamp", Some(variant)) => Box::pin(lamp::run(platform, variant)),
        (project, _) => Box::pin(unknown(platform, format!("{project} {}", app.version))),
    }
}

/// Sleeps until then, or forever.
async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn unknown(platform: Platform, name: String) -> ResetCause {
    platform.console.info("hil", &format!("no native app for `{name}` on a virtual board; idle")).await;
    std::future::pending().await
}
