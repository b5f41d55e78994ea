# What a boot.py of the ESP ports asks for.
LOG_NONE, LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_VERBOSE = 0, 1, 2, 3, 4, 5


def osdebug(stream, level=LOG_ERROR):
    pass


def flash_size():
    return 4 << 20
