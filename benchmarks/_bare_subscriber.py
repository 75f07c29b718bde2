"""A paho subscriber at QoS 1 that only parses JSON. Its arguments are port and number of messages; it prints "ready" and "done"."""

import sys
from typing import Any

import orjson
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion


def main(port: int, expected: int) -> None:
    received = 0

    def count(client: Client, userdata: Any, message: Any) -> None:
        nonlocal received
        orjson.loads(message.payload)
        received += 1
        if received == expected:
            print("done", flush=True)
            client.disconnect()

    client = Client(CallbackAPIVersion.VERSION2, client_id="bare", protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = count
    client.on_connect = lambda client, *_: client.subscribe("$share/bare/+/events/rpc", 1)
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.loop_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
