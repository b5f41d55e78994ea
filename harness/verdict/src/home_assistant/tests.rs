use hil_timeline::{ConnectionChange, Direction, Epoch, Packet, QoS, RunEvent, Subscription, Timeline, What};

use super::*;

/// Records of a board that connects with a will, subscribes, and publishes.
struct Board {
    timeline: Timeline,
    records: Vec<std::sync::Arc<RunEvent>>,
}

impl Board {
    fn with_will(will: Option<(&str, &str)>) -> Self {
        let mut board = Self { timeline: Timeline::in_memory(Epoch::start()), records: Vec::new() };
        let opened = ConnectionChange::Opened;
        board.record(What::Connection { board: "lamp".into(), connection: 1, peer: None, change: opened });
        let will = will.map(|(topic, payload)| Will {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: true,
            properties: Vec::new(),
        });
        board.packet(
            Direction::FromBoard,
            Packet::Connect {
                protocol: 4,
                client_id: "lamp".into(),
                keep_alive: 5,
                clean_session: true,
                user_name: None,
                has_password: false,
                will,
                properties: Vec::new(),
            },
        );
        let accepted = Packet::Connack { session_present: false, code: 0, properties: Vec::new() };
        board.packet(Direction::ToBoard, accepted);
        board
    }

    fn record(&mut self, what: What) {
        self.records.push(self.timeline.record(None, what));
    }

    fn packet(&mut self, direction: Direction, packet: Packet) {
        self.record(What::Packet {
            board: "lamp".into(),
            connection: 1,
            direction,
            bytes: 2,
            disposition: None,
            answer_us: None,
            packet,
        });
    }

    fn subscribed(mut self, filter: &str) -> Self {
        let filters = vec![Subscription { filter: filter.into(), qos: QoS::AtMostOnce }];
        self.packet(Direction::FromBoard, Packet::Subscribe { packet_id: 1, filters, properties: Vec::new() });
        let granted = Packet::Suback { packet_id: 1, codes: vec![0], properties: Vec::new() };
        self.packet(Direction::ToBoard, granted);
        self
    }

    fn publishing(mut self, topic: &str, payload: &str, retain: bool) -> Self {
        let publish = Packet::Publish {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain,
            dup: false,
            packet_id: None,
            aliased: false,
            properties: Vec::new(),
        };
        self.packet(Direction::FromBoard, publish);
        self
    }

    fn wrong(&self, component: &str) -> Vec<String> {
        let component = Component::named(component).expect("a component");
        let mut rule = Announced::new("lamp", component, DISCOVERY_PREFIX);
        self.records.iter().for_each(|event| rule.take(event));
        rule.wrong()
    }
}

const CONFIG: &str = "homeassistant/light/kitchen/config";

fn light() -> Board {
    Board::with_will(Some(("kitchen/status", "offline"))).subscribed("kitchen/set").publishing(
        "kitchen/status",
        "online",
        true,
    )
}

#[test]
fn abbreviations_and_a_base_topic_mean_the_same_as_full_keys() {
    let full = r#"{"command_topic": "kitchen/set", "state_topic": "kitchen/state", "availability_topic": "kitchen/status",
        "unique_id": "k", "device": {"identifiers": "k"}}"#;
    let short = r#"{"~": "kitchen", "cmd_t": "~/set", "stat_t": "~/state", "avty": [{"t": "~/status"}],
        "uniq_id": "k", "dev": {"ids": ["k"]}}"#;
    for payload in [full, short] {
        let announced = light().publishing(CONFIG, payload, true);
        assert_eq!(
            announced.wrong("light"),
            [format!("`{CONFIG}`: the board has published nothing to `kitchen/state`, its `state_topic`")]
        );
        assert_eq!(announced.publishing("kitchen/state", "ON", false).wrong("light"), [""; 0]);
    }
}

#[test]
fn the_entities_of_a_device_share_what_its_root_says() {
    let device = r#"{"dev": {"ids": "k"}, "o": {"name": "lamp"}, "avty_t": "kitchen/status", "~": "kitchen", "cmps": {
        "l": {"p": "light", "uniq_id": "l", "cmd_t": "~/set"},
        "t": {"p": "sensor", "uniq_id": "t", "stat_t": "~/temp"}}}"#;
    let board = light().publishing("homeassistant/device/kitchen/config", device, true);
    assert_eq!(board.wrong("light"), [""; 0]);
    assert_eq!(
        board.wrong("sensor"),
        ["`homeassistant/device/kitchen/config`: the board has published nothing to `kitchen/temp`, its `state_topic`"]
    );
    assert_eq!(board.wrong("switch"), ["nothing was published to `homeassistant/switch/…/config`"]);
    let without_origin = device.replace(r#""o": {"name": "lamp"}, "#, "");
    let board = light().publishing("homeassistant/device/kitchen/config", &without_origin, true);
    assert_eq!(
        board.wrong("light"),
        ["`homeassistant/device/kitchen/config`: `l`: an announcement of a device needs `device` and `origin`"]
    );
}

#[test]
fn an_empty_payload_takes_an_announcement_back() {
    let board = light().publishing(CONFIG, r#"{"cmd_t": "kitchen/set"}"#, true);
    assert_eq!(board.wrong("light"), [""; 0]);
    let board = board.publishing(CONFIG, "", true);
    assert_eq!(board.wrong("light"), ["nothing was published to `homeassistant/light/…/config`"]);
}

#[test]
fn what_is_wrong_is_named() {
    let mut all = Vec::new();
    let mut case = |name: &str, board: &Board, component: &str| {
        all.push(format!("{name}:\n  {}", board.wrong(component).join("\n  ")));
    };
    let with = |payload: &str| light().publishing(CONFIG, payload, true);
    case("another component", &with(r#"{"cmd_t": "kitchen/set"}"#), "switch");
    case("not retained", &light().publishing(CONFIG, r#"{"cmd_t": "kitchen/set"}"#, false), "light");
    case("not JSON", &with("{'cmd_t': 1}"), "light");
    case("not an object", &with("[]"), "light");
    case("without a topic for commands", &with("{}"), "light");
    case("another topic for commands", &with(r#"{"cmd_t": "kitchen/switch"}"#), "light");
    case("a wildcard", &with(r#"{"cmd_t": "kitchen/+"}"#), "light");
    case("not a text", &with(r#"{"cmd_t": ["kitchen/set"]}"#), "light");
    case("a device without a name", &with(r#"{"cmd_t": "kitchen/set", "dev": {"mf": "x"}}"#), "light");
    case(
        "both",
        &with(r#"{"cmd_t": "kitchen/set", "avty_t": "kitchen/status", "avty": {"t": "kitchen/status"}}"#),
        "light",
    );
    case("no topic", &with(r#"{"cmd_t": "kitchen/set", "avty": {}}"#), "light");
    case(
        "another payload",
        &with(r#"{"cmd_t": "kitchen/set", "avty_t": "kitchen/status", "pl_avail": "up"}"#),
        "light",
    );
    case(
        "another payload of the will",
        &with(r#"{"cmd_t": "kitchen/set", "avty_t": "kitchen/status", "pl_not_avail": "down"}"#),
        "light",
    );
    case("availability elsewhere", &with(r#"{"cmd_t": "kitchen/set", "avty_t": "kitchen/lwt"}"#), "light");
    let no_will = Board::with_will(None).subscribed("kitchen/set").publishing("kitchen/status", "online", true);
    case(
        "no will",
        &no_will.publishing(CONFIG, r#"{"cmd_t": "kitchen/set", "avty_t": "kitchen/status"}"#, true),
        "light",
    );
    let odd = light().publishing("homeassistant/light/my lamp/config", r#"{"cmd_t": "kitchen/set"}"#, true);
    case("a name with a blank", &odd, "light");
    case("control characters", &with("{\"cmd_t\": \"\\u001b[31mkitchen\"}"), "light");
    insta::assert_snapshot!(all.join("\n"));
}
