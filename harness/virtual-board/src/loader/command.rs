//! A command packet of the host.

/// Operations of ROM and stub.
pub(crate) mod op {
    pub(crate) const FLASH_BEGIN: u8 = 0x02;
    pub(crate) const FLASH_DATA: u8 = 0x03;
    pub(crate) const FLASH_END: u8 = 0x04;
    pub(crate) const MEM_BEGIN: u8 = 0x05;
    pub(crate) const MEM_END: u8 = 0x06;
    pub(crate) const MEM_DATA: u8 = 0x07;
    pub(crate) const SYNC: u8 = 0x08;
    pub(crate) const WRITE_REG: u8 = 0x09;
    pub(crate) const READ_REG: u8 = 0x0a;
    pub(crate) const SPI_SET_PARAMS: u8 = 0x0b;
    pub(crate) const SPI_ATTACH: u8 = 0x0d;
    pub(crate) const READ_FLASH_SLOW: u8 = 0x0e;
    pub(crate) const CHANGE_BAUDRATE: u8 = 0x0f;
    pub(crate) const FLASH_DEFL_BEGIN: u8 = 0x10;
    pub(crate) const FLASH_DEFL_DATA: u8 = 0x11;
    pub(crate) const FLASH_DEFL_END: u8 = 0x12;
    pub(crate) const SPI_FLASH_MD5: u8 = 0x13;
    pub(crate) const GET_SECURITY_INFO: u8 = 0x14;
    // The stub's own.
    pub(crate) const ERASE_FLASH: u8 = 0xd0;
    pub(crate) const ERASE_REGION: u8 = 0xd1;
    pub(crate) const READ_FLASH: u8 = 0xd2;
    pub(crate) const RUN_USER_CODE: u8 = 0xd3;
}

/// Why the chip rejects a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The message is too short, too long or unknown.
    Invalid,
    /// It is not allowed now, or the flash can't do it.
    Failed,
    /// Its checksum is wrong.
    Checksum,
    /// The compressed data is corrupt.
    Inflate,
    /// More data than was announced.
    TooMuch,
}

impl Refusal {
    /// The error byte: ROM and stub use different numbers.
    pub(crate) fn code(self, stub: bool) -> u8 {
        match (self, stub) {
            (Self::Invalid, false) => 0x05,
            (Self::Failed, false) => 0x06,
            (Self::Checksum, false) => 0x07,
            (Self::Inflate | Self::TooMuch, false) => 0x0b,
            (Self::Invalid, true) => 0xc0,
            (Self::Checksum, true) => 0xc1,
            (Self::Failed, true) => 0xc4,
            (Self::Inflate, true) => 0xc3,
            (Self::TooMuch, true) => 0xc9,
        }
    }
}

/// A command: operation, checksum field and data.
#[derive(Debug)]
pub(crate) struct LoaderCommand<'a> {
    pub(crate) op: u8,
    checksum: u32,
    pub(crate) data: &'a [u8],
}

impl<'a> LoaderCommand<'a> {
    const REQUEST: u8 = 0;

    /// Parses a frame; none if it is not a request: the chip does not answer it.
    pub(crate) fn parse(frame: &'a [u8]) -> Option<Result<Self, (u8, Refusal)>> {
        let (header, data) = frame.split_first_chunk::<8>()?;
        let [direction, op, length_low, length_high, checksum @ ..] = *header;
        if direction != Self::REQUEST {
            return None;
        }
        let checksum = u32::from_le_bytes(checksum);
        let announced = usize::from(u16::from_le_bytes([length_low, length_high]));
        Some(if announced == data.len() { Ok(Self { op, checksum, data }) } else { Err((op, Refusal::Invalid)) })
    }

    /// The nth 32-bit parameter.
    pub(crate) fn word(&self, n: usize) -> Result<u32, Refusal> {
        let bytes = self.data.get(n * 4..n * 4 + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_le_bytes).ok_or(Refusal::Invalid)
    }

    /// The nth parameter as a size or an address in flash.
    pub(crate) fn size(&self, n: usize) -> Result<usize, Refusal> {
        usize::try_from(self.word(n)?).map_err(|_| Refusal::Invalid)
    }

    /// The block after the four parameters of a data command, with its checksum verified.
    pub(crate) fn block(&self) -> Result<&'a [u8], Refusal> {
        const SEED: u8 = 0xef;
        let block = self.data.get(16..).filter(|block| self.size(0) == Ok(block.len())).ok_or(Refusal::Invalid)?;
        let sum = block.iter().fold(SEED, |sum, byte| sum ^ byte);
        if u32::from(sum) == self.checksum { Ok(block) } else { Err(Refusal::Checksum) }
    }
}
