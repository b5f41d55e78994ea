# Joins the network and runs the lamp.
import json
import network
import time
from lamp import Lamp

with open("settings.json") as file:
    settings = json.load(file)

station = network.WLAN(network.STA_IF)
station.active(True)
station.connect(settings["ssid"], settings["password"])
while not station.isconnected():
    time.sleep_ms(50)
print("wifi:", station.ifconfig()[0])
Lamp(settings).run()
