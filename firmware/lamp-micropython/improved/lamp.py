# The lamp: its commands and answers.
import machine
import random
import time
from binascii import hexlify
from machine import Pin
from mqtt import Client, Lost

COMMANDS, ANSWERS, STATUS = "sooko/lampu", "loger", "sooko/status"
KEEP_ALIVE_S = 5
FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 250, 2000
CAUSES = {machine.PWRON_RESET: "power on", machine.WDT_RESET: "watchdog", machine.SOFT_RESET: "soft reset"}


class Lamp:
    def __init__(self, settings):
        # Lit while the pin is low.
        self.pin = Pin(2, Pin.OUT, value=1)
        name = "lamp-" + hexlify(machine.unique_id()[3:]).decode()
        self.client = Client(
            settings.get("client_id", name),
            settings["broker"],
            settings["port"],
            KEEP_ALIVE_S,
            (STATUS, "offline"),
            settings.get("user"),
            settings.get("mqtt_password"),
        )
        self.client.on_message = self.handle

    def run(self):
        print("reset reason:", CAUSES.get(machine.reset_cause(), "restart"))
        print("mqtt: starting")
        pause = FIRST_PAUSE_MS
        while True:
            try:
                self.client.connect()
                self.client.publish(STATUS, "online", qos=1, retain=True)
                self.client.subscribe(COMMANDS)
                print("mqtt: running")
                pause = FIRST_PAUSE_MS
                while True:
                    self.client.step()
            except Lost as error:
                print("mqtt: lost:", error)
                self.client.close()
            # Up to a quarter longer, so that many lamps do not reconnect at once.
            time.sleep_ms(pause + random.getrandbits(8) * pause // 1024)
            # Leaves room for that quarter and for a failed attempt within the longest pause.
            pause = min(pause * 2, LONGEST_PAUSE_MS * 7 // 10)

    def handle(self, topic, text):
        if text == b"on":
            self.pin.value(0)
            self.client.publish(ANSWERS, "saya hidup")
        elif text == b"off":
            self.pin.value(1)
            self.client.publish(ANSWERS, "saya mati")
