//! Compressed instructions, expanded to the full ones that they abbreviate.

use super::{field, signed};

/// The full instruction of a compressed one; none if it is reserved, or needs what the processor doesn't have.
pub(super) fn expand(half: u32) -> Option<u32> {
    match (half & 3, half >> 13) {
        (0, 0) => add_to_stack_pointer(half),
        (0, 2) => Some(load(word_offset(half), upper_register(half), lower_register(half))),
        (0, 6) => Some(store(word_offset(half), upper_register(half), lower_register(half))),
        (1, _) => quadrant_1(half),
        (2, 0) => shift_left(half),
        (2, 2) => load_from_stack(half),
        (2, 4) => jump_or_add(half),
        (2, 6) => {
            let offset = field(half, 12, 9) << 2 | field(half, 8, 7) << 6;
            Some(store(offset, STACK, field(half, 6, 2)))
        }
        _ => None,
    }
}

const STACK: u32 = 2;
const ADD: u32 = 0x33;
const SUB: u32 = 0x4000_0033;
const EBREAK: u32 = 0x0010_0073;

fn quadrant_1(half: u32) -> Option<u32> {
    let (rd, immediate) = (field(half, 11, 7), six_bits(half));
    match half >> 13 {
        0 => Some(immediate_op(0, rd, rd, immediate)),
        1 => Some(jump(half, 1)),
        2 => Some(immediate_op(0, rd, 0, immediate)),
        3 => upper(half, rd, immediate),
        4 => arithmetic(half),
        5 => Some(jump(half, 0)),
        6 => Some(branch(half, 0)),
        _ => Some(branch(half, 1)),
    }
}

/// C.ADDI4SPN.
fn add_to_stack_pointer(half: u32) -> Option<u32> {
    let amount = field(half, 12, 11) << 4 | field(half, 10, 7) << 6 | field(half, 6, 6) << 2 | field(half, 5, 5) << 3;
    (amount != 0).then(|| immediate_op(0, lower_register(half), STACK, amount))
}

/// C.ADDI16SP and C.LUI.
fn upper(half: u32, rd: u32, immediate: u32) -> Option<u32> {
    if immediate == 0 {
        return None;
    }
    if rd != STACK {
        return Some(immediate << 12 | rd << 7 | 0x37);
    }
    let amount = field(half, 12, 12) << 9
        | field(half, 6, 6) << 4
        | field(half, 5, 5) << 6
        | field(half, 4, 3) << 7
        | field(half, 2, 2) << 5;
    Some(immediate_op(0, STACK, STACK, signed(amount, 10)))
}

/// C.SRLI, C.SRAI, C.ANDI, C.SUB, C.XOR, C.OR and C.AND.
fn arithmetic(half: u32) -> Option<u32> {
    let (rd, rs2) = (upper_register(half), lower_register(half));
    let long = field(half, 12, 12) == 1;
    let amount = field(half, 6, 2);
    match field(half, 11, 10) {
        0 if !long => Some(immediate_op(5, rd, rd, amount)),
        1 if !long => Some(immediate_op(5, rd, rd, amount | 0x400)),
        2 => Some(immediate_op(7, rd, rd, six_bits(half))),
        3 if !long => {
            let instruction = [SUB, ADD | 4 << 12, ADD | 6 << 12, ADD | 7 << 12][field(half, 6, 5) as usize];
            Some(register_op(instruction, rd, rd, rs2))
        }
        _ => None,
    }
}

fn shift_left(half: u32) -> Option<u32> {
    let rd = field(half, 11, 7);
    (field(half, 12, 12) == 0).then(|| immediate_op(1, rd, rd, field(half, 6, 2)))
}

fn load_from_stack(half: u32) -> Option<u32> {
    let rd = field(half, 11, 7);
    let offset = field(half, 12, 12) << 5 | field(half, 6, 4) << 2 | field(half, 3, 2) << 6;
    (rd != 0).then(|| load(offset, STACK, rd))
}

/// C.JR, C.MV, C.EBREAK, C.JALR and C.ADD.
fn jump_or_add(half: u32) -> Option<u32> {
    let (rd, rs2) = (field(half, 11, 7), field(half, 6, 2));
    match (field(half, 12, 12), rd, rs2) {
        (0, 0, 0) => None,
        (0, _, 0) => Some(rd << 15 | 0x67),
        (0, _, _) => Some(register_op(ADD, rd, 0, rs2)),
        (_, 0, 0) => Some(EBREAK),
        (_, _, 0) => Some(rd << 15 | 1 << 7 | 0x67),
        _ => Some(register_op(ADD, rd, rd, rs2)),
    }
}

fn jump(half: u32, link: u32) -> u32 {
    let offset = field(half, 12, 12) << 11
        | field(half, 11, 11) << 4
        | field(half, 10, 9) << 8
        | field(half, 8, 8) << 10
        | field(half, 7, 7) << 6
        | field(half, 6, 6) << 7
        | field(half, 5, 3) << 1
        | field(half, 2, 2) << 5;
    let offset = signed(offset, 12);
    field(offset, 20, 20) << 31
        | field(offset, 10, 1) << 21
        | field(offset, 11, 11) << 20
        | field(offset, 19, 12) << 12
        | link << 7
        | 0x6f
}

fn branch(half: u32, function: u32) -> u32 {
    let offset = field(half, 12, 12) << 8
        | field(half, 11, 10) << 3
        | field(half, 6, 5) << 6
        | field(half, 4, 3) << 1
        | field(half, 2, 2) << 5;
    let offset = signed(offset, 9);
    field(offset, 12, 12) << 31
        | field(offset, 10, 5) << 25
        | upper_register(half) << 15
        | function << 12
        | field(offset, 4, 1) << 8
        | field(offset, 11, 11) << 7
        | 0x63
}

fn immediate_op(function: u32, rd: u32, rs1: u32, immediate: u32) -> u32 {
    immediate << 20 | rs1 << 15 | function << 12 | rd << 7 | 0x13
}

fn register_op(instruction: u32, rd: u32, rs1: u32, rs2: u32) -> u32 {
    instruction | rs2 << 20 | rs1 << 15 | rd << 7
}

fn load(offset: u32, rs1: u32, rd: u32) -> u32 {
    offset << 20 | rs1 << 15 | 2 << 12 | rd << 7 | 0x03
}

fn store(offset: u32, rs1: u32, rs2: u32) -> u32 {
    field(offset, 11, 5) << 25 | rs2 << 20 | rs1 << 15 | 2 << 12 | field(offset, 4, 0) << 7 | 0x23
}

/// The immediate of most instructions: bits 12 and 6 to 2, with sign.
fn six_bits(half: u32) -> u32 {
    signed(field(half, 12, 12) << 5 | field(half, 6, 2), 6)
}

fn word_offset(half: u32) -> u32 {
    field(half, 12, 10) << 3 | field(half, 6, 6) << 2 | field(half, 5, 5) << 6
}

/// The register in bits 9 to 7, one of 8 to 15.
fn upper_register(half: u32) -> u32 {
    8 + field(half, 9, 7)
}

/// The register in bits 4 to 2, one of 8 to 15.
fn lower_register(half: u32) -> u32 {
    8 + field(half, 4, 2)
}
