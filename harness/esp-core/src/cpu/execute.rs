//! Executes the operations of a basic block.

use crate::bus::{Bus, Fault, Width};
use crate::decode::{Kind, Op};
use crate::memory::Stored;

/// The registers: 0 to 31, then where writes to register 0 go. There are 256 so that every number is in range.
pub(super) type Registers = [u32; 256];

/// How a block was left.
pub(super) enum Leave {
    /// To the instruction at this address.
    To(u32),
    /// By an operation that needs the whole processor.
    System(Op),
    /// By an exception of this cause at an address accessed.
    Exception { pc: u32, cause: u32, value: u32 },
}

/// Executes a block, which must end with an operation that ends blocks, and counts its instructions.
#[inline]
pub(super) fn block<B: Bus>(x: &mut Registers, ops: &[Op], bus: &mut B, instructions: &mut u64) -> Leave {
    for (index, op) in ops.iter().enumerate() {
        let (a, b) = (x[usize::from(op.rs1)], x[usize::from(op.rs2)]);
        let address = a.wrapping_add(op.immediate);
        match op.kind {
            Kind::Nop => {}
            Kind::Set => x[usize::from(op.rd)] = op.immediate,
            kind @ (Kind::Addi
            | Kind::Slli
            | Kind::Slti
            | Kind::Sltiu
            | Kind::Xori
            | Kind::Srli
            | Kind::Srai
            | Kind::Ori
            | Kind::Andi) => x[usize::from(op.rd)] = immediate(kind, a, op.immediate),
            kind @ (Kind::Lb | Kind::Lh | Kind::Lw | Kind::Lbu | Kind::Lhu) => match load(kind, address, bus) {
                Ok(value) => x[usize::from(op.rd)] = value,
                Err(fault) => {
                    *instructions += index as u64 + 1;
                    return failed(op, address, fault, 4);
                }
            },
            kind @ (Kind::Sb | Kind::Sh | Kind::Sw) => match store(kind, address, b, bus) {
                Ok(false) => {}
                Ok(true) => {
                    *instructions += index as u64 + 1;
                    return Leave::To(ops.get(index + 1).map_or(op.pc, |next| next.pc));
                }
                Err(fault) => {
                    *instructions += index as u64 + 1;
                    return failed(op, address, fault, 6);
                }
            },
            kind if kind < Kind::Jal => x[usize::from(op.rd)] = registers(kind, a, b),
            kind => {
                *instructions += index as u64 + u64::from(!matches!(kind, Kind::Next | Kind::Host));
                return end(x, *op, a, b);
            }
        }
    }
    unreachable!("a block without an end")
}

/// The operation that ends a block.
#[inline]
fn end(x: &mut Registers, op: Op, a: u32, b: u32) -> Leave {
    let taken = match op.kind {
        Kind::Beq => a == b,
        Kind::Bne => a != b,
        Kind::Blt => a.cast_signed() < b.cast_signed(),
        Kind::Bge => a.cast_signed() >= b.cast_signed(),
        Kind::Bltu => a < b,
        Kind::Bgeu => a >= b,
        Kind::Jal => {
            x[usize::from(op.rd)] = op.pc.wrapping_add(u32::from(op.rs2));
            true
        }
        Kind::Jalr => {
            x[usize::from(op.rd)] = op.pc.wrapping_add(jalr_length(op));
            return Leave::To(a.wrapping_add(op.immediate) & !1);
        }
        Kind::Next => true,
        _ => return Leave::System(op),
    };
    Leave::To(if taken { op.immediate } else { op.pc.wrapping_add(u32::from(op.rd)) })
}

/// The length of JALR, which links to the instruction after it.
#[inline]
fn jalr_length(op: Op) -> u32 {
    u32::from(op.rs2)
}

#[inline]
fn immediate(kind: Kind, a: u32, immediate: u32) -> u32 {
    match kind {
        Kind::Slli => a << (immediate & 31),
        Kind::Slti => u32::from(a.cast_signed() < immediate.cast_signed()),
        Kind::Sltiu => u32::from(a < immediate),
        Kind::Xori => a ^ immediate,
        Kind::Srli => a >> (immediate & 31),
        Kind::Srai => (a.cast_signed() >> (immediate & 31)).cast_unsigned(),
        Kind::Ori => a | immediate,
        Kind::Andi => a & immediate,
        _ => a.wrapping_add(immediate),
    }
}

#[inline]
fn registers(kind: Kind, a: u32, b: u32) -> u32 {
    match kind {
        Kind::Sub => a.wrapping_sub(b),
        Kind::Sll => a << (b & 31),
        Kind::Slt => u32::from(a.cast_signed() < b.cast_signed()),
        Kind::Sltu => u32::from(a < b),
        Kind::Xor => a ^ b,
        Kind::Srl => a >> (b & 31),
        Kind::Sra => (a.cast_signed() >> (b & 31)).cast_unsigned(),
        Kind::Or => a | b,
        Kind::And => a & b,
        Kind::Mul => a.wrapping_mul(b),
        Kind::Mulh => high(i64::from(a.cast_signed()) * i64::from(b.cast_signed())),
        Kind::Mulhsu => high(i64::from(a.cast_signed()) * i64::from(b)),
        Kind::Mulhu => high((u64::from(a) * u64::from(b)).cast_signed()),
        // Division by zero has a result and no exception; the overflow wraps around.
        Kind::Div if b == 0 => u32::MAX,
        Kind::Div => a.cast_signed().wrapping_div(b.cast_signed()).cast_unsigned(),
        Kind::Divu => a.checked_div(b).unwrap_or(u32::MAX),
        Kind::Rem if b == 0 => a,
        Kind::Rem => a.cast_signed().wrapping_rem(b.cast_signed()).cast_unsigned(),
        Kind::Remu => a.checked_rem(b).unwrap_or(a),
        _ => a.wrapping_add(b),
    }
}

#[inline]
fn high(product: i64) -> u32 {
    (product >> 32) as u32
}

#[inline]
fn load<B: Bus>(kind: Kind, address: u32, bus: &mut B) -> Result<u32, Fault> {
    let byte = |bus: &mut B| match bus.memory().load::<1>(address) {
        Some([byte]) => Ok(byte),
        None => load_elsewhere(bus, address, Width::Byte).map(|value| value.to_le_bytes()[0]),
    };
    let half = |bus: &mut B| match bus.memory().load::<2>(address) {
        Some(half) => Ok(u16::from_le_bytes(half)),
        None => load_elsewhere(bus, address, Width::Half).map(|value| (value & 0xffff) as u16),
    };
    match kind {
        Kind::Lb => byte(bus).map(|byte| i32::from(byte.cast_signed()).cast_unsigned()),
        Kind::Lbu => byte(bus).map(u32::from),
        Kind::Lh => half(bus).map(|half| i32::from(half.cast_signed()).cast_unsigned()),
        Kind::Lhu => half(bus).map(u32::from),
        _ => match bus.memory().load(address) {
            Some(word) => Ok(u32::from_le_bytes(word)),
            None => load_elsewhere(bus, address, Width::Word),
        },
    }
}

/// A load across words of memory, or from a device.
#[cold]
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

/// Stores a value; whether decoded code changed.
#[inline]
fn store<B: Bus>(kind: Kind, address: u32, value: u32, bus: &mut B) -> Result<bool, Fault> {
    let bytes = value.to_le_bytes();
    let [first, second, ..] = bytes;
    let (stored, width) = match kind {
        Kind::Sb => (bus.memory_mut().store(address, [first]), Width::Byte),
        Kind::Sh => (bus.memory_mut().store(address, [first, second]), Width::Half),
        _ => (bus.memory_mut().store(address, bytes), Width::Word),
    };
    if stored { Ok(false) } else { store_elsewhere(bus, address, value, width) }
}

/// A store across words of memory, to code, or to a device.
#[cold]
fn store_elsewhere<B: Bus>(bus: &mut B, address: u32, value: u32, width: Width) -> Result<bool, Fault> {
    let (bytes, len) = (value.to_le_bytes(), width.bytes());
    match bus.memory_mut().store_across(address, &bytes[..len as usize]) {
        Stored::Plain => return Ok(false),
        Stored::Code => return Ok(true),
        Stored::Elsewhere => {}
    }
    if !address.is_multiple_of(len) {
        return Err(Fault::Misaligned);
    }
    bus.store(address, width, value & (u32::MAX >> (32 - 8 * len)))?;
    Ok(bus.memory().is_stale())
}

#[cold]
fn failed(op: &Op, address: u32, fault: Fault, misaligned: u32) -> Leave {
    let cause = match fault {
        Fault::Misaligned => misaligned,
        Fault::Access => misaligned + 1,
    };
    Leave::Exception { pc: op.pc, cause, value: address }
}
