//! The DHCP server (RFC 2131, options by RFC 2132) of a network with one station.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use smoltcp::wire::{
    DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress,
    EthernetProtocol,
};

use crate::air::{Air, udp};
use crate::config::Config;

/// "Client identifier" (RFC 2132, 9.14): sent back as it came (RFC 6842).
const CLIENT_IDENTIFIER: u8 = 61;

/// The length of a BOOTP message, which some clients expect at least (RFC 1542, 2.1).
const SHORTEST: usize = 300;

/// How many declined addresses are remembered.
const MOST_DECLINED: usize = 16;

/// The addresses of the station.
#[derive(Debug, Default)]
pub(crate) struct Dhcp {
    leased: Option<Ipv4Addr>,
    /// Those that the station found in use by another.
    declined: Vec<Ipv4Addr>,
}

/// What is said to the station.
enum Reply {
    Offer(Ipv4Addr),
    Lease(Ipv4Addr),
    /// Settings for a station with an address of its own.
    Settings,
    No,
}

impl Dhcp {
    /// Answers a message; returns an address that the station now has and had not before.
    pub(crate) fn receive(&mut self, config: &Config, message: &[u8], air: &mut Air) -> Option<Ipv4Addr> {
        let packet = DhcpPacket::new_checked(message).ok()?;
        let request = DhcpRepr::parse(&packet).ok()?;
        if Some(request.client_hardware_address) != air.station() {
            return None;
        }
        let server = request.server_identifier;
        if server.is_some_and(|server| server != config.network.gateway()) {
            return None;
        }
        let reply = self.reply(config, &request)?;
        let identifier = packet.options().find(|option| option.kind == CLIENT_IDENTIFIER);
        send(config, &request, identifier, &reply, air);
        let Reply::Lease(address) = reply else { return None };
        (self.leased.replace(address) != Some(address)).then_some(address)
    }

    fn reply(&mut self, config: &Config, request: &DhcpRepr<'_>) -> Option<Reply> {
        match request.message_type {
            DhcpMessageType::Discover => self.free(config).map(Reply::Offer),
            DhcpMessageType::Request => self.judge(config, request),
            DhcpMessageType::Inform if config.is_station(request.client_ip) => Some(Reply::Settings),
            DhcpMessageType::Decline => {
                self.decline(request.requested_ip?);
                None
            }
            DhcpMessageType::Release => {
                self.leased = self.leased.filter(|leased| *leased != request.client_ip);
                None
            }
            _ => None,
        }
    }

    /// The address for the station: the same as before, while it has not declined it.
    fn free(&self, config: &Config) -> Option<Ipv4Addr> {
        let mut leases = config.network.leases();
        self.leased.or_else(|| leases.find(|address| config.is_station(*address) && !self.declined.contains(address)))
    }

    /// RFC 2131, 4.3.2: which address is asked for depends on the client's state; any but the one for it is refused.
    fn judge(&self, config: &Config, request: &DhcpRepr<'_>) -> Option<Reply> {
        // SELECTING and INIT-REBOOT name the address in an option, RENEWING and REBINDING use it already.
        let asked = request.requested_ip.unwrap_or(request.client_ip);
        if asked.is_unspecified() {
            return None;
        }
        Some(if Some(asked) == self.free(config) { Reply::Lease(asked) } else { Reply::No })
    }

    fn decline(&mut self, address: Ipv4Addr) {
        self.leased = self.leased.filter(|leased| *leased != address);
        if !self.declined.contains(&address) {
            if self.declined.len() == MOST_DECLINED {
                self.declined.remove(0);
            }
            self.declined.push(address);
        }
    }
}

fn send(
    config: &Config,
    request: &DhcpRepr<'_>,
    identifier: Option<DhcpOption<'_>>,
    reply: &Reply,
    air: &mut Air,
) -> Option<()> {
    let network = config.network;
    let mut answer = blank(request, network.gateway());
    let options: Vec<_> = identifier.into_iter().collect();
    answer.additional_options = &options;
    if !matches!(reply, Reply::No) {
        answer.subnet_mask = Some(network.mask());
        answer.router = Some(network.gateway());
        answer.dns_servers = Some([network.name_server()].into_iter().collect());
    }
    match reply {
        Reply::Offer(address) | Reply::Lease(address) => {
            let offer = matches!(reply, Reply::Offer(_));
            answer.message_type = if offer { DhcpMessageType::Offer } else { DhcpMessageType::Ack };
            answer.your_ip = *address;
            answer.lease_duration = Some(seconds(config.lease));
        }
        Reply::Settings => answer.message_type = DhcpMessageType::Ack,
        Reply::No => answer.client_ip = Ipv4Addr::UNSPECIFIED,
    }
    let mut message = vec![0; answer.buffer_len().max(SHORTEST)];
    answer.emit(&mut DhcpPacket::new_unchecked(message.as_mut_slice())).ok()?;
    let (mac, to) = receiver(request, reply);
    let from = SocketAddrV4::new(network.gateway(), DHCP_SERVER_PORT);
    air.send(mac, EthernetProtocol::Ipv4, &udp(from, SocketAddrV4::new(to, DHCP_CLIENT_PORT), &message));
    Some(())
}

/// RFC 2131, 4.1: to the address that the client uses, else to all if it can't receive otherwise, else to the address
/// that it gets. A refusal is for a client without a valid address.
fn receiver(request: &DhcpRepr<'_>, reply: &Reply) -> (EthernetAddress, Ipv4Addr) {
    let station = request.client_hardware_address;
    match reply {
        Reply::No => (EthernetAddress::BROADCAST, Ipv4Addr::BROADCAST),
        _ if !request.client_ip.is_unspecified() => (station, request.client_ip),
        Reply::Offer(address) | Reply::Lease(address) if !request.broadcast => (station, *address),
        _ => (EthernetAddress::BROADCAST, Ipv4Addr::BROADCAST),
    }
}

/// A refusal without options.
fn blank<'a>(request: &DhcpRepr<'_>, server: Ipv4Addr) -> DhcpRepr<'a> {
    DhcpRepr {
        message_type: DhcpMessageType::Nak,
        transaction_id: request.transaction_id,
        secs: 0,
        client_hardware_address: request.client_hardware_address,
        client_ip: request.client_ip,
        your_ip: Ipv4Addr::UNSPECIFIED,
        server_ip: Ipv4Addr::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: request.relay_agent_ip,
        broadcast: request.broadcast,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(server),
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    }
}

/// 2³² − 1 s is "for ever" (RFC 2131, 3.3), which not every client understands.
fn seconds(lease: Duration) -> u32 {
    u32::try_from(lease.as_secs()).unwrap_or(u32::MAX).clamp(1, u32::MAX - 1)
}
