use super::{Kind, Op, SINK, decode};

fn op(kind: Kind, rd: u8, rs1: u8, rs2: u8, immediate: u32) -> Op {
    Op { kind, rd, rs1, rs2, immediate, pc: 0x100 }
}

#[test]
fn full_instructions_are_decoded() {
    for (word, expected) in [
        (0xfff5_0513, op(Kind::Addi, 10, 10, 0, u32::MAX)), // addi a0, a0, -1
        (0x4035_5513, op(Kind::Srai, 10, 10, 0, 3)),        // srai a0, a0, 3
        (0xffdf_f0ef, op(Kind::Jal, 1, 0, 4, 0xfc)),        // jal ra, -4
        (0x0000_8067, op(Kind::Jalr, SINK, 1, 4, 0)),       // ret
        (0xfea4_2e23, op(Kind::Sw, 4, 8, 10, 0xffff_fffc)), // sw a0, -4(s0)
        (0xfe05_0ee3, op(Kind::Beq, 4, 10, 0, 0xfc)),       // beqz a0, -4
        (0x3000_7073, op(Kind::Csr, SINK, 0, 7, 0x300)),    // csrci mstatus, 0
        (0x0000_0517, op(Kind::Set, 10, 0, 0, 0x100)),      // auipc a0, 0
        (0x02c5_d533, op(Kind::Divu, 10, 11, 12, 0)),       // divu a0, a1, a2
    ] {
        assert_eq!(decode(word, 0x100), expected, "{word:#010x}");
    }
}

#[test]
fn compressed_instructions_are_decoded() {
    for (half, expected) in [
        (0x0001, op(Kind::Addi, SINK, 0, 0, 0)),        // c.nop
        (0x1141, op(Kind::Addi, 2, 2, 0, 0xffff_fff0)), // c.addi sp, -16
        (0x7179, op(Kind::Addi, 2, 2, 0, 0xffff_ffd0)), // c.addi16sp sp, -48
        (0xc606, op(Kind::Sw, 2, 2, 1, 12)),            // c.swsp ra, 12(sp)
        (0x40b2, op(Kind::Lw, 1, 2, 0, 12)),            // c.lwsp ra, 12(sp)
        (0x8082, op(Kind::Jalr, SINK, 1, 2, 0)),        // c.jr ra
        (0x9502, op(Kind::Jalr, 1, 10, 2, 0)),          // c.jalr a0
        (0x852e, op(Kind::Add, 10, 0, 11, 0)),          // c.mv a0, a1
        (0x8d0d, op(Kind::Sub, 10, 10, 11, 0)),         // c.sub a0, a1
        (0xbff5, op(Kind::Jal, SINK, 0, 2, 0xfc)),      // c.j -4
        (0xfd75, op(Kind::Bne, 2, 10, 0, 0xfc)),        // c.bnez a0, -4
        (0x777d, op(Kind::Set, 14, 0, 0, 0xffff_f000)), // c.lui a4, 0xfffff
    ] {
        assert_eq!(decode(half, 0x100), expected, "{half:#06x}");
    }
}

#[test]
fn what_the_processor_lacks_is_illegal() {
    for word in [
        0,
        0xffff_ffff,
        0x1005_252f, // lr.w
        0x0005_252f, // amoadd.w
        0x0005_3503, // ld
        0x0205_1513, // slli by 32
        0x2000,      // c.fld
        0x6000,      // c.flw
        0x6101,      // c.addi16sp of 0
        0x4002,      // c.lwsp to x0
        0x8002,      // c.jr x0
        0x9c01,      // c.subw
    ] {
        assert_eq!(decode(word, 0).kind, Kind::Illegal, "{word:#010x}");
    }
}
