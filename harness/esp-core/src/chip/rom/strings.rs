//! Memory, strings and checksums.

use super::{Answer, Call, Function};
use crate::memory::Access;
use crate::{Bus as _, Width};

pub(super) const MODELS: &[(&str, Function)] = &[
    ("memset", |call| {
        let value = call.argument(1).to_le_bytes()[0];
        if call.argument(2) > LONGEST {
            return Answer::BadAddress;
        }
        store(call, &vec![value; call.argument(2) as usize])
    }),
    ("memcpy", copy),
    ("memmove", copy),
    ("memcmp", |call| {
        let len = call.argument(2);
        compare(call.bytes(call.argument(0), len), call.bytes(call.argument(1), len))
    }),
    ("memchr", |call| {
        let wanted = call.argument(1).to_le_bytes()[0];
        match call.bytes(call.argument(0), call.argument(2)) {
            Some(bytes) => Answer::Value(address_of(call.argument(0), &bytes, |byte| byte == wanted)),
            None => Answer::BadAddress,
        }
    }),
    ("strcpy", |call| match call.string(call.argument(1)) {
        Some(bytes) => store(call, &[&bytes[..], &[0]].concat()),
        None => Answer::BadAddress,
    }),
    ("strncpy", |call| match call.string(call.argument(1)) {
        Some(mut bytes) if call.argument(2) <= LONGEST => {
            bytes.resize(call.argument(2) as usize, 0);
            store(call, &bytes)
        }
        _ => Answer::BadAddress,
    }),
    ("strcmp", |call| compare_strings(call, u32::MAX)),
    ("strncmp", |call| compare_strings(call, call.argument(2))),
    ("strchr", |call| {
        let wanted = call.argument(1).to_le_bytes()[0];
        match call.string(call.argument(0)) {
            Some(mut bytes) => {
                bytes.push(0);
                Answer::Value(address_of(call.argument(0), &bytes, |byte| byte == wanted))
            }
            None => Answer::BadAddress,
        }
    }),
    ("crc32_le", |call| checksum(call, |crc, bytes| !crc32_le(!crc, bytes))),
    ("crc16_le", |call| checksum(call, |crc, bytes| !reflected(!crc & 0xffff, bytes, 0x8408) & 0xffff)),
    ("crc8_le", |call| checksum(call, |crc, bytes| !reflected(!crc & 0xff, bytes, 0xe0) & 0xff)),
    ("crc32_be", |call| checksum(call, |crc, bytes| !straight(!crc, bytes, 0x04c1_1db7))),
    ("crc16_be", |call| checksum(call, |crc, bytes| !(straight(!crc << 16, bytes, 0x1021 << 16) >> 16) & 0xffff)),
    ("crc8_be", |call| checksum(call, |crc, bytes| !(straight(!crc << 24, bytes, 0x07 << 24) >> 24) & 0xff)),
];

/// More than the chip's memory: a longer range is a mistake of the program.
const LONGEST: u32 = 0x80_0000;

impl Call<'_> {
    /// Bytes of the program's memory.
    pub(super) fn bytes(&self, at: u32, len: u32) -> Option<Vec<u8>> {
        if len > LONGEST {
            return None;
        }
        let mut bytes = vec![0; len as usize];
        self.hardware.memory().read(at, &mut bytes).ok()?;
        Some(bytes)
    }

    /// The bytes up to a zero.
    fn string(&self, at: u32) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let mut byte = [0];
            let offset = u32::try_from(bytes.len()).ok().filter(|len| *len < LONGEST)?;
            self.hardware.memory().read(at.wrapping_add(offset), &mut byte).ok()?;
            if byte == [0] {
                return Some(bytes);
            }
            bytes.extend(byte);
        }
    }
}

/// Writes bytes to where the first argument points, and returns it.
fn store(call: &mut Call<'_>, bytes: &[u8]) -> Answer {
    let to = call.argument(0);
    match call.hardware.memory_mut().write(to, bytes) {
        Ok(()) => Answer::Value(to),
        Err(_) => Answer::BadAddress,
    }
}

fn copy(call: &mut Call<'_>) -> Answer {
    let (to, from, len) = (call.argument(0), call.argument(1), call.argument(2));
    match call.bytes(from, len) {
        Some(bytes) if call.hardware.memory().allows(to, Access::READ_WRITE) => store(call, &bytes),
        _ if len <= LONGEST => copy_registers(call, to, from, len),
        _ => Answer::BadAddress,
    }
}

/// Copies as the processor would, also from and to registers: in words where both sides can, as the ROM does.
fn copy_registers(call: &mut Call<'_>, to: u32, from: u32, len: u32) -> Answer {
    let mut done = 0;
    while done < len {
        let (from, to) = (from.wrapping_add(done), to.wrapping_add(done));
        let width = if from % 4 == 0 && to % 4 == 0 && len - done >= 4 { Width::Word } else { Width::Byte };
        let copied = load(call, from, width).and_then(|value| store_one(call, to, width, value));
        if copied.is_none() {
            return Answer::BadAddress;
        }
        done += width.bytes();
    }
    Answer::Value(to)
}

fn load(call: &mut Call<'_>, at: u32, width: Width) -> Option<u32> {
    let mut bytes = [0; 4];
    match call.hardware.memory().read(at, &mut bytes[..width.bytes() as usize]) {
        Ok(()) => Some(u32::from_le_bytes(bytes)),
        Err(_) => call.hardware.load(at, width).ok(),
    }
}

fn store_one(call: &mut Call<'_>, at: u32, width: Width, value: u32) -> Option<()> {
    let bytes = value.to_le_bytes();
    match call.hardware.memory_mut().write(at, &bytes[..width.bytes() as usize]) {
        Ok(()) => Some(()),
        Err(_) => call.hardware.store(at, width, value).ok(),
    }
}

fn compare(left: Option<Vec<u8>>, right: Option<Vec<u8>>) -> Answer {
    let (Some(left), Some(right)) = (left, right) else { return Answer::BadAddress };
    let differing = left.iter().zip(&right).find(|(left, right)| left != right);
    Answer::Value(differing.map_or(0, |(left, right)| i32::from(*left) - i32::from(*right)).cast_unsigned())
}

fn compare_strings(call: &mut Call<'_>, at_most: u32) -> Answer {
    let string = |at| {
        let mut bytes = call.string(at)?;
        bytes.push(0);
        bytes.truncate(at_most as usize);
        Some(bytes)
    };
    compare(string(call.argument(0)), string(call.argument(1)))
}

/// The address of the first byte that is wanted; 0 if there is none.
fn address_of(from: u32, bytes: &[u8], wanted: impl Fn(u8) -> bool) -> u32 {
    let found = bytes.iter().position(|byte| wanted(*byte)).and_then(|index| u32::try_from(index).ok());
    found.map_or(0, |index| from.wrapping_add(index))
}

/// A checksum that goes on from the first argument, of the bytes that the others say.
fn checksum(call: &mut Call<'_>, function: fn(u32, &[u8]) -> u32) -> Answer {
    match call.bytes(call.argument(1), call.argument(2)) {
        Some(bytes) => Answer::Value(function(call.argument(0), &bytes)),
        None => Answer::BadAddress,
    }
}

fn crc32_le(crc: u32, bytes: &[u8]) -> u32 {
    reflected(crc, bytes, 0xedb8_8320)
}

fn reflected(crc: u32, bytes: &[u8], polynomial: u32) -> u32 {
    bytes.iter().fold(crc, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 0 { 0 } else { polynomial })
    })
}

/// The same with the highest bit first; shorter checksums are in the upper bits.
fn straight(crc: u32, bytes: &[u8], polynomial: u32) -> u32 {
    bytes.iter().fold(crc, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 0 { 0 } else { polynomial })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the catalogue of parametrised CRC algorithms, for "123456789".
    #[test]
    fn checksums_have_their_check_values() {
        let digits = b"123456789";
        assert_eq!(!crc32_le(!0, digits), 0xcbf4_3926);
        assert_eq!(!straight(!0, digits, 0x04c1_1db7), 0xfc89_1918);
        assert_eq!(!reflected(0xffff, digits, 0x8408) & 0xffff, 0x906e);
        assert_eq!(!(straight(0xffff << 16, digits, 0x1021 << 16) >> 16) & 0xffff, 0xd64e);
    }
}
