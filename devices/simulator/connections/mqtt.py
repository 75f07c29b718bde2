"""A simulated device's MQTT: the topics on which it speaks and listens, and how it comes back after a loss."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import orjson

from devices.simulator.connections.mqtt_session import MqttSession, Refused
from devices.simulator.connections.running import RunningDevice, reconnecting
from devices.simulator.shelly import rpc
from devices.simulator.shelly.notifications import Notification
from devices.simulator.shelly.system import device_info

SOURCE = "MQTT"
FOR_ALL = "shellies/command"
OUTPUTS = ("on", "off", "toggle")


class MqttConnection:
    """A device's connection with its broker, by the device's own settings.

    replies_bare: it answers on the request's `src` itself instead of `<src>/rpc`, as the original's simulator does.
    """

    def __init__(
        self, running: RunningDevice, *, replies_bare: bool = False, on_change: Callable[[str], None] = lambda reason: None
    ) -> None:
        """`on_change` is called with nothing when it is connected, and with the reason when it is not (any more)."""
        self._running, self._device = running, running.device
        self._replies_bare, self._on_change = replies_bare, on_change
        self._session: MqttSession | None = None
        running.connections.append(self)

    async def run(self) -> None:
        await reconnecting(self._connect, self._running.timing.reconnects)

    def is_done(self) -> bool:
        """Tell whether it is connected and the broker has acknowledged all that was said."""
        return self._session is not None and self._session.is_done()

    def cut(self) -> None:
        if self._session is not None:
            self._session.cut()

    def send(self, notifications: Sequence[Notification]) -> None:
        settings = self._device.mqtt.active
        for notification in notifications:
            if settings["rpc_ntf"]:
                frame = notification.frame(self._device.id, f"{self._prefix}/events")
                self._publish(f"{self._prefix}/events/rpc", frame)
            if settings["status_ntf"]:
                self._publish_status(notification.components)

    @property
    def _prefix(self) -> str:
        return str(self._device.mqtt.active["topic_prefix"] or self._device.id)

    async def _connect(self) -> bool:
        settings = self._device.mqtt.active
        if not settings["enable"] or not settings["server"]:
            return False
        session = None
        try:
            session = MqttSession(settings, (f"{self._prefix}/online", b"false"), self._received)
            await session.open()
            self._begin(session)
            await session.serve()
        except (OSError, ValueError, Refused) as error:  # its settings may be anybody's word
            self._on_change(str(error) or type(error).__name__)
            return False
        finally:
            self._session = None
            if session is not None:
                session.cut()
            self._device.connection_lost("mqtt")
        self._on_change("the connection is lost")
        return True

    def _begin(self, session: MqttSession) -> None:
        self._session = session
        session.subscribe(self._subscriptions())
        session.publish(f"{self._prefix}/online", b"true", qos=0, retain=True)
        self._on_change("")
        self._device.connection_made("mqtt", self._running.clock.now())
        self._running.flush()

    def _subscriptions(self) -> list[str]:
        settings = self._device.mqtt.active
        topics = [f"{self._prefix}/rpc"] if settings["enable_rpc"] else []
        return [
            *topics,
            *((f"{self._prefix}/command", f"{self._prefix}/command/#", FOR_ALL) if settings["enable_control"] else ()),
        ]

    def _received(self, topic: str, payload: bytes) -> None:
        if topic == f"{self._prefix}/rpc":
            self._request(payload)
        elif topic in (FOR_ALL, f"{self._prefix}/command"):
            self._running.do(lambda: self._obey(payload.decode(errors="replace")))
        else:
            component = topic.removeprefix(f"{self._prefix}/command/")
            self._running.do(lambda: self._switch(component, payload.decode(errors="replace")))

    def _request(self, payload: bytes) -> None:
        try:
            frame = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return
        self._running.receive(frame, source=SOURCE, reply=self._reply)

    def _reply(self, answer: dict[str, Any]) -> None:
        self._publish(answer["dst"] if self._replies_bare else f"{answer['dst']}/rpc", answer)

    def _obey(self, command: str) -> None:
        if command == "announce":
            self._publish(f"{self._prefix}/announce", device_info(self._device))
        elif command == "status_update":
            self._publish_status()

    def _switch(self, component: str, command: str) -> None:
        """Obey `on`, `off`, `toggle`, or these with the seconds after which it turns back (`on,10`)."""
        kind, _, number = component.partition(":")
        word, _, seconds = command.partition(",")
        if command == "status_update":
            self._publish_status([component])
        elif kind == "switch" and number.isdecimal() and word in OUTPUTS:
            params: dict[str, Any] = {"id": int(number)}
            if word != "toggle":
                params["on"] = word == "on"
            if seconds.isdecimal():
                params["toggle_after"] = int(seconds)
            method = "Switch.Toggle" if word == "toggle" else "Switch.Set"
            rpc.call_quietly(self._device, method, params, self._running.clock.now(), SOURCE)

    def _publish_status(self, components: Sequence[str] | None = None) -> None:
        """Publish the whole status of components, of all by default."""
        status = self._device.status(self._running.clock.now())
        for name in status if components is None else components:
            if name in status:
                self._publish(f"{self._prefix}/status/{name}", status[name])

    def _publish(self, topic: str, body: dict[str, Any]) -> None:
        if self._session is not None and not self._device.faults.is_silent:
            with suppress(ValueError):  # an answer's topic is the asker's word, and may be none
                self._session.publish(topic, orjson.dumps(body))
                self._running.counts["messages"] += 1
