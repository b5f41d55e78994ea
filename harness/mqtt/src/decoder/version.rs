//! The versions of the protocol.

pub(super) const V31: u8 = 3;
pub(super) const V311: u8 = 4;
pub(super) const V5: u8 = 5;

/// Converts a CONNECT of MQTT 3.1 to 3.1.1, with the length of its header: only protocol name and level differ.
pub(super) fn as_v311(body: &[u8]) -> Option<(Vec<u8>, usize)> {
    let rest = body.strip_prefix(b"\x00\x06MQIsdp\x03")?;
    let mut packet = vec![0x10];
    let mut length = rest.len() + 7;
    while length > 0x7f {
        packet.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    packet.push(length as u8);
    let header = packet.len();
    packet.extend(b"\x00\x04MQTT\x04");
    packet.extend(rest);
    Some((packet, header))
}
