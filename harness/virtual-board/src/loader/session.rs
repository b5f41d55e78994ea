//! The loader, from reset to reset.

use flate2::{Decompress, FlushDecompress, Status};

use super::command::{LoaderCommand, Refusal, op};
use super::registers::{ChipIdentity, Registers};
use super::slip;
use crate::flash::{Flash, SECTOR, SIZE};

/// The chip's reactions to the host's bytes, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Bytes for the host.
    Send(Vec<u8>),
    /// The UART changes its baud rate.
    Baud(u32),
    /// A reset of the chip; strapping decides what follows.
    Reset,
    /// The app starts, whatever the strapping.
    RunApp,
}

/// The target of a write.
#[derive(Debug)]
struct Write {
    address: usize,
    left: usize,
    inflate: Option<Decompress>,
}

/// A range that is being read by the host.
#[derive(Debug)]
struct Read {
    data: Vec<u8>,
    md5: [u8; 16],
    sent: usize,
    block: usize,
    in_flight: usize,
}

/// What the eFuses of the chip forbid. The loader reports it; it does not encrypt anything.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Security {
    pub(crate) download_mode: bool,
    pub(crate) flash_encrypted: bool,
}

/// ROM loader, and stub once the host has uploaded it.
#[derive(Debug)]
pub(crate) struct Loader {
    flash: Flash,
    identity: ChipIdentity,
    security: Security,
    registers: Registers,
    frames: slip::Decoder,
    stub: bool,
    write: Option<Write>,
    read: Option<Read>,
}

type Answer = Result<(u32, Vec<u8>), Refusal>;

const DONE: Answer = Ok((0, Vec::new()));

impl Loader {
    /// A loader as started by the ROM.
    pub(crate) fn new(flash: Flash, identity: ChipIdentity, security: Security, mac: [u8; 6]) -> Self {
        let registers = Registers::new(identity, mac);
        Self {
            flash,
            identity,
            security,
            registers,
            frames: slip::Decoder::default(),
            stub: false,
            write: None,
            read: None,
        }
    }

    /// Handles bytes from the host.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Vec<Action> {
        let mut actions = Vec::new();
        for byte in bytes {
            let Some(frame) = self.frames.push(*byte) else { continue };
            if self.read.is_some() {
                actions.extend(self.continue_read(&frame));
            } else if let Some(command) = LoaderCommand::parse(&frame) {
                match command {
                    Ok(command) => self.run(&command, &mut actions),
                    Err((op, refusal)) => actions.push(self.reply(op, Err(refusal))),
                }
            }
        }
        actions
    }

    fn run(&mut self, command: &LoaderCommand<'_>, actions: &mut Vec<Action>) {
        let answer = self.answer(command);
        let accepted = answer.is_ok();
        let reply = self.reply(command.op, answer);
        // The ROM answers a SYNC eight times: the host repeats it until it gets an answer.
        let repeats = if command.op == op::SYNC { 8 } else { 1 };
        actions.extend(std::iter::repeat_with(|| clone_send(&reply)).take(repeats));
        if accepted {
            self.after_reply(command, actions);
        }
    }

    /// What happens after the host has its reply.
    fn after_reply(&mut self, command: &LoaderCommand<'_>, actions: &mut Vec<Action>) {
        match command.op {
            op::MEM_END if command.word(0) == Ok(0) && !self.stub => {
                self.stub = true;
                actions.push(Action::Send(slip::encode(b"OHAI")));
            }
            op::CHANGE_BAUDRATE => actions.extend(command.word(0).ok().map(Action::Baud)),
            op::FLASH_END | op::FLASH_DEFL_END if command.word(0) == Ok(0) => actions.push(Action::Reset),
            op::RUN_USER_CODE => actions.push(Action::RunApp),
            op::READ_FLASH => actions.extend(self.send_blocks()),
            _ => {}
        }
    }

    fn reply(&self, op: u8, answer: Answer) -> Action {
        let (status, (value, data)) = match answer {
            Ok(answer) => ([0, 0], answer),
            Err(refusal) => ([1, refusal.code(self.stub)], (0, Vec::new())),
        };
        let mut body = data;
        body.extend(status);
        if !self.stub {
            // The ROM sends two more bytes of status.
            body.extend([0, 0]);
        }
        let mut packet = vec![1, op];
        packet.extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_le_bytes());
        packet.extend(value.to_le_bytes());
        packet.extend(body);
        Action::Send(slip::encode(&packet))
    }

    fn answer(&mut self, command: &LoaderCommand<'_>) -> Answer {
        match command.op {
            op::SYNC => Ok((if self.stub { 0 } else { 0x2012_0707 }, Vec::new())),
            op::READ_REG => Ok((self.registers.read(command.word(0)?), Vec::new())),
            op::WRITE_REG => self.write_registers(command),
            op::SPI_ATTACH if command.data.len() != if self.stub { 4 } else { 8 } => Err(Refusal::Invalid),
            op::SPI_ATTACH | op::SPI_SET_PARAMS | op::CHANGE_BAUDRATE => command.word(0).and(DONE),
            op::GET_SECURITY_INFO => Ok((0, self.security_info())),
            op::MEM_BEGIN => command.word(3).and(DONE),
            op::MEM_DATA => command.block().and(DONE),
            op::MEM_END => command.word(1).and(DONE),
            op::FLASH_BEGIN => self.begin_write(command, false),
            op::FLASH_DEFL_BEGIN => self.begin_write(command, true),
            op::FLASH_DATA => self.write_block(command.block()?),
            op::FLASH_DEFL_DATA => self.inflate_block(command.block()?),
            op::FLASH_END | op::FLASH_DEFL_END => {
                self.write = None;
                command.word(0).and(DONE)
            }
            op::SPI_FLASH_MD5 => self.md5(command),
            op::READ_FLASH_SLOW if !self.stub => self.read_slowly(command),
            op::ERASE_FLASH if self.stub => self.erase(0, SIZE),
            op::ERASE_REGION if self.stub => self.erase(command.size(0)?, command.size(1)?),
            op::READ_FLASH if self.stub => self.begin_read(command),
            op::RUN_USER_CODE if self.stub => DONE,
            _ => Err(Refusal::Invalid),
        }
    }

    fn write_registers(&mut self, command: &LoaderCommand<'_>) -> Answer {
        if command.data.is_empty() || !command.data.len().is_multiple_of(16) {
            return Err(Refusal::Invalid);
        }
        for n in (0..command.data.len() / 4).step_by(4) {
            self.registers.write(command.word(n)?, command.word(n + 1)?, command.word(n + 2)?);
        }
        DONE
    }

    /// Flags, flash encryption count, key purposes (all zero on an open chip), chip id, API version.
    fn security_info(&self) -> Vec<u8> {
        /// SECURE_DOWNLOAD_ENABLE (esptool, `SECURITY_INFO_FLAG_MAP`).
        const SECURE_DOWNLOAD: u32 = 1 << 2;
        let flags = if self.security.download_mode { SECURE_DOWNLOAD } else { 0 };
        let mut info = flags.to_le_bytes().to_vec();
        // Flash encryption is on if an odd number of bits is set.
        info.push(u8::from(self.security.flash_encrypted));
        info.resize(12, 0);
        info.extend(self.identity.id().to_le_bytes());
        info.extend(0u32.to_le_bytes());
        info
    }

    fn begin_write(&mut self, command: &LoaderCommand<'_>, compressed: bool) -> Answer {
        let (size, address) = (command.size(0)?, command.size(3)?);
        if size > 0 && !self.flash.erase(address, size) {
            return Err(Refusal::Failed);
        }
        let inflate = compressed.then(|| Decompress::new(true));
        self.write = Some(Write { address, left: size, inflate });
        DONE
    }

    fn write_block(&mut self, block: &[u8]) -> Answer {
        let write = self.write.as_mut().filter(|write| write.inflate.is_none()).ok_or(Refusal::Failed)?;
        // The last block is padded to the block size: bytes beyond the announced size are not written.
        let block = &block[..block.len().min(write.left)];
        store(&self.flash, write, block)?;
        DONE
    }

    fn inflate_block(&mut self, mut block: &[u8]) -> Answer {
        let write = self.write.as_mut().ok_or(Refusal::Failed)?;
        let mut inflate = write.inflate.take().ok_or(Refusal::Failed)?;
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let (taken, made) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(block, &mut buffer, FlushDecompress::None).map_err(|_| Refusal::Inflate)?;
            let taken = usize::try_from(inflate.total_in() - taken).unwrap_or(block.len());
            let made = usize::try_from(inflate.total_out() - made).unwrap_or(0);
            block = &block[taken..];
            if made > write.left {
                return Err(Refusal::TooMuch);
            }
            store(&self.flash, write, &buffer[..made])?;
            let drained = block.is_empty() && made < buffer.len();
            if status == Status::StreamEnd || drained || (taken == 0 && made == 0) {
                break;
            }
        }
        write.inflate = Some(inflate);
        DONE
    }

    fn md5(&self, command: &LoaderCommand<'_>) -> Answer {
        let md5 = self.flash.md5(command.size(0)?, command.size(1)?).ok_or(Refusal::Failed)?;
        Ok((0, if self.stub { md5.to_vec() } else { hex::encode(md5).into_bytes() }))
    }

    fn read_slowly(&self, command: &LoaderCommand<'_>) -> Answer {
        /// The ROM always answers with this many bytes.
        const LENGTH: usize = 64;
        Ok((0, self.flash.read(command.size(0)?, LENGTH).ok_or(Refusal::Failed)?))
    }

    fn erase(&self, address: usize, size: usize) -> Answer {
        let aligned = address.is_multiple_of(SECTOR) && size.is_multiple_of(SECTOR);
        if aligned && self.flash.erase(address, size) { DONE } else { Err(Refusal::Failed) }
    }

    fn begin_read(&mut self, command: &LoaderCommand<'_>) -> Answer {
        let (address, length) = (command.size(0)?, command.size(1)?);
        let (block, in_flight) = (command.size(2)?, command.size(3)?);
        let data = self.flash.read(address, length).ok_or(Refusal::Failed)?;
        let md5 = self.flash.md5(address, length).ok_or(Refusal::Failed)?;
        if block == 0 || in_flight == 0 {
            return Err(Refusal::Invalid);
        }
        self.read = Some(Read { data, md5, sent: 0, block, in_flight });
        DONE
    }

    /// Sends blocks up to the number that the host accepts unacknowledged.
    fn send_blocks(&mut self) -> Vec<Action> {
        let Some(read) = &mut self.read else { return Vec::new() };
        let window = read.in_flight.saturating_mul(read.block).min(read.data.len());
        let blocks = read.data[..window].chunks(read.block).map(|block| Action::Send(slip::encode(block))).collect();
        read.sent = window;
        blocks
    }

    /// The host acknowledges with the count of received bytes; the last acknowledgement is answered with the MD5.
    fn continue_read(&mut self, frame: &[u8]) -> Vec<Action> {
        let (Some(read), Ok(acknowledged)) = (&mut self.read, frame.try_into()) else { return Vec::new() };
        let acknowledged = usize::try_from(u32::from_le_bytes(acknowledged)).unwrap_or(usize::MAX);
        if acknowledged >= read.data.len() {
            let md5 = read.md5;
            self.read = None;
            return vec![Action::Send(slip::encode(&md5))];
        }
        let window = acknowledged.saturating_add(read.in_flight.saturating_mul(read.block)).min(read.data.len());
        let fresh = read.sent..window.max(read.sent);
        read.sent = fresh.end;
        read.data[fresh].chunks(read.block).map(|block| Action::Send(slip::encode(block))).collect()
    }
}

fn store(flash: &Flash, write: &mut Write, bytes: &[u8]) -> Result<(), Refusal> {
    if !bytes.is_empty() && !flash.program(write.address, bytes) {
        return Err(Refusal::Failed);
    }
    write.address += bytes.len();
    write.left -= bytes.len();
    Ok(())
}

fn clone_send(action: &Action) -> Action {
    match action {
        Action::Send(bytes) => Action::Send(bytes.clone()),
        Action::Baud(baud) => Action::Baud(*baud),
        Action::Reset => Action::Reset,
        Action::RunApp => Action::RunApp,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn loader() -> Loader {
        Loader::new(
            Flash::erased(false).expect("flash"),
            ChipIdentity::Esp32c3,
            Security::default(),
            [2, 0, 0, 0, 0, 1],
        )
    }

    fn request(op: u8, checksum: u32, data: &[u8]) -> Vec<u8> {
        let mut packet = vec![0, op];
        packet.extend(u16::try_from(data.len()).expect("short").to_le_bytes());
        packet.extend(checksum.to_le_bytes());
        packet.extend(data);
        slip::encode(&packet)
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Status and error byte of the first reply.
    fn status(actions: &[Action], stub: bool) -> (u8, u8) {
        let Some(Action::Send(frame)) = actions.first() else { panic!("no reply: {actions:?}") };
        let tail = if stub { 2 } else { 4 };
        let mut decoder = slip::Decoder::default();
        let body = frame.iter().find_map(|byte| decoder.push(*byte)).expect("a whole frame");
        (body[body.len() - tail], body[body.len() - tail + 1])
    }

    #[test]
    fn sync_is_answered_eight_times() {
        assert_eq!(loader().receive(&request(op::SYNC, 0, &[7; 36])).len(), 8);
    }

    #[test]
    fn a_wrong_length_or_checksum_is_rejected_with_the_codes_of_the_rom() {
        let mut loader = loader();
        let mut short = vec![0, op::FLASH_BEGIN, 16, 0, 0, 0, 0, 0];
        short.extend([0; 8]);
        assert_eq!(status(&loader.receive(&slip::encode(&short)), false), (1, 0x05));
        loader.receive(&request(op::FLASH_BEGIN, 0, &words(&[4, 1, 4, 0])));
        let mut data = words(&[4, 0, 0, 0]);
        data.extend([1, 2, 3, 4]);
        assert_eq!(status(&loader.receive(&request(op::FLASH_DATA, 0x99, &data)), false), (1, 0x07));
        let sum = 0xef ^ 1 ^ 2 ^ 3 ^ 4;
        assert_eq!(status(&loader.receive(&request(op::FLASH_DATA, sum, &data)), false), (0, 0));
        assert_eq!(loader.flash.read(0, 5), Some(vec![1, 2, 3, 4, 0xff]));
    }

    #[test]
    fn the_stub_sends_ohai_and_shorter_answers() {
        let mut loader = loader();
        let actions = loader.receive(&request(op::MEM_END, 0, &words(&[0, 0x4038_0000])));
        assert_eq!(actions[1], Action::Send(slip::encode(b"OHAI")));
        assert_eq!(status(&loader.receive(&request(op::SPI_ATTACH, 0, &[0; 4])), true), (0, 0));
        assert_eq!(status(&loader.receive(&request(op::SPI_ATTACH, 0, &[0; 8])), true), (1, 0xc0));
        assert_eq!(status(&loader.receive(&request(op::ERASE_REGION, 0, &words(&[1, 4096]))), true), (1, 0xc4));
    }

    #[test]
    fn a_write_without_begin_and_one_beyond_the_flash_are_rejected() {
        let mut loader = loader();
        let mut data = words(&[1, 0, 0, 0]);
        data.push(0);
        assert_eq!(status(&loader.receive(&request(op::FLASH_DATA, 0xef, &data)), false), (1, 0x06));
        let beyond = words(&[4096, 1, 4096, SIZE as u32]);
        assert_eq!(status(&loader.receive(&request(op::FLASH_BEGIN, 0, &beyond)), false), (1, 0x06));
    }

    proptest! {
        #[test]
        fn no_host_can_crash_the_loader(stub: bool, frames in proptest::collection::vec(
            (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..64)), 1..20)) {
            let mut loader = loader();
            loader.stub = stub;
            for (op, data) in frames {
                loader.receive(&request(op, 0, &data));
                loader.receive(&data);
            }
        }
    }
}
