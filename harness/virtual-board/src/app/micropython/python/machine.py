# The chip, as scripts see it.
import _board
import time
from machine import PinBase, Signal, time_pulse_us

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5


def __getattr__(name):
    raise AttributeError("machine.%s is not simulated by the virtual board" % name)


def unique_id():
    return _board.mac


def reset():
    _board.ask("reset")


def soft_reset():
    raise SystemExit


def reset_cause():
    return _board.cause


def freq(hertz=None):
    return 160000000


def idle():
    pass


def lightsleep(ms=0):
    time.sleep_ms(ms)


def deepsleep(ms=0):
    _board.ask("sleep %d" % ms)


class Pin(PinBase):
    IN, OUT, OPEN_DRAIN = 1, 3, 7
    PULL_DOWN, PULL_UP = 1, 2
    IRQ_RISING, IRQ_FALLING = 1, 2
    # What each output was set to last: it stays while the pin is an input.
    latches = {}
    modes = {}

    def __init__(self, id, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        if isinstance(id, Pin):
            id = id.gpio
        if not isinstance(id, int) or not 0 <= id < 22:
            raise ValueError("invalid pin")
        self.gpio = id
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        if value is not None:
            self.latches[self.gpio] = int(bool(value))
        if mode in (self.OUT, self.OPEN_DRAIN):
            self.modes[self.gpio] = mode
            self.drive()
        elif mode == self.IN:
            self.modes[self.gpio] = mode
            _board.ask("pin %d 1" % self.gpio)

    def drive(self):
        if self.modes.get(self.gpio) in (self.OUT, self.OPEN_DRAIN):
            _board.ask("pin %d %d" % (self.gpio, self.latches.get(self.gpio, 0)))

    def value(self, level=None):
        if level is None:
            return int(_board.ask("level %d" % self.gpio))
        self.latches[self.gpio] = int(bool(level))
        self.drive()

    def __call__(self, level=None):
        return self.value(level)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(not self.latches.get(self.gpio, 0))

    def irq(self, *args, **kwargs):
        raise NotImplementedError("Pin.irq is not simulated by the virtual board")

    def __repr__(self):
        return "Pin(%d)" % self.gpio


class WDT:
    def __init__(self, id=0, timeout=5000):
        self.timeout = timeout
        self.feed()

    def feed(self):
        _board.ask("watchdog %d" % self.timeout)
