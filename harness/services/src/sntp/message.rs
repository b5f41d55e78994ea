//! Messages of SNTP (RFC 4330 §4).

/// Bytes of a message without authentication.
const LENGTH: usize = 48;
const MODE_CLIENT: u8 = 3;
const MODE_SERVER: u8 = 4;
/// Seconds from 1900 to 1970.
const FROM_1900: i64 = 2_208_988_800;

/// A request.
pub(super) struct Question {
    version: u8,
    poll: u8,
    /// When the client sent it, by its own clock.
    transmit: [u8; 8],
}

impl Question {
    /// None for anything but the request of a client.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (first, version) = (*bytes.first()?, bytes.first()? >> 3 & 7);
        if bytes.len() < LENGTH || first & 7 != MODE_CLIENT || !(1..=4).contains(&version) {
            return None;
        }
        Some(Self { version, poll: bytes[2], transmit: bytes[40..LENGTH].try_into().ok()? })
    }

    /// The answer of a primary server whose clock says `now`, in microseconds since 1970.
    pub(super) fn answer(&self, now: i64) -> [u8; LENGTH] {
        /// About a microsecond, as a power of two in seconds.
        const PRECISION: i8 = -20;
        let mut reply = [0; LENGTH];
        reply[0] = self.version << 3 | MODE_SERVER;
        reply[1] = 1;
        reply[2] = self.poll;
        reply[3] = PRECISION.to_be_bytes()[0];
        // Root delay and dispersion are zero. What the clock is set by (RFC 5905, figure 12): a local clock.
        reply[12..16].copy_from_slice(b"LOCL");
        let now = timestamp(now);
        reply[16..24].copy_from_slice(&now);
        reply[24..32].copy_from_slice(&self.transmit);
        reply[32..40].copy_from_slice(&now);
        reply[40..48].copy_from_slice(&now);
        reply
    }
}

/// Seconds since 1900 and their fraction, each in 32 bits. After 2036 the seconds begin again at zero, and clients take a
/// timestamp whose first bit is not set for one of that era (RFC 4330 §3).
fn timestamp(micros: i64) -> [u8; 8] {
    let seconds = micros.div_euclid(1_000_000).wrapping_add(FROM_1900);
    let fraction = (micros.rem_euclid(1_000_000).unsigned_abs() << 32) / 1_000_000;
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&(seconds as u32).to_be_bytes());
    bytes[4..].copy_from_slice(&(fraction as u32).to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_repeats_what_the_client_sent() {
        let mut request = [0; LENGTH];
        (request[0], request[2]) = (0x23, 6);
        request[40..].copy_from_slice(b"whenever");
        let reply = Question::read(&request).expect("a request").answer(0);
        // Version 4, server, stratum 1, the poll interval of the request.
        assert_eq!(reply[..3], [0x24, 1, 6]);
        assert_eq!(&reply[24..32], b"whenever");
        assert_eq!(reply[40..44], 2_208_988_800_u32.to_be_bytes());
    }

    #[test]
    fn the_seconds_begin_again_in_2036() {
        // 2036-02-07T06:28:16Z, RFC 4330 §3.
        assert_eq!(timestamp(2_085_978_496 * 1_000_000), [0; 8]);
        assert_eq!(timestamp(2_085_978_495 * 1_000_000 + 500_000), [255, 255, 255, 255, 128, 0, 0, 0]);
    }

    #[test]
    fn only_requests_of_clients_are_answered() {
        let request = |first: u8, length: usize| {
            let mut bytes = vec![0; length];
            bytes[0] = first;
            Question::read(&bytes).is_some()
        };
        assert!(request(0x1b, 48) && request(0xe3, 48) && request(0x23, 68));
        // Too short, a server, broadcast, version 0, version 5.
        assert!(
            !request(0x1b, 47) && !request(0x1c, 48) && !request(0x1d, 48) && !request(0x03, 48) && !request(0x2b, 48)
        );
        assert!(Question::read(&[]).is_none());
    }
}
