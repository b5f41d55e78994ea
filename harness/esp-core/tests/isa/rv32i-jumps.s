# Branches and jumps, forward and backward, taken and not.

    .macro taken instruction, a, b
    case
    li a1, \a
    li a2, \b
    li a3, 0
    j 2f
1:  addi a3, a3, 1
    j 3f
2:  \instruction a1, a2, 1b
    j fail
3:  \instruction a1, a2, 4f
    j fail
4:  expect a3, 1
    .endm

    .macro not_taken instruction, a, b
    case
    li a1, \a
    li a2, \b
    j 2f
1:  j fail
2:  \instruction a1, a2, 1b
    \instruction a1, a2, 1b
    .endm

    .option norvc
    taken beq, 0, 0
    taken beq, -1, -1
    not_taken beq, 0, 1
    taken bne, 0, 1
    not_taken bne, 0x80000000, 0x80000000
    taken blt, 0x80000000, 0x7fffffff
    not_taken blt, 0x7fffffff, 0x80000000
    not_taken blt, 1, 1
    taken bge, 0x7fffffff, 0x80000000
    taken bge, -1, -1
    not_taken bge, -2, -1
    taken bltu, 0x7fffffff, 0x80000000
    not_taken bltu, 0x80000000, 0x7fffffff
    not_taken bltu, 1, 1
    taken bgeu, 0x80000000, 0x7fffffff
    taken bgeu, 1, 1
    not_taken bgeu, 0, 0xffffffff

    case
    jal a0, 2f
1:  j fail
2:  la a1, 1b
    bne a0, a1, fail
    case
    la a0, 2f
    jalr a1, a0, 0
1:  j fail
    nop
2:  la a2, 1b
    bne a1, a2, fail
    # The lowest bit of a target is ignored, and the target may be the link register.
    case
    la a0, 2f
    jalr a0, a0, 5
1:  j fail
2:  j fail
    la a2, 1b
    bne a0, a2, fail
    # A negative offset.
    case
    la a0, 3f
    jr -8(a0)
    j fail
    j 3f
    j fail
3:
    # Far away.
    case
    j far
    .space 0x3000
back:
    finish
    .space 0x2000
far:
    j back
