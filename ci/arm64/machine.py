"""An emulated Raspberry Pi 3: its shell through a serial port, its GPIO controller through QEMU's test interface."""
import base64
import select
import socket
import subprocess
import time
from pathlib import Path

# BCM2835 ARM Peripherals, chapter 6, at the address where the Pi 3 has it. Writing to the first two drives an input
# from outside; the third has the levels.
GPSET0, GPCLR0, GPLEV0 = 0x3F20001C, 0x3F200028, 0x3F200034
PROMPT = "@done "


class Failed(Exception):
    """The machine did not do what the test expects."""


class Machine:
    """Runs until the end of its `with`."""

    def __init__(self, qemu, kernel, tree, initrd, folder: Path):
        self.folder, self.said, self.replies = folder, "", ""
        doors = {name: socket.socket(socket.AF_UNIX) for name in ("test", "serial")}
        for name, door in doors.items():
            door.bind(str(folder / name))
            door.listen(1)
        # Its second port is the one that Linux leaves to programs; the first belongs to its Bluetooth chip.
        self.qemu = subprocess.Popen(
            [qemu, "-M", "raspi3b", "-accel", "tcg", "-display", "none", "-monitor", "none", "-no-reboot",
             "-kernel", kernel, "-dtb", tree, "-initrd", initrd,
             "-append", "console=ttyS1,115200 rdinit=/init panic=-1 quiet",
             "-serial", "null", "-serial", f"unix:{folder}/serial", "-qtest", f"unix:{folder}/test", "-qtest-log", "/dev/null"],
            stdin=subprocess.DEVNULL, stdout=(folder / "qemu.log").open("w"), stderr=subprocess.STDOUT)
        self.serial, self.test = (self.accept(doors[name]) for name in ("serial", "test"))

    def accept(self, door):
        door.settimeout(10)
        try:
            return door.accept()[0]
        except TimeoutError:
            raise Failed("QEMU does not start:\n" + (self.folder / "qemu.log").read_text()) from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Its kernel halts and does not switch the machine off.
        self.qemu.kill()
        self.qemu.wait()

    def ask(self, command):
        """The answer of QEMU's test interface. QEMU stops while its serial port is not read, so both are."""
        self.test.sendall(command.encode() + b"\n")
        end = time.monotonic() + 30
        while True:
            reply, newline, self.replies = self.replies.partition("\n")
            if newline and reply.startswith("OK"):
                return reply.split()
            if newline and reply.startswith(("FAIL", "ERR")) or time.monotonic() > end:
                raise Failed(f"QEMU's answer to `{command}`: {reply!r}; the machine said:\n{self.said[-3000:]}")
            if not newline:
                self.replies = reply
                self.read(0.02)

    def level(self, line):
        """The level of a line below 32, as its controller has it."""
        return int(self.ask(f"readl 0x{GPLEV0:x}")[1], 16) >> line & 1

    def drive(self, line, high):
        """Drives an input."""
        self.ask(f"writel 0x{GPSET0 if high else GPCLR0:x} 0x{1 << line:x}")

    def wait_until(self, what, seconds, happens):
        """Waits until something is true, and returns how long that took."""
        begun = time.monotonic()
        while not happens():
            if time.monotonic() - begun > seconds:
                raise Failed(f"{what}: not within {seconds} s")
            self.read(0.02)
        return time.monotonic() - begun

    def read(self, seconds):
        """Takes what has come from the serial port and the test interface."""
        for door in select.select([self.serial, self.test], [], [], seconds)[0]:
            data = door.recv(65536).decode(errors="replace")
            if not data:
                raise Failed("the machine ended:\n" + self.said[-3000:])
            if door is self.serial:
                self.said += data.replace("\r", "")
            else:
                self.replies += data

    def wait_for_prompt(self, seconds, beside=lambda: None):
        """What is said before the next prompt, and the number in it."""
        end = time.monotonic() + seconds
        while True:
            before, prompt, rest = self.said.partition(PROMPT)
            if prompt and "\n" in rest:
                code, self.said = rest.split("\n", 1)
                return int(code), before
            if time.monotonic() > end:
                raise Failed(f"no end within {seconds} s:\n" + self.said[-3000:])
            self.read(0.02)
            beside()

    def run(self, command, seconds=60, beside=lambda: None):
        """Runs a line of shell; `beside` is called meanwhile, again and again. Returns its exit code and its output."""
        self.serial.sendall(command.encode() + b"\n")
        return self.wait_for_prompt(seconds, beside)

    def succeeds(self, command, seconds=60, beside=lambda: None):
        """As `run`; fails unless the exit code is 0."""
        code, output = self.run(command, seconds, beside)
        if code != 0:
            raise Failed(f"`{command}` exited with {code}:\n{output}")
        return output

    def put(self, text, to):
        """Writes a file. A terminal takes lines of less than 4096 bytes."""
        encoded = base64.b64encode(text.encode()).decode()
        self.succeeds(f"rm -f {to}")
        for at in range(0, len(encoded), 3000):
            self.succeeds(f"echo {encoded[at:at + 3000]} | base64 -d >> {to}")
