# Sockets of the board: TCP through its radio, with the addresses and the error numbers of the ESP32 port.
import _board
import io
from errno import of_board

_native = _board.native_socket
AF_INET, AF_INET6, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW = 2, 10, 1, 2, 3
IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, SOL_SOCKET, SO_REUSEADDR, TCP_NODELAY = 0, 6, 17, 1, 4, 1
_ENOTCONN, _EOPNOTSUPP, _ENOTSOCK = 128, 95, 9
_CLOSE, _FILENO = 4, 10


def getaddrinfo(host, port, af=0, type=0, proto=0, flags=0):
    if isinstance(host, bytes):
        host = host.decode()
    if _board.ask("wifi state") != "joined":
        raise OSError(-202)
    try:
        found = [entry[4] for entry in _native.getaddrinfo(host, port) if entry[0] == _native.AF_INET]
    except OSError:
        raise OSError(-202)
    if not found:
        raise OSError(-202)
    address = ".".join(str(byte) for byte in found[0][4:8])
    return [(AF_INET, type or SOCK_STREAM, proto, host, (address, port))]


class socket(io.IOBase):
    def __init__(self, af=AF_INET, type=SOCK_STREAM, proto=0, fileno=None):
        if type != SOCK_STREAM:
            raise OSError(_EOPNOTSUPP)
        self.peer = None
        self.timeout = None
        self.stream = _native.socket(_native.AF_UNIX, _native.SOCK_STREAM)

    def connect(self, address):
        host, port = address[0], address[1]
        if isinstance(host, bytes):
            host = host.decode()
        # A name in the abstract space: family, then a zero byte, then the name.
        self.stream.connect(b"\x01\x00\x00" + _board.gate.encode())
        self.stream.setblocking(True)
        self.stream.write(b"%s %d\n" % (host.encode(), port))
        answer = self.stream.readline().decode().split()
        if not answer or answer[0] != "ok":
            raise OSError(int(answer[1]) if len(answer) > 1 else _ENOTCONN)
        self.peer = (host, port)
        self.stream.settimeout(self.timeout)

    def open_stream(self):
        if self.stream is None:
            raise OSError(_ENOTSOCK)
        if self.peer is None:
            raise OSError(_ENOTCONN)
        return self.stream

    def call(self, name, *arguments):
        try:
            return getattr(self.open_stream(), name)(*arguments)
        except OSError as error:
            raise of_board(error)

    def read(self, length=-1):
        return self.call("read", length)

    def readline(self):
        return self.call("readline")

    def readinto(self, buffer, length=None):
        return self.call("readinto", buffer if length is None else memoryview(buffer)[:length])

    def write(self, data, length=None):
        return self.call("write", data if length is None else memoryview(data)[:length])

    def send(self, data, flags=0):
        return self.call("send", data)

    def sendall(self, data, flags=0):
        self.call("write", data)

    def recv(self, length, flags=0):
        return self.call("recv", length)

    def recvfrom(self, length, flags=0):
        return self.recv(length), self.peer

    def settimeout(self, seconds):
        self.timeout = seconds
        self.stream.settimeout(seconds)

    def setblocking(self, blocking):
        self.settimeout(None if blocking else 0)

    def setsockopt(self, level, option, value):
        pass

    def makefile(self, mode="rb", buffering=0):
        return self

    def fileno(self):
        return self.stream.fileno()

    def bind(self, address):
        raise OSError(_EOPNOTSUPP)

    def listen(self, backlog=1):
        raise OSError(_EOPNOTSUPP)

    def close(self):
        if self.stream is not None:
            self.stream.close()
            self.stream = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def ioctl(self, operation, argument):
        if operation == _FILENO:
            return self.stream.fileno() if self.stream is not None else -1
        if operation == _CLOSE:
            self.close()
            return 0
        return -22
