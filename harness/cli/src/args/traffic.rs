//! What is done to the traffic between a device and a broker.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{FormatArgs, duration, fault};

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil tap                                             127.0.0.1:1884 to a broker on 127.0.0.1:1883
  hil tap --listen 0.0.0.0:1884 --broker mqtts://broker.example --write lamp.pcapng
  hil tap --fault 'delay 200ms jitter 50ms' --fault 'drop next PUBACK from board'

While it runs, lines on its standard input are faults:
  silence [up|down]   delay 200ms [jitter 50ms]   bandwidth 10kB/s   recover
  close   reset   refuse   accept   hold CONNACK [for 2s]   answer CONNECT with 5
  drop|duplicate|corrupt|swap next PUBLISH from|to board [on FILTER]
  delay next PUBACK by 2s from|to board [on FILTER]
and `quit` ends it.")]
pub(crate) struct TapArgs {
    /// Where devices shall connect to, over MQTT, TLS or WebSocket
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1884")]
    pub(crate) listen: std::net::SocketAddr,

    /// The broker, as HOST:PORT or as mqtt://, mqtts://, ws:// or wss:// URL
    #[arg(long, value_name = "BROKER", default_value = "127.0.0.1:1883")]
    pub(crate) broker: String,

    /// Write a capture for Wireshark to this new file
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    /// Leave passwords in the capture
    #[arg(long, requires = "write")]
    pub(crate) unmask: bool,

    /// A fault to begin with; may be given more than once
    #[arg(long, value_name = "FAULT", value_parser = fault)]
    pub(crate) fault: Vec<hil_mqtt::Fault>,

    /// End after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(crate) duration: Option<Duration>,

    /// Certificate that is shown to devices that come over TLS, in PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// Its private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Who must have signed the certificates that devices show
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) client_ca: Option<PathBuf>,

    /// Pass TLS on to the broker's TLS port, unread
    #[arg(long, conflicts_with = "cert")]
    pub(crate) pass_through: bool,

    /// Who must have signed the broker's certificate [default: whom this machine trusts]
    #[arg(long, value_name = "FILE")]
    pub(crate) broker_ca: Option<PathBuf>,

    /// Certificate that is shown to the broker
    #[arg(long, value_name = "FILE", requires = "broker_key")]
    pub(crate) broker_cert: Option<PathBuf>,

    /// Its private key
    #[arg(long, value_name = "FILE", requires = "broker_cert")]
    pub(crate) broker_key: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  hil certs certs --host 192.168.7.1 --client lamp
writes ca.pem, server.pem and lamp.pem with their keys to the folder `certs`.")]
pub(crate) struct CertsArgs {
    /// Folder for the files; none that is there is written over
    #[arg(default_value = "certs")]
    pub(crate) folder: PathBuf,

    /// Name or address that boards connect to; may be given more than once. `localhost` and 127.0.0.1 are always in
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,

    /// Make a client certificate with this common name; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Vec<String>,

    /// Days until they expire; 0 makes some that expired long ago, for tests
    #[arg(long, value_name = "DAYS", default_value_t = 825)]
    pub(crate) days: u32,
}
