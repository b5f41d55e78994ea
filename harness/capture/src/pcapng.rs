//! The blocks of a pcapng file (draft-ietf-opsawg-pcapng).

/// Link type: packets begin with their IP header.
const LINKTYPE_RAW: u16 = 101;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const USER_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_DESCRIPTION_TEXT: u16 = 3;

/// The name of the program that wrote the file.
pub(crate) fn section_header(application: &str) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(0x1a2b_3c4d_u32.to_le_bytes());
    body.extend(1_u16.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    // The length of the section is not known yet.
    body.extend((-1_i64).to_le_bytes());
    option(&mut body, USER_APPLICATION, application);
    end_of_options(&mut body);
    block(SECTION_HEADER, &body)
}

/// An interface; they are numbered from 0. Times are in microseconds unless it says otherwise.
pub(crate) fn interface(name: &str, description: &str) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(LINKTYPE_RAW.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    // No limit on the packet length.
    body.extend(0_u32.to_le_bytes());
    option(&mut body, INTERFACE_NAME, name);
    option(&mut body, INTERFACE_DESCRIPTION_TEXT, description);
    end_of_options(&mut body);
    block(INTERFACE_DESCRIPTION, &body)
}

/// A packet, stamped in microseconds since 1970.
pub(crate) fn packet(interface: u32, unix_us: u64, bytes: &[u8], comment: Option<&str>) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut body = Vec::with_capacity(bytes.len() + 64);
    body.extend(interface.to_le_bytes());
    body.extend(((unix_us >> 32) as u32).to_le_bytes());
    body.extend((unix_us as u32).to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(bytes);
    pad(&mut body);
    if let Some(comment) = comment {
        option(&mut body, COMMENT, comment);
        end_of_options(&mut body);
    }
    block(ENHANCED_PACKET, &body)
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    [&kind.to_le_bytes()[..], &length, body, &length].concat()
}

fn option(body: &mut Vec<u8>, code: u16, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    body.extend(code.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(&text.as_bytes()[..usize::from(length)]);
    pad(body);
}

fn end_of_options(body: &mut Vec<u8>) {
    option(body, END_OF_OPTIONS, "");
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}
