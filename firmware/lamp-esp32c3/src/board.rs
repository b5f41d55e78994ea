//! The chip's parts that the program uses: pin, watchdog, reset.

use esp_hal::gpio::{AnyPin, Level, Output, OutputConfig};
use esp_hal::peripherals::TIMG1;
use esp_hal::rtc_cntl::SocResetReason;
use esp_hal::time::Duration;
use esp_hal::timer::timg::{MwdtStage, Wdt};
use lamp_app::{LampPin, Platform};

use crate::console::log;
use crate::variant;

/// The lamp's board.
pub(crate) struct Board {
    watchdog: Wdt<TIMG1<'static>>,
    output: Output<'static>,
    pin: LampPin,
}

impl Board {
    /// The main loop beats twice a second, but for a TLS handshake, which calculates for up to 2 s at a stretch on a virtual
    /// board; a system that is stuck this long needs a reset.
    const WATCHDOG: Duration = Duration::from_secs(12);

    /// Starts the watchdog and puts the lamp out.
    pub(crate) fn new(mut watchdog: Wdt<TIMG1<'static>>, wanted: LampPin) -> Self {
        watchdog.set_timeout(MwdtStage::Stage0, Self::WATCHDOG);
        watchdog.enable();
        let pin = if is_usable(wanted.gpio) { wanted } else { LampPin { gpio: LampPin::default().gpio, ..wanted } };
        if pin != wanted {
            log("lamp", format_args!("GPIO {} can't drive a lamp, GPIO {} does", wanted.gpio, pin.gpio));
        }
        // SAFETY: nothing else in this program uses a GPIO; those of UART0, USB and the flash are excluded.
        let gpio = unsafe { AnyPin::steal(pin.gpio) };
        let output = Output::new(gpio, level(pin, false), OutputConfig::default());
        Self { watchdog, output, pin }
    }
}

/// 11 to 17 belong to the flash, 18 and 19 to USB, 20 and 21 to UART0.
fn is_usable(gpio: u8) -> bool {
    gpio <= 10
}

fn level(pin: LampPin, lit: bool) -> Level {
    Level::from(pin.level(lit))
}

impl Platform for Board {
    fn light(&mut self, lit: bool) {
        if lit && cfg!(feature = "panics-on-on") {
            panic!("a fault on request: {}", variant::BUILT);
        }
        self.output.set_level(level(self.pin, lit));
    }

    fn log(&mut self, tag: &str, text: &str) {
        log(tag, format_args!("{text}"));
    }

    fn alive(&mut self) {
        self.watchdog.feed();
    }

    fn restart(&mut self) -> ! {
        esp_hal::system::software_reset()
    }
}

/// After a panic's output: a new start. Called by `esp-backtrace`.
#[unsafe(no_mangle)]
extern "Rust" fn custom_halt() -> ! {
    esp_println::println!("Rebooting...");
    esp_hal::system::software_reset()
}

/// Why the chip started, in words.
pub(crate) fn reset_reason() -> &'static str {
    match esp_hal::system::reset_reason() {
        Some(SocResetReason::ChipPowerOn) => "power on",
        Some(SocResetReason::CoreSw | SocResetReason::Cpu0Sw) => "software restart",
        Some(SocResetReason::CoreDeepSleep) => "deep sleep",
        Some(SocResetReason::SysBrownOut) => "brown-out",
        Some(
            SocResetReason::CoreMwdt0
            | SocResetReason::CoreMwdt1
            | SocResetReason::CoreRtcWdt
            | SocResetReason::Cpu0Mwdt0
            | SocResetReason::Cpu0Mwdt1
            | SocResetReason::Cpu0RtcWdt
            | SocResetReason::SysRtcWdt
            | SocResetReason::SysSuperWdt,
        ) => "watchdog",
        _ => "other",
    }
}
