//! The access point: hostapd as `hil` runs it, and wpa_supplicant as the station that judges it, on two radios that hear
//! each other (mac80211_hwsim).

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process, kill_process_group};

use crate::program::{Project, Running};
use crate::workspace;

const PASSWORD: &str = "only the boards know it";

pub(crate) fn has_part(name: &str) -> bool {
    Path::new(&part(name)).exists()
}

fn part(name: &str) -> String {
    workspace().join("target/parts/bin").join(name).display().to_string()
}

/// A bench with an access point, and a board that is a station: it prints what wpa_supplicant reports.
fn bench() -> String {
    let station = format!("[{:?}, \"-i\", \"wlan1\", \"-c\", \"station.conf\"]", part("wpa_supplicant"));
    format!(
        r#"
[wifi]
ssid = "lab"
password = "{PASSWORD}"
[access-point]
driver = "hostapd"
interface = "wlan0"
hostapd = {:?}
[boards.station]
kind = "process"
[firmware.station]
kind = "process"
command = {station}
[firmware.nothing]
kind = "process"
command = ["sh", "-c", "echo up; exec sleep 1000"]
ready = "up"
"#,
        part("hostapd")
    )
}

fn project(feature: &str) -> Project {
    let project = Project::new(&bench(), feature);
    let network = format!("network={{\n ssid=\"lab\"\n psk=\"{PASSWORD}\"\n scan_freq=2437 2462\n}}\n");
    std::fs::write(project.0.path().join("station.conf"), network).expect("station.conf");
    project
}

/// Every change, seen by the station; each scenario begins on the network as the bench file says.
pub(crate) fn the_station_notices_every_change() {
    let project = project(
        r#"Feature: f
  Background:
    Given the board "station" runs the firmware "station"
    Then the console of "station" shows "freq=2437" within 30 s
    And the console of "station" shows "CTRL-EVENT-CONNECTED" within 10 s

  Scenario: it leaves the air without a deauthentication
    When the access point goes away
    Then the console of "station" shows "/CTRL-EVENT-DISCONNECTED .*locally_generated=1/" within 30 s

  Scenario: it was away at the end of the last scenario
    When the access point goes away
    Then the console of "station" shows "CTRL-EVENT-DISCONNECTED" within 30 s
    When the access point comes back
    Then the console of "station" shows "CTRL-EVENT-CONNECTED" within 30 s

  Scenario: it takes another password
    When the access point takes another password
    Then the console of "station" shows "CTRL-EVENT-DISCONNECTED" within 10 s
    And the console of "station" shows "reason=WRONG_KEY" within 60 s
    When the access point takes its password again
    Then the console of "station" shows "CTRL-EVENT-CONNECTED" within 60 s

  Scenario: it is on another channel
    When the access point is on channel 11
    Then the console of "station" shows "CTRL-EVENT-DISCONNECTED" within 10 s
    And the console of "station" shows "freq=2462" within 30 s
    And the console of "station" shows "CTRL-EVENT-CONNECTED" within 10 s
"#,
    );
    let (code, said) = project.start(&["run", "-vv", "--bench-retries", "0"]).end();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("4 passed"), "{said}");
    assert!(said.contains("joined the access point"), "{said}");
    assert_eq!(hostapds(), 0, "hostapd ends with the run");
    assert!(!is_up(), "the radio is off");
    // It was the random password that the station did not know.
    assert!(said.contains("has another password than the access point"), "{said}");
    let records = std::fs::read_to_string(project.0.path().join("target/hil/latest/events.jsonl")).expect("records");
    assert!(!records.contains(PASSWORD) && !said.contains(PASSWORD));
    let (code, said) = project.start(&["doctor"]).end();
    assert!(said.contains("a Wi-Fi interface that no other program uses"), "{code}: {said}");
    assert!(said.contains("CAP_NET_ADMIN and CAP_NET_RAW"), "{code}: {said}");
}

/// Only hostapd itself takes its network off the air.
pub(crate) fn nothing_is_left_on_air_after_a_kill() {
    let project = project(
        r#"Feature: f
  Scenario: waits
    Given the board "station" runs the firmware "nothing"
    Then the console of "station" shows "never" within 100 s
"#,
    );
    let mut run = project.start(&["run", "-vv"]);
    let mut station = station(&project);
    station.wait_for("CTRL-EVENT-CONNECTED");
    run.wait_for("joined the access point");
    // No other run gets the interface meanwhile, and the password is on no command line.
    let (code, said) = project.start(&["run", "--no-wait"]).end();
    assert!(code == 96 && said.contains("the access point on `wlan0` can't be used: in use by `hil run`"), "{said}");
    assert!(!command_lines().contains(PASSWORD));
    let mut next = project.start(&["run", "-vv"]);
    next.wait_for("waiting for the access point on `wlan0`: in use by `hil run`");
    kill_process(run.pid(), Signal::KILL).expect("kill");
    run.end();
    station.wait_for("CTRL-EVENT-DISCONNECTED");
    // By a deauthentication, not a loss that the station finds out by itself.
    assert!(!station.said.contains("locally_generated=1"), "{}", station.said);
    // The next run begins when the hostapd of the killed one has ended.
    station.wait_for("CTRL-EVENT-CONNECTED");
    next.wait_for("joined the access point");
    assert_eq!(hostapds(), 1);
    kill_process_group(next.pid(), Signal::KILL).expect("kill");
    next.end();
    wait_until("hostapd runs", || hostapds() == 0);
    assert!(!is_up(), "the radio is on");
    let _ = station.child.kill();
    let _ = station.child.wait();
}

/// Without hostapd nothing passes, and the reason is said.
pub(crate) fn a_hostapd_that_is_killed_is_an_error_of_the_bench() {
    let project = project(
        r#"Feature: f
  Scenario: killed
    Given the board "station" runs the firmware "killer"
    When the access point goes away
    Then the console of "station" shows "killed" within 1 s
  Scenario: the next one
    Given the board "station" runs the firmware "nothing"
    Then the console of "station" shows "up" within 1 s
"#,
    );
    let killer = r#"for p in /proc/[0-9]*; do read -r name < $p/comm && [ $name = hostapd ] && kill -9 $(basename $p); done; echo killed; exec sleep 1000"#;
    let firmware =
        format!("[firmware.killer]\nkind = \"process\"\nready = \"killed\"\ncommand = [\"sh\", \"-c\", '{killer}']\n");
    let bench = bench() + &firmware;
    std::fs::write(project.0.path().join("bench.toml"), bench).expect("bench.toml");
    let (code, said) = project.start(&["run", "--bench-retries", "0"]).end();
    assert_eq!(code, 102, "{said}");
    let ended =
        said.matches("hostapd, which runs the access point on `wlan0`, ended by itself (signal: 9 (SIGKILL)").count();
    assert_eq!(ended, 2, "{said}");
}

/// A channel that no radio of this country has.
pub(crate) fn a_channel_that_is_not_allowed_is_an_error_of_the_bench() {
    let project = project(
        r#"Feature: f
  Scenario: not allowed
    Given the board "station" runs the firmware "station"
    When the access point is on channel 14
    Then the console of "station" shows "never" within 1 s
  Scenario: as before
    Given the board "station" runs the firmware "station"
    Then the console of "station" shows "CTRL-EVENT-CONNECTED" within 30 s
"#,
    );
    let (code, said) = project.start(&["run", "--bench-retries", "0"]).end();
    assert_eq!(code, 102, "{said}");
    assert!(said.contains("hostapd refused to change to channel 14"), "{said}");
    assert!(said.contains("1 passed, 1 errored"), "{said}");
}

fn station(project: &Project) -> Running {
    let mut child = Command::new(part("wpa_supplicant"))
        .args(["-i", "wlan1", "-c"])
        .arg(project.0.path().join("station.conf"))
        // To a file or a pipe, it would write only when it ends.
        .args(["-f", "/dev/stdout"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("wpa_supplicant");
    let (line, lines) = channel();
    let stdout = child.stdout.take().expect("piped");
    std::thread::spawn(move || {
        for text in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = line.send(text);
        }
    });
    Running { child, lines, said: String::new() }
}

/// The kernel reports neither by an event.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn processes(file: &str) -> impl Iterator<Item = String> {
    let all = std::fs::read_dir("/proc").expect("proc").flatten();
    let read = |path: &Path| std::fs::read(path).ok().map(|text| String::from_utf8_lossy(&text).into_owned());
    all.filter_map(move |entry| read(&entry.path().join(file)))
}

fn hostapds() -> usize {
    processes("comm").filter(|name| name.trim() == "hostapd").count()
}

fn command_lines() -> String {
    processes("cmdline").collect()
}

/// Whether the interface is up: hostapd takes it down when it ends.
fn is_up() -> bool {
    let flags = std::fs::read_to_string("/sys/class/net/wlan0/flags").expect("wlan0");
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).expect("a number");
    flags & 1 == 1
}
