//! Whatever a network loses, repeats or delays, a lamp does what reaches it and comes back.

use lamp_core::{Settings, Variant};
use proptest::prelude::*;

use crate::broker::{Broker, Fault};

#[derive(Debug, Clone)]
enum Step {
    Publish { payload: &'static str, qos: u8, fault: Fault },
    LoseNext(&'static str),
    FaultFromLamp(Fault),
    Cut,
    Silence(bool),
    Refuse(bool),
    Wait(u64),
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::None),
        1 => Just(Fault::Lost),
        1 => Just(Fault::Duplicated),
        1 => (1_u16..3_000).prop_map(Fault::Delayed),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let payload = prop_oneof![Just("on"), Just("off"), Just("ON"), Just("")];
    let kinds = prop_oneof![Just("CONNACK"), Just("SUBACK"), Just("PUBACK"), Just("PINGRESP")];
    prop_oneof![
        6 => (payload, 0_u8..2, fault()).prop_map(|(payload, qos, fault)| Step::Publish { payload, qos, fault }),
        1 => kinds.prop_map(Step::LoseNext),
        1 => fault().prop_map(Step::FaultFromLamp),
        1 => Just(Step::Cut),
        1 => any::<bool>().prop_map(Step::Silence),
        1 => any::<bool>().prop_map(Step::Refuse),
        6 => (0_u64..9_000).prop_map(Step::Wait),
    ]
}

fn apply(broker: &mut Broker, step: &Step) {
    match *step {
        Step::Publish { payload, qos, fault } => broker.publish("sooko/lampu", payload, qos, fault),
        Step::LoseNext(kind) => broker.lose_next_to_lamp(kind),
        Step::FaultFromLamp(fault) => broker.fault_from_lamp = fault,
        Step::Cut => broker.cut(),
        Step::Silence(silent) => broker.is_silent = silent,
        Step::Refuse(refuses) => broker.refuses = refuses,
        Step::Wait(ms) => broker.run_for(ms),
    }
}

/// What must hold whenever the network is idle.
fn check(broker: &Broker) {
    let commands: Vec<_> =
        broker.delivered.iter().filter(|payload| ["on", "off"].contains(&payload.as_str())).collect();
    assert_eq!(broker.is_lit, commands.last().is_some_and(|last| *last == "on"), "the last command decides");
    assert_eq!(broker.unacknowledged(), 0, "every message at QoS 1 that arrives is acknowledged");
    let pauses = broker.attempts.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(pauses.min().is_none_or(|pause| pause >= 200), "attempts {:?}", broker.attempts);
    assert!(broker.longest_silence <= 5_000, "silent for {} ms", broker.longest_silence);
    for connect in &broker.connects {
        assert!(connect.will.is_some() && connect.clean_session && connect.keep_alive == 5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn a_lamp_does_what_reaches_it_and_comes_back(steps in proptest::collection::vec(step(), 0..60), piece in 1_usize..20) {
        let settings = Settings { client_id: "lamp".into(), user: None, password: None, keep_alive: 5, update_topic: None };
        let mut broker = Broker::new(settings, Variant::GOOD);
        broker.piece = piece;
        for step in &steps {
            apply(&mut broker, step);
            check(&broker);
        }
        // The network recovers: the lamp notices within two keep alives and the longest pause, and does what it is asked to.
        broker.refuses = false;
        broker.is_silent = false;
        broker.fault_from_lamp = Fault::None;
        broker.lose_next_to_lamp("nothing");
        broker.run_for(20_000);
        prop_assert!(broker.is_subscribed());
        let answered = broker.answers.len();
        broker.publish("sooko/lampu", "on", 1, Fault::None);
        broker.run_for(10);
        prop_assert!(broker.is_lit);
        prop_assert_eq!(broker.answers.len(), answered + 1);
        check(&broker);
    }
}
