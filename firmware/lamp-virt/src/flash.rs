//! The settings partition. The flash is laid out as that of an ESP chip, so that the same harness writes it.

use alloc::format;
use alloc::string::String;

use lamp_app::Nvs;

use crate::console::log;
use crate::machine::FLASH;

const TABLE: usize = 0x8000;
const ENTRY: usize = 32;
const ENTRIES: usize = 95;
/// Larger partitions hold more than settings, and the copy must fit into RAM.
const LARGEST: usize = 64 * 1024;

/// Reads the first NVS partition. What is wrong with it is printed; the lamp then has no settings.
pub(crate) fn settings() -> Nvs {
    match nvs_partition().and_then(|bytes| Nvs::open(bytes.to_vec()).map_err(|error| format!("{error}"))) {
        Ok(nvs) => nvs,
        Err(reason) => {
            log("nvs", format_args!("no settings: {reason}"));
            Nvs::empty()
        }
    }
}

fn nvs_partition() -> Result<&'static [u8], String> {
    let (address, size) = FLASH;
    // SAFETY: the machine has this flash even without a file for it. Nothing writes to it.
    let flash = unsafe { core::slice::from_raw_parts(address as *const u8, size) };
    let (offset, size) = flash[TABLE..TABLE + ENTRIES * ENTRY]
        .chunks_exact(ENTRY)
        .map_while(Partition::read)
        .find(Partition::is_nvs)
        .map(|partition| (partition.offset as usize, partition.size as usize))
        .ok_or("the flash has no partition table with an NVS partition")?;
    if size > LARGEST {
        return Err(format!("the NVS partition has {size} bytes, more than {LARGEST}"));
    }
    let end = offset.checked_add(size).ok_or("the NVS partition is too large")?;
    flash.get(offset..end).ok_or_else(|| format!("the NVS partition ends at {end:#x}, beyond the flash"))
}

/// An entry of the partition table.
struct Partition {
    kind: [u8; 2],
    offset: u32,
    size: u32,
}

impl Partition {
    const MAGIC: [u8; 2] = [0xaa, 0x50];
    /// Data, NVS.
    const NVS: [u8; 2] = [1, 2];

    fn read(entry: &[u8]) -> Option<Self> {
        let word = |at: usize| entry.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let kind = entry.get(2..4)?.try_into().ok()?;
        entry.starts_with(&Self::MAGIC).then_some(Self { kind, offset: word(4)?, size: word(8)? })
    }

    fn is_nvs(&self) -> bool {
        self.kind == Self::NVS
    }
}
