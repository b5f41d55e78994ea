//! What a flash chip does takes time, and what it has done when the supply is cut.
//!
//! The times are the typical ones of Winbond's data sheet for the W25Q32FV (AC electrical characteristics). An erase
//! first programs all bits to 0 and then sets them; a cut leaves a mixture, which begins with the seed.

use super::SECTOR;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
/// What is programmed at once.
pub(super) const PAGE: u32 = 256;
const PROGRAM_PAGE: u64 = 700 * MICROSECOND;
const ERASE_SECTOR: u64 = 45 * MILLISECOND;
const ERASE_HALF_BLOCK: u64 = 120 * MILLISECOND;
const ERASE_BLOCK: u64 = 150 * MILLISECOND;
const ERASE_CHIP: u64 = 10_000 * MILLISECOND;
/// Programming less than a page: the first byte, and each one after it.
const PROGRAM_FIRST: u64 = 30 * MICROSECOND;
const PROGRAM_NEXT: u64 = 2_500;

/// Something that takes a flash chip's time. Ranges are within the chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::chip) enum Work {
    /// Sets whole sectors to 0xFF.
    Erase { at: u32, len: u32 },
    /// Clears bits.
    Program { at: u32, bytes: Vec<u8> },
}

impl Work {
    /// Where it works.
    pub(super) fn at(&self) -> u32 {
        match self {
            Self::Erase { at, .. } | Self::Program { at, .. } => *at,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Erase { len, .. } => *len as usize,
            Self::Program { bytes, .. } => bytes.len(),
        }
    }

    /// How long it takes, in nanoseconds.
    fn duration(&self) -> u64 {
        match self {
            Self::Erase { len: SECTOR, .. } => ERASE_SECTOR,
            Self::Erase { len: 0x8000, .. } => ERASE_HALF_BLOCK,
            Self::Erase { len: 0x1_0000, .. } => ERASE_BLOCK,
            Self::Erase { .. } => ERASE_CHIP,
            Self::Program { bytes, .. } => {
                let (pages, rest) = (bytes.len() as u64 / u64::from(PAGE), bytes.len() as u64 % u64::from(PAGE));
                let rest = if rest == 0 { 0 } else { PROGRAM_FIRST + (rest - 1) * PROGRAM_NEXT };
                pages * PROGRAM_PAGE + rest.min(PROGRAM_PAGE)
            }
        }
    }
}

/// Work that has begun.
#[derive(Debug)]
pub(super) struct Busy {
    pub(super) work: Work,
    started: u64,
    pub(super) ends: u64,
}

impl Busy {
    pub(super) fn new(work: Work, now: u64) -> Self {
        let ends = now.saturating_add(work.duration());
        Self { work, started: now, ends }
    }

    /// How much of it is done at a time.
    pub(super) fn progress(&self, now: u64) -> Progress {
        let total = (self.ends - self.started).max(1);
        Progress::new(now.saturating_sub(self.started).min(total), total)
    }
}

/// A part of the whole, in units of 2⁻³².
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) struct Progress(u64);

const WHOLE: u64 = 1 << 32;
/// The part of an erase in which all bits become 0.
const CLEARING: u64 = WHOLE / 4;

impl Progress {
    pub(super) fn new(done: u64, total: u64) -> Self {
        let part = (u128::from(done) << 32) / u128::from(total.max(1));
        Self(u64::try_from(part).unwrap_or(WHOLE))
    }

    /// What an erase that was cut leaves of a byte at an address.
    pub(super) fn erased(self, old: u8, seed: u64, at: u32) -> u8 {
        match self.0.checked_sub(CLEARING) {
            None => old & !Self(self.0 * 4).some_bits(seed, at),
            Some(done) => Self(done * 4 / 3).some_bits(seed, at),
        }
    }

    /// What to program instead of the bytes at an address, when programming them was cut: pages are done one after the
    /// other.
    pub(super) fn programmed(self, bytes: &[u8], seed: u64, at: u32) -> Vec<u8> {
        let first = u64::from(at / PAGE);
        let pages = (u64::from(at % PAGE) + bytes.len() as u64).div_ceil(u64::from(PAGE));
        let done = self.0 * pages;
        let byte = |(at, byte): (u32, &u8)| {
            let page = u64::from(at / PAGE) - first;
            let part = Self(done.saturating_sub(page * WHOLE).min(WHOLE));
            byte | !part.some_bits(seed, at)
        };
        (at..).zip(bytes).map(byte).collect()
    }

    /// Bits that are set with this probability, always the same ones for a seed and an address.
    fn some_bits(self, seed: u64, at: u32) -> u8 {
        (0..8).fold(0, |all, bit| {
            let set = mix(seed ^ (u64::from(at) << 3 | bit)) >> 32 < self.0;
            all | u8::from(set) << bit
        })
    }
}

/// What an erase of a sector leaves of its bytes when the supply is cut after so many thousandths of it: always the
/// same for an address.
pub fn cut_erase(bytes: &mut [u8], at: u32, thousandths: u32) {
    let progress = Progress::new(thousandths.into(), 1000);
    for (at, byte) in (at..).zip(bytes) {
        *byte = progress.erased(*byte, 0, at);
    }
}

/// What is programmed of bytes when the supply is cut after so many thousandths of it: always the same for an address.
#[must_use]
pub fn cut_program(bytes: &[u8], at: u32, thousandths: u32) -> Vec<u8> {
    Progress::new(thousandths.into(), 1000).programmed(bytes, 0, at)
}

/// A number that looks random (`SplitMix64`).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erase_clears_before_it_sets() {
        let at = |part: u64| (0..4096).map(|at| Progress::new(part, 100).erased(0x5a, 7, at)).collect::<Vec<_>>();
        let ones = |bytes: &[u8]| bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
        assert_eq!(at(0), [0x5a; 4096]);
        assert_eq!(at(25), [0; 4096]);
        assert_eq!(at(100), [0xff; 4096]);
        assert!(ones(&at(10)) < ones(&at(0)) && ones(&at(10)) > 0);
        assert!(ones(&at(50)) > 0 && ones(&at(50)) < ones(&at(90)));
    }

    #[test]
    fn the_same_seed_leaves_the_same_bits() {
        let bits = |seed| Progress::new(1, 2).programmed(&[0; 64], seed, 0x9000);
        assert_eq!(bits(1), bits(1));
        assert_ne!(bits(1), bits(2));
    }

    #[test]
    fn pages_are_programmed_one_after_the_other() {
        let bytes = Progress::new(3, 4).programmed(&[0; 512], 1, 0);
        assert_eq!(bytes[..256], [0; 256]);
        let ones: u32 = bytes[256..].iter().map(|byte| byte.count_ones()).sum();
        assert!((800..1250).contains(&ones), "about half of the second page: {ones}");
        assert_eq!(Progress::new(0, 1).programmed(&[0; 4], 1, 0), [0xff; 4]);
        assert_eq!(Progress::new(1, 1).programmed(&[0x0f; 4], 1, 0), [0x0f; 4]);
    }

    #[test]
    fn work_takes_the_data_sheets_times() {
        assert_eq!(Busy::new(Work::Erase { at: 0, len: SECTOR }, 5).ends, 5 + 45 * MILLISECOND);
        let program = |len| Busy::new(Work::Program { at: 0, bytes: vec![0; len] }, 0).ends;
        assert_eq!([1, 64, 256, 512].map(program), [30_000, 187_500, 700_000, 1_400_000]);
    }
}
