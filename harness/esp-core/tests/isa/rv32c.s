# Each compressed instruction, by its own name, so that the assembler can't choose another.

    .macro short result, register, initial, instruction:vararg
    case
    li \register, \initial
    \instruction
    expect \register, \result
    .endm

    .option rvc
    la sp, room
    la s0, room
    short 0x00000011, a0, 0x00000010, c.addi a0, 1
    short 0xfffffff0, a0, 0x00000010, c.addi a0, -32
    short 0x0000001f, a0, 0x12345678, c.li a0, 31
    short 0xffffffe0, a0, 0x12345678, c.li a0, -32
    short 0x0001f000, a0, 0x12345678, c.lui a0, 31
    short 0xfffe0000, a0, 0x12345678, c.lui a0, 0xfffe0
    short 0x01234567, a0, 0x12345678, c.srli a0, 4
    short 0xffffffff, a0, 0x80000000, c.srai a0, 31
    short 0xf8000000, a0, 0x80000000, c.srai a0, 4
    short 0x12345660, a0, 0x12345678, c.andi a0, -32
    short 0x00000018, a0, 0x12345678, c.andi a0, 31
    short 0x23456780, a0, 0x12345678, c.slli a0, 4
    short 0x00000000, a0, 0x12345678, c.sub a0, a0
    li a1, 0x0ff00ff0
    short 0x02444688, a0, 0x12345678, c.sub a0, a1
    short 0x1dc45988, a0, 0x12345678, c.xor a0, a1
    short 0x1ff45ff8, a0, 0x12345678, c.or a0, a1
    short 0x02300670, a0, 0x12345678, c.and a0, a1
    short 0x0ff00ff0, a0, 0x12345678, c.mv a0, a1
    short 0x22246668, a0, 0x12345678, c.add a0, a1
    short 0x12345678, a0, 0x12345678, c.nop

    case
    c.addi4spn a0, sp, 1020
    sub a0, a0, sp
    expect a0, 1020
    case
    mv a0, sp
    c.addi16sp sp, 496
    sub a1, sp, a0
    c.addi16sp sp, -512
    sub a2, sp, a0
    mv sp, a0
    expect a1, 496
    expect a2, -16

    case
    li a0, 0x12345678
    c.sw a0, 0(s0)
    c.sw a0, 124(s0)
    c.lw a1, 124(s0)
    bne a0, a1, fail
    lw a1, 0(s0)
    bne a0, a1, fail
    case
    c.swsp gp, 252(sp)
    c.lwsp a1, 252(sp)
    bne gp, a1, fail
    lw a1, 252(sp)
    bne gp, a1, fail

    case
    c.j 2f
1:  j 3f
2:  c.j 1b
    j fail
3:
    case
    c.jal 2f
1:  j fail
2:  la a0, 1b
    bne ra, a0, fail
    case
    la a0, 2f
    c.jr a0
    j fail
2:
    case
    la a0, 2f
    c.jalr a0
1:  j fail
2:  la a1, 1b
    bne ra, a1, fail

    case
    li a0, 0
    c.bnez a0, fail_here
    c.beqz a0, 2f
fail_here:
    j fail
2:  li a0, 0x80000000
    c.beqz a0, fail_here
    c.bnez a0, 3f
    j fail
3:
    # A full instruction across a word.
    case
    .balign 4
    c.nop
    .option norvc
    lui a0, 0x12345
    .option rvc
    expect a0, 0x12345000
    finish

    .data
    .balign 16
    .space 1024
room:
    .space 1024
