//! The registers of the `virt` machine (QEMU: `hw/riscv/virt.c`) that no other crate drives.

/// Reset and power-off.
const FINISHER: usize = 0x0010_0000;
/// Wall clock in nanoseconds.
const REAL_TIME_CLOCK: usize = 0x0010_1000;
/// Compares with [`TIME`] for the timer interrupt.
const TIME_COMPARE: usize = 0x0200_4000;
/// Ticks since the reset.
const TIME: usize = 0x0200_bff8;
const PLIC: usize = 0x0c00_0000;
const PLIC_ENABLE: usize = PLIC + 0x2000;
const PLIC_CLAIM: usize = PLIC + 0x20_0004;
const UART: usize = 0x1000_0000;
/// The first of [`VIRTIO_SLOTS`] places for a device.
const VIRTIO: usize = 0x1000_1000;

/// Ticks per second of the clock.
pub(crate) const TICK_HZ: u64 = 10_000_000;
/// Places for virtio devices.
pub(crate) const VIRTIO_SLOTS: u32 = 8;
/// Size of the registers of a virtio device.
pub(crate) const VIRTIO_SIZE: usize = 0x1000;
/// The second flash (`-drive if=pflash,unit=1`) and its size. The first one is where the machine would boot from.
pub(crate) const FLASH: (usize, usize) = (0x2200_0000, 32 << 20);
/// RAM, as far as this program has it: `memory.x`.
pub(crate) const RAM: core::ops::Range<usize> = 0x8000_0000..0x807f_f000;

unsafe extern "C" {
    static mut LAMP: u32;
    static mut RESET_REASON: u32;
}

fn read(address: usize) -> u32 {
    // SAFETY: only called with addresses of registers above, which are aligned and always there.
    unsafe { (address as *const u32).read_volatile() }
}

fn write(address: usize, value: u32) {
    // SAFETY: as for `read`; no register above changes memory.
    unsafe { (address as *mut u32).write_volatile(value) }
}

/// Waits until there is room, and sends a byte.
pub(crate) fn send(byte: u8) {
    const EMPTY: u8 = 1 << 5;
    let (data, status) = (UART as *mut u8, (UART + 5) as *const u8);
    // SAFETY: the UART's registers are bytes, and always there.
    unsafe {
        while status.read_volatile() & EMPTY == 0 {}
        data.write_volatile(byte);
    }
}

/// Ticks since the reset.
pub(crate) fn ticks() -> u64 {
    loop {
        let (high, low) = (read(TIME + 4), read(TIME));
        // Between the two, the lower half may have overflowed.
        if read(TIME + 4) == high {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

/// Requests the timer interrupt for this tick; one in the past comes at once.
pub(crate) fn interrupt_at(tick: u64) {
    // Never a value in between that is in the past.
    write(TIME_COMPARE + 4, u32::MAX);
    write(TIME_COMPARE, (tick & 0xffff_ffff) as u32);
    write(TIME_COMPARE + 4, (tick >> 32) as u32);
}

/// Something that differs from start to start: the wall clock.
pub(crate) fn seed() -> u64 {
    // Reading the lower half keeps the upper half.
    let low = read(REAL_TIME_CLOCK);
    u64::from(read(REAL_TIME_CLOCK + 4)) << 32 | u64::from(low)
}

/// Where the registers of a virtio device are.
pub(crate) fn virtio(slot: u32) -> usize {
    VIRTIO + slot as usize * VIRTIO_SIZE
}

/// Acknowledges all interrupts of a virtio device.
pub(crate) fn acknowledge_virtio(slot: u32) {
    let base = virtio(slot);
    write(base + 0x64, read(base + 0x60));
}

/// Lets the interrupt of a virtio device through.
pub(crate) fn enable_virtio(slot: u32) {
    let source = slot + 1;
    write(PLIC + 4 * source as usize, 1);
    write(PLIC_ENABLE, read(PLIC_ENABLE) | 1 << source);
}

/// The pending interrupt with the highest priority; 0 is none.
pub(crate) fn claim() -> u32 {
    read(PLIC_CLAIM)
}

/// The interrupt is served.
pub(crate) fn complete(source: u32) {
    write(PLIC_CLAIM, source);
}

/// What a memory word of its own tells the monitor: 1 is a high level.
pub(crate) fn set_lamp(high: bool) {
    // SAFETY: the linker script keeps this word free.
    unsafe { (&raw mut LAMP).write_volatile(high.into()) }
}

/// Left in RAM by the run before: 0 after power-on.
pub(crate) fn reset_reason() -> u32 {
    // SAFETY: the linker script keeps this word free.
    unsafe { (&raw const RESET_REASON).read_volatile() }
}

/// Leaves a word for the next run.
pub(crate) fn leave_reset_reason(word: u32) {
    // SAFETY: the linker script keeps this word free.
    unsafe { (&raw mut RESET_REASON).write_volatile(word) }
}

/// Resets the machine.
pub(crate) fn reset() -> ! {
    const RESET: u32 = 0x7777;
    write(FINISHER, RESET);
    loop {
        riscv::asm::wfi();
    }
}
