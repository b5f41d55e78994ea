# Operations of two registers.

    .option norvc
    of_registers add, 0x00000000, 0x00000000, 0x00000000
    of_registers add, 0x00000008, 0x00000005, 0x00000003
    of_registers add, 0x80000000, 0x7fffffff, 0x00000001
    of_registers add, 0x7fffffff, 0x80000000, 0xffffffff
    of_registers add, 0xfffffffe, 0xffffffff, 0xffffffff
    of_same add, 0x2468acf0, 0x12345678

    of_registers sub, 0x00000002, 0x00000005, 0x00000003
    of_registers sub, 0xffffffff, 0x00000000, 0x00000001
    of_registers sub, 0x7fffffff, 0x80000000, 0x00000001
    of_registers sub, 0x80000000, 0x7fffffff, 0xffffffff
    of_same sub, 0, 0x12345678

    of_registers sll, 0x00000001, 0x00000001, 0
    of_registers sll, 0x80000000, 0x00000001, 31
    of_registers sll, 0x00000002, 0x00000001, 33
    of_registers sll, 0xffffff80, 0xffffffff, 0xffffffe7
    of_registers srl, 0x00000001, 0x80000000, 31
    of_registers srl, 0x40000000, 0x80000000, 33
    of_registers srl, 0x01ffffff, 0xffffffff, 0xffffffe7
    of_registers sra, 0xffffffff, 0x80000000, 31
    of_registers sra, 0xc0000000, 0x80000000, 33
    of_registers sra, 0x00ffffff, 0x7fffffff, 0xffffffe7
    of_same sll, 0x00000018, 3

    of_registers slt, 0, 0x00000000, 0x00000000
    of_registers slt, 1, 0x80000000, 0x7fffffff
    of_registers slt, 0, 0x7fffffff, 0x80000000
    of_registers slt, 1, 0xffffffff, 0x00000001
    of_registers sltu, 0, 0x80000000, 0x7fffffff
    of_registers sltu, 1, 0x7fffffff, 0x80000000
    of_registers sltu, 0, 0xffffffff, 0x00000001
    of_same slt, 0, 0x80000000

    of_registers xor, 0xf00ff00f, 0xff0000ff, 0x0f0ff0f0
    of_registers or, 0xff0ff0ff, 0xff0000ff, 0x0f0ff0f0
    of_registers and, 0x0f0000f0, 0xff0000ff, 0x0f0ff0f0
    of_same xor, 0, 0x12345678
    finish
