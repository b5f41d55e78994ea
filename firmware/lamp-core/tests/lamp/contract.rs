//! A test for each line of the lamp's contract.

use lamp_core::{Settings, Variant};

use crate::broker::{Broker, Fault};

fn settings() -> Settings {
    let client_id = "lamp-0a0b0c".into();
    Settings { client_id, user: None, password: None, keep_alive: Settings::KEEP_ALIVE, update_topic: None }
}

/// A lamp that is online, and its broker.
fn online() -> Broker {
    let mut broker = Broker::new(settings(), Variant::GOOD);
    broker.run_for(100);
    assert!(broker.is_subscribed());
    broker
}

#[test]
fn it_connects_with_a_clean_session_and_its_client_identifier() {
    let connect = online().connects[0].clone();
    assert_eq!((connect.client_id.as_str(), connect.clean_session, connect.level), ("lamp-0a0b0c", true, 4));
    assert_eq!((connect.user, connect.password), (None, None));
}

#[test]
fn its_user_and_password_are_those_of_its_settings() {
    let settings = Settings { user: Some("ibu".into()), password: Some("rahasia".into()), ..settings() };
    let mut broker = Broker::new(settings, Variant::GOOD);
    broker.run_for(100);
    let connect = &broker.connects[0];
    assert_eq!((connect.user.as_deref(), connect.password.as_deref()), (Some("ibu"), Some("rahasia")));
}

#[test]
fn its_keep_alive_is_five_seconds_and_a_setting_changes_it() {
    assert_eq!(online().connects[0].keep_alive, 5);
    let mut broker = Broker::new(Settings { keep_alive: 60, ..settings() }, Variant::GOOD);
    broker.run_for(100);
    assert_eq!(broker.connects[0].keep_alive, 60);
}

#[test]
fn its_will_is_offline_on_the_status_topic_at_qos_1_and_retained() {
    let connect = online().connects[0].clone();
    assert_eq!(connect.will, Some(("sooko/status".into(), "offline".into(), 1, true)));
}

#[test]
fn its_birth_is_online_on_the_status_topic_retained_and_comes_after_the_subscription() {
    let broker = online();
    assert_eq!(broker.from_lamp[0], "SUBSCRIBE sooko/lampu 1");
    assert_eq!(broker.from_lamp[1], "PUBLISH sooko/status online 1 retained");
}

#[test]
fn on_lights_the_lamp_and_is_answered_with_saya_hidup_on_loger() {
    let mut broker = online();
    broker.publish("sooko/lampu", "on", 1, Fault::None);
    broker.run_for(10);
    assert!(broker.is_lit);
    assert_eq!(broker.answers, ["saya hidup"]);
}

#[test]
fn off_puts_the_lamp_out_and_is_answered_with_saya_mati_on_loger() {
    let mut broker = online();
    broker.publish("sooko/lampu", "on", 1, Fault::None);
    broker.publish("sooko/lampu", "off", 1, Fault::None);
    broker.run_for(10);
    assert!(!broker.is_lit);
    assert_eq!(broker.answers, ["saya hidup", "saya mati"]);
}

#[test]
fn any_other_payload_and_any_other_topic_change_nothing() {
    let mut broker = online();
    for payload in ["ON", "", "on ", "onoff", "1", "saya hidup", "\u{3bb}"] {
        broker.publish("sooko/lampu", payload, 1, Fault::None);
    }
    broker.publish("sooko/lampu2", "on", 1, Fault::None);
    broker.run_for(10);
    assert!(!broker.is_lit && broker.answers.is_empty());
    assert_eq!(broker.unacknowledged(), 0, "they are acknowledged all the same");
}

#[test]
fn a_command_at_qos_1_is_acknowledged_and_one_at_qos_0_is_not() {
    let mut broker = online();
    broker.publish("sooko/lampu", "on", 0, Fault::None);
    broker.run_for(10);
    assert!(broker.acknowledged.is_empty());
    broker.publish("sooko/lampu", "on", 1, Fault::None);
    broker.run_for(10);
    assert_eq!(broker.acknowledged.len(), 1);
    assert_eq!(broker.answers.len(), 2);
}

#[test]
fn a_quiet_lamp_pings_within_its_keep_alive() {
    let mut broker = online();
    broker.run_for(60_000);
    assert!(broker.longest_silence <= 5_000, "{} ms", broker.longest_silence);
    assert_eq!(broker.connects.len(), 1);
}

#[test]
fn a_broker_that_stops_answering_is_left_within_two_keep_alives() {
    let mut broker = online();
    broker.is_silent = true;
    broker.run_for(7_500);
    assert!(!broker.is_connected());
}

#[test]
fn without_a_keep_alive_nothing_is_pinged() {
    let mut broker = Broker::new(Settings { keep_alive: 0, ..settings() }, Variant::GOOD);
    broker.run_for(600_000);
    assert!(!broker.from_lamp.iter().any(|packet| packet == "PINGREQ"));
    assert_eq!(broker.connects.len(), 1);
}

#[test]
fn it_reconnects_with_growing_pauses_of_at_most_eight_seconds_and_a_fifth() {
    let mut broker = online();
    broker.refuses = true;
    broker.cut();
    broker.run_for(60_000);
    let pauses: Vec<_> = broker.attempts.windows(2).skip(1).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.len() > 6, "{pauses:?}");
    assert!(pauses.windows(2).take(4).all(|pair| pair[0] < pair[1]), "{pauses:?}");
    assert!(pauses.iter().all(|pause| (200..=9_600).contains(pause)), "{pauses:?}");
}

#[test]
fn after_a_success_the_pauses_begin_short_again() {
    let mut broker = online();
    broker.refuses = true;
    broker.cut();
    broker.run_for(30_000);
    broker.refuses = false;
    broker.run_for(10_000);
    assert!(broker.is_subscribed());
    let before = broker.now();
    broker.cut();
    broker.run_for(400);
    assert!(broker.is_subscribed(), "after {} ms", broker.now() - before);
}

#[test]
fn after_each_reconnection_it_subscribes_and_publishes_its_birth_again() {
    let mut broker = online();
    broker.cut();
    broker.run_for(1_000);
    let births = broker.from_lamp.iter().filter(|packet| packet.contains("online")).count();
    let subscriptions = broker.from_lamp.iter().filter(|packet| packet.starts_with("SUBSCRIBE")).count();
    assert_eq!((broker.connects.len(), births, subscriptions), (2, 2, 2));
}

#[test]
fn a_subscription_that_is_never_granted_ends_the_connection() {
    let mut broker = Broker::new(settings(), Variant::GOOD);
    broker.lose_next_to_lamp("SUBACK");
    broker.run_for(6_000);
    assert_eq!(broker.connects.len(), 2);
    assert!(broker.is_subscribed());
}

#[test]
fn a_stream_in_single_bytes_changes_nothing() {
    let mut broker = Broker::new(settings(), Variant::GOOD);
    broker.piece = 1;
    broker.run_for(100);
    broker.publish("sooko/lampu", "on", 1, Fault::None);
    broker.run_for(10);
    assert!(broker.is_lit);
    assert_eq!((broker.answers.len(), broker.acknowledged.len()), (1, 1));
}
