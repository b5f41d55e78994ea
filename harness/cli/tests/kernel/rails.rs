//! Rails on lines.

use std::path::Path;

use hil_bench::PowerDriver as _;
use hil_bench::power::Rails;
use hil_config::{Line, Rail};

use crate::relays::{level, relays};

fn named(name: &str) -> Line {
    Line::Name(name.to_owned())
}

fn rail(line: Line, active_low: bool) -> Rail {
    let line = match line {
        Line::Name(name) => format!("{name:?}"),
        Line::Offset { chip, offset } => format!("{{ chip = {chip:?}, offset = {offset} }}"),
    };
    let keys = format!("driver = \"gpio\", line = {line}, active-low = {active_low}");
    Rail::from_keys(&keys, &hil_bench::kinds()).expect("a rail")
}

fn open(rails: &[Rail]) -> Result<Rails, hil_bench::PowerError> {
    Rails::open(rails, Path::new("/sys"))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(future)
}

pub(crate) fn rails_on_lines() {
    let sim = relays();
    let chip = sim.chips()[0].chip_name.clone();
    for line in [named("RELAY1"), Line::Offset { chip, offset: 0 }, Line::Offset { chip: "relays".into(), offset: 0 }] {
        for active_low in [false, true] {
            let rails = open(&[rail(line.clone(), active_low)]).expect("open");
            assert_eq!(level(&sim, 0), active_low, "off from the start");
            for on in [true, true, false, true] {
                block_on(rails.switch(on)).expect("switches");
                assert_eq!(level(&sim, 0), on != active_low);
            }
            block_on(rails.make_safe()).expect("safe");
            assert_eq!(level(&sim, 0), active_low);
            // The kernel decides the level of a released line: here it goes low.
            drop(rails);
            assert!(!level(&sim, 0), "gpio-sim lets a released line go low");
        }
    }
}

pub(crate) fn rails_that_can_not_be_opened() {
    let sim = relays();
    let taken = gpiocdev::Request::builder()
        .on_chip(sim.chips()[0].dev_path())
        .with_consumer("w1")
        .with_line(2)
        .as_output(gpiocdev::line::Value::Inactive)
        .request()
        .expect("taken");
    let refused = |line: Line| {
        let error = open(&[rail(line, false)]).expect_err("refused");
        format!("{error}\nhint: {}\n", error.hint.as_deref().unwrap_or_default())
    };
    let missing = |chip: &str, offset| Line::Offset { chip: chip.to_owned(), offset };
    let said =
        [named("TAKEN"), named("NONE"), named("TWICE"), missing("gpiochip9", 0), missing("relays", 99)].map(refused);
    assert_eq!(
        said.concat(),
        "rail `gpio TAKEN`: GPIO line `TAKEN` is in use by `w1`\n\
         hint: another program or an overlay of the kernel holds it; `gpioinfo` shows which\n\
         rail `gpio NONE`: there is no GPIO line `NONE`\n\
         hint: `gpioinfo` lists chips and lines\n\
         rail `gpio TWICE`: 2 GPIO lines are called `TWICE`\n\
         hint: name it by chip and offset: `{ chip = \"gpiochip0\", offset = 17 }`\n\
         rail `gpio gpiochip9 line 0`: there is no GPIO chip `gpiochip9`\n\
         hint: `gpioinfo` lists chips and lines\n\
         rail `gpio relays line 99`: there is no GPIO line `relays line 99`\n\
         hint: `gpioinfo` lists chips and lines\n"
    );
    drop(taken);
    open(&[rail(named("TAKEN"), false)]).expect("free now");
}

pub(crate) fn two_rails_in_one_switch() {
    let sim = relays();
    let rails = open(&[rail(named("RELAY1"), false), rail(named("RELAY2"), true)]).expect("open");
    assert_eq!(rails.rail(), "gpio RELAY1 + gpio RELAY2", "one request for both");
    for on in [true, false, true] {
        block_on(rails.switch(on)).expect("switches");
        assert_eq!((level(&sim, 0), level(&sim, 1)), (on, !on));
    }
}
