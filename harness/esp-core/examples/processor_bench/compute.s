# A computation with what programs are made of: arithmetic, loads and stores of each width, branches that can't be guessed,
# calls. Each round sorts 64 numbers by insertion and sums their bytes. The exit code is a part of the sum.

    .text
    .globl _start
_start:
    la s0, numbers
    li s1, 0x12345678
    li s2, 0
    li s3, ROUNDS
round:
    mv a0, s0
    call fill
    mv a0, s0
    call sort
    mv a0, s0
    call sum
    xor s2, s2, a0
    addi s3, s3, -1
    bnez s3, round
    andi a0, s2, 127
    li a7, 93
    ecall

# 64 numbers of a xorshift generator.
fill:
    addi a1, a0, 256
1:  slli a2, s1, 13
    xor s1, s1, a2
    srli a2, s1, 17
    xor s1, s1, a2
    slli a2, s1, 5
    xor s1, s1, a2
    sw s1, 0(a0)
    addi a0, a0, 4
    bne a0, a1, 1b
    ret

sort:
    addi a1, a0, 4
    addi a6, a0, 256
1:  lw a2, 0(a1)
    mv a3, a1
2:  lw a4, -4(a3)
    bgeu a2, a4, 3f
    sw a4, 0(a3)
    addi a3, a3, -4
    bne a3, a0, 2b
3:  sw a2, 0(a3)
    addi a1, a1, 4
    bne a1, a6, 1b
    ret

sum:
    addi a1, a0, 256
    li a2, 0
    li a5, 31
1:  lbu a3, 0(a0)
    lhu a4, 2(a0)
    mul a2, a2, a5
    add a2, a2, a3
    add a2, a2, a4
    addi a0, a0, 4
    bne a0, a1, 1b
    remu a0, a2, a5
    xor a0, a0, a2
    ret

    .data
    .balign 16
numbers:
    .space 256
