"""A device: it takes commands on NAME/set and answers on NAME/state."""

import sys

import paho.mqtt.client as mqtt

host, port = sys.argv[1], int(sys.argv[2])

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="NAME")
client.will_set("NAME/status", "offline", qos=1, retain=True)


def on_connect(client, userdata, flags, reason, properties):
    client.subscribe("NAME/set", qos=1)
    client.publish("NAME/status", "online", qos=1, retain=True)
    print("connected", flush=True)


def on_message(client, userdata, message):
    command = message.payload.decode()
    print("set", command, flush=True)
    client.publish("NAME/state", command, qos=1)


client.on_connect = on_connect
client.on_message = on_message
client.connect(host, port, keepalive=4)
client.loop_forever()
