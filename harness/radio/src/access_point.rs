//! The access point, and what steps change about it.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use hil_config::Wifi;
use hil_power::keeper::DeviceLock;
use hil_scratch::Scratch;
use hil_timeline::{Effect, FaultPhase, Recorder, What};
use inotify::{EventStream, Inotify, WatchMask};

use crate::control::Control;
use crate::error::RadioError;
use crate::hostapd::{Process, program};
use crate::settings::{Password, mode, text};

/// How long hostapd may take to open its control socket and to bring the network on air; measured: half a second.
const START: Duration = Duration::from_secs(20);

/// Who wants the interface.
pub struct Claim {
    /// What it is used for, as a process that waits for it shows it: `hil run`.
    pub what: String,
    /// Whether to wait for another process that uses it.
    pub wait: bool,
    /// Called with what is waited for.
    pub waiting: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Something that a step changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The network leaves the air without a deauthentication, as if the access point lost its power.
    Away,
    /// It is on air again.
    Back,
    /// It takes a random password instead of its own; stations are sent away.
    OtherPassword,
    /// It takes its own password again; stations are sent away.
    OwnPassword,
    /// It is on this channel; stations are sent away.
    Channel(u8),
}

impl Change {
    /// What the timeline calls it.
    fn fault(self) -> (String, FaultPhase) {
        let (text, phase) = match self {
            Self::Away => ("access point away", FaultPhase::Begins),
            Self::Back => ("access point away", FaultPhase::Ends),
            Self::OtherPassword => ("access point with another password", FaultPhase::Begins),
            Self::OwnPassword => ("access point with another password", FaultPhase::Ends),
            Self::Channel(channel) => return (format!("access point on channel {channel}"), FaultPhase::Happens),
        };
        (text.to_owned(), phase)
    }

    /// What hostapd is asked to do, in a message.
    fn what(self) -> String {
        match self {
            Self::Away => "take the network off the air".to_owned(),
            Self::Back => "bring the network back on air".to_owned(),
            Self::OtherPassword => "take another password".to_owned(),
            Self::OwnPassword => "take its password again".to_owned(),
            Self::Channel(channel) => format!("change to channel {channel}"),
        }
    }
}

/// What the network is like right now.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    on_air: bool,
    password: Option<Password>,
    channel: u8,
}

/// A network on air, until this is dropped.
#[derive(Debug)]
pub struct AccessPoint {
    interface: String,
    control: Control,
    process: Arc<Process>,
    /// As the bench file describes it.
    own: State,
    now: State,
    /// Removed last: hostapd's sockets are in it.
    _folder: Scratch,
    _lock: DeviceLock,
}

impl AccessPoint {
    /// Takes the interface and starts hostapd on it; the network is on air when this returns. Stations that join and leave
    /// are recorded.
    ///
    /// # Errors
    /// If the interface is in use, or hostapd does not bring the network on air.
    pub async fn open(
        config: &hil_config::AccessPoint,
        wifi: &Wifi,
        recorder: &Recorder,
        claim: Claim,
    ) -> Result<Self, RadioError> {
        let program = program(config)?;
        if !Path::new("/sys/class/net").join(&config.interface).exists() {
            return Err(RadioError::NoInterface(config.interface.clone()));
        }
        let lock = lock(&config.interface, claim).await?;
        let folder = Scratch::new("access-point").map_err(RadioError::Private)?;
        let sockets = folder.path().join("control");
        std::fs::create_dir(&sockets).map_err(RadioError::Private)?;
        let file = folder.path().join("hostapd.conf");
        write_private(&file, &text(config, wifi, &sockets)).map_err(RadioError::Private)?;
        let created = created_in(&sockets).map_err(RadioError::Private)?;
        // A killed run leaves the interface to the next one only when its hostapd has ended.
        let kept = lock.for_program().map_err(RadioError::Private)?;
        let process = Arc::new(Process::start(&program, &file, kept)?);
        let (interface, socket) = (config.interface.clone(), sockets.join(&config.interface));
        let begun = begin(created, folder.path(), &socket, recorder);
        let too_slow = || RadioError::TooSlow { what: "start the access point".to_owned(), seconds: START.as_secs() };
        let control = tokio::select! {
            log = process.wait() => return Err(RadioError::NotStarted { interface, log }),
            begun = tokio::time::timeout(START, begun) => begun.map_err(|_| too_slow())??,
        };
        // It holds the password, and hostapd has read it.
        std::fs::remove_file(&file).map_err(RadioError::Private)?;
        let own = State { on_air: true, password: Password::of(wifi), channel: config.channel };
        Ok(Self { interface, control, process, now: own.clone(), own, _folder: folder, _lock: lock })
    }

    /// The process, to stop it while a scenario has the access point.
    #[must_use]
    pub fn process(&self) -> Arc<Process> {
        Arc::clone(&self.process)
    }

    /// Whether it is as the bench file describes it.
    ///
    /// # Errors
    /// If hostapd has ended.
    pub fn is_restored(&self) -> Result<bool, RadioError> {
        self.check_process()?;
        Ok(self.now == self.own)
    }

    /// Changes it, and records that for these boards of the scenario.
    ///
    /// # Errors
    /// If hostapd does not do it.
    pub async fn change(
        &mut self,
        change: Change,
        recorder: &Recorder,
        boards: &[String],
    ) -> Result<Effect, RadioError> {
        let begin = recorder.timeline().end();
        let wanted = self.wanted(change)?;
        self.become_state(wanted, &change.what()).await?;
        let (fault, phase) = change.fault();
        let of = |board: &String| What::Fault { board: board.clone(), fault: fault.clone(), phase };
        let events = recorder.record_all(boards.iter().map(of).collect());
        let last = events.last().cloned();
        let effect = last.unwrap_or_else(|| recorder.record(What::Bench { board: String::new(), note: fault.clone() }));
        Ok(Effect::since(begin, &effect))
    }

    /// Makes it as the bench file describes it.
    ///
    /// # Errors
    /// If hostapd does not do it.
    pub async fn restore(&mut self) -> Result<(), RadioError> {
        self.become_state(self.own.clone(), "make the network as the bench file says").await
    }

    fn wanted(&self, change: Change) -> Result<State, RadioError> {
        let mut wanted = self.now.clone();
        match change {
            Change::Away => wanted.on_air = false,
            Change::Back => wanted.on_air = true,
            Change::OtherPassword if self.own.password.is_none() => return Err(RadioError::NoPassword),
            Change::OtherPassword => wanted.password = Some(Password::random()),
            Change::OwnPassword => wanted.password.clone_from(&self.own.password),
            Change::Channel(channel) => wanted.channel = channel,
        }
        Ok(wanted)
    }

    /// `self.now` says what hostapd is known to do, also if this fails or is dropped halfway.
    async fn become_state(&mut self, wanted: State, what: &str) -> Result<(), RadioError> {
        self.check_process()?;
        let process = Arc::clone(&self.process);
        let interface = self.interface.clone();
        tokio::select! {
            biased;
            changed = self.change_to(wanted, what) => changed,
            _ = process.wait() => {
                Err(RadioError::Ended { interface, how: process.end().unwrap_or_default() })
            }
        }
    }

    async fn change_to(&mut self, wanted: State, what: &str) -> Result<(), RadioError> {
        let is_same = self.now.password == wanted.password && self.now.channel == wanted.channel;
        if self.now.on_air && (!is_same || !wanted.on_air) {
            // A network that only goes away says nothing to its stations; one that changes sends them away.
            self.take_off_air(!wanted.on_air, what).await?;
        }
        if let Some(password) = wanted.password.as_ref().filter(|_| self.now.password != wanted.password) {
            self.now.password = None;
            self.control.set(password.name, &password.value, what).await?;
            self.now.password = wanted.password.clone();
        }
        if self.now.channel != wanted.channel {
            let before = self.now.channel;
            self.set_channel(wanted.channel, what).await?;
            if wanted.on_air
                && let Err(error) = self.bring_on_air(what).await
            {
                // Back on the channel that works: the next scenario needs it.
                if self.now.on_air {
                    self.take_off_air(false, what).await?;
                }
                self.set_channel(before, what).await?;
                self.bring_on_air("come back on air").await?;
                return Err(error);
            }
        }
        if wanted.on_air && !self.now.on_air { self.bring_on_air(what).await } else { Ok(()) }
    }

    async fn set_channel(&mut self, channel: u8, what: &str) -> Result<(), RadioError> {
        self.control.set("hw_mode", mode(channel), what).await?;
        self.control.set("channel", &channel.to_string(), what).await?;
        self.now.channel = channel;
        Ok(())
    }

    async fn take_off_air(&mut self, silently: bool, what: &str) -> Result<(), RadioError> {
        let deauthenticates = if silently { "0" } else { "1" };
        self.control.set("broadcast_deauth", deauthenticates, what).await?;
        let before = *self.control.seen.borrow();
        self.now.on_air = false;
        self.control.ask("DISABLE", what).await?;
        self.control.wait_for(|seen| seen.disabled > before.disabled, what).await.map(drop)
    }

    async fn bring_on_air(&mut self, what: &str) -> Result<(), RadioError> {
        let before = *self.control.seen.borrow();
        self.control.ask("ENABLE", what).await?;
        let seen = self.control.wait_for(|seen| *seen != before, what).await?;
        if seen.enabled == before.enabled {
            return Err(RadioError::Refused { what: what.to_owned() });
        }
        self.now.on_air = true;
        // hostapd takes another channel where it must.
        if self.control.status("channel").await? == Some(self.now.channel.to_string()) {
            return Ok(());
        }
        Err(RadioError::Refused { what: format!("use channel {}", self.now.channel) })
    }

    fn check_process(&self) -> Result<(), RadioError> {
        let ended = |how| Err(RadioError::Ended { interface: self.interface.clone(), how });
        self.process.end().map_or(Ok(()), ended)
    }
}

/// Takes the lock of an interface.
async fn lock(interface: &str, claim: Claim) -> Result<DeviceLock, RadioError> {
    let key = format!("radio {interface}");
    let name = interface.to_owned();
    let taken = tokio::task::spawn_blocking(move || {
        let waiting = |holder: &str| (claim.waiting)(&format!("the access point on `{name}`: {holder}"));
        if claim.wait { DeviceLock::take(&key, &claim.what, waiting) } else { DeviceLock::try_take(&key, &claim.what) }
    });
    let taken = taken.await.unwrap_or_else(|error| Err(error.to_string()));
    taken.map_err(|why| RadioError::Locked { interface: interface.to_owned(), why })
}

/// Writes a file that only this user can read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

type Created = EventStream<[u8; 1024]>;

/// Follows what is created in a folder.
fn created_in(folder: &Path) -> std::io::Result<Created> {
    let inotify = Inotify::init()?;
    inotify.watches().add(folder, WatchMask::CREATE)?;
    inotify.into_event_stream([0; 1024])
}

/// Waits for hostapd's socket, connects, and waits until the network is on air.
async fn begin(mut created: Created, folder: &Path, socket: &Path, recorder: &Recorder) -> Result<Control, RadioError> {
    while !socket.exists() {
        let event = created.next().await.unwrap_or_else(|| Err(std::io::ErrorKind::UnexpectedEof.into()));
        event.map_err(RadioError::Private)?;
    }
    let control = Control::connect(folder, socket, recorder.clone()).await?;
    // It may have come on air before its events were followed.
    if control.status("state").await?.as_deref() != Some("ENABLED") {
        control.wait_for(|seen| seen.enabled > 0, "start the access point").await?;
    }
    Ok(control)
}
