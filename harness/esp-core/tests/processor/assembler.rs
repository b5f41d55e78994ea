//! Instruction words, for tests that write their programs in Rust.

/// Registers by their names in the calling convention.
pub(crate) const ZERO: u32 = 0;
pub(crate) const RA: u32 = 1;
pub(crate) const SP: u32 = 2;
pub(crate) const GP: u32 = 3;
pub(crate) const S0: u32 = 8;
pub(crate) const A0: u32 = 10;
pub(crate) const A1: u32 = 11;
pub(crate) const A2: u32 = 12;
pub(crate) const A7: u32 = 17;

pub(crate) const ECALL: u32 = 0x0000_0073;
pub(crate) const EBREAK: u32 = 0x0010_0073;
pub(crate) const MRET: u32 = 0x3020_0073;
pub(crate) const WFI: u32 = 0x1050_0073;
pub(crate) const RET: u32 = 0x0000_8067;

pub(crate) const MSTATUS: u32 = 0x300;
pub(crate) const MTVEC: u32 = 0x305;

/// An instruction with an immediate: opcode and function, then what `i`-type instructions have.
pub(crate) fn immediate(opcode: u32, function: u32, rd: u32, rs1: u32, value: i32) -> u32 {
    value.cast_unsigned() << 20 | rs1 << 15 | function << 12 | rd << 7 | opcode
}

pub(crate) fn addi(rd: u32, rs1: u32, value: i32) -> u32 {
    immediate(0x13, 0, rd, rs1, value)
}

pub(crate) fn lw(rd: u32, rs1: u32, offset: i32) -> u32 {
    immediate(0x03, 2, rd, rs1, offset)
}

pub(crate) fn jalr(rd: u32, rs1: u32, offset: i32) -> u32 {
    immediate(0x67, 0, rd, rs1, offset)
}

pub(crate) fn lui(rd: u32, upper: u32) -> u32 {
    upper & 0xffff_f000 | rd << 7 | 0x37
}

pub(crate) fn auipc(rd: u32, upper: u32) -> u32 {
    upper & 0xffff_f000 | rd << 7 | 0x17
}

pub(crate) fn registers(upper: u32, function: u32, rd: u32, rs1: u32, rs2: u32) -> u32 {
    upper << 25 | rs2 << 20 | rs1 << 15 | function << 12 | rd << 7 | 0x33
}

pub(crate) fn store(function: u32, rs2: u32, rs1: u32, offset: i32) -> u32 {
    let offset = offset.cast_unsigned();
    (offset >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 | function << 12 | (offset & 31) << 7 | 0x23
}

pub(crate) fn sw(rs2: u32, rs1: u32, offset: i32) -> u32 {
    store(2, rs2, rs1, offset)
}

pub(crate) fn branch(function: u32, rs1: u32, rs2: u32, offset: i32) -> u32 {
    let offset = offset.cast_unsigned();
    (offset >> 12 & 1) << 31
        | (offset >> 5 & 0x3f) << 25
        | rs2 << 20
        | rs1 << 15
        | function << 12
        | (offset >> 1 & 15) << 8
        | (offset >> 11 & 1) << 7
        | 0x63
}

pub(crate) fn jal(rd: u32, offset: i32) -> u32 {
    let offset = offset.cast_unsigned();
    (offset >> 20 & 1) << 31
        | (offset >> 1 & 0x3ff) << 21
        | (offset >> 11 & 1) << 20
        | (offset >> 12 & 0xff) << 12
        | rd << 7
        | 0x6f
}

pub(crate) fn csrrw(rd: u32, number: u32, rs1: u32) -> u32 {
    number << 20 | rs1 << 15 | 1 << 12 | rd << 7 | 0x73
}

pub(crate) fn csrrs(rd: u32, number: u32, rs1: u32) -> u32 {
    number << 20 | rs1 << 15 | 2 << 12 | rd << 7 | 0x73
}

pub(crate) fn csrsi(number: u32, bits: u32) -> u32 {
    number << 20 | bits << 15 | 6 << 12 | 0x73
}

pub(crate) fn csrci(number: u32, bits: u32) -> u32 {
    number << 20 | bits << 15 | 7 << 12 | 0x73
}

/// LUI and ADDI that set a register to any value.
pub(crate) fn set(rd: u32, value: u32) -> [u32; 2] {
    let low = (value << 20).cast_signed() >> 20;
    [lui(rd, value.wrapping_sub(low.cast_unsigned())), addi(rd, rd, low)]
}
