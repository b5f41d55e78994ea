# The system module, with what the ESP32 port has beside the unix port's.
from os import *
import sys
from collections import namedtuple

_Uname = namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))


def uname():
    version = sys.version.split("MicroPython ")[1]
    return _Uname("esp32", "esp32", ".".join(str(n) for n in sys.implementation[1][:3]), version, "virtual ESP32-C3 with ESP32C3")


def sync():
    pass


def dupterm(stream, index=0):
    return None
