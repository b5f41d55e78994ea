# The subset of MQTT 3.1.1 that a lamp needs: QoS 0, no will, and no keep alive.
import socket
import struct


class MqttError(Exception):
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
    def __init__(self, name, host, port, keep_alive=0):
        self.name, self.host, self.port, self.keep_alive = name, host, port, keep_alive
        self.on_message = None

    def send(self, kind, body):
        self.sock.write(bytes((kind,)) + length(len(body)) + body)

    def read(self, n):
        data = self.sock.read(n)
        if not data or len(data) < n:
            raise OSError("the broker has left")
        return data

    def packet(self):
        kind = self.read(1)[0]
        n = shift = 0
        while True:
            digit = self.read(1)[0]
            n |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
        return kind, self.read(n) if n else b""

    def connect(self):
        self.sock = socket.socket()
        self.sock.connect(socket.getaddrinfo(self.host, self.port)[0][-1])
        self.send(0x10, field("MQTT") + b"\x04\x02" + struct.pack("!H", self.keep_alive) + field(self.name))
        kind, body = self.packet()
        if kind != 0x20 or body[1]:
            raise MqttError(body)

    def subscribe(self, topic):
        self.send(0x82, b"\x00\x01" + field(topic) + b"\x00")
        while self.wait() != 0x90:
            pass

    def publish(self, topic, text):
        self.send(0x30, field(topic) + (text.encode() if isinstance(text, str) else text))

    def wait(self):
        kind, body = self.packet()
        if kind & 0xF0 == 0x30:
            n = 2 + struct.unpack("!H", body[:2])[0]
            self.on_message(body[2:n], body[n + 2 if kind & 6 else n :])
        return kind
