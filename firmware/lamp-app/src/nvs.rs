//! Settings in an NVS partition.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use esp_nvs::mem_flash::MemFlash;
use esp_nvs::{FLASH_SECTOR_SIZE, Get, Key, MAX_KEY_LENGTH};

/// Why a partition can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NvsError {
    /// Its size is not a whole number of sectors.
    Size(usize),
    /// It does not hold NVS.
    Content(String),
}

impl core::fmt::Display for NvsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Size(size) => write!(f, "a partition of {size} bytes is not a whole number of sectors"),
            Self::Content(reason) => write!(f, "{reason}"),
        }
    }
}

impl core::error::Error for NvsError {}

/// The contents of an NVS partition.
///
/// Works on a copy: opening a partition may repair it, and a lamp does not write to its settings.
pub struct Nvs(esp_nvs::Nvs<MemFlash>);

impl core::fmt::Debug for Nvs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Nvs").finish_non_exhaustive()
    }
}

impl Nvs {
    /// Opens the copy of a partition.
    ///
    /// # Errors
    /// If it can't be NVS. An erased partition is valid and empty.
    pub fn open(partition: Vec<u8>) -> Result<Self, NvsError> {
        let size = partition.len();
        if size == 0 || !size.is_multiple_of(FLASH_SECTOR_SIZE) {
            return Err(NvsError::Size(size));
        }
        let opened = esp_nvs::Nvs::new(0, size, MemFlash::from_bytes(partition));
        opened.map(Self).map_err(|error| NvsError::Content(format!("{error}")))
    }

    /// No settings.
    ///
    /// # Panics
    /// Never: an erased partition is valid.
    #[must_use]
    pub fn empty() -> Self {
        match esp_nvs::Nvs::new(0, FLASH_SECTOR_SIZE, MemFlash::new(1)) {
            Ok(nvs) => Self(nvs),
            Err(error) => panic!("an erased sector is not NVS: {error}"),
        }
    }

    /// A value as text: a string, or an integer of any type in decimal.
    pub fn text(&mut self, namespace: &str, key: &str) -> Option<String> {
        self.get::<String>(namespace, key).or_else(|| self.integer(namespace, key).map(|number| number.to_string()))
    }

    /// A value as a number: an integer of any type, or a string that holds one. None if it is out of range.
    pub fn number<T: TryFrom<i128>>(&mut self, namespace: &str, key: &str) -> Option<T> {
        let number = match self.get::<String>(namespace, key) {
            Some(text) => text.trim().parse().ok()?,
            None => self.integer(namespace, key)?,
        };
        T::try_from(number).ok()
    }

    fn integer(&mut self, namespace: &str, key: &str) -> Option<i128> {
        None.or_else(|| self.get::<u8>(namespace, key).map(i128::from))
            .or_else(|| self.get::<u16>(namespace, key).map(i128::from))
            .or_else(|| self.get::<u32>(namespace, key).map(i128::from))
            .or_else(|| self.get::<u64>(namespace, key).map(i128::from))
            .or_else(|| self.get::<i8>(namespace, key).map(i128::from))
            .or_else(|| self.get::<i16>(namespace, key).map(i128::from))
            .or_else(|| self.get::<i32>(namespace, key).map(i128::from))
            .or_else(|| self.get::<i64>(namespace, key).map(i128::from))
    }

    fn get<T>(&mut self, namespace: &str, key: &str) -> Option<T>
    where
        esp_nvs::Nvs<MemFlash>: Get<T>,
    {
        self.0.get(&name(namespace)?, &name(key)?).ok()
    }
}

/// None if NVS can't hold such a name.
fn name(text: &str) -> Option<Key> {
    let valid = text.len() <= MAX_KEY_LENGTH && text.bytes().all(|byte| byte.is_ascii() && byte != 0);
    valid.then(|| Key::from_str(text))
}
