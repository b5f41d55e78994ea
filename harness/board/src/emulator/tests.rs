//! What an emulator is started with.

use std::path::Path;
use std::time::Duration;

use hil_config::{Bench, Kinds};
use hil_power::PowerDriver as _;
use hil_timeline::{Cursor, Epoch, Finding, RunEvent, Timeline, What};
use tokio::time::Instant;

use super::{EmulatorDevice, emulator_presets};
use crate::error::BenchError;
use crate::reset::{ResetDriver as _, ResetInto};
use crate::scope::Scope;
use crate::tap_address::TapAddress;

const BENCH: &str = r#"
[boards.chip]
kind = "emulator"
preset = "PRESET"
console = "stdio"
command = ["sh", "-c", "echo strap {strap} >&2; exit 3"]
[firmware.app]
image = "builtin:lamp"
"#;

/// An emulator of a preset with power, that says its strapping pins and ends.
struct Fixture {
    device: EmulatorDevice,
    timeline: Timeline,
}

impl Fixture {
    async fn new(preset: &str) -> Self {
        let kinds = Kinds { emulators: emulator_presets(), ..Kinds::default() };
        let bench = Bench::from_text(&BENCH.replace("PRESET", preset), Path::new("bench.toml"), &kinds).expect("bench");
        let timeline = Timeline::in_memory(Epoch::start());
        let scope = Scope::new("chip", &timeline);
        let device = EmulatorDevice::open(bench.board("chip").expect("chip"), &scope).await.expect("opened");
        device.load(bench.firmware("app").expect("app"), &TapAddress::default());
        device.switch(true).await.expect("power");
        Self { device, timeline }
    }

    /// What it says when it is reset.
    async fn reset(&self, into: ResetInto) -> Result<String, BenchError> {
        self.device.release(into).await?;
        let ended = |event: &RunEvent| match &event.what {
            What::Found { finding: Finding::EmulatorEnded, detail, .. } => Some(detail.clone()),
            _ => None,
        };
        let until = Instant::now() + Duration::from_secs(20);
        Ok(self.timeline.wait_for(Cursor::default(), until, ended).await.expect("it ends"))
    }
}

#[tokio::test]
async fn a_preset_starts_app_or_loader_by_its_strapping_pins() {
    let loader = ResetInto::Loader { attempt: 0 };
    let starts = [
        ("qemu-esp32", ResetInto::App, "0x12"),
        ("qemu-esp32", loader, "0x0f"),
        ("qemu-esp32c3", ResetInto::App, "0x08"),
        ("qemu-esp32c3", loader, "0x02"),
    ];
    // At once: each waits for a reader of its console, which is not there.
    let said = starts.map(|(preset, into, strap)| async move {
        let said = Fixture::new(preset).await.reset(into).await.expect("started");
        assert_eq!(said, format!("with code 3\nstrap {strap}"), "{preset}");
    });
    futures::future::join_all(said).await;
}

#[tokio::test]
async fn an_emulator_without_strapping_pins_has_no_way_into_its_loader() {
    let emulator = Fixture::new("esp32sim").await;
    let error = emulator.reset(ResetInto::Loader { attempt: 0 }).await.expect_err("no loader");
    assert_eq!(
        error.to_string(),
        "board `chip` can't be reset: its emulator takes no strapping pins, so there is no way into its loader"
    );
    emulator.reset(ResetInto::App).await.expect("its app starts");
}
