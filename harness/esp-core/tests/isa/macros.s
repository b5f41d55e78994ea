# A program is a row of numbered cases. It exits with 0, or with the number of the first case that failed: gp holds it.

    .text
    .globl _start
_start:
    li gp, 0

    .macro case
    addi gp, gp, 1
    .endm

# The register must hold this value.
    .macro expect register, value
    li t6, \value
    bne \register, t6, fail
    .endm

    .macro finish
    li gp, 0
fail:
    mv a0, gp
    li a7, 93
    ecall
    .endm

# An instruction of two registers, also with the target as one of them, both the same, and register 0 as the target.
    .macro of_registers instruction, result, a, b
    case
    li a1, \a
    li a2, \b
    \instruction a0, a1, a2
    expect a0, \result
    \instruction a1, a1, a2
    expect a1, \result
    li a1, \a
    \instruction a2, a1, a2
    expect a2, \result
    li a2, \b
    \instruction x0, a1, a2
    expect x0, 0
    .endm

    .macro of_same instruction, result, a
    case
    li a1, \a
    \instruction a1, a1, a1
    expect a1, \result
    .endm

# An instruction of a register and an immediate.
    .macro of_immediate instruction, result, a, immediate
    case
    li a1, \a
    \instruction a0, a1, \immediate
    expect a0, \result
    \instruction a1, a1, \immediate
    expect a1, \result
    \instruction x0, a1, \immediate
    expect x0, 0
    .endm
