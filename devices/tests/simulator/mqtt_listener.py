"""A plain MQTT client that hears devices and asks them."""

from typing import Any, NamedTuple, Self

import orjson
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from common.testing import await_true


class Broker(NamedTuple):
    host: str
    port: int

    @property
    def server(self) -> str:
        return f"{self.host}:{self.port}"


class Listener:
    """A plain client that hears what it subscribed to, and asks."""

    def __init__(self, broker: Broker, name: str, topics: str) -> None:
        self._name, self._asked = name, 0
        self._messages: list[MQTTMessage] = []
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=f"listener-{name}", protocol=MQTTProtocolVersion.MQTTv311)
        self._client.on_message = lambda _client, _data, message: self._messages.append(message)
        self._client.on_connect = lambda client, *_: client.subscribe(topics, 1)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def __enter__(self) -> Self:
        await_true("it hears what is said", self._is_heard)
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _is_heard(self) -> bool:
        self.say(f"{self._name}/echo", {})
        return bool(self.bodies(f"{self._name}/echo"))

    def topics(self) -> list[str]:
        return [message.topic for message in list(self._messages)]

    def bodies(self, topic: str) -> list[Any]:
        return [orjson.loads(message.payload) for message in list(self._messages) if message.topic == topic]

    def say(self, topic: str, payload: object) -> None:
        self._client.publish(topic, payload if isinstance(payload, str) else orjson.dumps(payload), 1).wait_for_publish(10)

    def ask(self, prefix: str, method: str, *, reply_on: str | None = None, **params: Any) -> Any:
        self._asked += 1
        self.say(f"{prefix}/rpc", {"id": self._asked, "src": self._name, "method": method, "params": params})

        def replies() -> list[Any]:
            return [one for one in self.bodies(reply_on or f"{self._name}/rpc") if one["id"] == self._asked]

        await_true(f"{method} is answered", replies)
        (reply,) = replies()
        return reply.get("result", reply.get("error"))
