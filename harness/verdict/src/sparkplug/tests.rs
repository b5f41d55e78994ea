use hil_sparkplug::Metric;
use hil_timeline::{Direction, Epoch, Timeline};

use super::*;

/// Records of a node.
struct Node {
    timeline: Timeline,
    records: Vec<std::sync::Arc<RunEvent>>,
    connection: u32,
}

fn payload(seq: Option<u64>, birth_death: Option<u64>, named: &[(Option<&str>, Option<u64>)]) -> Payload {
    // The crate's type for values is its own: a metric is made of its bytes.
    let number = birth_death.map(|number| {
        let mut bytes = vec![0x0a, 5];
        bytes.extend(b"bdSeq");
        bytes.extend([0x20, 8, 0x58, u8::try_from(number).expect("small") & 0x7f]);
        prost_metric(&bytes)
    });
    let metric = |(name, alias): &(Option<&str>, Option<u64>)| {
        let mut metric = Metric::default();
        metric.name = name.map(str::to_owned);
        metric.alias = *alias;
        metric
    };
    let metrics = number.into_iter().chain(named.iter().map(metric)).collect();
    Payload(Message { timestamp: Some(1), metrics, seq, ..Message::default() }.encode())
}

fn prost_metric(bytes: &[u8]) -> Metric {
    let mut whole = vec![0x12, u8::try_from(bytes.len()).expect("short")];
    whole.extend(bytes);
    Message::decode(&whole).expect("a metric").metrics.remove(0)
}

impl Node {
    fn new() -> Self {
        Self { timeline: Timeline::in_memory(Epoch::start()), records: Vec::new(), connection: 0 }
    }

    fn packet(mut self, packet: Packet) -> Self {
        let (direction, connection) = (Direction::FromBoard, self.connection);
        let board = "edge".to_owned();
        let what = What::Packet { board, connection, direction, bytes: 2, disposition: None, answer_us: None, packet };
        self.records.push(self.timeline.record(None, what));
        self
    }

    fn connects(mut self, birth_death: u64) -> Self {
        self.connection += 1;
        let will = Will {
            topic: "spBv1.0/g/NDEATH/n".into(),
            payload: payload(None, Some(birth_death), &[]),
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: Vec::new(),
        };
        self.connects_with(Some(will))
    }

    fn connects_with(self, will: Option<Will>) -> Self {
        self.packet(Packet::Connect {
            protocol: 4,
            client_id: "edge".into(),
            keep_alive: 5,
            clean_session: true,
            user_name: None,
            has_password: false,
            will,
            properties: Vec::new(),
        })
    }

    fn publishes(self, topic: &str, payload: Payload) -> Self {
        self.publishes_with(topic, payload, QoS::AtMostOnce, false)
    }

    fn publishes_with(self, topic: &str, payload: Payload, qos: QoS, retain: bool) -> Self {
        let topic = topic.to_owned();
        let packet_id = (qos != QoS::AtMostOnce).then_some(1);
        let (dup, aliased, properties) = (false, false, Vec::new());
        self.packet(Packet::Publish { topic, payload, qos, retain, dup, packet_id, aliased, properties })
    }

    fn born(self, birth_death: u64) -> Self {
        self.publishes("spBv1.0/g/NBIRTH/n", payload(Some(0), Some(birth_death), &[(Some("t"), Some(7))]))
    }

    fn reset(mut self) -> Self {
        let what = What::PowerSwitching { board: "edge".into(), on: true };
        self.records.push(self.timeline.record(None, what));
        self
    }

    fn wrong(self) -> Vec<String> {
        let mut session = SparkplugSession::new("edge");
        self.records.iter().for_each(|event| session.take(event));
        session.wrong().iter().map(|(_, what)| what.clone()).collect()
    }
}

const NDATA: &str = "spBv1.0/g/NDATA/n";
const DBIRTH: &str = "spBv1.0/g/DBIRTH/n/d";
const DDATA: &str = "spBv1.0/g/DDATA/n/d";

fn with_seq(seq: u64) -> Payload {
    payload(Some(seq), None, &[])
}

#[test]
fn a_session_as_it_should_be() {
    let mut node = Node::new().connects(0).born(0).publishes(NDATA, payload(Some(1), None, &[(None, Some(7))]));
    node = node.publishes(DBIRTH, payload(Some(2), None, &[(Some("x"), Some(8))]));
    for seq in 3..600_u64 {
        node = node.publishes(DDATA, payload(Some(seq % 256), None, &[(None, Some(8))]));
    }
    // Asked for another birth, and connected again.
    node = node.born(0).publishes(DBIRTH, with_seq(1)).connects(1).born(1).publishes(NDATA, with_seq(1));
    assert_eq!(node.wrong(), Vec::<String>::new());
}

#[test]
fn a_restart_begins_again() {
    let twice = Node::new().connects(0).born(0).connects(0).born(0).wrong();
    assert_eq!(twice, ["`bdSeq` is 0 after 0 in the session before (topics-nbirth-bdseq-increment)"]);
    assert!(Node::new().connects(0).born(0).reset().connects(0).born(0).wrong().is_empty());
    assert!(Node::new().connects(255 & 0x7f).born(127).connects(0).born(0).wrong().len() == 1);
}

#[test]
fn what_is_wrong_is_said_with_its_rule() {
    let will = |topic: &str, qos, retain| {
        let payload = payload(Some(1), None, &[]);
        Some(Will { topic: topic.into(), payload, qos, retain, properties: Vec::new() })
    };
    let wrong = [
        ("no will", Node::new().connects_with(None)),
        ("other will", Node::new().connects_with(will("status", QoS::AtMostOnce, true))),
        ("will of a birth", Node::new().connects_with(will("spBv1.0/g/NBIRTH/n", QoS::AtMostOnce, true))),
        ("bad will", Node::new().connects_with(will("spBv1.0/g/NDEATH/n", QoS::AtMostOnce, true))),
        ("other number", Node::new().connects(3).born(4)),
        ("seq at birth", Node::new().connects(3).publishes("spBv1.0/g/NBIRTH/n", payload(Some(5), Some(3), &[]))),
        ("no seq", Node::new().connects(3).born(3).publishes(NDATA, payload(None, None, &[]))),
        ("lost one", Node::new().connects(3).born(3).publishes(NDATA, with_seq(1)).publishes(NDATA, with_seq(3))),
        ("before birth", Node::new().connects(3).publishes(NDATA, with_seq(0))),
        ("device before birth", Node::new().connects(3).born(3).publishes(DDATA, with_seq(1))),
        ("retained", Node::new().connects(3).born(3).publishes_with(NDATA, with_seq(1), QoS::AtLeastOnce, true)),
        ("alias", Node::new().connects(3).born(3).publishes(NDATA, payload(Some(1), None, &[(None, Some(9))]))),
        (
            "same alias",
            Node::new().connects(3).born(3).publishes(DBIRTH, payload(Some(1), None, &[(Some("y"), Some(7))])),
        ),
        ("no name", Node::new().connects(3).born(3).publishes(NDATA, payload(Some(1), None, &[(None, None)]))),
        ("no protobuf", Node::new().connects(3).born(3).publishes(NDATA, Payload::from("{}"))),
        ("other node", Node::new().connects(3).born(3).publishes("spBv1.0/g/NDATA/m", with_seq(1))),
    ];
    let lines: Vec<_> = wrong.into_iter().map(|(what, node)| format!("{what}: {:?}", node.wrong())).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
