//! Writes the events of a made-up run, for the tests and the benchmark of reports.
//!
//! `cargo run -p hil-report --example made_up_run -- FOLDER SCENARIOS EVENTS [hostile]`

use std::io::Write as _;
use std::path::Path;

use hil_timeline::{
    BoardInfo, Choice, ConnectionChange, Direction, Failure, FaultPhase, Finding, Packet, PartOf, Payload, PinCause,
    Provenance, QoS, RunEvent, SCHEMA, ScenarioId, ScenarioInfo, Stamp, StepInfo, StepOutcome, Verdict, What, Will,
};

/// What a device may print to break a page.
const HOSTILE: &str = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 2'>\u{1b}[31m";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, scenarios, events, rest @ ..] = arguments.as_slice() else {
        return Err("usage: made_up_run FOLDER SCENARIOS EVENTS [hostile]".into());
    };
    let (scenarios, events): (u32, u32) = (scenarios.parse()?, events.parse()?);
    std::fs::create_dir_all(folder)?;
    let file = std::fs::File::create(Path::new(folder).join("events.jsonl"))?;
    let hostile = rest.first().is_some_and(|word| word == "hostile");
    let mut run = Run { file: std::io::BufWriter::new(file), seq: 0, at: 0, hostile };
    run.write(scenarios, events / scenarios.max(1))?;
    run.file.flush()?;
    Ok(())
}

struct Run {
    file: std::io::BufWriter<std::fs::File>,
    seq: u64,
    at: u64,
    hostile: bool,
}

impl Run {
    fn write(&mut self, scenarios: u32, events_each: u32) -> std::io::Result<()> {
        let board = BoardInfo {
            name: "lamp".into(),
            kind: "virtual".into(),
            chip: "esp32c3".into(),
            simulated: true,
            emulator: None,
            host: None,
        };
        let plan = (1..=scenarios).map(|n| self.info(n));
        let started = What::RunStarted {
            schema: SCHEMA,
            version: "0.1.0".into(),
            unix_ms: 1_795_000_000_000,
            bench: "made up".into(),
            project: self.hostile.then(|| "hil.toml".to_owned()),
            broker: "embedded".into(),
            boards: vec![board],
            provenance: Provenance::default(),
            plan: plan.collect(),
            choice: Choice::default(),
        };
        self.record(None, started)?;
        for n in 1..=scenarios {
            self.scenario(n, events_each)?;
        }
        self.record(None, What::RunFinished { exit_code: 100 })
    }

    fn info(&self, n: u32) -> ScenarioInfo {
        let feature = n / 50;
        let name = if self.hostile { format!("{n} {HOSTILE}") } else { format!("scenario {n}") };
        ScenarioInfo {
            feature: format!("Feature {feature}"),
            path: format!("features/made-up-{feature}.feature"),
            line: 3 + n as usize % 50 * 6,
            name,
            rule: None,
            tags: vec![if n.is_multiple_of(2) { "even" } else { "odd" }.to_owned()],
            boards: vec!["lamp".to_owned()],
            roles: Vec::new(),
            quarantine: None,
        }
    }

    fn scenario(&mut self, n: u32, events: u32) -> std::io::Result<()> {
        let id = Some(ScenarioId(n));
        let (board, lamp) = ("lamp".to_owned(), || "lamp".to_owned());
        self.record(id, What::ScenarioStarted { info: self.info(n), attempt: 1, repetition: None })?;
        self.step(id, "Given", "the board \"lamp\" runs the firmware \"lamp\"", 5)?;
        self.record(id, What::Power { board: lamp(), rail: "virtual".into(), on: true })?;
        self.record(id, What::Found { board: lamp(), finding: Finding::AppStarted, detail: "it runs".into() })?;
        self.record(
            id,
            What::Connection { board: lamp(), connection: n, peer: None, change: ConnectionChange::Opened },
        )?;
        let mark = self.at;
        self.passed(id, mark)?;
        if self.hostile {
            self.oddities(id, n)?;
        }
        self.step(id, "Then", "\"lamp\" publishes \"ready\" to \"loger\" within 2 s", 6)?;
        self.packet(id, n, connect())?;
        for count in 0..events.saturating_sub(13) {
            match count % 4 {
                0 => self.packet(id, n, self.publish(count))?,
                3 if count % 40 == 3 => {
                    let on = count % 80 == 3;
                    self.record(
                        id,
                        What::Pin { board: lamp(), pin: "led".into(), on, cause: PinCause::Sensed, edge: None },
                    )?;
                }
                _ => {
                    let said = if self.hostile { HOSTILE } else { "a line of the console as long as they are" };
                    self.record(id, What::Console { board: lamp(), line: format!("I ({count}) lamp: {said}") })?;
                }
            }
        }
        let fault = |phase| What::Fault { board: lamp(), fault: "silence".into(), phase };
        self.record(id, fault(FaultPhase::Begins))?;
        self.record(id, fault(FaultPhase::Ends))?;
        let verdict = match n % 10 {
            7 => Verdict::Failed,
            9 => Verdict::Errored,
            _ => Verdict::Passed,
        };
        let failure = (verdict != Verdict::Passed).then(|| Failure {
            message: format!("`lamp` published nothing{}", if self.hostile { HOSTILE } else { "" }),
            details: vec!["last packet: PINGREQ at +1.00 s".to_owned()],
            hint: None,
        });
        let (mark, deadline) = (Some(Stamp(mark)), Some(Stamp(mark + 2_000_000)));
        let outcome = StepOutcome { verdict, took_us: 1000, mark, deadline, failure: failure.clone() };
        self.record(id, What::StepFinished { outcome })?;
        self.record(id, What::Power { board, rail: "virtual".into(), on: false })?;
        self.record(id, What::ScenarioFinished { verdict, failure })
    }

    /// A composite step, long payloads, a panic, and the console of another board.
    fn oddities(&mut self, id: Option<ScenarioId>, connection: u32) -> std::io::Result<()> {
        let mark = self.at;
        for (part_line, text) in [(2, "\"lamp\" is switched on"), (3, "\"lamp\" is connected")] {
            let part_of = PartOf { step: format!("the lamp is ready {HOSTILE}"), file: "lamp.steps".into(), part_line };
            let (keyword, text) = ("When".to_owned(), text.to_owned());
            let part_of = Some(part_of);
            let step = StepInfo { keyword, kind: None, text, line: 5, table: None, doc: None, part_of };
            self.record(id, What::StepStarted(step))?;
            self.passed(id, mark)?;
        }
        let fields: Vec<_> = (0..80).map(|n| format!("\"field{n}\":{n}")).collect();
        for text in [format!("{{{}}}", fields.join(",")), "longer ".repeat(10_000), HOSTILE.repeat(5)] {
            self.packet(id, connection, published(Payload::from(text.as_str())))?;
        }
        let output =
            format!("panicked at 'no lamp' {HOSTILE}\n\n0x42001234  lamp::switch  src/lamp.rs:31\n0x42005678  main");
        let (board, finding) = ("lamp".to_owned(), Finding::Backtrace);
        self.record(id, What::Found { board, finding, detail: output })?;
        self.record(id, What::Console { board: "heater".into(), line: "I (1) heater: warm".into() })
    }

    fn publish(&self, count: u32) -> Packet {
        let payload = match (self.hostile, count % 8) {
            (true, 0) => Payload::from(HOSTILE),
            (true, _) => Payload(vec![0xff, 0xfe, 0x00, b'<']),
            (false, _) => Payload::from(format!("{{\"count\": {count}}}").as_str()),
        };
        published(payload)
    }

    fn packet(&mut self, id: Option<ScenarioId>, connection: u32, packet: Packet) -> std::io::Result<()> {
        let (board, direction) = ("lamp".to_owned(), Direction::FromBoard);
        self.record(
            id,
            What::Packet { board, connection, direction, bytes: 30, disposition: None, answer_us: None, packet },
        )
    }

    fn step(&mut self, id: Option<ScenarioId>, keyword: &str, text: &str, line: usize) -> std::io::Result<()> {
        let said = if self.hostile { HOSTILE } else { "{\"on\": true}" };
        let below = keyword == "Then";
        let table = below.then(|| vec![vec!["payload".to_owned(), said.to_owned()]]);
        let doc = below.then(|| said.to_owned());
        let (keyword, text) = (keyword.to_owned(), text.to_owned());
        self.record(id, What::StepStarted(StepInfo { keyword, kind: None, text, line, table, doc, part_of: None }))
    }

    fn passed(&mut self, id: Option<ScenarioId>, mark: u64) -> std::io::Result<()> {
        let (verdict, mark) = (Verdict::Passed, Some(Stamp(mark)));
        let outcome = StepOutcome { verdict, took_us: 500, mark, deadline: None, failure: None };
        self.record(id, What::StepFinished { outcome })
    }

    fn record(&mut self, scenario: Option<ScenarioId>, what: What) -> std::io::Result<()> {
        self.at += 700;
        let event = RunEvent { seq: self.seq, at: Stamp(self.at), scenario, host: None, what };
        self.seq += 1;
        serde_json::to_writer(&mut self.file, &event)?;
        self.file.write_all(b"\n")
    }
}

fn published(payload: Payload) -> Packet {
    Packet::Publish {
        topic: "loger".into(),
        payload,
        qos: QoS::AtLeastOnce,
        retain: false,
        dup: false,
        packet_id: Some(1),
        aliased: false,
        properties: Vec::new(),
    }
}

fn connect() -> Packet {
    Packet::Connect {
        protocol: 4,
        client_id: "lamp".into(),
        keep_alive: 1,
        clean_session: true,
        user_name: None,
        has_password: false,
        will: Some(Will {
            topic: "sooko/status".into(),
            payload: Payload::from("offline"),
            qos: QoS::AtLeastOnce,
            retain: true,
            properties: Vec::new(),
        }),
        properties: Vec::new(),
    }
}
