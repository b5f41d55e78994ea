# The lamp as in common tutorials. On any error it leaves the network and resets itself.
import json
import machine
from binascii import hexlify
from machine import Pin
from mqtt import Client
from wifi import Wifi

with open("settings.json") as file:
    settings = json.load(file)

wifi = Wifi()
wifi.join(settings["ssid"], settings["password"])


class Lamp:
    def __init__(self):
        self.client = Client(hexlify(machine.unique_id()), settings["broker"], settings["port"])
        self.client.on_message = self.obey

    def run(self):
        print("mqtt running")
        self.client.connect()
        self.client.subscribe("sooko/lampu")
        print("mqtt subscribed")
        while True:
            self.client.wait()

    def obey(self, topic, text):
        print(topic, text)
        if text == b"on":
            Pin(2, Pin.OUT).value(0)
            self.client.publish("loger", "saya hidup")
        elif text == b"off":
            Pin(2, Pin.OUT).value(1)
            self.client.publish("loger", "saya mati")


try:
    Lamp().run()
except BaseException as error:
    print("mqtt stopped:", error)
    wifi.leave()
    machine.reset()
