//! `hil tap` and `hil certs`, without any bench.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Outcome, Project};

const CONNECT: &[u8] = b"\x10\x1f\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01d\x00\x04lamp\x00\x0awonderland";
const CONNACK: &[u8] = b"\x20\x02\x00\x00";
const PUBLISH: &[u8] = b"\x32\x0b\x00\x05loger\x00\x01on";

/// A broker that knows two answers.
fn broker() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut seen = vec![0; CONNECT.len()];
            if stream.read_exact(&mut seen).is_ok() && stream.write_all(CONNACK).is_ok() {
                let mut publish = vec![0; PUBLISH.len()];
                if stream.read_exact(&mut publish).is_ok() {
                    let _ = stream.write_all(b"\x40\x02\x00\x01");
                }
            }
            let _ = stream.read(&mut [0]);
        }
    });
    address
}

/// A tap, and where it listens.
fn start(project: &Project, arguments: &[&str]) -> (Child, SocketAddr) {
    let broker = broker().to_string();
    let mut command = project.command(&["tap", "--listen", "127.0.0.1:0", "--broker", &broker]);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut first = String::new();
    BufReader::new(child.stderr.as_mut().expect("piped")).read_line(&mut first).expect("a line");
    let address = first.strip_prefix("listening on ").and_then(|rest| rest.split(',').next()).expect("an address");
    (child, address.parse().expect("an address"))
}

/// A device that connects and publishes; returns the answers.
fn device(tap: SocketAddr) -> Vec<u8> {
    publishing(tap, PUBLISH)
}

fn publishing(tap: SocketAddr, publish: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(tap).expect("connect");
    stream.write_all(CONNECT).expect("sent");
    let mut answer = vec![0; CONNACK.len()];
    stream.read_exact(&mut answer).expect("CONNACK");
    if answer == CONNACK {
        stream.write_all(publish).expect("sent");
        let mut acknowledgement = [0; 4];
        stream.read_exact(&mut acknowledgement).expect("PUBACK");
        answer.extend(acknowledgement);
    }
    // The broker has closed as well when this is over.
    stream.shutdown(std::net::Shutdown::Write).expect("said all");
    let _ = stream.read_to_end(&mut Vec::new());
    answer
}

#[test]
fn it_names_the_rule_that_a_packet_breaks() {
    let project = Project::new();
    let (child, address) = start(&project, &[]);
    let no_identifier = b"\x32\x0b\x00\x05loger\x00\x00on";
    assert_eq!(publishing(address, no_identifier)[4..], *b"\x40\x02\x00\x01", "it is passed on");
    let outcome = end(child);
    let said = outcome.stdout.lines().find_map(|line| Some(line.split_once(" -- violates")?.1.to_owned()));
    insta::assert_snapshot!("tap-violation", said.unwrap_or(outcome.stdout));
}

fn end(child: Child) -> Outcome {
    kill_process(Pid::from_child(&child), Signal::INT).expect("Ctrl-C");
    child.wait_with_output().expect("ends").into()
}

#[test]
fn it_shows_packets_and_writes_a_capture_without_passwords() {
    let project = Project::new();
    let (child, address) = start(&project, &["--write", "c.pcapng"]);
    assert_eq!(device(address), [CONNACK, b"\x40\x02\x00\x01"].concat());
    let outcome = end(child);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let numbers = [(r"\d+\.\d+", "[n]"), (r" +\[n\]", " [n]"), (r" {2,}", "  ")];
    insta::with_settings!({ filters => numbers }, { insta::assert_snapshot!("tap-live", outcome.stdout) });
    let capture = std::fs::read(project.path("c.pcapng")).expect("capture");
    let holds = |what: &[u8]| capture.windows(what.len()).any(|window| window == what);
    assert!(holds(b"lamp\x00\x0a**********") && !holds(b"wonderland"));
    let again = project.hil(&["tap", "--write", "c.pcapng", "--for", "1s"]);
    assert_eq!(again.code, 96);
    assert!(again.stderr.contains("`--write` needs the name of a new file"), "{}", again.stderr);
}

#[test]
fn faults_come_from_arguments_and_from_standard_input() {
    let project = Project::new();
    let (mut child, address) = start(&project, &["--fault", "answer CONNECT with 5", "--format", "json"]);
    assert_eq!(device(address), b"\x20\x02\x00\x05");
    let mut stdin = child.stdin.take().expect("piped");
    writeln!(stdin, "explode").expect("typed");
    writeln!(stdin, "refuse").expect("typed");
    drop(stdin);
    // End of file on standard input ends nothing; the fault is reported once it is active.
    let mut lines = BufReader::new(child.stdout.as_mut().expect("piped")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains("\"fault\":\"refuse\""))), "reported");
    let refused = TcpStream::connect(address).expect_err("refused");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let outcome = end(child);
    assert_eq!(outcome.code, 0);
    assert!(outcome.stderr.contains("error: `explode` is not a fault"), "{}", outcome.stderr);
}

#[test]
fn certificates_are_created_once_and_need_valid_names() {
    let project = Project::new();
    let made = project.hil(&["certs", "certs", "--host", "192.168.7.1", "--client", "lamp"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    insta::assert_snapshot!("certs", made.stdout);
    let again = project.hil(&["certs", "certs"]);
    let wrong = project.hil(&["certs", "other", "--client", "../lamp"]);
    assert_eq!((again.code, wrong.code), (96, 96));
    insta::assert_snapshot!("certs-errors", format!("{}\n{}", again.stderr, wrong.stderr));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(project.path("certs/lamp.key")).expect("key").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn help_of_tap_and_certs() {
    let project = Project::new();
    insta::assert_snapshot!("help-tap", project.hil(&["tap", "--help"]).stdout);
    insta::assert_snapshot!("help-certs", project.hil(&["certs", "--help"]).stdout);
}
