//! Checks of a Raspberry Pi: which one it is, what it does with released lines, and its supply.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Check;

/// The kernel's drivers of a Pi's lines: Pi 1 to 4, and Pi 5.
const LINE_DRIVERS: [&str; 2] = ["pinctrl_bcm2835", "pinctrl_rp1"];

/// The machine as its kernel describes it.
pub(super) struct Pi {
    root: PathBuf,
    model: String,
    /// The kernel's release, as `uname -r` prints it.
    kernel: String,
}

impl Pi {
    /// This machine, if it is a Raspberry Pi. `root` is `/`.
    pub(super) fn detect(root: &Path) -> Option<Self> {
        let model = read(&root.join("proc/device-tree/model"))?;
        let kernel = read(&root.join("proc/sys/kernel/osrelease")).unwrap_or_default();
        model.starts_with("Raspberry Pi").then(|| Self { root: root.to_owned(), model, kernel })
    }

    /// The checks that every Pi gets. `vcgencmd` asks the Pi's firmware, if the program is installed.
    pub(super) fn check(&self, vcgencmd: impl FnOnce() -> Option<String>) -> Vec<Check> {
        vec![Check::good("model", format!("{}, Linux {}", self.model, self.kernel)), self.supply(vcgencmd)]
    }

    /// What the kernel does with a GPIO line whose process has exited.
    pub(super) fn released_lines(&self) -> Check {
        const WHAT: &str = "released lines";
        let parameter = |driver: &&str| {
            let file = self.root.join(format!("sys/module/{driver}/parameters/persist_gpio_outputs"));
            read(&file).map(|value| value == "Y")
        };
        // Kernels of Raspberry Pi OS kept the level even before they had the parameter; others did not.
        let is_raspberry_pi_os =
            self.kernel.contains("rpt") || self.kernel.contains("-v7") || self.kernel.contains("-v8");
        let keeps = LINE_DRIVERS.iter().find_map(parameter).or_else(|| match () {
            () if is_raspberry_pi_os => Some(true),
            () if self.model.contains("Pi 5") || self.model.contains("Module 5") => None,
            () => Some(false),
        });
        match keeps {
            Some(false) => Check::good(WHAT, "a released line becomes an input"),
            Some(true) => Check::warns(
                WHAT,
                "a released line keeps its level: if all processes of `hil` are killed, only the wiring makes it safe",
                "add `dtparam=strict_gpiod` to `config.txt` and restart; docs/how-to/power.md, \"`hil` is killed\"",
            ),
            None => Check::warns(
                WHAT,
                format!("what Linux {} does with a released line is not known", self.kernel),
                "kill all processes of `hil` with a board on, and measure the line: docs/how-to/power.md",
            ),
        }
    }

    /// Whether the Pi has, or had, too little voltage. Then its USB ports fail at random.
    fn supply(&self, vcgencmd: impl FnOnce() -> Option<String>) -> Check {
        /// Bits of `get_throttled`: too little now, and at any time since the Pi was started.
        const NOW: u32 = 1;
        const SINCE_START: u32 = 1 << 16;
        const WHAT: &str = "supply";
        const HINT: &str = "use a supply and a cable made for this Pi, and feed boards from a supply of their own";
        let alarm = self.voltage_alarm();
        let throttled = self.throttled().or_else(|| parse_throttled(&vcgencmd()?));
        let is_low = alarm == Some(true) || throttled.is_some_and(|bits| bits & NOW != 0);
        if is_low {
            return Check::warns(WHAT, "the Pi has too little voltage now", HINT);
        }
        if throttled.is_some_and(|bits| bits & SINCE_START != 0) {
            return Check::warns(WHAT, "the Pi had too little voltage since it was started", HINT);
        }
        if alarm.is_none() && throttled.is_none() {
            let hint = "Raspberry Pi OS reports it; `vcgencmd get_throttled` shows it";
            return Check::warns(WHAT, "this system does not say whether the voltage is too low", hint);
        }
        Check::good(WHAT, "no under-voltage")
    }

    /// The alarm of the kernel's driver `raspberrypi-hwmon`, which asks the firmware every two seconds.
    fn voltage_alarm(&self) -> Option<bool> {
        let sensors = fs::read_dir(self.root.join("sys/class/hwmon")).ok()?;
        let folders = sensors.flatten().map(|entry| entry.path());
        let sensor = { folders }.find(|folder| read(&folder.join("name")).as_deref() == Some("rpi_volt"))?;
        read(&sensor.join("in0_lcrit_alarm")).map(|alarm| alarm != "0")
    }

    /// What the firmware says through the kernel of Raspberry Pi OS.
    fn throttled(&self) -> Option<u32> {
        let folder = self.root.join("sys/devices/platform/soc/soc:firmware");
        let bits = read(&folder.join("get_throttled"))?;
        u32::from_str_radix(bits.trim_start_matches("0x"), 16).ok()
    }
}

/// The reply of `vcgencmd get_throttled`: `throttled=0x50005`.
fn parse_throttled(reply: &str) -> Option<u32> {
    let (_, bits) = reply.trim().split_once("=0x")?;
    u32::from_str_radix(bits, 16).ok()
}

/// Asks the Pi's firmware with its own program.
pub(super) fn vcgencmd() -> Option<String> {
    let asked = Command::new("vcgencmd").arg("get_throttled").stdin(Stdio::null()).output().ok()?;
    String::from_utf8(asked.stdout).ok()
}

/// The text of a small file of the kernel; the device tree ends its texts with a null byte.
fn read(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    Some(text.trim_end_matches(['\0', '\n']).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder shaped like the root of a machine.
    struct Root(tempfile::TempDir);

    impl Root {
        fn of(model: &str, kernel: &str) -> Self {
            let root = Self(tempfile::tempdir().expect("folder"));
            root.file("proc/device-tree/model", &format!("{model}\0"));
            root.file("proc/sys/kernel/osrelease", &format!("{kernel}\n"));
            root
        }

        fn file(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            fs::write(path, text).expect("write");
        }

        fn pi(&self) -> Pi {
            Pi::detect(self.0.path()).expect("a Pi")
        }

        fn supply(&self, vcgencmd: Option<&str>) -> String {
            let checks = self.pi().check(|| vcgencmd.map(str::to_owned));
            shown(checks.last().expect("supply"))
        }

        fn released(&self) -> String {
            shown(&self.pi().released_lines())
        }
    }

    fn shown(check: &Check) -> String {
        format!("{}: {}{}", check.what, check.how, if check.hint.is_some() { " (warns)" } else { "" })
    }

    const PI_4: (&str, &str) = ("Raspberry Pi 4 Model B Rev 1.5", "6.12.34+rpt-rpi-v8");
    const PERSIST: &str = "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs";

    #[test]
    fn only_a_raspberry_pi_has_these_checks() {
        let other = Root::of("Radxa ROCK 5B", "6.12.0");
        assert!(Pi::detect(other.0.path()).is_none() && Pi::detect(Path::new("/no/such/root")).is_none());
        let checks = Root::of(PI_4.0, PI_4.1).pi().check(|| None);
        assert_eq!(shown(&checks[0]), "model: Raspberry Pi 4 Model B Rev 1.5, Linux 6.12.34+rpt-rpi-v8");
    }

    #[test]
    fn a_kernel_says_what_a_released_line_does_or_its_version_does() {
        const KEEPS: &str = "released lines: a released line keeps its level: if all processes of `hil` are killed, \
                             only the wiring makes it safe (warns)";
        const INPUT: &str = "released lines: a released line becomes an input";
        let pi = Root::of(PI_4.0, PI_4.1);
        assert_eq!(pi.released(), KEEPS);
        pi.file(PERSIST, "N\n");
        assert_eq!(pi.released(), INPUT);
        pi.file(PERSIST, "Y\n");
        assert_eq!(pi.released(), KEEPS);
        assert_eq!(Root::of(PI_4.0, "6.1.21-v8+").released(), KEEPS);
        assert_eq!(Root::of("Raspberry Pi 3 Model B", "6.1.0-50-arm64").released(), INPUT);
        let pi_5 = Root::of("Raspberry Pi 5 Model B Rev 1.0", "6.12.0-arm64");
        assert_eq!(
            pi_5.released(),
            "released lines: what Linux 6.12.0-arm64 does with a released line is not known (warns)"
        );
        pi_5.file("sys/module/pinctrl_rp1/parameters/persist_gpio_outputs", "N\n");
        assert_eq!(pi_5.released(), INPUT);
    }

    #[test]
    fn under_voltage_is_read_from_the_kernel_or_the_firmware() {
        const LOW: &str = "supply: the Pi has too little voltage now (warns)";
        const WAS_LOW: &str = "supply: the Pi had too little voltage since it was started (warns)";
        const GOOD: &str = "supply: no under-voltage";
        let pi = Root::of(PI_4.0, PI_4.1);
        assert_eq!(pi.supply(None), "supply: this system does not say whether the voltage is too low (warns)");
        assert_eq!(pi.supply(Some("throttled=0x50005\n")), LOW);
        assert_eq!(pi.supply(Some("throttled=0x50000\n")), WAS_LOW);
        assert_eq!(pi.supply(Some("throttled=0x0\n")), GOOD);
        pi.file("sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
        pi.file("sys/class/hwmon/hwmon1/name", "rpi_volt\n");
        pi.file("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
        assert_eq!(pi.supply(None), GOOD);
        pi.file("sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n");
        assert_eq!(pi.supply(None), WAS_LOW);
        pi.file("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        assert_eq!(pi.supply(None), LOW);
    }
}
