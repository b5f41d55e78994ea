//! The app descriptor: the first 256 bytes of an app's first segment.

/// Name and version of an app (`esp_app_desc_t`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppDescriptor {
    /// Project name, at most 31 bytes.
    pub project: String,
    /// Version, at most 31 bytes.
    pub version: String,
}

const MAGIC: u32 = 0xabcd_5432;
const SIZE: usize = 256;
const VERSION_AT: usize = 16;
const PROJECT_AT: usize = 48;
const TIME_AT: usize = 80;
const DATE_AT: usize = 96;
const IDF_AT: usize = 112;
const MAX_EFUSE_AT: usize = 178;
const MMU_PAGE_AT: usize = 180;

/// The version of ESP-IDF in images that only select a native app, with the end of the text.
const NATIVE: &[u8] = b"hil-virtual\0";

impl AppDescriptor {
    /// The descriptor's bytes. Time and date are fixed: the same input makes the same image.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; SIZE];
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        put(&mut bytes, VERSION_AT, 31, &self.version);
        put(&mut bytes, PROJECT_AT, 31, &self.project);
        put(&mut bytes, TIME_AT, 15, "00:00:00");
        put(&mut bytes, DATE_AT, 15, "Jan  1 2026");
        put(&mut bytes, IDF_AT, 31, "hil-virtual"); // `NATIVE`
        bytes[MAX_EFUSE_AT..MAX_EFUSE_AT + 2].copy_from_slice(&u16::MAX.to_le_bytes());
        // Pages of 2^16 bytes.
        bytes[MMU_PAGE_AT] = 16;
        bytes
    }

    /// Parses a descriptor at the start of a segment.
    #[must_use]
    pub fn decode(segment: &[u8]) -> Option<Self> {
        let bytes = segment.get(..SIZE)?;
        if bytes[..4] != MAGIC.to_le_bytes() {
            return None;
        }
        Some(Self { project: text(bytes, PROJECT_AT)?, version: text(bytes, VERSION_AT)? })
    }

    /// Whether a virtual board runs an app of its own for the image with this descriptor: there is no code in it, or it is
    /// MicroPython, whose scripts an interpreter of this machine runs.
    pub(crate) fn is_native(descriptor: &[u8]) -> bool {
        let has_no_code = descriptor.get(IDF_AT..).is_some_and(|idf| idf.starts_with(NATIVE));
        has_no_code || Self::decode(descriptor).is_some_and(|app| app.project == "micropython")
    }
}

/// The native app that an image selects, wherever its descriptor is; none if the image holds machine code.
#[must_use]
pub fn native_app(image: &[u8]) -> Option<AppDescriptor> {
    let words = image.chunks_exact(4).position(|word| word == MAGIC.to_le_bytes())?;
    let descriptor = image.get(words * 4..)?;
    AppDescriptor::decode(descriptor).filter(|_| AppDescriptor::is_native(descriptor))
}

fn put(bytes: &mut [u8], at: usize, most: usize, text: &str) {
    let length = text.len().min(most);
    bytes[at..at + length].copy_from_slice(&text.as_bytes()[..length]);
}

fn text(bytes: &[u8], at: usize) -> Option<String> {
    let field = &bytes[at..at + 32];
    let length = field.iter().position(|byte| *byte == 0)?;
    String::from_utf8(field[..length].to_vec()).ok()
}
