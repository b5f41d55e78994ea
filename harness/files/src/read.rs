//! Reads regular files only.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Size of the largest text file to read (a feature, a bench file, a baseline): 64 MiB. The largest one of the tests
/// has 1.5 MiB.
pub const LARGEST_TEXT: u64 = 64 << 20;

/// Size of the largest binary file to read (an image, an ELF file with its debug information): 1 GiB. The largest
/// flash of these chips has 128 MiB.
pub const LARGEST_FILE: u64 = 1 << 30;

/// Whether to follow a symbolic link in place of the file. Links in the path before it are always followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// For a file that the user names.
    Follow,
    /// For a file in a folder that another user may have made: it must be in that folder itself.
    Refuse,
}

/// Opens a regular file for reading. Never blocks.
///
/// # Errors
/// When it can't be opened, or is a FIFO, a device, a socket or a folder.
///
/// ```
/// let error = hil_files::open(std::path::Path::new("/dev/null"), hil_files::Links::Follow).unwrap_err();
/// assert_eq!(error.to_string(), "it is not a regular file but a device");
/// ```
pub fn open(path: &Path, links: Links) -> io::Result<File> {
    let known = match links {
        Links::Follow => std::fs::metadata(path)?,
        Links::Refuse => std::fs::symlink_metadata(path)?,
    };
    // Checked before it is opened: opening a device may have an effect, such as raising a modem line.
    check(&known)?;
    let file = OpenOptions::new().read(true).custom_flags(flags(links)).open(path)?;
    // It may have been replaced since.
    check(&file.metadata()?)?;
    Ok(file)
}

/// Opens a regular file for reading and appending, and creates it if it does not exist. Never blocks.
///
/// # Errors
/// As [`open`].
pub fn open_to_append(path: &Path, links: Links) -> io::Result<File> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(_) => drop(open(path, links)?),
    }
    let file = OpenOptions::new().create(true).read(true).append(true).custom_flags(flags(links)).open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// As [`open`]; when it is larger; when reading fails.
pub fn read(path: &Path, links: Links, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path, links)?;
    let too_large = |bytes: u64| io::Error::other(format!("it has {bytes} bytes, and at most {most} are read"));
    let length = file.metadata()?.len();
    if length > most {
        return Err(too_large(length));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // It may grow while it is read.
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

/// Reads a regular file of at most [`LARGEST_TEXT`] bytes as UTF-8.
///
/// # Errors
/// As [`read`]; when it is not UTF-8.
pub fn read_text(path: &Path, links: Links) -> io::Result<String> {
    let bytes = read(path, links, LARGEST_TEXT)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(io::ErrorKind::InvalidData, format!("it is not UTF-8: byte {at} begins no character"))
    })
}

fn flags(links: Links) -> i32 {
    let not_followed = if links == Links::Refuse { OFlags::NOFOLLOW } else { OFlags::empty() };
    (OFlags::NONBLOCK | OFlags::NOCTTY | not_followed).bits().cast_signed()
}

fn check(found: &std::fs::Metadata) -> io::Result<()> {
    let kind = found.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a folder",
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    let error = if kind.is_dir() { io::ErrorKind::IsADirectory } else { io::ErrorKind::InvalidInput };
    Err(io::Error::new(error, format!("it is not a regular file but {what}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn files_that_are_not_regular_are_rejected_at_once() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("fifo");
        let _listener = UnixListener::bind(at("socket")).expect("socket");
        std::fs::write(at("file"), "text").expect("write");
        symlink(at("file"), at("link")).expect("link");
        symlink(at("fifo"), at("link-to-fifo")).expect("link");
        let refused = |name: &str, links| read(&at(name), links, 100).expect_err("refused").to_string();
        for links in [Links::Follow, Links::Refuse] {
            assert_eq!(refused("fifo", links), "it is not a regular file but a FIFO");
            assert_eq!(refused("socket", links), "it is not a regular file but a socket");
            assert_eq!(refused("", links), "it is not a regular file but a folder");
            assert_eq!(refused("/dev/zero", links), "it is not a regular file but a device");
            assert_eq!(read(&at("file"), links, 4).expect("read"), b"text");
            assert!(open_to_append(&at("fifo"), links).is_err());
            assert!(open_to_append(&at("new"), links).is_ok());
        }
        assert_eq!(refused("link", Links::Refuse), "it is not a regular file but a symbolic link");
        assert_eq!(refused("link-to-fifo", Links::Follow), "it is not a regular file but a FIFO");
        assert_eq!(read(&at("link"), Links::Follow, 4).expect("read"), b"text");
    }

    #[test]
    fn a_file_beyond_the_limit_is_rejected_before_it_fills_the_memory() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("sparse");
        File::create(&path).expect("create").set_len(1 << 40).expect("sparse");
        let error = read(&path, Links::Follow, LARGEST_FILE).expect_err("refused").to_string();
        assert_eq!(error, "it has 1099511627776 bytes, and at most 1073741824 are read");
    }

    #[test]
    fn the_position_of_invalid_utf_8_is_reported() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("text");
        std::fs::write(&path, b"ab\xff").expect("write");
        let error = read_text(&path, Links::Follow).expect_err("refused").to_string();
        assert_eq!(error, "it is not UTF-8: byte 2 begins no character");
    }
}
