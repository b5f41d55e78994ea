# The board around the interpreter: flash as file system, the board's modules, boot.py, main.py, and the REPL.
#
# Runs in MicroPython's unix port; `SOURCES` stands above it. Arguments: MAC, reset cause, offset and size of the file
# system in flash, `raw` or `friendly`, the name of its radio's door, the descriptors that ask the board and that are
# its flash, and `paste` where the raw REPL knows raw-paste mode. Descriptors 0 and 1 are the UART.
import io
import os
import sys
import vfs
import socket as native_socket

MAC, CAUSE, FS_AT, FS_SIZE, MODE, GATE, CONTROL, FLASH, PASTE = sys.argv[1:10]
OUR_FILE = "<board>"


class Board:
    """Asks the board. Ctrl-C may come at any moment: then the question is asked again, and the interrupt is raised
    once it is answered."""

    def __init__(self):
        self.line = open(int(CONTROL), "r+b")
        self.number = 0
        self.mac = bytes(int(MAC[i : i + 2], 16) for i in range(0, 12, 2))
        self.cause = int(CAUSE)
        self.gate = GATE
        self.native_socket = native_socket

    def ask(self, question):
        interrupted = False
        while True:
            self.number += 1
            number = self.number
            try:
                self.line.write("%d %s\n" % (number, question))
                answer = self.answer(number)
                break
            except KeyboardInterrupt:
                interrupted = True
        if interrupted:
            raise KeyboardInterrupt
        return answer

    def answer(self, number):
        wanted = b"%d " % number
        while True:
            line = self.line.readline()
            if not line:
                sys.exit()
            if line.startswith(wanted):
                return line[len(wanted) : -1].decode()


board = Board()


class Flash:
    """The file system's part of the flash as a block device."""

    BLOCK = 4096

    def __init__(self, at, size):
        self.flash = open(int(FLASH), "r+b")
        self.at = at
        self.blocks = size // self.BLOCK

    def seek(self, block, offset):
        self.flash.seek(self.at + block * self.BLOCK + offset)

    def readblocks(self, block, buffer, offset=0):
        self.seek(block, offset)
        self.flash.readinto(buffer)

    def writeblocks(self, block, buffer, offset=None):
        if offset is None:
            self.erase(block)
            offset = 0
        self.seek(block, offset)
        self.flash.write(buffer)

    def erase(self, block):
        self.seek(block, 0)
        self.flash.write(b"\xff" * self.BLOCK)

    def ioctl(self, operation, argument):
        if operation == 4:
            return self.blocks
        if operation == 5:
            return self.BLOCK
        if operation == 6:
            self.erase(argument)
        return 0


class Sources:
    """The board's modules as a file system to import from."""

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def open(self, path, mode):
        return io.BytesIO(self.source(path))

    def stat(self, path):
        return (0x8000, 0, 0, 0, 0, 0, len(self.source(path)), 0, 0, 0)

    def source(self, path):
        try:
            return SOURCES[path.lstrip("/")]
        except KeyError:
            raise OSError(2)


def import_modules():
    sys.modules["_board"] = board
    vfs.mount(Sources(), "/hil")
    sys.path.insert(0, "/hil")
    for name in ("errno", "machine", "network", "socket", "os", "ssl", "esp"):
        module = __import__("hil_" + name)
        sys.modules[name] = module
        sys.modules["u" + name] = module
    vfs.umount("/hil")
    sys.path[:] = ["", ".frozen", "/lib"]


def mount_flash():
    flash = Flash(int(FS_AT), int(FS_SIZE))
    try:
        files = vfs.VfsLfs2(flash)
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        files = vfs.VfsLfs2(flash)
        with files.open("boot.py", "w") as boot:
            boot.write("# This file is executed on every boot (including wake-boot from deepsleep)\n")
    vfs.umount("/")
    vfs.mount(files, "/")
    os.chdir("/")


def put(data):
    sys.stdout.buffer.write(data)


def get():
    try:
        byte = sys.stdin.buffer.read(1)
    except KeyboardInterrupt:
        return 3
    if not byte:
        sys.exit()
    return byte[0]


class SoftReset(Exception):
    pass


class Repl:
    BANNER = b"MicroPython %s; virtual ESP32-C3 with ESP32C3\r\nType \"help()\" for more information.\r\n"
    RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n"
    # Half of the usual buffer of 256 bytes.
    WINDOW = 128

    def __init__(self, raw):
        self.raw = raw
        self.names = {"__name__": "__main__"}

    def run(self):
        if self.run_file("boot.py") and not self.raw:
            self.run_file("main.py")
        while True:
            if self.raw:
                self.raw_repl()
            else:
                self.friendly_repl()

    def run_file(self, name):
        try:
            with open(name) as file:
                source = file.read()
        except OSError:
            return True
        error = self.execute(source, name)
        if error:
            put(error)
        return not error

    def execute(self, source, name, mode="exec"):
        """Gives back what is to be printed of the exception that ended it. Ctrl-C interrupts only what runs."""
        try:
            code = compile(source, name, mode)
            try:
                board.ask("run")
                exec(code, self.names)
            finally:
                board.ask("idle")
        except SystemExit:
            raise SoftReset
        except BaseException as error:
            return self.trace(error)

    def trace(self, error):
        text = io.StringIO()
        sys.print_exception(error, text)
        ours = '"%s"' % OUR_FILE
        lines = [line for line in text.getvalue().split("\n") if ours not in line]
        return "\n".join(lines).encode()

    def raw_repl(self):
        line = bytearray()
        put(self.RAW_BANNER + b">")
        while True:
            c = get()
            if c == 1:
                if PASTE != "paste":
                    put(self.RAW_BANNER)
                elif bytes(line) == b"\x05A":
                    self.raw_paste()
                elif len(line) == 2 and line[0] == 5:
                    put(b"R\x00")
                else:
                    put(self.RAW_BANNER)
                put(b">")
                line = bytearray()
            elif c == 2:
                put(b"\r\n")
                self.raw = False
                return
            elif c == 3:
                line = bytearray()
            elif c == 4:
                put(b"OK")
                if not line:
                    put(b"\r\n")
                    raise SoftReset
                self.execute_raw(line)
                put(b">")
                line = bytearray()
            else:
                line.append(c)

    def raw_paste(self):
        put(b"R\x01" + bytes((self.WINDOW, 0, 1)))
        source = bytearray()
        left = self.WINDOW
        while True:
            c = get()
            if c in (3, 4):
                put(b"\x04")
                break
            source.append(c)
            left -= 1
            if left == 0:
                put(b"\x01")
                left = self.WINDOW
        if c == 3:
            put(b"\x04Traceback (most recent call last):\nKeyboardInterrupt: \n\x04")
        else:
            self.execute_raw(source)

    def execute_raw(self, source):
        try:
            error = self.execute(bytes(source), "<stdin>")
        except SoftReset:
            put(b"\x04\x04")
            raise
        put(b"\x04" + (error or b"") + b"\x04")

    def friendly_repl(self):
        put(self.BANNER % sys.version.split("MicroPython ")[1].encode())
        while True:
            source = self.read_statement()
            if source is None:
                return
            error = self.execute(source, "<stdin>", "single")
            if error:
                put(error)

    def read_statement(self):
        """A statement, with the lines that go on with it; none when the raw REPL is wanted."""
        lines = []
        while True:
            line = self.read_line(b"... " if lines else b">>> ", lines)
            if line is None:
                return None
            if line is False:
                lines = []
                continue
            lines.append(line)
            source = "\n".join(lines)
            if not source.strip():
                lines = []
            elif not self.goes_on(lines):
                return source + "\n"

    def goes_on(self, lines):
        source = "\n".join(lines)
        if len(lines) > 1 and not lines[-1].strip():
            return False
        depth = sum(source.count(c) for c in "([{") - sum(source.count(c) for c in ")]}")
        first = lines[0].strip()
        return depth > 0 or first.endswith(":") or first.startswith("@") or len(lines) > 1 and lines[0].endswith(":")

    def read_line(self, prompt, before):
        put(prompt)
        line = bytearray()
        while True:
            c = get()
            if c == 1:
                put(b"\r\n")
                self.raw = True
                return None
            if c == 2:
                put(b"\r\n" + self.BANNER % sys.version.split("MicroPython ")[1].encode() + prompt)
                line = bytearray()
            elif c == 3:
                put(b"\r\n")
                return False
            elif c == 4:
                if not line and not before:
                    put(b"\r\n")
                    raise SoftReset
            elif c == 5:
                return self.paste()
            elif c == 13:
                put(b"\r\n")
                return line.decode()
            elif c in (8, 127):
                if line:
                    line = line[:-1]
                    put(b"\b \b")
            elif c == 9:
                line += b"    "
                put(b"    ")
            elif c >= 32:
                line.append(c)
                put(bytes((c,)))

    def paste(self):
        put(b"\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
        source = bytearray()
        while True:
            c = get()
            if c == 3:
                put(b"\r\n")
                return False
            if c == 4:
                put(b"\r\n")
                error = self.execute(bytes(source), "<stdin>")
                if error:
                    put(error)
                return False
            source.append(10 if c == 13 else c)
            put(b"\r\n=== " if c == 13 else bytes((c,)))


def main():
    import_modules()
    mount_flash()
    repl = Repl(MODE == "raw")
    try:
        repl.run()
    except SoftReset:
        put(b"MPY: soft reboot\r\n")
        board.ask("soft " + ("raw" if repl.raw else "friendly"))


board.ask("idle")
main()
