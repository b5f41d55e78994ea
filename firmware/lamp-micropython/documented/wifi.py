import network


class Wifi:
    def __init__(self):
        self.station = network.WLAN(network.STA_IF)

    def join(self, ssid, password):
        print("wifi: joining", ssid)
        self.station.active(True)
        if not self.station.isconnected():
            self.station.connect(ssid, password)
        while not self.station.isconnected():
            pass
        print("wifi:", self.station.ifconfig()[0])

    def leave(self):
        self.station.disconnect()
        print("wifi: left")
