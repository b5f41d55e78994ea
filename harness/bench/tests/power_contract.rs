//! One suite for every power driver, one for every reset driver. A new driver adds itself to the lists below.

use std::sync::Arc;
use std::time::Duration;

use hil_bench::{Bench, Claim};
use hil_timeline::{Cursor, Epoch, Timeline, What};
use tokio::time::Instant;

/// What any rail and any reset must do, seen from the console.
async fn fulfills_the_contract(config: hil_config::Bench) {
    let timeline = Timeline::in_memory(Epoch::start());
    let bench = Bench::open(config, &timeline, Claim::default()).await.expect("bench");
    let mut board = bench.lock("lamp").await.expect("board");
    let boots_after = |from: Cursor| {
        let timeline = timeline.clone();
        async move {
            let boot = |what: &What| matches!(what, What::Console { line, .. } if line.contains("rst:0x"));
            let deadline = Instant::now() + Duration::from_secs(5);
            timeline.wait_for(from, deadline, |event| boot(&event.what).then_some(())).await.expect("a boot")
        }
    };
    let start = timeline.end();
    board.power_on().await.expect("on");
    board.power_on().await.expect("on twice is on");
    boots_after(start).await;
    let powered = timeline.since(start).iter().filter(|event| matches!(event.what, What::Power { .. })).count();
    assert_eq!(powered, 1, "a rail that is on is not switched again");

    let from = board.reset().await.expect("reset").cursor;
    boots_after(from).await;
    // Its flash is empty: the ROM says so three times and then waits for its watchdog.
    let mut said = 0;
    let last = |event: &hil_timeline::RunEvent| {
        let complaint = matches!(&event.what, What::Console { line, .. } if line.contains("invalid header"));
        said += usize::from(complaint);
        (said == 3).then_some(())
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    timeline.wait_for(from, deadline, last).await.expect("no more output is on its way");

    board.power_off().await.expect("off");
    board.power_off().await.expect("off twice is off");
    let off = timeline.end();
    let talks = timeline.wait_for(off, Instant::now() + Duration::from_millis(200), |event| {
        matches!(event.what, What::Console { .. }).then_some(())
    });
    assert!(talks.await.is_err(), "the board talks without power");
    board.reset().await.expect("a reset without power is not an error");
    assert!(!board.is_powered());
    drop(board);
    let bench = Arc::new(bench);
    bench.make_safe().await;
}

#[tokio::test]
async fn the_virtual_driver_fulfills_the_contract() {
    fulfills_the_contract(hil_config::Bench::builtin()).await;
}
