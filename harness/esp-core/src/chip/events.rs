//! What goes into a machine and what comes out of it.

use std::fmt;
use std::time::Duration;

/// Something that happens to the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Bytes arrive at the UART's receiver.
    Uart(Vec<u8>),
    /// Bytes arrive at the USB console.
    Usb(Vec<u8>),
    /// A pin is driven from outside.
    Pin {
        /// Its number.
        gpio: u8,
        /// Whether it is high.
        level: bool,
    },
    /// An Ethernet frame from the network that the station is connected to.
    Frame(Vec<u8>),
    /// From now on these access points can be heard.
    AccessPoints(Vec<AccessPoint>),
    /// The supply voltage drops.
    BrownOut,
    /// EN is low: the run ends. The flash chip keeps its supply, and ends what it is doing.
    Disable,
    /// The supply is cut: the run ends, and what the flash chip is doing stays as far as it is.
    Stop,
}

/// Something that the board does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The UART has sent these bytes.
    Uart(Vec<u8>),
    /// The USB console has sent these bytes.
    Usb(Vec<u8>),
    /// A pin is driven to another level, or no longer driven.
    Pin {
        /// Its number.
        gpio: u8,
        /// Its level; `None` when it is not driven.
        level: Option<bool>,
    },
    /// The station sends an Ethernet frame.
    Frame(Vec<u8>),
    /// The station has joined a network.
    Joined {
        /// The network's name.
        ssid: String,
        /// The access point's address.
        bssid: [u8; 6],
    },
    /// The station has left its network, or did not get into it.
    Left {
        /// The driver's number, as in `WIFI_EVENT_STA_DISCONNECTED`.
        reason: u8,
    },
    /// The program has used a register without a model for the first time; it only remembers what was written.
    Unknown {
        /// The register's address.
        address: u32,
        /// Whether it was written.
        write: bool,
        /// Where the program was: the address after the basic block with the access.
        pc: u32,
    },
    /// The host did not run the machine while something was due for its program: a timer, an end of a wait, the radio.
    Stalled {
        /// How late that was.
        behind: Duration,
    },
    /// The host took time from a program that computes: it did something else, or it executes less than 40 million
    /// instructions/s, a quarter of what a chip does. Said after every 50 ms of computing.
    Slow {
        /// How much longer the computing took for that reason.
        behind: Duration,
    },
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The chip has reset itself.
    Reset(ResetCause),
    /// As [`Input::Stop`] or [`Input::Disable`] asked for, or because the other end of the inputs is gone.
    Stopped,
    /// The program needs something that the machine doesn't have.
    Refused(Unsupported),
}

/// Something that the machine doesn't have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not supported: {hint}")]
pub struct Unsupported {
    /// What it is.
    pub what: String,
    /// What can be done about it.
    pub hint: String,
}

/// Why the chip was reset, by the number that its ROM prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResetCause {
    /// The supply came.
    PowerOn = 1,
    /// The program reset the chip.
    SoftwareSystem = 3,
    /// The chip woke from deep sleep.
    DeepSleep = 5,
    /// The watchdog of timer group 0 reset the chip.
    TimerGroup0System = 7,
    /// The watchdog of timer group 1 reset the chip.
    TimerGroup1System = 8,
    /// The RTC watchdog reset the chip without the RTC.
    RtcWatchdogSystem = 9,
    /// The watchdog of timer group 0 reset the processor.
    TimerGroup0Cpu = 11,
    /// The program reset the processor.
    SoftwareCpu = 12,
    /// The RTC watchdog reset the processor.
    RtcWatchdogCpu = 13,
    /// The supply voltage dropped.
    BrownOut = 15,
    /// The RTC watchdog reset the chip and the RTC.
    RtcWatchdogRtc = 16,
    /// The watchdog of timer group 1 reset the processor.
    TimerGroup1Cpu = 17,
    /// The super watchdog reset the chip and the RTC.
    SuperWatchdog = 18,
    /// The USB console's host reset the chip.
    UsbUart = 21,
}

impl ResetCause {
    /// The number that the ROM prints.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name that the ROM prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PowerOn => "POWERON",
            Self::SoftwareSystem => "RTC_SW_SYS_RST",
            Self::DeepSleep => "DSLEEP",
            Self::TimerGroup0System => "TG0WDT_SYS_RST",
            Self::TimerGroup1System => "TG1WDT_SYS_RST",
            Self::RtcWatchdogSystem => "RTCWDT_SYS_RST",
            Self::TimerGroup0Cpu => "TG0WDT_CPU_RST",
            Self::SoftwareCpu => "RTC_SW_CPU_RST",
            Self::RtcWatchdogCpu => "RTCWDT_CPU_RST",
            Self::BrownOut => "BROWN_OUT_RST",
            Self::RtcWatchdogRtc => "RTCWDT_RTC_RST",
            Self::TimerGroup1Cpu => "TG1WDT_CPU_RST",
            Self::SuperWatchdog => "SUPER_WDT_RST",
            Self::UsbUart => "USB_UART_CHIP_RESET",
        }
    }

    /// Whether RTC memory and the registers that stay with it lose what they hold.
    #[must_use]
    pub const fn clears_rtc(self) -> bool {
        matches!(self, Self::PowerOn | Self::BrownOut | Self::RtcWatchdogRtc | Self::SuperWatchdog)
    }
}

impl fmt::Display for ResetCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How stations prove that they may join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Without a password.
    #[default]
    Open,
    /// WPA-Personal.
    Wpa,
    /// WPA2-Personal.
    Wpa2,
    /// WPA-Personal and WPA2-Personal.
    WpaWpa2,
    /// WPA3-Personal.
    Wpa3,
    /// WPA2-Personal and WPA3-Personal.
    Wpa2Wpa3,
}

/// An access point that the station can hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPoint {
    /// The network's name, at most 32 bytes.
    pub ssid: Vec<u8>,
    /// Its own address.
    pub bssid: [u8; 6],
    /// Its channel, 1 to 14.
    pub channel: u8,
    /// How strong it is at the station, in dBm.
    pub rssi: i8,
    /// What it requires.
    pub auth: Auth,
    /// The password, unless it is open.
    pub password: Vec<u8>,
}
