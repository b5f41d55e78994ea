//! The access point of the boards: the one that `hil` runs, and those of virtual boards.

use cucumber::when;
use hil_radio::Change;

use crate::error::StepError;
use crate::parameters::Text;
use crate::spec::{Air, StepSpec};
use crate::stage::Stage;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the access point (?:goes away|comes back)",
        &[
            (
                "When the access point goes away",
                "The network leaves the air as if the access point lost its power: its stations get no \
                 deauthentication. It is that of `[access-point]` in the bench file, and that of every virtual board of \
                 the scenario, which must execute its firmware. It comes back at the end of the scenario.",
            ),
            ("When the access point comes back", "The network is on air again; the time counts from then."),
        ],
    )
    .changing(Air::Presence),
    StepSpec::new(
        "the access point takes (?:another password|its password again)",
        &[
            (
                "When the access point takes another password",
                "Sends all stations away and takes a random password, until the end of the scenario. For an access point \
                 of `[access-point]`.",
            ),
            (
                "When the access point takes its password again",
                "Sends all stations away and takes the password of `[wifi]`.",
            ),
        ],
    )
    .changing(Air::Password),
    StepSpec::new(
        "the access point is on channel {channel}",
        &[(
            "When the access point is on channel 11",
            "Sends all stations away and comes back on another channel of the 2.4 GHz band, 1 to 14, until the end of the \
             scenario. For an access point of `[access-point]`.",
        )],
    )
    .changing(Air::Channel),
    StepSpec::new(
        "the access point of {wireless} (?:goes away|comes back)",
        &[
            (
                r#"When the access point of "lamp" goes away"#,
                "The board's Wi-Fi loses its access point; connections stay open and silent. For virtual boards that \
                 execute their firmware.",
            ),
            (r#"When the access point of "lamp" comes back"#, "The board finds it again when it next tries to join."),
        ],
    ),
];

async fn change(world: &mut HilWorld, change: Change) -> Result<(), StepError> {
    world.stage()?.act(async |stage: &mut Stage| stage.change_access_points(change).await).await
}

#[when(expr = "the access point goes away")]
async fn goes_away(world: &mut HilWorld) -> Result<(), StepError> {
    change(world, Change::Away).await
}

#[when(expr = "the access point comes back")]
async fn comes_back(world: &mut HilWorld) -> Result<(), StepError> {
    change(world, Change::Back).await
}

#[when(expr = "the access point takes another password")]
async fn takes_another_password(world: &mut HilWorld) -> Result<(), StepError> {
    change(world, Change::OtherPassword).await
}

#[when(expr = "the access point takes its password again")]
async fn takes_its_password_again(world: &mut HilWorld) -> Result<(), StepError> {
    change(world, Change::OwnPassword).await
}

#[when(expr = "the access point is on channel {int}")]
async fn is_on_channel(world: &mut HilWorld, channel: u8) -> Result<(), StepError> {
    change(world, Change::Channel(channel)).await
}

#[when(expr = "the access point of {text} goes away")]
async fn of_board_goes_away(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    set_of_board(world, &board, false).await
}

#[when(expr = "the access point of {text} comes back")]
async fn of_board_comes_back(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    set_of_board(world, &board, true).await
}

async fn set_of_board(world: &mut HilWorld, board: &str, present: bool) -> Result<(), StepError> {
    let switch = async |stage: &mut Stage| {
        let effect = stage.board(board)?.set_access_point(present).await?;
        effect.ok_or_else(|| StepError::errored(format!("`{board}` has no access point that can go away")))
    };
    world.stage()?.act(switch).await
}
