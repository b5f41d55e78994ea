//! Compares traffic with snapshots.

use std::path::PathBuf;
use std::time::Duration;

use cucumber::{given, then};
use hil_timeline::{Cursor, Packet, RunEvent};

use crate::error::StepError;
use crate::parameters::Text;
use crate::snapshot::{Rule, SnapshotFile, Update, diff, trace};
use crate::spec::StepSpec;
use crate::stage::Stage;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the traffic of {board} matches the snapshot {snapshot}",
        &[(
            r#"Then the traffic of "lamp" matches the snapshot "lamp-on""#,
            "Waits until the board has sent and received nothing for 300 ms, and up to 3 s for whatever the \
             snapshot has beyond that. Then compares all packets of the board in this scenario with \
             `snapshots/lamp-on.snap` beside the feature. `cargo insta review` and `INSTA_UPDATE` work as for \
             any insta snapshot.",
        )],
    ),
    StepSpec::new(
        "snapshots of the traffic leave out the topic {filter}",
        &[(
            r#"Given snapshots of the traffic leave out the topic "tele/#""#,
            "Leaves messages on matching topics out of every snapshot of this scenario: periodic messages can't \
             be compared.",
        )],
    ),
    StepSpec::new(
        "snapshots of the traffic show {shown} as {text}",
        &[(
            r#"Given snapshots of the traffic show "/\d+ °C/" as "[temperature]""#,
            "Replaces a text, or whatever a regular expression matches, in the snapshots of this scenario. \
             UUIDs, MAC addresses, times and client id suffixes are replaced anyway. Packet ids, keep alives \
             and retransmissions are left out; JSON keys are sorted.",
        )],
    ),
];

#[given(expr = "snapshots of the traffic leave out the topic {text}")]
fn leave_out(world: &mut HilWorld, filter: Text) -> Result<(), StepError> {
    world.stage()?.add_snapshot_rule(Rule::LeaveOut { filter: filter.0 });
    Ok(())
}

#[given(expr = "snapshots of the traffic show {text} as {text}")]
fn show_as(world: &mut HilWorld, pattern: Text, shown: Text) -> Result<(), StepError> {
    let rule = Rule::show(&super::pattern(&pattern)?, shown.0);
    let rule = rule.map_err(|_| StepError::errored(format!("`{pattern}` matches bytes, and a snapshot is text")))?;
    world.stage()?.add_snapshot_rule(rule);
    Ok(())
}

#[then(expr = "the traffic of {text} matches the snapshot {text}")]
async fn matches_snapshot(world: &mut HilWorld, board: Text, name: Text) -> Result<(), StepError> {
    let feature = PathBuf::from(world.feature()?);
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let update = Update::from_env().map_err(StepError::errored)?;
    let file = SnapshotFile::of(&feature, &name).ok_or_else(|| {
        StepError::errored(format!("`{name}` is not a valid snapshot name"))
            .with_hint("use letters, digits, `-`, `_` and `.`: it becomes a file name")
    })?;
    let old = file.read().map_err(|error| unusable(&file, &error))?;
    let text = settled(stage, &board, old.as_deref()).await;
    if !text.contains("  ") {
        let error =
            StepError::errored(format!("`{board}` sent and received nothing: a snapshot of this would prove nothing"));
        return Err(error.with_details(stage.last_words(&board)));
    }
    let names = (&*board, stage.role_of(&board));
    compare(&file, old.as_deref(), &text, names, update)
}

fn unusable(file: &SnapshotFile, error: &std::io::Error) -> StepError {
    StepError::errored(format!("the snapshot `{}` can't be used: {error}", file.path().display()))
}

fn is_same(old: &str, text: &str) -> bool {
    old.trim_end() == text.trim_end()
}

/// Compares with the snapshot, which calls the board by its role.
fn compare(
    file: &SnapshotFile,
    old: Option<&str>,
    text: &str,
    (board, role): (&str, &str),
    update: Update,
) -> Result<(), StepError> {
    let path = file.path().display();
    if old.is_some_and(|old| is_same(old, text)) {
        return file.settle().map_err(|error| unusable(file, &error));
    }
    if file.keep(text, role, old.is_some(), update).map_err(|error| unusable(file, &error))? {
        return Ok(());
    }
    let hint = match update {
        Update::No => "`INSTA_UPDATE=always hil run …` accepts this traffic, `INSTA_UPDATE=new` saves it for review",
        _ => "`cargo insta review` shows and accepts it; so does `INSTA_UPDATE=always hil run …`",
    };
    let error = match old {
        Some(old) => StepError::failed(format!("the traffic of `{board}` differs from the snapshot `{path}`"))
            .with_details(diff(old, text)),
        None => StepError::errored(format!("there is no snapshot `{path}` yet"))
            .with_details(text.lines().map(str::to_owned)),
    };
    Err(error.with_hint(hint))
}

/// The trace once the board has been quiet for a while, apart from keep alives. Waits longer if it differs from the
/// snapshot.
async fn settled(stage: &Stage, board: &str, wanted: Option<&str>) -> String {
    const QUIET: Duration = Duration::from_millis(300);
    const MOST: Duration = Duration::from_secs(3);
    let end = stage.recorder().now() + MOST;
    let (mask, role) = (stage.mask(), stage.role_of(board));
    // Whichever board plays the role, the snapshot is the same. Without a firmware that knows the name, a word is a word.
    let named = Rule::role(board, role).filter(|_| stage.knows_its_name(board));
    let rules: Vec<_> = stage.snapshot_rules().iter().cloned().chain(named).collect();
    let mut from = stage.recorder().timeline().end();
    let mut patience = QUIET;
    loop {
        let until = (stage.recorder().now() + patience).min(end);
        let spoken = |event: &RunEvent| {
            let packet = event.what.sent_by_board().or_else(|| event.what.reached_board());
            let counts = packet
                .is_some_and(|(of, _, packet)| of == board && !matches!(packet, Packet::Pingreq | Packet::Pingresp));
            counts.then(|| Cursor::after(event))
        };
        if let Some(next) = stage.watch_unjudged(from, until, spoken).await {
            (from, patience) = (next, QUIET);
            continue;
        }
        // Includes packets that were read only after a stall.
        stage.settle(until).await;
        let text = trace(&stage.events(), (board, role), &rules, &mask);
        if until == end || wanted.is_none_or(|wanted| is_same(wanted, &text)) && text.contains("  ") {
            return text;
        }
        // Quiet, but still different.
        patience = MOST;
    }
}
