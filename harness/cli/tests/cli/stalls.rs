//! `hil` or its broker stands still across the end of a step's window while the device continues. What the device does
//! waits in the kernel, and no verdict may depend on it. The test is the device, so that it acts exactly in the stall.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::support::{Outcome, Printed, Project, children, has_mosquitto};

/// The program of the board says where its tap is; the test connects there in its place.
const BENCH: &str = r#"
[boards.pi]
kind = "process"
[firmware.device]
kind = "process"
command = ["sh", "-c", "echo tap={tap.host}:{tap.port}.; exec sleep 600"]
ready = "tap="
"#;

const STEPS: &str = r#"Feature: f
  Scenario: s
    Given the board "pi" runs the firmware "device"
    And "pi" has subscribed to "cmd"
    When I publish "go" to "cmd"
"#;

/// A device that speaks MQTT 3.1.1.
struct Device(TcpStream);

impl Device {
    /// Connects with a will and subscribes; what it publishes at QoS 0 or 1 has packet identifier 1.
    fn at(tap: &str) -> Self {
        let mut device = Self(TcpStream::connect(tap).expect("the tap"));
        device.0.set_read_timeout(Some(Duration::from_secs(30))).expect("time limit");
        device.send(b"\x10\x17\x00\x04MQTT\x04\x06\x00\x3c\x00\x02pi\x00\x04will\x00\x01w");
        assert_eq!(device.receive()[0], 0x20, "CONNACK");
        device.send(b"\x82\x08\x00\x01\x00\x03cmd\x00");
        assert_eq!(device.receive()[0], 0x90, "SUBACK");
        device
    }

    fn send(&mut self, packet: &[u8]) {
        self.0.write_all(packet).expect("written");
    }

    fn publish(&mut self) {
        self.send(b"\x30\x08\x00\x05logerx");
    }

    fn publish_acknowledged(&mut self) {
        self.send(b"\x32\x0a\x00\x05loger\x00\x01x");
        assert_eq!(self.receive()[0], 0x40, "PUBACK");
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("a packet");
        let mut packet = vec![0; usize::from(head[1])];
        self.0.read_exact(&mut packet).expect("the rest");
        [&head[..], &packet].concat()
    }

    /// Its connection ends without DISCONNECT.
    fn drop_connection(&mut self) {
        self.0.shutdown(std::net::Shutdown::Both).expect("closed");
    }
}

/// A run that has just published to its device.
struct Run {
    hil: Child,
    device: Device,
    printed: std::thread::JoinHandle<String>,
}

impl Run {
    /// Begins a run whose last step is this one.
    fn of(project: &Project, broker: &str, step: &str) -> Self {
        project.file("features/one.feature", &format!("{STEPS}    Then {step}\n"));
        project.file("bench.toml", &format!("[broker]\nkind = \"{broker}\"\n{BENCH}"));
        let arguments = ["run", "--bench", "bench.toml", "-vv", "--bench-retries", "0"];
        let mut hil = project.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("hil");
        let printed = Printed::by(&mut hil);
        let line = printed.line_with("tap=");
        let address = line.split("tap=").nth(1).and_then(|rest| rest.split_once('.').map(|_| rest)).expect("address");
        let address = address.rsplit_once('.').map_or(address, |(address, _)| address);
        let mut device = Device::at(address);
        let delivered = device.receive();
        assert_eq!(delivered[0], 0x30, "the message that sets the mark: {delivered:?}");
        Self { hil, device, printed: std::thread::spawn(move || printed.rest()) }
    }

    /// Stops `hil` for a while; the device acts as soon as it has stopped.
    fn stop(mut self, span: Duration, act: impl FnOnce(&mut Device)) -> Outcome {
        let pid = Pid::from_child(&self.hil);
        kill_process(pid, Signal::STOP).expect("stop");
        // All of its threads have stopped once the kernel notifies its parent.
        waitpid(Some(pid), WaitOptions::UNTRACED).expect("stopped");
        act(&mut self.device);
        std::thread::sleep(span);
        kill_process(pid, Signal::CONT).expect("go on");
        self.ends()
    }

    fn ends(mut self) -> Outcome {
        let code = self.hil.wait().expect("ends").code().unwrap_or(-1);
        Outcome { code, stdout: self.printed.join().expect("read"), stderr: String::new() }
    }
}

/// The verdict of a step that ends three seconds after the mark, if `hil` stands still that long across its end while the
/// device acts.
fn judged(step: &str, span: u64, act: impl FnOnce(&mut Device)) -> Outcome {
    let project = Project::new();
    Run::of(&project, "embedded", step).stop(Duration::from_millis(span), act)
}

const STOOD_STILL: &str = "over the end of the window: events in that time may have been in time";

fn assert_undecided(step: &str, outcome: &Outcome) {
    assert_eq!(outcome.code, 102, "{step}: {}", outcome.stdout);
    assert!(outcome.stdout.contains(STOOD_STILL), "{step}: {}", outcome.stdout);
}

#[test]
fn what_a_device_did_while_hil_stood_still_over_the_end_is_not_held_to_be_late() {
    type Act = fn(&mut Device);
    let cases: [(&str, Act); 9] = [
        (r#""pi" does not publish to "loger" for 3 s"#, Device::publish),
        (r#""pi" publishes nothing for 3 s"#, Device::publish),
        (r#""pi" publishes 0 messages to "loger" within 3 s"#, Device::publish),
        (r#"nothing is published outside "cmd" for 3 s"#, Device::publish),
        (r#"the connection of "pi" stays open for 3 s"#, Device::drop_connection),
        (r#"no will of "pi" is published for 3 s"#, Device::drop_connection),
        (r#""pi" publishes "x" to "loger" within 3 s"#, Device::publish),
        (r#""pi" goes without DISCONNECT within 3 s"#, Device::drop_connection),
        (r#"a subscriber to "loger" receives "x" within 3 s"#, Device::publish),
    ];
    std::thread::scope(|scope| {
        for (step, act) in cases {
            scope.spawn(move || assert_undecided(step, &judged(step, 3500, act)));
        }
    });
}

#[test]
fn however_long_hil_stands_still_over_the_end_no_negative_step_passes() {
    let step = r#""pi" does not publish to "loger" for 3 s"#;
    std::thread::scope(|scope| {
        for span in [3500, 4000, 6000] {
            scope.spawn(move || assert_undecided(step, &judged(step, span, Device::publish)));
        }
    });
}

#[test]
fn a_second_message_in_a_stall_over_the_end_of_the_settle_time_is_not_held_to_be_late() {
    let step = r#""pi" publishes "x" to "loger" exactly once within 10 s, settling for 3 s"#;
    let project = Project::new();
    let mut run = Run::of(&project, "embedded", step);
    run.device.publish_acknowledged();
    assert_undecided(step, &run.stop(Duration::from_millis(3500), Device::publish));
}

#[test]
fn a_stall_in_which_nothing_happened_decides_nothing() {
    let quiet = judged(r#""pi" does not publish to "loger" for 3 s"#, 3500, |_| {});
    assert_eq!(quiet.code, 0, "{}", quiet.stdout);
    let missing = judged(r#""pi" publishes "x" to "loger" within 3 s"#, 3500, |_| {});
    assert_eq!(missing.code, 100, "{}", missing.stdout);
}

/// The broker of a run.
fn broker_of(run: &Run) -> Pid {
    let brokers = children(run.hil.id(), "mosquitto");
    assert_eq!(brokers.len(), 1, "one scenario, one broker");
    brokers[0]
}

#[test]
fn a_broker_that_hangs_proves_nothing() {
    if !has_mosquitto() {
        return;
    }
    let silent = "does not answer: it confirmed nothing for 5 s";
    let steps = [
        (r#"nothing is published outside "cmd, loger" for 1 s"#, silent),
        (r#""pi" receives nothing on "other" for 1 s"#, silent),
        (r#""pi" does not publish to "other" for 1 s"#, silent),
        (r#"no will of "pi" is published for 1 s"#, silent),
        (r#""pi" receives "x" on "other" within 1 s"#, silent),
        (r#"nothing is retained on "state""#, silent),
        (r#"a late subscriber to "state" receives "x", retained"#, silent),
        (r#"a subscriber to "other" receives "x" within 1 s"#, "did not confirm the observer's subscription"),
    ];
    std::thread::scope(|scope| {
        for (step, says) in steps {
            scope.spawn(move || {
                let project = Project::new();
                // The step begins when the broker hangs: only then does the device do what is waited for before it.
                let steps = format!("\"pi\" publishes \"x\" to \"loger\" within 60 s\n    And {step}");
                let mut run = Run::of(&project, "mosquitto", &steps);
                kill_process(broker_of(&run), Signal::STOP).expect("stop");
                run.device.publish();
                let outcome = run.ends();
                assert_eq!(outcome.code, 102, "{step}: {}", outcome.stdout);
                assert!(outcome.stdout.contains(says), "{step}: {}", outcome.stdout);
            });
        }
    });
}

#[test]
fn a_broker_that_hung_over_the_end_of_a_window_leaves_it_open() {
    if !has_mosquitto() {
        return;
    }
    let project = Project::new();
    let mut run = Run::of(&project, "mosquitto", r#"nothing is published outside "cmd" for 3 s"#);
    let broker = broker_of(&run);
    kill_process(broker, Signal::STOP).expect("stop");
    run.device.publish();
    std::thread::sleep(Duration::from_millis(4500));
    kill_process(broker, Signal::CONT).expect("go on");
    let outcome = run.ends();
    assert_eq!(outcome.code, 102, "{}", outcome.stdout);
    assert!(outcome.stdout.contains("the broker did not answer for "), "{}", outcome.stdout);
}
