//! One description of every event, packet and field; the samples are lines as `hil` writes them.

pub(crate) struct EventDoc {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) samples: &'static [&'static str],
}

pub(crate) struct PacketDoc {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) sample: &'static str,
}

const fn event(name: &'static str, about: &'static str, samples: &'static [&'static str]) -> EventDoc {
    EventDoc { name, about, samples }
}

const fn packet(name: &'static str, about: &'static str, sample: &'static str) -> PacketDoc {
    PacketDoc { name, about, sample }
}

pub(crate) const EVENTS: &[EventDoc] = &[
    event(
        "run-started",
        "The first line of every run.",
        &[
            r#"{"seq":0,"at":12,"event":"run-started","schema":4,"version":"0.1.0","unix_ms":1764226108000,"bench":"bench.toml","project":"hil.toml","broker":"embedded","boards":[{"name":"lamp","kind":"virtual","chip":"esp32c3","simulated":true},{"name":"other","kind":"emulator","chip":"esp32","simulated":true,"emulator":"QEMU emulator version 9.2.2","host":"pi-a"}],"provenance":{"commit":"1f0c9a7d7a2f4b1e8e1c2d3f4a5b6c7d8e9f0a1b","dirty":true,"branch":"quieter-lamp","base_branch":"main","job_url":"https://github.com/example/lamp/actions/runs/7","host":"pi-3"},"plan":[{"feature":"Commands of the lamp","rule":"at night","path":"features/lamp/commands.feature","line":7,"name":"`on` lights the lamp","tags":["smoke"],"boards":["lamp"],"roles":[{"role":"sensor","boards":["dht-1","dht-2"]}],"quarantine":{"reason":"the relay sticks","until":"2026-12-31","issue":"https://example.org/17"}}],"choice":{"repeat":20,"shuffle":4711,"seed":3,"shard":{"index":2,"of":5,"selected":42},"merged":["part-1","part-2"]}}"#,
        ],
    ),
    event(
        "scenario-started",
        "A scenario has its boards and begins.",
        &[
            r#"{"seq":1,"at":2100,"scenario":1,"event":"scenario-started","info":{"feature":"Commands of the lamp","rule":"at night","path":"features/lamp/commands.feature","line":7,"name":"`on` lights the lamp","tags":["smoke"],"boards":["dht-2","lamp"],"roles":[{"role":"sensor","boards":["dht-2"]}]},"attempt":2,"repetition":3}"#,
        ],
    ),
    event(
        "step-started",
        "A step begins.",
        &[
            r#"{"seq":2,"at":2200,"scenario":1,"event":"step-started","keyword":"When","kind":"when","text":"I publish to \"sooko/lampu\" with QoS 1, one after another:","line":9,"table":[["on"],["off"]]}"#,
            r#"{"seq":3,"at":2300,"scenario":1,"event":"step-started","keyword":"When","kind":"when","text":"I publish to \"sooko/lampu\" the text:","line":9,"doc":"on"}"#,
            r#"{"seq":3,"at":2400,"scenario":1,"event":"step-started","keyword":"Given","kind":"given","text":"\"lamp\" is connected","line":9,"part_of":{"step":"the lamp \"lamp\" is ready","file":"features/lamp.steps","part_line":4}}"#,
        ],
    ),
    event(
        "step-finished",
        "The step that began last in this scenario has ended.",
        &[
            r#"{"seq":4,"at":510000,"scenario":1,"event":"step-finished","outcome":{"verdict":"failed","took_us":500100,"mark":9900,"deadline":509900,"failure":{"message":"`lamp` did not acknowledge `on` on `sooko/lampu` (packet 1) within 0.5 s","details":["closest: no acknowledgement at all since then"],"hint":"a hint, if there is one"}}}"#,
        ],
    ),
    event(
        "step-not-run",
        "A step was not run because an earlier one did not pass. Fields as in `step-started`.",
        &[
            r#"{"seq":5,"at":510100,"scenario":1,"event":"step-not-run","keyword":"And","kind":"then","text":"\"lamp\" disconnects within 2 s","line":11}"#,
        ],
    ),
    event(
        "scenario-finished",
        "A scenario ended.",
        &[
            r#"{"seq":6,"at":520000,"scenario":1,"event":"scenario-finished","verdict":"errored","failure":{"message":"the broker died","details":["last console line: `I (72) lamp: on`"],"hint":"see `broker.log`"}}"#,
        ],
    ),
    event(
        "packet",
        "An MQTT packet passed the tap. The [packet](#packets) has fields of its own.",
        &[
            r#"{"seq":7,"at":72000,"scenario":1,"event":"packet","board":"lamp","connection":1,"direction":"from-board","bytes":4,"fate":"dropped","answer_us":350,"packet":{"type":"PUBACK","packet_id":1,"code":0}}"#,
        ],
    ),
    event(
        "connection",
        "A connection through the tap changed.",
        &[
            r#"{"seq":8,"at":30000,"scenario":1,"event":"connection","board":"lamp","connection":1,"peer":"127.0.0.1:40115","change":"opened"}"#,
            r#"{"seq":9,"at":31000,"scenario":1,"event":"connection","board":"lamp","connection":1,"peer":"127.0.0.1:40115","change":"upgraded","layer":"TLS 1.3"}"#,
            r#"{"seq":10,"at":32000,"scenario":1,"event":"connection","board":"lamp","connection":2,"change":"refused","reason":"no broker answers","alert":"unknown_ca"}"#,
            r#"{"seq":11,"at":33000,"scenario":1,"event":"connection","board":"lamp","connection":3,"peer":"192.168.7.9:50000","change":"turned-away","reason":"it came from another address"}"#,
            r#"{"seq":12,"at":34000,"scenario":1,"event":"connection","board":"lamp","connection":1,"peer":"127.0.0.1:40115","change":"closed","how":"the board closed it"}"#,
        ],
    ),
    event(
        "service",
        "Something between a board and a service of the stage: files over HTTP, the time, names.",
        &[
            r#"{"seq":8,"at":30000,"scenario":1,"event":"service","board":"lamp","service":"http","connection":1,"exchange":"opened","peer":"127.0.0.1:40115"}"#,
            r#"{"seq":9,"at":31000,"scenario":1,"event":"service","board":"lamp","service":"http","connection":1,"exchange":"upgraded","layer":"TLS 1.3"}"#,
            r#"{"seq":10,"at":32000,"scenario":1,"event":"service","board":"lamp","service":"http","connection":1,"exchange":"request","method":"GET","path":"/app-2.bin","range":"bytes=1000-"}"#,
            r#"{"seq":11,"at":32100,"scenario":1,"event":"service","board":"lamp","service":"http","connection":1,"exchange":"response","path":"/app-2.bin","status":206,"length":9000,"content_range":"bytes 1000-9999/10000"}"#,
            r#"{"seq":12,"at":32900,"scenario":1,"event":"service","board":"lamp","service":"http","connection":1,"exchange":"sent","path":"/app-2.bin","sent":6000,"of":10000}"#,
            r#"{"seq":13,"at":34000,"scenario":1,"event":"service","board":"lamp","service":"http","connection":1,"exchange":"closed","how":"closed by the board"}"#,
            r#"{"seq":14,"at":35000,"scenario":1,"event":"service","board":"lamp","service":"http","connection":2,"exchange":"refused","reason":"the TLS handshake with the board failed","alert":"certificate_expired"}"#,
            r#"{"seq":15,"at":36000,"scenario":1,"event":"service","board":"lamp","service":"sntp","exchange":"time","answer":"2038-01-19T03:14:07Z"}"#,
            r#"{"seq":16,"at":37000,"scenario":1,"event":"service","board":"lamp","service":"dns","exchange":"name","name":"broker.example","answer":"10.0.2.2"}"#,
        ],
    ),
    event(
        "console",
        "A line of a board's console.",
        &[r#"{"seq":13,"at":72100,"scenario":1,"event":"console","board":"lamp","line":"I (72) lamp: on"}"#],
    ),
    event(
        "console-lost",
        "The port of the console vanished. Nothing is captured until it is opened again.",
        &[r#"{"seq":14,"at":80000,"scenario":1,"event":"console-lost","board":"lamp"}"#],
    ),
    event(
        "console-opened",
        "The port of the console is back. Lines in between are lost.",
        &[r#"{"seq":15,"at":990000,"scenario":1,"event":"console-opened","board":"lamp","gap_ms":910}"#],
    ),
    event(
        "found",
        "A console detector found something.",
        &[
            r#"{"seq":16,"at":20000,"scenario":1,"event":"found","board":"lamp","finding":"boot","detail":"rst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)"}"#,
        ],
    ),
    event(
        "power-switching",
        "The driver is asked to switch the rails. What the board does from here on may be caused by it.",
        &[r#"{"seq":17,"at":600000,"scenario":1,"event":"power-switching","board":"lamp","on":false}"#],
    ),
    event(
        "power",
        "A rail is switched, as its driver reported.",
        &[r#"{"seq":18,"at":610000,"scenario":1,"event":"power","board":"lamp","rail":"virtual","on":false}"#],
    ),
    event(
        "power-cut",
        "What shows that a power cut removed the supply.",
        &[
            r#"{"seq":19,"at":700000,"scenario":1,"event":"power-cut","board":"lamp","evidence":"consistent","detail":"the console fell silent and the board booted from power-on"}"#,
        ],
    ),
    event(
        "reset",
        "The chip is held in reset. What comes after it belongs to the board's next life.",
        &[r#"{"seq":20,"at":10000,"scenario":1,"event":"reset","board":"lamp","how":"EN"}"#],
    ),
    event(
        "reset-released",
        "The chip runs again after a reset.",
        &[r#"{"seq":21,"at":11000,"scenario":1,"event":"reset-released","board":"lamp"}"#],
    ),
    event(
        "typed",
        "A text was written to the board's console.",
        &[r#"{"seq":22,"at":12000,"scenario":1,"event":"typed","board":"client","text":"connect id=a"}"#],
    ),
    event(
        "signalled",
        "A signal was sent to the program of a `process` board.",
        &[r#"{"seq":23,"at":13000,"scenario":1,"event":"signalled","board":"pi","signal":"SIGTERM"}"#],
    ),
    event(
        "pin",
        "A pin changed, or its level was read.",
        &[
            r#"{"seq":24,"at":73000,"scenario":1,"event":"pin","board":"lamp","pin":"led","on":true,"cause":"sensed","edge":{"at":72950,"number":3}}"#,
        ],
    ),
    event(
        "pin-gap",
        "Changes of a pin were lost before they could be read.",
        &[r#"{"seq":25,"at":74000,"scenario":1,"event":"pin-gap","board":"lamp","pin":"led","lost":12}"#],
    ),
    event(
        "protocol-violation",
        "A packet of the board breaks the MQTT protocol. It follows its packet.",
        &[
            r#"{"seq":26,"at":75000,"scenario":1,"event":"protocol-violation","board":"client","connection":1,"rule":"a second CONNECT (MQTT 3.1.1 §3.1)"}"#,
        ],
    ),
    event(
        "allowed",
        "A step allows the board what would fail the scenario otherwise.",
        &[r#"{"seq":27,"at":9000,"scenario":1,"event":"allowed","board":"lamp","allowance":"reboot"}"#],
    ),
    event(
        "captured",
        "A named group of a step's pattern matched: later steps of the scenario may use the value.",
        &[r#"{"seq":27,"at":9100,"scenario":1,"event":"captured","board":"lamp","name":"id","value":"a7"}"#],
    ),
    event(
        "gauge",
        "A value of a gauge: a number that a board prints or publishes again and again. It is recorded when the step during which it came has ended.",
        &[
            r#"{"seq":27,"at":9200,"scenario":1,"event":"gauge","board":"lamp","gauge":"heap","value":20480.0,"came":9150}"#,
        ],
    ),
    event(
        "will-window",
        "When the board's will is due, as judged by the step that waited for it.",
        &[
            r#"{"seq":28,"at":8400000,"scenario":1,"event":"will-window","board":"lamp","from":8000000,"until":9000000,"reason":"one and a half keep alives after its last packet"}"#,
        ],
    ),
    event(
        "fault",
        "A network or packet fault of the tap.",
        &[r#"{"seq":29,"at":100000,"scenario":1,"event":"fault","board":"lamp","fault":"silence","phase":"begins"}"#],
    ),
    event(
        "firmware",
        "What a board is made to run.",
        &[
            r#"{"seq":30,"at":5000,"scenario":1,"event":"firmware","board":"lamp","firmware":"lamp","hash":"9f86d081884c7d65","size":1310720,"version":"1.2.0","runs":"executed"}"#,
        ],
    ),
    event(
        "flash",
        "Progress of flashing or uploading.",
        &[
            r#"{"seq":31,"at":5100,"scenario":1,"event":"flash","board":"lamp","firmware":"lamp","phase":"connecting","attempt":1}"#,
            r#"{"seq":32,"at":5200,"scenario":1,"event":"flash","board":"lamp","firmware":"lamp","phase":"region","address":65536,"size":4096}"#,
            r#"{"seq":33,"at":5300,"scenario":1,"event":"flash","board":"lamp","firmware":"lamp","phase":"file","path":"main.py","size":812}"#,
            r#"{"seq":34,"at":5400,"scenario":1,"event":"flash","board":"lamp","firmware":"lamp","phase":"progress","done":2048,"total":4096}"#,
            r#"{"seq":35,"at":5500,"scenario":1,"event":"flash","board":"lamp","firmware":"lamp","phase":"finished","written":4096,"skipped":0,"took_ms":120}"#,
            r#"{"seq":36,"at":5600,"scenario":1,"event":"flash","board":"lamp","firmware":"lamp","phase":"failed","reason":"the chip does not answer"}"#,
        ],
    ),
    event(
        "broker",
        "The broker started or stopped.",
        &[
            r#"{"seq":37,"at":1000,"scenario":1,"event":"broker","kind":"embedded","running":true,"address":"127.0.0.1:33219"}"#,
        ],
    ),
    event(
        "broker-log",
        "A line of the broker's log.",
        &[r#"{"seq":38,"at":1100,"scenario":1,"event":"broker-log","line":"mosquitto version 2.0.21 running"}"#],
    ),
    event(
        "broker-died",
        "The broker ended although no step asked for it.",
        &[r#"{"seq":39,"at":1200,"scenario":1,"event":"broker-died","reason":"it was ended by signal 9"}"#],
    ),
    event(
        "published",
        "The harness published a message.",
        &[
            r#"{"seq":40,"at":70000,"scenario":1,"event":"published","topic":"sooko/lampu","payload":{"utf8":"on"},"qos":1,"retain":false}"#,
        ],
    ),
    event(
        "observed",
        "The observer, the harness's own client, received a message.",
        &[
            r#"{"seq":41,"at":72500,"scenario":1,"event":"observed","observer":"observer","topic":"loger","payload":{"utf8":"saya hidup"},"qos":0,"retain":false,"dup":false}"#,
        ],
    ),
    event(
        "subscribed",
        "The broker confirmed a subscription of the observer.",
        &[r##"{"seq":42,"at":1500,"scenario":1,"event":"subscribed","observer":"observer","filter":"#"}"##],
    ),
    event(
        "observer-lost",
        "The observer lost its connection. What it would have seen from here on is unknown.",
        &[
            r#"{"seq":43,"at":80500,"scenario":1,"event":"observer-lost","observer":"observer","reason":"connection reset"}"#,
        ],
    ),
    event(
        "set-aside",
        "A board is set aside for the rest of the run: the bench failed on it again and again.",
        &[
            r#"{"seq":45,"at":5800,"event":"set-aside","board":"dht-2","reasons":["board `dht-2` does not answer on /dev/ttyUSB1","the serial port of board `dht-2` vanished"]}"#,
        ],
    ),
    event(
        "bench",
        "What the bench does about a problem.",
        &[
            r#"{"seq":44,"at":5700,"scenario":1,"event":"bench","board":"lamp","note":"no answer after a classic reset; trying a tight one"}"#,
        ],
    ),
    event(
        "stalled",
        "This machine stalled for that long until now. Events of that time may have been in time.",
        &[r#"{"seq":45,"at":90000,"event":"stalled","ms":450}"#],
    ),
    event(
        "record-full",
        "The file has reached its size limit. From here on only scenarios and steps are written.",
        &[r#"{"seq":46,"at":91000,"event":"record-full","limit":1073741824}"#],
    ),
    event(
        "record-dropped",
        "What was left out because of the size limit.",
        &[r#"{"seq":47,"at":99000,"event":"record-dropped","lines":5000,"packets":1200,"others":30}"#],
    ),
    event(
        "host-joined",
        "A host takes part in a run on several hosts. Its events follow, with its name.",
        &[
            r#"{"seq":1,"at":410000,"host":"pi-a","event":"host-joined","bench":"bench.toml","bench_hash":"9f86d081884c7d65","boards":[{"name":"lamp","kind":"esp","chip":"esp32c3","simulated":false,"host":"pi-a"}]}"#,
        ],
    ),
    event(
        "host-lost",
        "A host does not take part any more, although it was to: its running scenarios are errored, the others run elsewhere.",
        &[r#"{"seq":90,"at":8100000,"host":"pi-a","event":"host-lost","reason":"its agent has been silent for 10 s"}"#],
    ),
    event(
        "clock",
        "A measurement of a host's clock. The first one places the host's events on the run's clock; later ones show how far the clocks drift apart.",
        &[r#"{"seq":2,"at":411000,"host":"pi-a","event":"clock","offset_us":400100,"bound_us":54}"#],
    ),
    event(
        "run-finished",
        "The last line of a run that was not killed.",
        &[r#"{"seq":48,"at":99900,"event":"run-finished","exit_code":100}"#],
    ),
];

pub(crate) const PACKETS: &[PacketDoc] = &[
    packet(
        "CONNECT",
        "The first packet of a client.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"from-board","bytes":60,"packet":{"type":"CONNECT","protocol":5,"client_id":"lamp-12ab","keep_alive":5,"clean_session":true,"user_name":null,"has_password":false,"will":{"topic":"sooko/status","payload":{"utf8":"offline"},"qos":1,"retain":true,"properties":[{"name":"will delay interval","value":"10"}]},"properties":[{"name":"session expiry interval","value":"60"}]}}"#,
    ),
    packet(
        "CONNACK",
        "The broker's answer to CONNECT.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"to-board","bytes":4,"packet":{"type":"CONNACK","session_present":false,"code":0}}"#,
    ),
    packet(
        "PUBLISH",
        "A message.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"from-board","bytes":21,"packet":{"type":"PUBLISH","topic":"loger","payload":{"utf8":"saya hidup"},"qos":1,"retain":false,"dup":false,"packet_id":1,"aliased":true}}"#,
    ),
    packet(
        "PUBACK",
        "Answer to a PUBLISH at QoS 1.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"from-board","bytes":4,"packet":{"type":"PUBACK","packet_id":1,"code":0}}"#,
    ),
    packet(
        "PUBREC",
        "First answer to a PUBLISH at QoS 2.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"from-board","bytes":4,"packet":{"type":"PUBREC","packet_id":1,"code":0}}"#,
    ),
    packet(
        "PUBREL",
        "Release of a PUBLISH at QoS 2.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"to-board","bytes":4,"packet":{"type":"PUBREL","packet_id":1,"code":0}}"#,
    ),
    packet(
        "PUBCOMP",
        "Last answer to a PUBLISH at QoS 2.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"from-board","bytes":4,"packet":{"type":"PUBCOMP","packet_id":1,"code":0}}"#,
    ),
    packet(
        "SUBSCRIBE",
        "Requests subscriptions.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"from-board","bytes":18,"packet":{"type":"SUBSCRIBE","packet_id":1,"filters":[{"filter":"sooko/lampu","qos":1}]}}"#,
    ),
    packet(
        "SUBACK",
        "Answer to SUBSCRIBE.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"to-board","bytes":5,"packet":{"type":"SUBACK","packet_id":1,"codes":[1]}}"#,
    ),
    packet(
        "UNSUBSCRIBE",
        "Ends subscriptions.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"from-board","bytes":17,"packet":{"type":"UNSUBSCRIBE","packet_id":2,"filters":["sooko/lampu"]}}"#,
    ),
    packet(
        "UNSUBACK",
        "Answer to UNSUBSCRIBE.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"to-board","bytes":4,"packet":{"type":"UNSUBACK","packet_id":2,"codes":[]}}"#,
    ),
    packet(
        "PINGREQ",
        "Keep-alive request.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"from-board","bytes":2,"packet":{"type":"PINGREQ"}}"#,
    ),
    packet(
        "PINGRESP",
        "Keep-alive answer.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"to-board","bytes":2,"packet":{"type":"PINGRESP"}}"#,
    ),
    packet(
        "DISCONNECT",
        "The last packet of a connection.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"from-board","bytes":2,"packet":{"type":"DISCONNECT","code":0}}"#,
    ),
    packet(
        "AUTH",
        "Authentication exchange (MQTT 5).",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"from-board","bytes":2,"packet":{"type":"AUTH","code":24}}"#,
    ),
    packet(
        "UNDECODABLE",
        "Bytes that are not an MQTT packet. The tap forwarded them.",
        r#"{"seq":1,"at":1,"event":"packet","board":"lamp","connection":1,"direction":"from-board","bytes":3,"packet":{"type":"UNDECODABLE","reason":"reserved packet type 0","head":"000102"}}"#,
    ),
];
