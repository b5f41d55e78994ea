# Multiplication and division, with what has no exception: division by zero and overflow.

    of_registers mul, 0x00001200, 0x00007e00, 0xb6db6db7
    of_registers mul, 0x00000001, 0xffffffff, 0xffffffff
    of_registers mul, 0x00000000, 0x80000000, 0xffff8000
    of_registers mulh, 0x00000000, 0xffffffff, 0xffffffff
    of_registers mulh, 0x40000000, 0x80000000, 0x80000000
    of_registers mulh, 0xffffffff, 0x00000001, 0xffffffff
    of_registers mulh, 0x3fffffff, 0x7fffffff, 0x7fffffff
    of_registers mulhsu, 0xffffffff, 0xffffffff, 0xffffffff
    of_registers mulhsu, 0x80000000, 0x80000000, 0xffffffff
    of_registers mulhsu, 0x7ffffffe, 0x7fffffff, 0xffffffff
    of_registers mulhsu, 0xffffffff, 0xffffffff, 0x00000001
    of_registers mulhu, 0xfffffffe, 0xffffffff, 0xffffffff
    of_registers mulhu, 0x40000000, 0x80000000, 0x80000000
    of_registers mulhu, 0x00000000, 0x00000001, 0xffffffff
    of_same mul, 0, 0x00010000

    of_registers div, 3, 20, 6
    of_registers div, -3, -20, 6
    of_registers div, -3, 20, -6
    of_registers div, 3, -20, -6
    of_registers div, -1, 7, 0
    of_registers div, -1, 0, 0
    of_registers div, 0x80000000, 0x80000000, -1
    of_registers divu, 0x2aaaaaa7, -20, 6
    of_registers divu, 0, 0x80000000, -1
    of_registers divu, 0xffffffff, 0x80000000, 0
    of_registers rem, 2, 20, 6
    of_registers rem, -2, -20, 6
    of_registers rem, 2, 20, -6
    of_registers rem, -2, -20, -6
    of_registers rem, 7, 7, 0
    of_registers rem, 0, 0x80000000, -1
    of_registers rem, 0x80000000, 0x80000000, 0
    of_registers remu, 2, -20, 6
    of_registers remu, 0x80000000, 0x80000000, -1
    of_registers remu, 7, 7, 0
    of_same div, 1, 0x80000000
    of_same remu, 0, 0x80000000
    finish
