# MQTT 3.1.1 for a small device: will, keep alive, QoS 0 and 1, and a limit for every wait.
import select
import socket
import struct
import time


class Lost(Exception):
    pass


def field(text):
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("!H", len(data)) + data


def length(n):
    encoded = b""
    while True:
        n, digit = n >> 7, n & 0x7F
        encoded += bytes((digit | 0x80 if n else digit,))
        if not n:
            return encoded


class Client:
    TIMEOUT_MS = 5000

    def __init__(self, name, host, port, keep_alive, will, user=None, password=None):
        self.name, self.host, self.port, self.keep_alive, self.will = name, host, port, keep_alive, will
        self.user, self.password = user, password
        self.on_message = None
        self.sock = None
        self.packet_id = 0

    def send(self, kind, body=b""):
        try:
            self.sock.write(bytes((kind,)) + length(len(body)) + body)
        except OSError as error:
            raise Lost(error)
        self.sent = time.ticks_ms()

    def connect(self):
        self.close()
        self.sock = socket.socket()
        try:
            self.sock.connect(socket.getaddrinfo(self.host, self.port)[0][-1])
        except OSError as error:
            raise Lost(error)
        self.poll = select.poll()
        self.poll.register(self.sock, select.POLLIN)
        self.asked = None
        topic, text = self.will
        # A clean session, and a retained will at QoS 1.
        flags, fields = 0x02 | 0x04 | 0x08 | 0x20, field(self.name) + field(topic) + field(text)
        if self.user:
            flags, fields = flags | 0xC0, fields + field(self.user) + field(self.password or "")
        self.send(0x10, field("MQTT") + bytes((4, flags)) + struct.pack("!H", self.keep_alive) + fields)
        kind, body = self.packet(self.TIMEOUT_MS)
        if kind != 0x20 or body[1]:
            raise Lost("refused with code %d" % body[1])

    def close(self):
        if self.sock:
            self.sock.close()
            self.sock = None

    def next_id(self):
        self.packet_id = self.packet_id % 65535 + 1
        return struct.pack("!H", self.packet_id)

    def subscribe(self, topic):
        self.send(0x82, self.next_id() + field(topic) + b"\x01")

    def publish(self, topic, text, qos=0, retain=False):
        body = field(topic) + (self.next_id() if qos else b"")
        self.send(0x30 | qos << 1 | int(retain), body + text.encode())

    def read(self, n, patience):
        data = b""
        deadline = time.ticks_add(time.ticks_ms(), patience)
        while len(data) < n:
            left = time.ticks_diff(deadline, time.ticks_ms())
            if left <= 0 or not self.poll.poll(left):
                raise Lost("the broker says nothing")
            try:
                piece = self.sock.recv(n - len(data))
            except OSError as error:
                raise Lost(error)
            if not piece:
                raise Lost("the broker has left")
            data += piece
        return data

    def packet(self, patience):
        kind = self.read(1, patience)[0]
        n = shift = 0
        while True:
            digit = self.read(1, self.TIMEOUT_MS)[0]
            n |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
        return kind, self.read(n, self.TIMEOUT_MS) if n else b""

    def step(self):
        """Handles the next packet, or sends PINGREQ half a keep alive after the last packet."""
        now = time.ticks_ms()
        keep_alive = self.keep_alive * 1000
        if self.asked is not None:
            due = time.ticks_diff(time.ticks_add(self.asked, keep_alive), now)
        else:
            due = time.ticks_diff(time.ticks_add(self.sent, keep_alive // 2), now)
        if not self.poll.poll(max(due, 0)):
            if self.asked is not None:
                raise Lost("the broker does not answer")
            self.send(0xC0)
            self.asked = self.sent
            return
        kind, body = self.packet(self.TIMEOUT_MS)
        if kind == 0xD0:
            self.asked = None
        elif kind & 0xF0 == 0x30:
            n = 2 + struct.unpack("!H", body[:2])[0]
            qos = kind >> 1 & 3
            self.on_message(body[2:n], body[n + 2 if qos else n :])
            if qos == 1:
                self.send(0x40, body[n : n + 2])
