"""Writes an initial root file system for Linux: a cpio archive in the format `newc` (Documentation/driver-api/early-userspace)."""
import gzip
import os
import stat
from pathlib import Path


def entry(number, name, mode, data=b"", device=(0, 0)):
    encoded = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    padded = head + b"\0" * (-len(head) % 4) + data
    return padded + b"\0" * (-len(padded) % 4)


def write(root: Path, to: Path):
    """Everything below `root`, owned by root, and a console for the first process."""
    entries = []
    for folder, folders, files in os.walk(root):
        for name in sorted(folders + files):
            path = Path(folder, name)
            mode = path.lstat().st_mode
            data = os.readlink(path).encode() if stat.S_ISLNK(mode) else b"" if stat.S_ISDIR(mode) else path.read_bytes()
            entries.append((str(path.relative_to(root)), mode, data, (0, 0)))
    entries.append(("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)))
    entries.append(("TRAILER!!!", 0, b"", (0, 0)))
    with gzip.open(to, "wb", 1) as archive:
        for number, each in enumerate(entries, 1):
            archive.write(entry(number, *each))
