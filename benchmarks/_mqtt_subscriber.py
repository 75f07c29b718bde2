"""A subscriber at QoS 1 that parses JSON and does nothing more: way, port, topic filter and number of messages in, "ready" and "done" out.

The ways: "bare" is paho on a thread's loop of its own, which acknowledges at once; "aiomqtt", which can't leave that to its caller; and the
connection of ingest, acknowledging batches, as "paho" alone and with the "fast" reader.
"""

import asyncio
import sys
from typing import Any

import aiomqtt
import orjson
import paho.mqtt
import structlog
from _common import ROOT  # noqa: F401 – and the project is found
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from common.mqtt.connection import Connection, Login, Subscription

RECEIVE_MAXIMUM = 6_000
BATCH = 2_000


def ready() -> None:
    print("ready", flush=True)


def done() -> None:
    print("done", flush=True)


def bare(port: int, topic_filter: str, expected: int) -> None:
    received = 0

    def count(client: Client, userdata: Any, message: Any) -> None:
        nonlocal received
        orjson.loads(message.payload)
        received += 1
        if received == expected:
            done()
            client.disconnect()

    client = Client(CallbackAPIVersion.VERSION2, client_id="bare", protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = count
    client.on_connect = lambda client, *_: client.subscribe(topic_filter, 1)
    client.on_subscribe = lambda *_: ready()
    client.connect("127.0.0.1", port)
    client.loop_forever()


async def by_aiomqtt(port: int, topic_filter: str, expected: int) -> None:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    client = aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, properties=properties)
    async with client:
        await client.subscribe(topic_filter, 1)
        ready()
        received = 0
        async for message in client.messages:
            orjson.loads(message.payload)
            received += 1
            if received == expected:
                break
    done()


async def by_connection(port: int, topic_filter: str, expected: int) -> None:
    login = Login(host="127.0.0.1", port=port, client_id="connection", receive_maximum=RECEIVE_MAXIMUM)
    connection = Connection(login, [Subscription(topic_filter)])
    running = asyncio.create_task(connection.run())
    await connection.wait_connected()
    ready()
    received = 0
    while received < expected:
        messages = await connection.take(BATCH)
        for message in messages:
            orjson.loads(message.payload)
        connection.acknowledge(messages)
        received += len(messages)
    done()
    await connection.close()
    await running


def main(way: str, port: int, topic_filter: str, expected: int) -> None:
    if way == "bare":
        bare(port, topic_filter, expected)
    elif way == "aiomqtt":
        asyncio.run(by_aiomqtt(port, topic_filter, expected))
    else:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        if way == "paho":
            paho.mqtt.__version__ = "unverified"
        asyncio.run(by_connection(port, topic_filter, expected))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
