# Error numbers of the ESP32 port (ESP-IDF, newlib's errno.h), where they differ from this machine's.
from errno import *

ENOTSUP, EAFNOSUPPORT, EHOSTUNREACH, ETIMEDOUT, ENOTCONN = 134, 106, 118, 116, 128
ENETDOWN, ENETUNREACH, EINPROGRESS, EALREADY, EADDRINUSE = 115, 114, 119, 120, 112
_HOST = {95: 95, 97: 106, 98: 112, 100: 115, 101: 114, 107: 128, 110: 116, 113: 118, 114: 120, 115: 119}


def of_board(error):
    """An error of this machine as the board has it."""
    return OSError(_HOST.get(error.errno, error.errno))
