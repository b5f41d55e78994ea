//! hostapd's control sockets: commands and their answers, and events (`src/common/wpa_ctrl.c` of hostapd).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hil_timeline::{Recorder, What};
use tokio::net::UnixDatagram;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::RadioError;

/// How long hostapd may take to answer; measured: milliseconds, and half a second where the radio starts.
const ANSWER: Duration = Duration::from_secs(10);

/// What hostapd has reported since it began to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// How often the network came on air.
    pub(crate) enabled: u32,
    /// How often it left.
    pub(crate) disabled: u32,
}

/// The socket for commands, and what the other socket reports.
#[derive(Debug)]
pub(crate) struct Control {
    commands: UnixDatagram,
    pub(crate) seen: watch::Receiver<Seen>,
    reading: JoinHandle<()>,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Control {
    /// Connects to hostapd's socket, with sockets of its own in a folder, and follows its events.
    pub(crate) async fn connect(folder: &Path, hostapd: &Path, recorder: Recorder) -> Result<Self, RadioError> {
        let connect = |name: &str| {
            let socket = UnixDatagram::bind(folder.join(name)).map_err(RadioError::Private)?;
            socket.connect(hostapd).map_err(|source| RadioError::Control { what: "do anything".to_owned(), source })?;
            Ok::<_, RadioError>(socket)
        };
        let (commands, events) = (connect("commands")?, connect("events")?);
        ask(&events, "ATTACH", "report its events").await?;
        let (sender, seen) = watch::channel(Seen::default());
        let reading = tokio::spawn(read(events, Arc::new(sender), recorder));
        Ok(Self { commands, seen, reading })
    }

    /// Sends a command, and returns the answer; `what` says in a message what was asked.
    pub(crate) async fn ask(&self, command: &str, what: &str) -> Result<String, RadioError> {
        ask(&self.commands, command, what).await
    }

    /// Changes a setting, which counts once the network comes on air again.
    pub(crate) async fn set(&self, name: &str, value: &str, what: &str) -> Result<(), RadioError> {
        self.ask(&format!("SET {name} {value}"), what).await.map(drop)
    }

    /// Waits until hostapd has reported something.
    pub(crate) async fn wait_for(&self, is_seen: impl FnMut(&Seen) -> bool, what: &str) -> Result<Seen, RadioError> {
        let mut seen = self.seen.clone();
        let waiting = tokio::time::timeout(ANSWER, seen.wait_for(is_seen)).await;
        // The sender lives as long as the socket.
        waiting.ok().and_then(Result::ok).map(|seen| *seen).ok_or_else(|| too_slow(what))
    }

    /// One of the values that hostapd reports about itself.
    pub(crate) async fn status(&self, name: &str) -> Result<Option<String>, RadioError> {
        let status = self.ask("STATUS", "report its state").await?;
        Ok(value(&status, name).map(str::to_owned))
    }
}

fn too_slow(what: &str) -> RadioError {
    RadioError::TooSlow { what: what.to_owned(), seconds: ANSWER.as_secs() }
}

/// The value of a line `name=value`.
fn value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

async fn ask(socket: &UnixDatagram, command: &str, what: &str) -> Result<String, RadioError> {
    let failed = |source| RadioError::Control { what: what.to_owned(), source };
    let mut answer = [0; 4096];
    let answered = async {
        socket.send(command.as_bytes()).await?;
        socket.recv(&mut answer).await
    };
    let length = tokio::time::timeout(ANSWER, answered).await.map_err(|_| too_slow(what))?.map_err(failed)?;
    let text = String::from_utf8_lossy(&answer[..length]).trim_end().to_owned();
    match text.as_str() {
        "FAIL" | "UNKNOWN COMMAND" => Err(RadioError::Refused { what: what.to_owned() }),
        _ => Ok(text),
    }
}

/// Reads events until the socket is closed.
async fn read(socket: UnixDatagram, seen: Arc<watch::Sender<Seen>>, recorder: Recorder) {
    let mut bytes = [0; 4096];
    while let Ok(length) = socket.recv(&mut bytes).await {
        let text = String::from_utf8_lossy(&bytes[..length]);
        match Event::of(&text) {
            Some(Event::Enabled) => seen.send_modify(|seen| seen.enabled += 1),
            Some(Event::Disabled) => seen.send_modify(|seen| seen.disabled += 1),
            Some(Event::Station(note)) => drop(recorder.record(What::Bench { board: String::new(), note })),
            None => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Enabled,
    Disabled,
    /// What a station did, for people.
    Station(String),
}

impl Event {
    /// An event that matters here; it begins with its level: `<3>AP-ENABLED`.
    fn of(text: &str) -> Option<Self> {
        let text = text.split_once('>').filter(|(level, _)| level.starts_with('<')).map_or(text, |(_, text)| text);
        let mut words = text.split_whitespace();
        let (event, station) = (words.next()?, words.next().unwrap_or_default());
        let note = match event {
            "AP-ENABLED" => return Some(Self::Enabled),
            "AP-DISABLED" => return Some(Self::Disabled),
            "AP-STA-CONNECTED" => format!("the station {station} joined the access point"),
            "AP-STA-DISCONNECTED" => format!("the station {station} left the access point"),
            "AP-STA-POSSIBLE-PSK-MISMATCH" => {
                format!("the station {station} has another password than the access point")
            }
            _ => return None,
        };
        Some(Self::Station(note))
    }
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Epoch, Timeline};

    use super::*;

    #[test]
    fn events_are_read_with_and_without_their_level() {
        let station = |note: &str| Some(Event::Station(note.to_owned()));
        assert_eq!(Event::of("<3>AP-ENABLED "), Some(Event::Enabled));
        assert_eq!(Event::of("AP-DISABLED"), Some(Event::Disabled));
        assert_eq!(
            Event::of("<3>AP-STA-CONNECTED 02:00:00:00:01:00"),
            station("the station 02:00:00:00:01:00 joined the access point")
        );
        assert_eq!(
            Event::of("<3>AP-STA-POSSIBLE-PSK-MISMATCH 02:00:00:00:01:00"),
            station("the station 02:00:00:00:01:00 has another password than the access point")
        );
        for other in ["", "<3>", "<3>CTRL-EVENT-TERMINATING", ">", "<AP-ENABLED"] {
            assert_eq!(Event::of(other), None, "{other}");
        }
        assert_eq!(value("state=ENABLED\nchannel=6\n", "channel"), Some("6"));
    }

    /// Answers a command as hostapd does, and then reports an event.
    #[tokio::test]
    async fn answers_are_no_events() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("wlan0");
        let server = UnixDatagram::bind(&path).expect("socket");
        let serving = tokio::spawn(async move {
            let mut bytes = [0; 100];
            let mut events = None;
            loop {
                let (length, from) = server.recv_from(&mut bytes).await.expect("a command");
                let from = from.as_pathname().expect("a path").to_owned();
                let answer = match &bytes[..length] {
                    b"ATTACH" => {
                        events = Some(from.clone());
                        "OK\n"
                    }
                    b"SET channel 11" => "FAIL\n",
                    b"STATUS" => "state=ENABLED\nfreq=2437\n",
                    _ => "OK\n",
                };
                server.send_to(answer.as_bytes(), &from).await.expect("sent");
                if &bytes[..length] == b"ENABLE" {
                    let events = events.as_ref().expect("attached");
                    server.send_to(b"<3>AP-ENABLED ", events).await.expect("sent");
                }
            }
        });
        let recorder = Timeline::in_memory(Epoch::start()).recorder(None);
        let control = Control::connect(folder.path(), &path, recorder).await.expect("connected");
        assert_eq!(control.status("freq").await.expect("a state").as_deref(), Some("2437"));
        control.ask("ENABLE", "start").await.expect("done");
        control.wait_for(|seen| seen.enabled == 1, "start").await.expect("reported");
        let refused = control.set("channel", "11", "change to channel 11").await.expect_err("refused");
        assert_eq!(refused.to_string(), "hostapd refused to change to channel 11");
        serving.abort();
    }
}
