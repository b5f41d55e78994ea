# Loads and stores of each width, with offsets of both signs, at each alignment.

    .macro loads instruction, result, offset
    case
    la a1, data + 8
    \instruction a0, \offset(a1)
    expect a0, \result
    \instruction a1, \offset(a1)
    expect a1, \result
    .endm

    .macro stores instruction, value, offset, word, result
    case
    la a1, room
    sw x0, 0(a1)
    sw x0, 4(a1)
    li a2, \value
    addi a1, a1, 16
    \instruction a2, (\offset - 16)(a1)
    lw a0, (\word - 16)(a1)
    expect a0, \result
    .endm

    .option norvc
    loads lb, 0x00000011, -8
    loads lb, 0xffffffff, -5
    loads lbu, 0x000000ff, -5
    loads lb, 0xffffff80, 0
    loads lbu, 0x00000080, 0
    loads lh, 0x00002211, -8
    loads lh, 0xffffff33, -6
    loads lhu, 0x0000ff33, -6
    loads lw, 0xff332211, -8
    loads lw, 0x04030201, -4
    loads lw, 0x83828180, 0
    loads lh, 0x00003322, -7
    loads lh, 0x000001ff, -5
    loads lw, 0x01ff3322, -7
    loads lw, 0x80040302, -3
    loads lw, 0x82818004, -1

    stores sb, 0x12345678, 0, 0, 0x00000078
    stores sb, 0x12345678, 3, 0, 0x78000000
    stores sh, 0x12345678, 2, 0, 0x56780000
    stores sh, 0x12345678, 1, 0, 0x00567800
    stores sh, 0x12345678, 3, 4, 0x00000056
    stores sw, 0x12345678, 4, 4, 0x12345678
    stores sw, 0x12345678, 1, 0, 0x34567800
    stores sw, 0x12345678, 1, 4, 0x00000012
    case
    la a1, data
    lw x0, 0(a1)
    expect x0, 0
    finish

    .data
    .balign 8
data:
    .byte 0x11, 0x22, 0x33, 0xff, 1, 2, 3, 4, 0x80, 0x81, 0x82, 0x83
    .balign 8
room:
    .space 32
