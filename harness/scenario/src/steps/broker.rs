//! Stopping, starting and configuring the broker.

use cucumber::{given, when};
use hil_config::{SHORTEST_SECRET, expand};
use hil_mqtt::broker::{Access, AclRule, Who};

use crate::error::StepError;
use crate::world::HilWorld;

#[when("the broker stops")]
async fn stops(world: &mut HilWorld) -> Result<(), StepError> {
    let stage = world.stage()?;
    let begin = stage.recorder().timeline().end();
    stage.stop_broker().await?;
    stage.mark_from(begin);
    Ok(())
}

#[when("the broker starts")]
async fn starts(world: &mut HilWorld) -> Result<(), StepError> {
    let stage = world.stage()?;
    let begin = stage.recorder().timeline().end();
    stage.start_broker().await?;
    stage.mark_from(begin);
    Ok(())
}

#[when("the broker restarts")]
async fn restarts(world: &mut HilWorld) -> Result<(), StepError> {
    let stage = world.stage()?;
    let begin = stage.recorder().timeline().end();
    stage.stop_broker().await?;
    stage.start_broker().await?;
    stage.mark_from(begin);
    Ok(())
}

#[when("the broker crashes")]
async fn crashes(world: &mut HilWorld) -> Result<(), StepError> {
    let stage = world.stage()?;
    let begin = stage.recorder().timeline().end();
    stage.crash_broker().await?;
    stage.mark_from(begin);
    Ok(())
}

#[when("the broker is paused")]
fn is_paused(world: &mut HilWorld) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.pause_broker()?;
    stage.mark_now();
    Ok(())
}

#[when("the broker goes on")]
fn goes_on(world: &mut HilWorld) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.mark_now();
    stage.resume_broker()
}

#[given(expr = "the broker requires the user {string} with the password {string}")]
async fn requires_user(world: &mut HilWorld, user: String, password: String) -> Result<(), StepError> {
    let password = expand(&password).map_err(|wrong| StepError::errored(wrong.what).with_hint(wrong.hint))?.text;
    if password.chars().count() < SHORTEST_SECRET {
        let hint = format!("{SHORTEST_SECRET} characters or more: hiding less would hide ordinary words in reports");
        return Err(StepError::errored("the password is too short to be hidden").with_hint(hint));
    }
    let change = |settings: &mut hil_mqtt::broker::Settings| {
        settings.users.insert(user, password);
    };
    world.stage()?.configure_broker(change).await
}

#[given(regex = r#"^the broker allows (everybody|the user "([^"]*)") to (read|write|read and write) "([^"]*)" only$"#)]
async fn allows(
    world: &mut HilWorld,
    who: String,
    user: String,
    access: String,
    filter: String,
) -> Result<(), StepError> {
    let access = match access.as_str() {
        "read" => Access::Read,
        "write" => Access::Write,
        _ => Access::ReadWrite,
    };
    let who = if who == "everybody" { Who::Everybody } else { Who::User(user) };
    let rule = AclRule { who, access, filter };
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
