//! Arguments of the commands for traffic between a device and a broker.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{FormatArgs, duration, fault};

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil tap                                             forward port 1884 to a broker on port 1883
  hil tap --listen 0.0.0.0:1884 --broker mqtts://broker.example --write lamp.pcapng
  hil tap --fault 'delay 200ms jitter 50ms' --fault 'drop next PUBACK from board'

Reads faults from standard input:
  silence [up|down]   delay 200ms [jitter 50ms]   bandwidth 10kB/s   recover
  close   reset   refuse   accept   hold CONNACK [for 2s]   answer CONNECT with 5
  drop|duplicate|corrupt|swap next PUBLISH from|to board [on FILTER]
  delay next PUBACK by 2s from|to board [on FILTER]
`quit` exits.")]
pub(crate) struct TapArgs {
    /// Address that devices connect to, over MQTT, TLS or WebSocket
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1884")]
    pub(crate) listen: std::net::SocketAddr,

    /// Broker, as HOST:PORT or as a mqtt://, mqtts://, ws:// or wss:// URL
    #[arg(long, value_name = "BROKER", default_value = "127.0.0.1:1883")]
    pub(crate) broker: String,

    /// Write a capture for Wireshark; the file must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    /// Do not mask passwords in the capture
    #[arg(long, requires = "write")]
    pub(crate) unmask: bool,

    /// Fault to start with; can be repeated
    #[arg(long, value_name = "FAULT", value_parser = fault)]
    pub(crate) fault: Vec<hil_mqtt::Fault>,

    /// Exit after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(crate) duration: Option<Duration>,

    /// Certificate to present to devices that connect over TLS, in PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// Private key of `--cert`, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// CA that must have signed the certificates of devices, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) client_ca: Option<PathBuf>,

    /// Forward TLS to the broker's TLS port without decrypting it
    #[arg(long, conflicts_with = "cert")]
    pub(crate) pass_through: bool,

    /// CA that must have signed the broker's certificate, in PEM [default: the CAs this machine trusts]
    #[arg(long, value_name = "FILE")]
    pub(crate) broker_ca: Option<PathBuf>,

    /// Client certificate to present to the broker, in PEM
    #[arg(long, value_name = "FILE", requires = "broker_key")]
    pub(crate) broker_cert: Option<PathBuf>,

    /// Private key of `--broker-cert`, in PEM
    #[arg(long, value_name = "FILE", requires = "broker_cert")]
    pub(crate) broker_key: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  hil certs certs --host 192.168.7.1 --client lamp

Writes ca.pem, server.pem, lamp.pem and their keys to the folder `certs`.")]
pub(crate) struct CertsArgs {
    /// Output folder; existing files are not overwritten
    #[arg(default_value = "certs")]
    pub(crate) folder: PathBuf,

    /// Host name or address that boards connect to; can be repeated. `localhost` and 127.0.0.1 are always included
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,

    /// Create a client certificate with this common name; can be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Vec<String>,

    /// Days until the certificates expire; 0 creates expired ones, for tests
    #[arg(long, value_name = "DAYS", default_value_t = 825)]
    pub(crate) days: u32,
}
