"""Devices that go on measuring and sending whatever happens, and keep count of what was promised to them."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import httpx
import orjson
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from common.testing import await_true

PATH = "/api/v1/ingest/shelly"
STEP_WH = 0.25
PASSWORD = "of-a-meter"
PATIENCE_S = 60.0
PAUSE_S = 0.01
# A hundred seconds are measured in one, and all of them have to be over.
BEHIND_S = 6 * 3600


class Sender(ABC):
    """A device of one channel whose counter rises with each reading, so that the counter names the reading."""

    def __init__(self, mac: str) -> None:
        self.mac = mac
        self.sent_wh: list[float] = []
        self._at = int(time.time()) - BEHIND_S
        self._ending = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @abstractmethod
    def accepted_wh(self) -> list[float]:
        """Return the readings that were acknowledged, by counter."""

    @abstractmethod
    def _accepted_count(self) -> int:
        """Return how many they are."""

    @abstractmethod
    def _work(self) -> None:
        """Send until the end, and then until all is accepted."""

    def start(self) -> None:
        self._thread.start()

    def count(self) -> int:
        """Return how many readings were accepted; fails where the device could not go on."""
        if self._error is not None:
            raise self._error
        return self._accepted_count()

    def end(self) -> None:
        self._ending.set()

    def join(self) -> None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), f"not all that {self.mac} sent was accepted"
        self.count()

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 – told by count() to the test's thread
            self._error = error

    def _measure(self) -> tuple[int, dict[str, Any]]:
        """Return the time and the `switch:0` of the next reading: a second after the last one, for a channel has one a second."""
        self._at += 1
        counter = 1000.0 + STEP_WH * len(self.sent_wh)
        self.sent_wh.append(counter)
        power = 60.0 + len(self.sent_wh) % 7
        return self._at, {"id": 0, "apower": power, "voltage": 127.0, "current": 0.5, "aenergy": {"total": counter}}


class Poster(Sender):
    """Posts one reading after the other, each again until it is accepted."""

    def __init__(self, mac: str, port: int) -> None:
        super().__init__(mac)
        self._url = f"http://127.0.0.1:{port}{PATH}"
        self._accepted: list[float] = []
        self.refusals: list[httpx.Response] = []

    def accepted_wh(self) -> list[float]:
        return self._accepted

    def _accepted_count(self) -> int:
        return len(self._accepted)

    def _work(self) -> None:
        with httpx.Client(timeout=PATIENCE_S) as client:
            while not self._ending.is_set():
                at, fields = self._measure()
                body = orjson.dumps({"switch:0": fields, "sys": {"mac": self.mac.upper(), "unixtime": at}})
                while (answer := client.post(self._url, content=body)).status_code == 503:
                    self.refusals.append(answer)
                    time.sleep(10 * PAUSE_S)
                assert answer.status_code == 200, answer.text
                self._accepted.append(self.sent_wh[-1])
                time.sleep(PAUSE_S)


class Publisher(Sender):
    """Publishes at QoS 1 without waiting for the broker's word, and keeps what it has no word of."""

    def __init__(self, mac: str, port: int) -> None:
        super().__init__(mac)
        self._port = port
        self.name = f"shellyplus1pm-{mac}"
        self._counters: dict[int, float] = {}
        self._accepted: list[int] = []

    def accepted_wh(self) -> list[float]:
        return [self._counters[mid] for mid in list(self._accepted)]

    def _accepted_count(self) -> int:
        return len(self._accepted)

    def _work(self) -> None:
        client = Client(CallbackAPIVersion.VERSION2, client_id=self.name, protocol=MQTTProtocolVersion.MQTTv311)
        client.username_pw_set(self.name, PASSWORD)
        client.max_inflight_messages_set(1000)
        client.reconnect_delay_set(1, 1)
        client.on_publish = lambda _client, _data, mid, *_: self._accepted.append(mid)
        client.connect("127.0.0.1", self._port)
        client.loop_start()
        try:
            while not self._ending.is_set():
                self._publish(client)
                time.sleep(PAUSE_S)
            await_true("the broker has everything", lambda: len(self._accepted) == len(self.sent_wh), PATIENCE_S)
        finally:
            client.disconnect()
            client.loop_stop()

    def _publish(self, client: Client) -> None:
        at, fields = self._measure()
        frame = {"src": self.name, "dst": "x", "method": "NotifyStatus", "params": {"ts": at, "switch:0": fields}}
        counter = self.sent_wh[-1]
        self._counters[client.publish(f"{self.name}/events/rpc", orjson.dumps(frame), 1).mid] = counter


class Load:
    """Devices that send at the same time."""

    def __init__(self, senders: Sequence[Sender]) -> None:
        self.senders = senders
        for sender in senders:
            sender.start()

    def await_more(self, readings: int) -> None:
        """Wait until each device had so many more readings accepted than now."""
        goals = [(sender, sender.count() + readings) for sender in self.senders]
        await_true("every device goes on", lambda: all(sender.count() >= goal for sender, goal in goals), PATIENCE_S)

    def count(self) -> int:
        return sum(sender.count() for sender in self.senders)

    def accepted(self) -> list[tuple[str, float]]:
        """Return MAC and counter of each reading that was acknowledged, in order."""
        return sorted((sender.mac, counter) for sender in self.senders for counter in sender.accepted_wh())

    def sent(self) -> list[tuple[str, float]]:
        return sorted((sender.mac, counter) for sender in self.senders for counter in sender.sent_wh)

    def end(self) -> None:
        """Stop measuring, and wait until all that was sent is accepted."""
        for sender in self.senders:
            sender.end()
        for sender in self.senders:
            sender.join()
