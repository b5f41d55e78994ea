# Operations of a register and an immediate, and constants.

    .option norvc
    of_immediate addi, 0x80000000, 0x7fffffff, 1
    of_immediate addi, 0x7ffff800, 0x80000000, -2048
    of_immediate addi, 0x000007ff, 0x00000000, 2047
    of_immediate slti, 1, 0x80000000, 0
    of_immediate slti, 0, 0x00000000, -1
    of_immediate slti, 1, 0xfffff7ff, -2048
    of_immediate sltiu, 1, 0x00000000, -1
    of_immediate sltiu, 0, 0xffffffff, -1
    of_immediate sltiu, 1, 0x00000000, 1
    of_immediate xori, 0xffff0f0f, 0x0000f0f0, -1
    of_immediate xori, 0x0000f7ff, 0x0000f000, 0x7ff
    of_immediate ori, 0xfffff8f0, 0x000000f0, -2048
    of_immediate andi, 0x000000f0, 0xfffff8f0, 0x0ff
    of_immediate andi, 0xfffff800, 0xfffff8f0, -2048
    of_immediate slli, 0x80000000, 0x00000001, 31
    of_immediate slli, 0x12345678, 0x12345678, 0
    of_immediate srli, 0x00000001, 0x80000000, 31
    of_immediate srai, 0xffffffff, 0x80000000, 31
    of_immediate srai, 0x01234567, 0x12345678, 4

    case
    lui a0, 0xfffff
    expect a0, 0xfffff000
    case
    lui a0, 0x00001
    expect a0, 0x00001000
    case
1:  auipc a0, 0
    la a1, 1b
    bne a0, a1, fail
    case
2:  auipc a0, 0x12345
    la a1, 2b
    sub a0, a0, a1
    expect a0, 0x12345000
    case
    lui x0, 0x12345
    expect x0, 0
    case
    fence
    fence.i
    finish
