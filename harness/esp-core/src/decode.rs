//! Machine code to operations that are quick to execute.

mod compressed;

/// What an operation does. Those from [`Kind::Jal`] on end a basic block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Kind {
    Nop,
    /// `rd = immediate`: LUI, and AUIPC, whose address is known.
    Set,
    Addi,
    Slli,
    Slti,
    Sltiu,
    Xori,
    Srli,
    Srai,
    Ori,
    Andi,
    Add,
    Sub,
    Sll,
    Slt,
    Sltu,
    Xor,
    Srl,
    Sra,
    Or,
    And,
    Mul,
    Mulh,
    Mulhsu,
    Mulhu,
    Div,
    Divu,
    Rem,
    Remu,
    Lb,
    Lh,
    Lw,
    Lbu,
    Lhu,
    Sb,
    Sh,
    Sw,
    Jal,
    Jalr,
    Beq,
    Bne,
    Blt,
    Bge,
    Bltu,
    Bgeu,
    /// Goes on at the immediate: the block is cut here, not by an instruction.
    Next,
    /// A read or write of the CSR in the immediate; `rs2` holds the instruction's function.
    Csr,
    Ecall,
    Ebreak,
    Mret,
    Wfi,
    /// The embedder's turn.
    Host,
    /// The immediate is the instruction.
    Illegal,
}

impl Kind {
    pub(crate) fn ends_block(self) -> bool {
        self >= Self::Jal
    }
}

/// Where writes to register 0 go.
pub(crate) const SINK: u8 = 32;

/// A decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) kind: Kind,
    /// The register to write, or [`SINK`]; for a branch or a store, the instruction's length.
    pub(crate) rd: u8,
    pub(crate) rs1: u8,
    /// The second register to read; for JAL and JALR, the instruction's length.
    pub(crate) rs2: u8,
    /// The immediate; for branches and JAL, the target.
    pub(crate) immediate: u32,
    pub(crate) pc: u32,
}

impl Op {
    /// An operation without registers.
    pub(crate) const fn plain(kind: Kind, immediate: u32, pc: u32) -> Self {
        Self { kind, rd: SINK, rs1: 0, rs2: 0, immediate, pc }
    }
}

/// Whether the instruction that begins with this half word has 4 bytes.
pub(crate) const fn is_long(half: u32) -> bool {
    half & 3 == 3
}

/// Decodes the instruction at `pc`; the upper half of `word` is ignored if the instruction is compressed.
pub(crate) fn decode(word: u32, pc: u32) -> Op {
    if is_long(word) {
        return full(word, pc, 4).unwrap_or(Op::plain(Kind::Illegal, word, pc));
    }
    let half = word & 0xffff;
    let expanded = compressed::expand(half).and_then(|word| full(word, pc, 2));
    expanded.unwrap_or(Op::plain(Kind::Illegal, half, pc))
}

/// Decodes an instruction of 32 bits, which was `len` bytes long in memory.
fn full(word: u32, pc: u32, len: u8) -> Option<Op> {
    let rd = if field(word, 11, 7) == 0 { SINK } else { register(word, 7) };
    let (rs1, rs2) = (register(word, 15), register(word, 20));
    let function = field(word, 14, 12);
    let i = signed(word >> 20, 12);
    let op = |kind, rd, rs1, rs2, immediate| Some(Op { kind, rd, rs1, rs2, immediate, pc });
    match word & 0x7f {
        0x37 => op(Kind::Set, rd, 0, 0, word & 0xffff_f000),
        0x17 => op(Kind::Set, rd, 0, 0, pc.wrapping_add(word & 0xffff_f000)),
        0x6f => op(Kind::Jal, rd, 0, len, pc.wrapping_add(jump_offset(word))),
        0x67 if function == 0 => op(Kind::Jalr, rd, rs1, len, i),
        0x63 => op(branch(function)?, len, rs1, rs2, pc.wrapping_add(branch_offset(word))),
        0x03 => op(load(function)?, rd, rs1, 0, i),
        0x23 => op(store(function)?, len, rs1, rs2, signed(field(word, 31, 25) << 5 | field(word, 11, 7), 12)),
        0x13 => immediate(word).and_then(|(kind, immediate)| op(kind, rd, rs1, 0, immediate)),
        0x33 => op(registers(field(word, 31, 25), function)?, rd, rs1, rs2, 0),
        // FENCE and FENCE.I: every access is in order, and written code is noticed without it.
        0x0f if function < 2 => op(Kind::Nop, SINK, 0, 0, 0),
        0x73 if function & 3 != 0 => op(Kind::Csr, rd, rs1, (function & 7) as u8, word >> 20),
        0x73 => system(word).map(|kind| Op::plain(kind, word, pc)),
        _ => None,
    }
}

fn branch(function: u32) -> Option<Kind> {
    let kinds = [Kind::Beq, Kind::Bne, Kind::Blt, Kind::Bge, Kind::Bltu, Kind::Bgeu];
    match function {
        0 | 1 => Some(kinds[function as usize]),
        4..=7 => Some(kinds[function as usize - 2]),
        _ => None,
    }
}

fn load(function: u32) -> Option<Kind> {
    Some(match function {
        0 => Kind::Lb,
        1 => Kind::Lh,
        2 => Kind::Lw,
        4 => Kind::Lbu,
        5 => Kind::Lhu,
        _ => return None,
    })
}

fn store(function: u32) -> Option<Kind> {
    [Kind::Sb, Kind::Sh, Kind::Sw].get(function as usize).copied()
}

/// An operation of a register and an immediate, which is the amount for shifts.
fn immediate(word: u32) -> Option<(Kind, u32)> {
    let immediate = signed(word >> 20, 12);
    let shift = |kind| Some((kind, field(word, 24, 20)));
    match (field(word, 14, 12), field(word, 31, 25)) {
        (0, _) => Some((Kind::Addi, immediate)),
        (1, 0) => shift(Kind::Slli),
        (2, _) => Some((Kind::Slti, immediate)),
        (3, _) => Some((Kind::Sltiu, immediate)),
        (4, _) => Some((Kind::Xori, immediate)),
        (5, 0) => shift(Kind::Srli),
        (5, 0x20) => shift(Kind::Srai),
        (6, _) => Some((Kind::Ori, immediate)),
        (7, _) => Some((Kind::Andi, immediate)),
        _ => None,
    }
}

/// An operation of two registers.
fn registers(upper: u32, function: u32) -> Option<Kind> {
    use Kind::{Add, And, Div, Divu, Mul, Mulh, Mulhsu, Mulhu, Or, Rem, Remu, Sll, Slt, Sltu, Sra, Srl, Sub, Xor};
    let function = function as usize & 7;
    match upper {
        0 => Some([Add, Sll, Slt, Sltu, Xor, Srl, Or, And][function]),
        1 => Some([Mul, Mulh, Mulhsu, Mulhu, Div, Divu, Rem, Remu][function]),
        0x20 if function == 0 => Some(Sub),
        0x20 if function == 5 => Some(Sra),
        _ => None,
    }
}

fn system(word: u32) -> Option<Kind> {
    match word {
        0x0000_0073 => Some(Kind::Ecall),
        0x0010_0073 => Some(Kind::Ebreak),
        0x3020_0073 => Some(Kind::Mret),
        0x1050_0073 => Some(Kind::Wfi),
        _ => None,
    }
}

fn jump_offset(word: u32) -> u32 {
    let offset =
        field(word, 31, 31) << 20 | field(word, 19, 12) << 12 | field(word, 20, 20) << 11 | field(word, 30, 21) << 1;
    signed(offset, 21)
}

fn branch_offset(word: u32) -> u32 {
    let offset =
        field(word, 31, 31) << 12 | field(word, 7, 7) << 11 | field(word, 30, 25) << 5 | field(word, 11, 8) << 1;
    signed(offset, 13)
}

fn register(word: u32, at: u32) -> u8 {
    (word >> at & 31) as u8
}

/// Bits `high` to `low` of a word.
fn field(word: u32, high: u32, low: u32) -> u32 {
    word << (31 - high) >> (31 - high + low)
}

/// Extends the sign of a number of so many bits.
fn signed(value: u32, bits: u32) -> u32 {
    ((value << (32 - bits)).cast_signed() >> (32 - bits)).cast_unsigned()
}

#[cfg(test)]
mod tests;
