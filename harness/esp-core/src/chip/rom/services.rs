//! The chip's own functions: console, reset, delay, flash, cache, analogue registers.

use super::{Answer, Call, Function};
use crate::Bus as _;
use crate::chip::events::ResetCause;
use crate::chip::flash::{SECTOR, Work};

const RESET_STATE: u32 = 0x6000_8038;
const OK: Answer = Answer::Value(0);
const FAILED: Answer = Answer::Value(1);

pub(super) const MODELS: &[(&str, Function)] = &[
    ("uart_tx_one_char", send),
    ("uart_tx_one_char2", send),
    ("uart_tx_flush", |_| OK),
    ("uart_tx_wait_idle", |_| OK),
    ("uart_rx_one_char", |call| match call.hardware.uarts[0].take() {
        Some(byte) => {
            let to = call.argument(0);
            call.hardware.memory_mut().write(to, &[byte]).map_or(Answer::BadAddress, |()| OK)
        }
        None => FAILED,
    }),
    ("ets_get_printf_channel", |_| OK),
    ("rtc_get_reset_reason", |call| {
        Answer::Value(call.hardware.load(RESET_STATE, crate::Width::Word).unwrap_or_default() & 63)
    }),
    ("software_reset", |call| reset(call, ResetCause::SoftwareSystem)),
    ("software_reset_cpu", |call| reset(call, ResetCause::SoftwareCpu)),
    ("ets_delay_us", |call| Answer::Wait(call.argument(0))),
    ("ets_update_cpu_frequency", |_| Answer::Nothing),
    ("ets_get_cpu_frequency", |_| Answer::Value(160)),
    ("ets_get_apb_freq", |_| Answer::Value(80_000_000)),
    ("ets_get_xtal_freq", |_| Answer::Value(40_000_000)),
    ("esp_rom_spiflash_unlock", |_| OK),
    ("esp_rom_spiflash_wait_idle", |_| OK),
    ("esp_rom_spiflash_config_param", |_| OK),
    ("esp_rom_spiflash_attach", |_| Answer::Nothing),
    ("esp_rom_spiflash_read", |call| {
        let Some(bytes) = call.hardware.read_flash(call.argument(0), call.argument(2)) else { return FAILED };
        let to = call.argument(1);
        call.hardware.memory_mut().write(to, &bytes).map_or(Answer::BadAddress, |()| OK)
    }),
    ("esp_rom_spiflash_write", |call| match call.bytes(call.argument(1), call.argument(2)) {
        Some(bytes) => {
            let at = call.argument(0);
            change(call, Work::Program { at, bytes })
        }
        None => Answer::BadAddress,
    }),
    ("esp_rom_spiflash_erase_sector", |call| erase(call, SECTOR)),
    ("esp_rom_spiflash_erase_block", |call| erase(call, 0x1_0000)),
    // Memory and cache never differ, so that there is nothing to do for the cache.
    ("Cache_Invalidate_Addr", |_| Answer::Nothing),
    ("Cache_Invalidate_ICache_Items", |_| Answer::Nothing),
    ("Cache_Invalidate_ICache_All", |_| Answer::Nothing),
    ("Cache_Suspend_ICache", |_| OK),
    ("Cache_Resume_ICache", |_| Answer::Nothing),
    ("Cache_Disable_ICache", |_| OK),
    ("Cache_Enable_ICache", |_| Answer::Nothing),
    ("Cache_Freeze_ICache_Enable", |_| Answer::Nothing),
    ("Cache_Freeze_ICache_Disable", |_| Answer::Nothing),
    ("Cache_Suspend_ICache_Autoload", |_| OK),
    ("Cache_Resume_ICache_Autoload", |_| Answer::Nothing),
    ("Cache_Get_ICache_Line_Size", |_| Answer::Value(32)),
    ("Cache_Dbus_MMU_Set", map),
    ("Cache_Ibus_MMU_Set", map),
    ("rom_i2c_readReg", |call| Answer::Value(analogue(call))),
    ("rom_i2c_writeReg", |call| {
        let value = call.argument(3) & 0xff;
        set_analogue(call, value)
    }),
    ("rom_i2c_readReg_Mask", |call| Answer::Value(analogue(call) >> (call.argument(4) & 31) & mask(call))),
    ("rom_i2c_writeReg_Mask", |call| {
        let shift = call.argument(4) & 31;
        let field = mask(call) << shift;
        let value = analogue(call) & !field | call.argument(5) << shift & field;
        set_analogue(call, value)
    }),
];

fn send(call: &mut Call<'_>) -> Answer {
    call.hardware.send(call.argument(0).to_le_bytes()[0]);
    OK
}

fn reset(call: &mut Call<'_>, cause: ResetCause) -> Answer {
    call.hardware.effects.reset(cause);
    Answer::Nothing
}

fn change(call: &mut Call<'_>, work: Work) -> Answer {
    call.hardware.change_flash(work).map_or(FAILED, Answer::Until)
}

/// Erases the unit that the first argument numbers.
fn erase(call: &mut Call<'_>, unit: u32) -> Answer {
    match call.argument(0).checked_mul(unit) {
        Some(at) => change(call, Work::Erase { at, len: unit }),
        None => FAILED,
    }
}

/// Maps pages of 64 KiB: external memory, address, offset in flash, size of a page in KiB, number of pages, and whether
/// all are the same page.
fn map(call: &mut Call<'_>) -> Answer {
    let (address, from, count) = (call.argument(1), call.argument(2), call.argument(4));
    if call.argument(3) != 64 || count > 128 {
        return FAILED;
    }
    for page in 0..count {
        let offset = page * 0x1_0000;
        let step = if call.argument(5) == 0 { offset } else { 0 };
        call.hardware.map_flash(address.wrapping_add(offset), from.wrapping_add(step));
    }
    OK
}

/// The analogue register that the first and third argument name.
fn analogue(call: &Call<'_>) -> u32 {
    call.analogue.get(&(call.argument(0), call.argument(2))).copied().unwrap_or_default()
}

fn set_analogue(call: &mut Call<'_>, value: u32) -> Answer {
    call.analogue.insert((call.argument(0), call.argument(2)), value);
    Answer::Nothing
}

/// The width of the field whose highest and lowest bit the fourth and fifth argument are, as a mask from bit 0 on.
fn mask(call: &Call<'_>) -> u32 {
    let width = (call.argument(3) & 31).saturating_sub(call.argument(4) & 31) + 1;
    u32::MAX >> (32 - width)
}
