"""Reads how long steps took from a run's events, measures a polling paho client, prints both and their ratio."""

import json
import sys
import time

import paho.mqtt.client as mqtt


def ours(path):
    """Milliseconds from the packet (or the start of the step, if later) to the step's verdict, for each Then."""
    packet = began = None
    times = []
    for line in open(path, encoding="utf-8"):
        event = json.loads(line)
        kind = event["event"]
        if kind == "step-started":
            began = event["at"] if event["keyword"] == "Then" else None
            if event["keyword"] == "When":
                packet = None
        elif kind == "packet" and event["direction"] == "from-board" and event["packet"].get("topic") == "loger":
            packet = event["at"]
        elif kind == "step-finished" and began is not None and packet is not None:
            times.append((event["at"] - max(packet, began)) / 1000)
    return times


def polling(address, rounds):
    """Milliseconds from publishing to reception by a subscriber that polls every 10 ms."""
    host, port = address.rsplit(":", 1)
    came = []
    subscriber = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="poller")
    publisher = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="publisher")
    subscribed = []
    subscriber.on_subscribe = lambda *_: subscribed.append(True)
    subscriber.on_message = lambda _client, _data, message: came.append(message.payload)
    for client in (subscriber, publisher):
        client.connect(host, int(port))
        client.loop_start()
    subscriber.subscribe("bench/poll", 0)
    wait_until(lambda: subscribed and publisher.is_connected())
    times = []
    for n in range(rounds):
        came.clear()
        begin = time.perf_counter()
        publisher.publish("bench/poll", str(n), 0)
        wait_until(lambda: came)
        times.append((time.perf_counter() - begin) * 1000)
        # Not synchronised with the poller.
        time.sleep((n % 10) / 1000)
    for client in (subscriber, publisher):
        client.loop_stop()
        client.disconnect()
    return times


def wait_until(true, seconds=10):
    """A test that polls."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            sys.exit("error: the polling client saw nothing")
        time.sleep(0.01)


def percentile(times, percent):
    return sorted(times)[min(len(times) - 1, int(len(times) * percent / 100))]


def main():
    path, address, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rows = [("hil", ours(path)), ("paho, polling every 10 ms", polling(address, rounds))]
    if len(rows[0][1]) != rounds:
        sys.exit(f"error: {len(rows[0][1])} of {rounds} steps were measured")
    for name, times in rows:
        print(f"{name:28} {len(times)} rounds  p50 {percentile(times, 50):7.3f} ms  p99 {percentile(times, 99):7.3f} ms")
    for percent in (50, 99):
        ratio = percentile(rows[1][1], percent) / max(percentile(rows[0][1], percent), 0.001)
        print(f"p{percent}: polling takes {ratio:.0f} times as long")


main()
