//! Stopping, starting and configuring the broker.

use cucumber::{given, when};
use hil_config::{SHORTEST_SECRET, expand};
use hil_mqtt::broker::{Access, AclRule, Who};
use hil_timeline::Effect;

use crate::error::StepError;
use crate::parameters::{AccessWord, Text};
use crate::spec::{Ability, StepSpec};
use crate::stage::Stage;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the broker requires the user {text} with the password {password}",
        &[(
            r#"Given the broker requires the user "lamp" with the password "wonderland""#,
            "From now on only named users may connect. `${secret:NAME}` keeps the password out of the file; it \
             must have at least 4 characters so that it can be hidden everywhere. Restarts the broker.",
        )],
    )
    .asking(Ability::Configure),
    StepSpec::new(
        "the broker allows (?:everybody|the user {text}) to (?:read|write|read and write) {filter} only",
        &[
            (
                r#"Given the broker allows the user "lamp" to read "sooko/#" only"#,
                "Denies everything that no such step allows: `read`, `write` or `read and write`. Restarts the broker.",
            ),
            (
                r#"Given the broker allows everybody to read "%c/#" only"#,
                "The same for all users. `%c` is the client id and `%u` the user name.",
            ),
        ],
    )
    .asking(Ability::Configure),
    StepSpec::new(
        "the broker takes no more than {count} connections?",
        &[(
            "Given the broker takes no more than 2 connections",
            "The harness itself does not count. Restarts the broker.",
        )],
    )
    .asking(Ability::Configure),
    StepSpec::new(
        "the broker keeps its state over a restart",
        &[(
            "Given the broker keeps its state over a restart",
            "Sessions and retained messages survive `the broker restarts`. Restarts the broker.",
        )],
    )
    .asking(Ability::Configure),
    StepSpec::new(
        "the broker requires client certificates",
        &[(
            "Given the broker requires client certificates",
            "A board must connect over TLS and show a certificate that the bench's CA signed. Restarts the broker.",
        )],
    )
    .asking(Ability::Configure),
    StepSpec::new(
        "the broker (?:stops|starts|restarts)",
        &[
            ("When the broker stops", "Closes every connection; new ones are refused."),
            (
                "When the broker starts",
                "The broker runs again at the same address. The embedded broker has lost its state.",
            ),
            ("When the broker restarts", "Stops and starts the broker."),
        ],
    )
    .asking(Ability::Stop),
    StepSpec::new(
        "the broker crashes",
        &[("When the broker crashes", "Kills the broker without a chance to save (`mosquitto` only).")],
    )
    .asking(Ability::Crash),
    StepSpec::new(
        "the broker (?:is paused|goes on)",
        &[
            ("When the broker is paused", "The broker stops working and its connections stay open (`mosquitto` only)."),
            ("When the broker goes on", "The broker continues where it was paused."),
        ],
    )
    .asking(Ability::Pause),
];

#[when("the broker stops")]
async fn stops(world: &mut HilWorld) -> Result<(), StepError> {
    world.stage()?.act(Stage::stop_broker).await
}

#[when("the broker starts")]
async fn starts(world: &mut HilWorld) -> Result<(), StepError> {
    world.stage()?.act(Stage::start_broker).await
}

#[when("the broker restarts")]
async fn restarts(world: &mut HilWorld) -> Result<(), StepError> {
    let restart = async |stage: &mut Stage| {
        let stopped = stage.stop_broker().await?;
        let started = stage.start_broker().await?;
        // Records since the stop match; deadlines count from when the broker runs again.
        Ok::<_, StepError>(Effect { cursor: stopped.cursor, at: started.at })
    };
    world.stage()?.act(restart).await
}

#[when("the broker crashes")]
async fn crashes(world: &mut HilWorld) -> Result<(), StepError> {
    world.stage()?.act(Stage::crash_broker).await
}

#[when("the broker is paused")]
async fn is_paused(world: &mut HilWorld) -> Result<(), StepError> {
    world.stage()?.act(async |stage| stage.pause_broker()).await
}

#[when("the broker goes on")]
async fn goes_on(world: &mut HilWorld) -> Result<(), StepError> {
    world.stage()?.act(async |stage| stage.resume_broker()).await
}

#[given(expr = "the broker requires the user {text} with the password {text}")]
async fn requires_user(world: &mut HilWorld, user: Text, password: Text) -> Result<(), StepError> {
    let password = expand(&password).map_err(|wrong| StepError::errored(wrong.what).with_hint(wrong.hint))?.text;
    if password.chars().count() < SHORTEST_SECRET {
        let hint = format!(
            "use {SHORTEST_SECRET} characters or more: hiding a shorter one would hide ordinary words in reports"
        );
        return Err(StepError::errored("the password is too short to be hidden").with_hint(hint));
    }
    let change = |settings: &mut hil_mqtt::broker::Settings| {
        settings.users.insert(user.0, password);
    };
    world.stage()?.configure_broker(change).await
}

#[given(expr = "the broker allows everybody to {access} {text} only")]
async fn allows_everybody(world: &mut HilWorld, access: AccessWord, filter: Text) -> Result<(), StepError> {
    allow(world, Who::Anyone, access, filter).await
}

#[given(expr = "the broker allows the user {text} to {access} {text} only")]
async fn allows_user(world: &mut HilWorld, user: Text, access: AccessWord, filter: Text) -> Result<(), StepError> {
    allow(world, Who::User(user.0), access, filter).await
}

async fn allow(world: &mut HilWorld, who: Who, access: AccessWord, filter: Text) -> Result<(), StepError> {
    let access = match &*access {
        "read" => Access::Read,
        "write" => Access::Write,
        _ => Access::ReadWrite,
    };
    let rule = AclRule { who, access, filter: filter.0 };
    world.stage()?.configure_broker(|settings| settings.acl.get_or_insert_default().rules.push(rule)).await
}

#[given(expr = "the broker takes no more than {int} connection(s)")]
async fn takes_no_more(world: &mut HilWorld, most: u32) -> Result<(), StepError> {
    world.stage()?.configure_broker(|settings| settings.max_connections = Some(most)).await
}

#[given("the broker keeps its state over a restart")]
async fn keeps_state(world: &mut HilWorld) -> Result<(), StepError> {
    world.stage()?.configure_broker(|settings| settings.persistence = true).await
}

#[given("the broker requires client certificates")]
async fn requires_certificates(world: &mut HilWorld) -> Result<(), StepError> {
    world.stage()?.require_certificates().await
}
