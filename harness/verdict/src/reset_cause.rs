//! The reset cause of a chip, in one word for all chips.

use std::fmt;
use std::str::FromStr;

/// Why a chip booted.
///
/// A chip's ROM prints its own name for it: `POWERON`, `POWERON_RESET`, `RTC_SW_CPU_RST`, `DEEPSLEEP_RESET`, or, on an
/// ESP8266, a number (ESP8266 Technical Reference, `rst cause`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResetCause {
    /// Power-on; on some chips the EN pin as well.
    PowerOn,
    /// The EN or RST pin.
    External,
    /// A software reset, or an exception handler.
    Software,
    /// A watchdog.
    Watchdog,
    /// The supply sagged.
    BrownOut,
    /// It woke from deep sleep.
    DeepSleep,
    /// The USB controller.
    Usb,
    /// A soft reset of an interpreter; the chip did not reset.
    Soft,
    /// Something else.
    Other,
}

impl ResetCause {
    /// The words that steps use.
    pub const WORDS: &[(&str, Self)] = &[
        ("power-on", Self::PowerOn),
        ("external", Self::External),
        ("software", Self::Software),
        ("watchdog", Self::Watchdog),
        ("brown-out", Self::BrownOut),
        ("deep-sleep", Self::DeepSleep),
        ("usb", Self::Usb),
        ("soft-reset", Self::Soft),
    ];

    /// The meaning of a ROM's name or number of the cause.
    ///
    /// # Example
    /// ```
    /// use hil_verdict::ResetCause;
    /// assert_eq!(ResetCause::of("POWERON_RESET"), ResetCause::PowerOn);
    /// assert_eq!(ResetCause::of("RTC_SW_CPU_RST"), ResetCause::Software);
    /// assert_eq!(ResetCause::of("TG1WDT_SYS_RST"), ResetCause::Watchdog);
    /// ```
    #[must_use]
    pub fn of(word: &str) -> Self {
        let has = |part: &str| word.contains(part);
        match word.strip_prefix("rst cause:").unwrap_or(word) {
            "soft reset" => Self::Soft,
            // ESP8266: what its ROM prints as `rst cause:`.
            "1" => Self::PowerOn,
            "2" => Self::External,
            "3" => Self::Software,
            "4" => Self::Watchdog,
            // `RTCWDT_BROWN_OUT_RESET` is a brown-out.
            _ if has("BROWN") => Self::BrownOut,
            _ if has("WDT") => Self::Watchdog,
            _ if has("SLEEP") || has("DSLP") => Self::DeepSleep,
            _ if has("POWERON") || has("POWER_ON") || has("CHIP_POWER") => Self::PowerOn,
            _ if has("USB") || has("JTAG") => Self::Usb,
            _ if has("EXT") => Self::External,
            _ if has("SW") || has("SOFTWARE") => Self::Software,
            _ => Self::Other,
        }
    }

    /// The word that steps use.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, cause)| *cause == self).map_or("other", |(word, _)| word)
    }
}

impl fmt::Display for ResetCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for ResetCause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, cause)| *cause);
        found.ok_or_else(|| {
            let words: Vec<_> = Self::WORDS.iter().map(|(word, _)| format!("`{word}`")).collect();
            format!("`{text}` is not a reset cause: it is one of {}", words.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names from the ROMs' own tables (`soc/reset_reasons.h` of ESP-IDF, one chip after another).
    #[test]
    fn the_name_of_every_rom_has_its_cause() {
        for (word, cause) in [
            ("POWERON_RESET", ResetCause::PowerOn),
            ("POWERON", ResetCause::PowerOn),
            ("SW_RESET", ResetCause::Software),
            ("SW_CPU_RESET", ResetCause::Software),
            ("RTC_SW_SYS_RST", ResetCause::Software),
            ("RTC_SW_CPU_RST", ResetCause::Software),
            ("DEEPSLEEP_RESET", ResetCause::DeepSleep),
            ("DSLEEP", ResetCause::DeepSleep),
            ("OWDT_RESET", ResetCause::Watchdog),
            ("TG0WDT_SYS_RESET", ResetCause::Watchdog),
            ("TG1WDT_CPU_RST", ResetCause::Watchdog),
            ("RTCWDT_RTC_RESET", ResetCause::Watchdog),
            ("RTCWDT_BROWN_OUT_RESET", ResetCause::BrownOut),
            ("BROWN_OUT_RST", ResetCause::BrownOut),
            ("EXT_CPU_RESET", ResetCause::External),
            ("USB_UART_CHIP_RESET", ResetCause::Usb),
            ("USB_JTAG_CHIP_RESET", ResetCause::Usb),
            ("EFUSE_RST", ResetCause::Other),
            ("1", ResetCause::PowerOn),
            ("2", ResetCause::External),
            ("rst cause:4", ResetCause::Watchdog),
            ("soft reset", ResetCause::Soft),
        ] {
            assert_eq!(ResetCause::of(word), cause, "{word}");
        }
        assert!("power-on".parse::<ResetCause>().is_ok() && "POWERON".parse::<ResetCause>().is_err());
    }
}
