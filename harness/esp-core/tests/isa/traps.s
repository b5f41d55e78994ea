# Traps in machine mode, as the ESP32-C3 has them: only for our processor.

    .macro traps cause, value, instruction:vararg
    case
    li s2, \cause
    li s3, \value
    la s4, 1f
    li s5, 0
    .balign 4
1:  \instruction
    expect s5, 1
    .endm

    .option norvc
    .option arch, +a
    la a0, table
    csrw mtvec, a0
    csrr a1, mtvec
    ori a0, a0, 1
    case
    bne a0, a1, fail
    # Interrupts are on when an app begins, and the mode before a trap is always machine mode.
    case
    csrr a0, mstatus
    expect a0, 0x1808
    case
    csrw mstatus, x0
    csrr a0, mstatus
    expect a0, 0x1800
    csrwi mstatus, 8

    traps 11, 0, ecall
    traps 2, 0, .word 0
    traps 2, 0x1005252f, lr.w a0, (a0)
    traps 2, 0x00b5252f, amoadd.w a0, a1, (a0)
    traps 2, 0x30200573, .word 0x30200573
    traps 2, 0xf1451073, csrw mhartid, a0
    traps 2, 0xb0002573, csrr a0, mcycle
    traps 5, 16, lw a0, 16(x0)
    traps 5, -4, lb a0, -4(x0)
    traps 7, 16, sh a0, 16(x0)
    # A breakpoint's value is its address.
    case
    li s2, 3
    la s3, 1f
    la s4, 1f
    li s5, 0
    .balign 4
1:  ebreak
    expect s5, 1

    # Each form of access to a register.
    case
    li a0, 0x12345678
    csrrw a1, mscratch, a0
    expect a1, 0
    csrrs a1, mscratch, x0
    bne a0, a1, fail
    li a2, 0x0000ffff
    csrrs x0, mscratch, a2
    csrrc a1, mscratch, a2
    expect a1, 0x1234ffff
    csrrwi a1, mscratch, 31
    expect a1, 0x12340000
    csrrci a1, mscratch, 1
    expect a1, 31
    csrrsi a1, mscratch, 1
    expect a1, 30
    csrr a1, mscratch
    expect a1, 31
    case
    csrrw a0, mscratch, a0
    expect a0, 31
    case
    csrr a0, misa
    expect a0, 0x40101104
    case
    csrr a0, mhartid
    expect a0, 0
    # The cycle counter goes on.
    case
    csrr a0, 0x7e2
    csrr a1, 0x7e2
    bgeu a0, a1, fail
    # Each trigger has an address.
    case
    csrwi 0x7a0, 1
    li a0, 0x1234
    csrw 0x7a2, a0
    csrwi 0x7a0, 0
    csrr a1, 0x7a2
    expect a1, 0
    csrwi 0x7a0, 1
    csrr a1, 0x7a2
    bne a0, a1, fail

    # The tests' host takes its calls at address 0, where exceptions go at first.
    csrw mtvec, x0
    finish

    .balign 256
table:
    .rept 32
    j handler
    .endr
handler:
    csrr t0, mcause
    bne t0, s2, fail
    csrr t0, mepc
    bne t0, s4, fail
    csrr t0, mtval
    bne t0, s3, fail
    csrr t0, mstatus
    li t1, 0x1880
    bne t0, t1, fail
    addi s5, s5, 1
    addi t0, s4, 4
    csrw mepc, t0
    mret
