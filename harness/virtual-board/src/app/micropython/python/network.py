# Wi-Fi, as scripts see it. Any network takes the board, whatever its password; the board has the host's addresses.
import _board

STA_IF, AP_IF = 0, 1
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1000, 1001, 1010
AUTH_OPEN, AUTH_WEP, AUTH_WPA_PSK, AUTH_WPA2_PSK, AUTH_WPA_WPA2_PSK = 0, 1, 2, 3, 4
_names = {"hostname": "mpy-esp32c3"}


def hostname(name=None):
    if name is not None:
        _names["hostname"] = name
    return _names["hostname"]


def country(code=None):
    return "XX"


class WLAN:
    IF_STA, IF_AP = STA_IF, AP_IF
    PM_NONE, PM_PERFORMANCE, PM_POWERSAVE = 0, 1, 2
    state = {"active": False, "ssid": ""}

    def __init__(self, interface=STA_IF):
        if interface != STA_IF:
            raise NotImplementedError("an access point is not simulated by the virtual board")

    def active(self, on=None):
        if on is None:
            return self.state["active"]
        if self.state["active"] and not on:
            _board.ask("wifi leave")
        self.state["active"] = bool(on)
        return bool(on)

    def connect(self, ssid=None, key=None, *, bssid=None, password=None):
        if not self.state["active"]:
            raise OSError("Wifi Not Started")
        if ssid is not None:
            self.state["ssid"] = ssid if isinstance(ssid, str) else bytes(ssid).decode()
        if self.state["ssid"]:
            _board.ask("wifi join")

    def disconnect(self):
        if not self.state["active"]:
            raise OSError("Wifi Not Started")
        _board.ask("wifi leave")

    def isconnected(self):
        return _board.ask("wifi state") == "joined"

    def status(self, what=None):
        if what == "rssi":
            return -50
        return {"joined": STAT_GOT_IP, "joining": STAT_CONNECTING}.get(_board.ask("wifi state"), STAT_IDLE)

    def ifconfig(self, settings=None):
        if settings is None:
            address = "127.0.0.1" if self.isconnected() else "0.0.0.0"
            return (address, "255.0.0.0" if self.isconnected() else "0.0.0.0", address, address)

    def ipconfig(self, name=None, **settings):
        if name == "addr4":
            return self.ifconfig()[:2]
        if name == "gw4":
            return self.ifconfig()[2]
        return None

    def config(self, name=None, **settings):
        if name == "mac":
            return _board.mac
        if name in ("essid", "ssid"):
            return self.state["ssid"]
        if name in ("dhcp_hostname", "hostname"):
            return hostname()
        if name is not None:
            raise ValueError("unknown config param")

    def scan(self):
        return []
