//! Executes the operations of a basic block.

use crate::bus::{Bus, Fault, Width};
use crate::decode::{Kind, Op};
use crate::memory::Stored;

/// The registers: 0 to 31, then where writes to register 0 go. There are 256 so that every number is in range.
pub(super) type Registers = [u32; 256];

/// Why a block was left without going on at an address.
pub(super) enum Left {
    /// The last operation needs the whole processor.
    System(Op),
    /// An instruction wrote decoded code; the program goes on at `next`, after so many instructions.
    Code { next: u32, executed: u64 },
    /// The instruction at `pc`, the last of so many, failed at an address accessed.
    Exception { pc: u32, cause: u32, value: u32, executed: u64 },
    /// The instruction at `pc`, the last of so many, is a store to where a trigger fires; it was not done.
    Watched { pc: u32, address: u32, width: Width, executed: u64 },
}

/// Why a store is not simply done.
enum Trouble {
    Fault(Fault),
    Code,
    Watched(Width),
}

/// Executes a block, which must end with an operation that ends blocks; where the program goes on.
///
/// All arms are in one `match`, because it becomes one jump for each operation. With several, a program ran a third slower.
#[inline]
pub(super) fn block<B: Bus>(x: &mut Registers, ops: &[Op], bus: &mut B) -> Result<u32, Left> {
    for op in ops {
        let (a, b, rd, i) = (x[usize::from(op.rs1)], x[usize::from(op.rs2)], usize::from(op.rd), op.immediate);
        let at = a.wrapping_add(i);
        let unread = |fault| failed(ops, op, at, fault, 4);
        let unwritten = |trouble| match trouble {
            Trouble::Fault(fault) => failed(ops, op, at, fault, 6),
            Trouble::Code => changed(ops, op),
            Trouble::Watched(width) => Left::Watched { pc: op.pc, address: at, width, executed: until(ops, op) },
        };
        match op.kind {
            Kind::Nop => {}
            Kind::Set => x[rd] = i,
            Kind::Addi => x[rd] = at,
            Kind::Slli => x[rd] = a << (i & 31),
            Kind::Slti => x[rd] = less(a, i),
            Kind::Sltiu => x[rd] = u32::from(a < i),
            Kind::Xori => x[rd] = a ^ i,
            Kind::Srli => x[rd] = a >> (i & 31),
            Kind::Srai => x[rd] = shift_signed(a, i),
            Kind::Ori => x[rd] = a | i,
            Kind::Andi => x[rd] = a & i,
            Kind::Add => x[rd] = a.wrapping_add(b),
            Kind::Sub => x[rd] = a.wrapping_sub(b),
            Kind::Sll => x[rd] = a << (b & 31),
            Kind::Slt => x[rd] = less(a, b),
            Kind::Sltu => x[rd] = u32::from(a < b),
            Kind::Xor => x[rd] = a ^ b,
            Kind::Srl => x[rd] = a >> (b & 31),
            Kind::Sra => x[rd] = shift_signed(a, b),
            Kind::Or => x[rd] = a | b,
            Kind::And => x[rd] = a & b,
            Kind::Mul => x[rd] = a.wrapping_mul(b),
            Kind::Mulh => x[rd] = high(i64::from(a.cast_signed()) * i64::from(b.cast_signed())),
            Kind::Mulhsu => x[rd] = high(i64::from(a.cast_signed()) * i64::from(b)),
            Kind::Mulhu => x[rd] = high((u64::from(a) * u64::from(b)).cast_signed()),
            Kind::Div => x[rd] = divide(a, b),
            Kind::Divu => x[rd] = a.checked_div(b).unwrap_or(u32::MAX),
            Kind::Rem => x[rd] = remainder(a, b),
            Kind::Remu => x[rd] = a.checked_rem(b).unwrap_or(a),
            Kind::Lb => x[rd] = i32::from(load_byte(bus, at).map_err(unread)?.cast_signed()).cast_unsigned(),
            Kind::Lbu => x[rd] = u32::from(load_byte(bus, at).map_err(unread)?),
            Kind::Lh => x[rd] = i32::from(load_half(bus, at).map_err(unread)?.cast_signed()).cast_unsigned(),
            Kind::Lhu => x[rd] = u32::from(load_half(bus, at).map_err(unread)?),
            Kind::Lw => x[rd] = load_word(bus, at).map_err(unread)?,
            Kind::Sb => store_byte(bus, at, b).map_err(unwritten)?,
            Kind::Sh => store_half(bus, at, b).map_err(unwritten)?,
            Kind::Sw => store_word(bus, at, b).map_err(unwritten)?,
            Kind::Next => return Ok(i),
            Kind::Jal => {
                x[rd] = op.pc.wrapping_add(u32::from(op.rs2));
                return Ok(i);
            }
            Kind::Jalr => {
                x[rd] = op.pc.wrapping_add(u32::from(op.rs2));
                return Ok(at & !1);
            }
            Kind::Beq => return Ok(branch(op, a == b)),
            Kind::Bne => return Ok(branch(op, a != b)),
            Kind::Blt => return Ok(branch(op, a.cast_signed() < b.cast_signed())),
            Kind::Bge => return Ok(branch(op, a.cast_signed() >= b.cast_signed())),
            Kind::Bltu => return Ok(branch(op, a < b)),
            Kind::Bgeu => return Ok(branch(op, a >= b)),
            Kind::Csr | Kind::Ecall | Kind::Ebreak | Kind::Mret | Kind::Wfi | Kind::Host | Kind::Illegal => {
                return Err(Left::System(*op));
            }
        }
    }
    unreachable!("a block without an end")
}

/// Where a branch goes.
#[inline]
fn branch(op: &Op, taken: bool) -> u32 {
    if taken { op.immediate } else { op.pc.wrapping_add(u32::from(op.rd)) }
}

#[inline]
fn less(a: u32, b: u32) -> u32 {
    u32::from(a.cast_signed() < b.cast_signed())
}

#[inline]
fn shift_signed(a: u32, amount: u32) -> u32 {
    (a.cast_signed() >> (amount & 31)).cast_unsigned()
}

/// Division by zero has a result and no exception; the overflow wraps around.
#[inline]
fn divide(a: u32, b: u32) -> u32 {
    if b == 0 { u32::MAX } else { a.cast_signed().wrapping_div(b.cast_signed()).cast_unsigned() }
}

#[inline]
fn remainder(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { a.cast_signed().wrapping_rem(b.cast_signed()).cast_unsigned() }
}

#[inline]
fn high(product: i64) -> u32 {
    (product >> 32) as u32
}

#[inline]
fn load_byte<B: Bus>(bus: &mut B, address: u32) -> Result<u8, Fault> {
    match bus.memory().load(address) {
        Some([byte]) => Ok(byte),
        None => load_elsewhere(bus, address, Width::Byte).map(|value| value.to_le_bytes()[0]),
    }
}

#[inline]
fn load_half<B: Bus>(bus: &mut B, address: u32) -> Result<u16, Fault> {
    match bus.memory().load(address) {
        Some(half) => Ok(u16::from_le_bytes(half)),
        None => load_elsewhere(bus, address, Width::Half).map(|value| (value & 0xffff) as u16),
    }
}

#[inline]
fn load_word<B: Bus>(bus: &mut B, address: u32) -> Result<u32, Fault> {
    match bus.memory().load(address) {
        Some(word) => Ok(u32::from_le_bytes(word)),
        None => load_elsewhere(bus, address, Width::Word),
    }
}

/// A load across words of memory, or from a device.
#[cold]
#[inline(never)]
fn load_elsewhere<B: Bus>(bus: &mut B, address: u32, width: Width) -> Result<u32, Fault> {
    let memory = bus.memory();
    let found = match width {
        Width::Byte => None,
        Width::Half => memory.load_across(address).map(u16::from_le_bytes).map(u32::from),
        Width::Word => memory.load_across(address).map(u32::from_le_bytes),
    };
    match found {
        Some(value) => Ok(value),
        None if !address.is_multiple_of(width.bytes()) => Err(Fault::Misaligned),
        None => bus.load(address, width),
    }
}

#[inline]
fn store_byte<B: Bus>(bus: &mut B, address: u32, value: u32) -> Result<(), Trouble> {
    let [byte, ..] = value.to_le_bytes();
    if bus.memory_mut().store(address, [byte]) { Ok(()) } else { store_elsewhere(bus, address, value, Width::Byte) }
}

#[inline]
fn store_half<B: Bus>(bus: &mut B, address: u32, value: u32) -> Result<(), Trouble> {
    let [low, high, ..] = value.to_le_bytes();
    if bus.memory_mut().store(address, [low, high]) {
        Ok(())
    } else {
        store_elsewhere(bus, address, value, Width::Half)
    }
}

#[inline]
fn store_word<B: Bus>(bus: &mut B, address: u32, value: u32) -> Result<(), Trouble> {
    let stored = bus.memory_mut().store(address, value.to_le_bytes());
    if stored { Ok(()) } else { store_elsewhere(bus, address, value, Width::Word) }
}

/// A store across words of memory, to code, or to a device.
#[cold]
#[inline(never)]
fn store_elsewhere<B: Bus>(bus: &mut B, address: u32, value: u32, width: Width) -> Result<(), Trouble> {
    let (bytes, len) = (value.to_le_bytes(), width.bytes());
    if bus.memory().watches(address, len) {
        return Err(Trouble::Watched(width));
    }
    match bus.memory_mut().store_across(address, &bytes[..len as usize]) {
        Stored::Plain => return Ok(()),
        Stored::Code => return Err(Trouble::Code),
        Stored::Elsewhere => {}
    }
    if !address.is_multiple_of(len) {
        return Err(Trouble::Fault(Fault::Misaligned));
    }
    bus.store(address, width, value & (u32::MAX >> (32 - 8 * len))).map_err(Trouble::Fault)?;
    if bus.memory().is_stale() { Err(Trouble::Code) } else { Ok(()) }
}

/// An access failed; `misaligned` is the cause if that is why.
#[cold]
fn failed(ops: &[Op], op: &Op, value: u32, fault: Fault, misaligned: u32) -> Left {
    let cause = match fault {
        Fault::Misaligned => misaligned,
        Fault::Access => misaligned + 1,
    };
    Left::Exception { pc: op.pc, cause, value, executed: until(ops, op) }
}

/// A store wrote decoded code, perhaps the next instruction.
#[cold]
fn changed(ops: &[Op], op: &Op) -> Left {
    let executed = until(ops, op);
    // An operation that ends blocks follows every store.
    let next = ops.iter().skip_while(|other| other.pc != op.pc).nth(1).map_or(op.pc, |next| next.pc);
    Left::Code { next, executed }
}

/// How many instructions of a block are executed when this one is.
fn until(ops: &[Op], op: &Op) -> u64 {
    ops.iter().take_while(|other| other.pc != op.pc).count() as u64 + 1
}
