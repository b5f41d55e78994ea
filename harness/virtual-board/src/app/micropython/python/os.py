# Of the system module what the ESP32 port has too, and nothing that reaches the machine.
import os as _os
import sys
from collections import namedtuple

chdir, getcwd, ilistdir, listdir, mkdir = _os.chdir, _os.getcwd, _os.ilistdir, _os.listdir, _os.mkdir
remove, rename, rmdir, stat, statvfs = _os.remove, _os.rename, _os.rmdir, _os.stat, _os.statvfs
unlink, urandom, mount, umount, sep = _os.unlink, _os.urandom, _os.mount, _os.umount, _os.sep
VfsFat, VfsLfs2 = _os.VfsFat, _os.VfsLfs2

_Uname = namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))


def uname():
    version = sys.version.split("MicroPython ")[1]
    release = ".".join(str(n) for n in sys.implementation[1][:3])
    return _Uname("esp32", "esp32", release, version, "virtual ESP32-C3 with ESP32C3")


def sync():
    pass


def dupterm(stream, index=0):
    return None
